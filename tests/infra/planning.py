"""Plans of the stacks: the real Terraform and provider, dummy keys, no server and no account.

A plan is a function of the code, the variables and the programs, so each is made once and kept below
``build/tests/plans`` under the hash of all of these, for the other processes and for later runs.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ops.core.target import NO_ACCOUNT, Target
from ops.terraform.binary import find_mirror
from ops.terraform.variables import Size, cluster_variables
from ops.terraform.workspace import CommandFailedError, Stack, Workspace
from tests.infra import provider

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-3"
KEY = f"arn:aws:kms:{REGION}:{NO_ACCOUNT}:key/11111111-2222-3333-4444-555555555555"

# What is planned: the environments as they are, and one cluster with everything turned on.
SCENARIOS: dict[str, tuple[Stack, str, dict[str, Any]]] = {
    "dev-storage": ("storage", "dev", {"budget_emails": ["owner@example.org"]}),
    "prod-storage": ("storage", "prod", {}),
    "dev-cluster": ("cluster", "dev", {}),
    "small-cluster": ("cluster", "dev", {"core": {"units": 8}}),
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
            "core": {"units": 8},
            "task": {"units": 8},
            "ingress": [{"cidr": "10.8.0.0/24", "port": 8443, "description": "VPN of the company"}],
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


KEPT = ROOT / "build" / "tests" / "plans"
MOST_KEPT = 300


@cache
def programs(terraform: Path) -> list[str]:
    """What plans: the program and the provider, by name, size and time."""
    mirror = find_mirror()
    files = [terraform.resolve(), *sorted(mirror.rglob("terraform-provider-aws*") if mirror else [])]
    return [f"{file} {file.stat().st_size} {file.stat().st_mtime_ns}" for file in files]


def code(folder: Path) -> list[tuple[str, str]]:
    """Every file below a folder that is not Terraform's own, and the hash of what it holds."""
    return [
        (str(path.relative_to(folder)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".terraform" not in path.parts
    ]


def kept(make: Callable[[], Any], folder: Path, terraform: Path, given: Mapping[str, Any]) -> Any:
    """What ``make`` makes of the code in a folder, with what is given: read where it was made before."""
    of = json.dumps([programs(terraform), code(folder), given], sort_keys=True, default=str)
    file = KEPT / f"{hashlib.sha256(of.encode()).hexdigest()}.json"
    KEPT.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be making it
        if not file.exists():
            made = json.dumps(make())
            part = file.with_suffix(".part")
            part.write_text(made)
            part.rename(file)
            forget()
        file.touch()
        return json.loads(file.read_text())


def forget() -> None:
    """Delete what has not been asked for longest."""
    files = sorted(KEPT.glob("*.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    for file in files[MOST_KEPT:]:
        file.unlink(missing_ok=True)
        file.with_suffix(".lock").unlink(missing_ok=True)


@dataclass(frozen=True)
class Planner:
    """Plans a stack offline; ``source`` is the folder of the stacks, where it is another one."""

    home: Path
    terraform: Path
    source: Path = ROOT / "infra"

    def workspace(self, stack: Stack, env: str = "dev", region: str = REGION, **extra: Any) -> Workspace:
        target = Target(env=env, region=region, account_id=NO_ACCOUNT, offline=True)
        given = cluster_variables(target, {}, Size()) if stack == "cluster" else {}
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

        def make() -> dict[str, Any]:
            out = self.home / f"{stack}.tfplan"
            with self.attached(work) as own:
                own.plan(out=out)
                return own.show(out)

        found: dict[str, Any] = self._kept("plan", work, make)
        return found

    def refusals(self, stack: Stack, env: str = "dev", region: str = REGION, **extra: Any) -> list[str]:
        """The sentences with which a plan is refused; none if it is not."""
        work = self.workspace(stack, env, region, **extra)

        def make() -> list[str]:
            try:
                with self.attached(work) as own:
                    own.plan(arguments=["-json"])
            except CommandFailedError as error:
                return [said["detail"] for said in diagnostics(error.output) if said["severity"] == "error"]
            return []

        found: list[str] = self._kept("refusals", work, make)
        return found

    @contextmanager
    def attached(self, work: Workspace) -> Iterator[Workspace]:
        """The workspace with this process's provider, in a folder of its own: it is prepared without one."""
        with provider.attached() as one:
            yield replace(work, home=self.home / "attached") if one else work

    def _kept(self, what: str, work: Workspace, make: Callable[[], Any]) -> Any:
        given = {"what": what, "stack": work.stack, **work.target.variables(), **work.extra}
        return kept(make, self.source, self.terraform, given)


@contextmanager
def told() -> Iterator[None]:
    """Say in the test's failure what Terraform said."""
    try:
        yield
    except CommandFailedError as error:
        pytest.fail(f"{error}\n{error.output[-4000:]}")


def diagnostics(output: str) -> list[dict[str, Any]]:
    """The messages in what ``terraform … -json`` prints, a JSON object a line."""
    lines = (json.loads(line) for line in output.splitlines() if line.startswith("{"))
    return [line["diagnostic"] for line in lines if line.get("type") == "diagnostic"]
