"""The cluster's modules in a root of the tests' own, with a state made of their first plan: the provider then judges
changes against it, without a server."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.terraform.binary import find_mirror, render_cli_config
from tests.infra import provider
from tests.infra.planning import ROOT, kept

CLUSTER = "module.emr.aws_emr_cluster.this"
TASK = "module.emr.aws_emr_instance_fleet.task[0]"
BUILTIN = 'provider["terraform.io/builtin/terraform"]'
AWS = 'provider["registry.terraform.io/hashicorp/aws"]'

# What differs from the first plan; "create" is that plan itself.
CHANGES: dict[str, dict[str, Any]] = {
    "create": {},
    "nothing": {},
    "in place": {
        "idle_timeout_seconds": 1200,
        "step_concurrency": 4,
        "tags": {"Owner": "team"},
        "images": 600_000,
        "minutes": 10,
    },
    "new cluster": {
        "release_label": "emr-7.14.0",
        "root_volume_gib": 60,
        "core_units": 16,
        "core_types": ["c5.xlarge"],  # less memory, hence smaller executors
    },
    "other bootstrap": {
        "bootstrap_uri": "s3://fruits-test-artifacts/bootstrap/2/install.sh",
        "managed_scaling": {"max_task_units": 32},
    },
    "destroy": {"destroy": True},
}


class Root:
    """The test's own root module, with a state made of its first plan."""

    def __init__(self, terraform: Path, home: Path) -> None:
        self.terraform, self.home = terraform, home
        self.directory = home / "infra" / "emr"
        shutil.copytree(ROOT / "infra" / "modules", home / "infra" / "modules")
        shutil.copytree(ROOT / "tests" / "infra" / "roots" / "emr", self.directory)
        self._code = home / "code"  # beside what Terraform writes
        shutil.copytree(home / "infra", self._code)
        (home / "terraform.rc").write_text(render_cli_config(find_mirror()))
        self._ready = False
        self._made: dict[str, dict[str, Any]] = {}
        self.first = self._kept(self._first, None)

    def _first(self) -> dict[str, Any]:
        with provider.attached():
            self._run("init", "-input=false")
            self._ready = True
            return self._plan()

    def _prepare(self) -> None:
        """Terraform's folder and the state that changes are judged against: only where something must be planned."""
        state = self.directory / "terraform.tfstate"
        if not self._ready:
            self._run("init", "-input=false")
            self._ready = True
        if not state.exists():
            state.write_text(json.dumps(state_of(self.first)))

    def _kept(self, make: Callable[[], dict[str, Any]], change: dict[str, Any] | None) -> dict[str, Any]:
        given = {"what": "root", "change": change, "state by": Path(__file__).read_text()}
        made: dict[str, Any] = kept(make, self._code, self.terraform, given)
        return made

    def _run(self, *arguments: str) -> str:
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            "TF_CLI_CONFIG_FILE": str(self.home / "terraform.rc"),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            **{name: os.environ[name] for name in [provider.NAME] if name in os.environ},
        }
        done = subprocess.run(
            [self.terraform, *arguments], cwd=self.directory, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def plan(self, **change: Any) -> dict[str, Any]:
        """The plan of a change against the state, as JSON; ``destroy=True`` for the one that removes all."""

        def make() -> dict[str, Any]:
            with provider.attached():
                self._prepare()
                return self._plan(**change)

        return self._kept(make, change)

    def _plan(self, *, destroy: bool = False, **change: Any) -> dict[str, Any]:
        more = [f"-var=change={json.dumps(change)}", *(["-destroy"] if destroy else [])]
        self._run("plan", "-input=false", "-no-color", "-refresh=false", "-out=plan", *more)
        plan: dict[str, Any] = json.loads(self._run("show", "-json", "plan"))
        return plan

    def of(self, name: str) -> dict[str, Any]:
        """The plan of one of `CHANGES`, made once."""
        if name not in self._made:
            self._made[name] = self.first if name == "create" else self.plan(**CHANGES[name])
        return self._made[name]


def state_of(plan: dict[str, Any]) -> dict[str, Any]:
    """A state in which everything that a plan creates is there, with ids made up."""
    unknown = {change["address"]: change["change"]["after_unknown"] for change in plan["resource_changes"]}
    held: dict[str, dict[str, Any]] = {}
    for module in plan["planned_values"]["root_module"].get("child_modules", []):
        for resource in module.get("resources", []):
            attributes = {
                **resource["values"],
                **{name: None for name, is_unknown in unknown[resource["address"]].items() if is_unknown is True},
                "id": made_up(resource["address"], "j-" if resource["type"] == "aws_emr_cluster" else "id-"),
            }
            match resource["type"]:
                case "aws_emr_cluster":
                    attributes |= {"security_configuration": "fruits-test-made-up", "step": []}
                case "aws_emr_security_configuration":
                    attributes["name"] = attributes["id"] = "fruits-test-made-up"
                case "aws_emr_instance_fleet":
                    attributes["cluster_id"] = made_up(CLUSTER, "j-")
                case "terraform_data":
                    attributes |= {
                        "input": {"value": attributes["input"], "type": "string"},
                        "output": {"value": attributes["input"], "type": "string"},
                        "triggers_replace": None,
                    }
            entry = held.setdefault(
                f"{module['address']}.{resource['type']}.{resource['name']}",
                {
                    "module": module["address"],
                    "mode": "managed",
                    "type": resource["type"],
                    "name": resource["name"],
                    "provider": BUILTIN if resource["type"] == "terraform_data" else AWS,
                    "instances": [],
                },
            )
            instance = {"schema_version": resource["schema_version"], "attributes": attributes}
            entry["instances"].append(instance | ({"index_key": resource["index"]} if "index" in resource else {}))
    return {
        "version": 4,
        "terraform_version": plan["terraform_version"],
        "serial": 1,
        "lineage": "made-up",
        "outputs": {},
        "resources": list(held.values()),
    }


def made_up(address: str, prefix: str) -> str:
    """An id that is the same whenever it is asked for."""
    return prefix + hashlib.sha256(address.encode()).hexdigest()[:13].upper()


def changed(plan: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """What the plan does to each resource that it touches."""
    actions = {change["address"]: tuple(change["change"]["actions"]) for change in plan["resource_changes"]}
    return {address: action for address, action in actions.items() if action not in (("no-op",), ("read",))}
