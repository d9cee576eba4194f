"""Plans of the stacks: the real Terraform and provider, dummy keys, no server and no account."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.terraform.workspace import NO_ACCOUNT, CommandFailedError, Stack, Target, Workspace, cluster_variables

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-3"
KEY = f"arn:aws:kms:{REGION}:{NO_ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

# What is planned: the environments as they are, and one cluster with everything turned on.
SCENARIOS: dict[str, tuple[Stack, str, dict[str, Any]]] = {
    "dev-storage": ("storage", "dev", {"budget_emails": ["owner@example.org"]}),
    "prod-storage": ("storage", "prod", {}),
    "dev-cluster": ("cluster", "dev", {}),
    "prod-cluster": ("cluster", "prod", {"kms_key_arn": KEY}),
    "all-cluster": (
        "cluster",
        "dev",
        {
            "kms_key_arn": KEY,
            "enable_nat": True,
            "enable_ssm": True,
            "enable_studio": True,
            "managed_scaling": {"max_task_units": 32},
            "task": {"units": 8},
            "ingress": [{"cidr": "10.8.0.0/24", "port": 8443, "description": "The company's VPN"}],
            "permissions_boundary": f"arn:aws:iam::{NO_ACCOUNT}:policy/boundary",
        },
    ),
    "dev-operators": ("operators", "dev", {}),
    "prod-operators": ("operators", "prod", {"users": ["ana"], "enable_studio": True}),
    "all-operators": ("operators", "dev", {"enable_kms": True, "enable_ssm": True, "enable_studio": True}),
    "dev-github": (
        "github",
        "dev",
        {
            "repository": "octocat/fruits",
            "subject": "octocat@123456/fruits@456789",
            "apply_policy_arns": [f"arn:aws:iam::{NO_ACCOUNT}:policy/fruits-operators"],
        },
    ),
}


@dataclass(frozen=True)
class Planner:
    """Plans a stack offline; ``source`` is the folder of the stacks, where it is another one."""

    home: Path
    terraform: Path
    source: Path = ROOT / "infra"

    def workspace(self, stack: Stack, env: str = "dev", region: str = REGION, **extra: Any) -> Workspace:
        target = Target(env=env, region=region, account_id=NO_ACCOUNT, offline=True)
        given = cluster_variables(target, {}, {}) if stack == "cluster" else {}
        return Workspace(
            target=target,
            stack=stack,
            extra={**given, **extra},
            source=self.source,
            home=self.home,
            terraform=self.terraform,
            capture=True,
        )

    def plan(self, stack: Stack, env: str = "dev", region: str = REGION, **extra: Any) -> dict[str, Any]:
        """The plan as JSON."""
        work = self.workspace(stack, env, region, **extra)
        out = self.home / f"{stack}.tfplan"
        work.plan(out=out)
        return work.show(out)

    def refusals(self, stack: Stack, env: str = "dev", region: str = REGION, **extra: Any) -> list[str]:
        """The sentences with which a plan is refused; none if it is not."""
        try:
            self.workspace(stack, env, region, **extra).plan(arguments=["-json"])
        except CommandFailedError as error:
            return [said["detail"] for said in diagnostics(error.output) if said["severity"] == "error"]
        return []


def diagnostics(output: str) -> list[dict[str, Any]]:
    """The messages in what ``terraform … -json`` prints, a JSON object a line."""
    lines = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return [line["diagnostic"] for line in lines if line.get("type") == "diagnostic"]
