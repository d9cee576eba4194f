"""A state in which everything stands that a stack plans, with made-up ids: what a change is judged against.

A plan against the real state cannot tell whether a change replaces the cluster, because clusters come and go: where
none stands it says "create". So the base of a change is planned, its plan is written down as a state, and the head is
planned against that: the provider itself then names the attributes that cannot be changed in place. No AWS is asked.

A first plan does not know the ids that one resource takes from another. Its state is planned again with made-up ones
until the base changes nothing in it, which also proves the state right.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ops.core.errors import TerraformError
from ops.plan.changes import list_changes
from ops.terraform.workspace import Workspace

AWS = 'provider["registry.terraform.io/hashicorp/aws"]'
BUILTIN = 'provider["terraform.io/builtin/terraform"]'
BORN = "2026-01-01T00:00:00Z"
ROUNDS = 10  # the longest chain of resources that name each other is five long

Schema = Mapping[str, Mapping[str, Any]]


class NoStandingError(TerraformError):
    """The base could not be brought into a state that it does not want to change."""


def invent_value(address: str, name: str) -> str:
    """A value that is the same whenever it is asked for.

    >>> invent_value("aws_vpc.this", "create_date")
    '2026-01-01T00:00:00Z'
    """
    digest = hashlib.sha256(f"{address}.{name}".encode()).hexdigest()[:17]
    if name == "create_date":
        return BORN
    if name == "id" and "aws_emr_cluster." in address:
        return f"j-{digest[:13].upper()}"  # which the clock's module insists on
    return f"arn:aws:made-up:::{digest}" if name.endswith("arn") else f"{name.replace('_', '-')}-{digest}"


def read_schema(work: Workspace) -> Schema:
    """The attributes' types of every resource that the AWS provider knows, and which of its blocks are lists."""
    content = json.loads(work.read(["providers", "schema", "-json"]))
    schemas = content["provider_schemas"]["registry.terraform.io/hashicorp/aws"]["resource_schemas"]
    return {
        kind: {
            **{
                name: attribute.get("type", "block")
                for name, attribute in schema["block"].get("attributes", {}).items()
            },
            **{name: ["list"] for name in schema["block"].get("block_types", {})},
        }
        for kind, schema in schemas.items()
    }


def _resources(module: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for resource in module.get("resources", []):
        if resource["mode"] == "managed":
            yield module.get("address", ""), resource
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _filled(address: str, name: str, kind: Any, before: Any) -> Any:
    """What stands for a value that is only known after apply."""
    if before is not None:
        return before
    if isinstance(kind, list):
        return {} if kind[0] == "map" else []
    naming = name in ("id", "arn", "name", "role", "bucket", "create_date") or name.endswith(("_id", "_arn"))
    return invent_value(address, name) if kind == "string" and naming else None


def make_standing_state(
    plan: Mapping[str, Any], schema: Schema, attributes: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """A state (version 4) in which everything that a plan leaves in being is there.

    Parameters
    ----------
    attributes : by address, of the state that the plan was made against; brought up to date
    """
    unknown = {entry["address"]: entry["change"].get("after_unknown", {}) for entry in plan["resource_changes"]}
    entries: dict[str, dict[str, Any]] = {}
    for module, resource in _resources(plan["planned_values"]["root_module"]):
        address, kind, is_builtin = resource["address"], resource["type"], resource["type"] == "terraform_data"
        before, types = attributes.get(address, {}), schema.get(resource["type"], {})
        values = dict(resource["values"])
        for name, mark in unknown.get(address, {}).items():
            if mark is True:
                values[name] = _filled(address, name, types.get(name, "string"), before.get(name))
        attributes[address] = values
        written = values
        if is_builtin:
            as_string = {"value": values["input"], "type": "string"}
            written = {**values, "input": as_string, "output": as_string, "triggers_replace": None}
        entry = entries.setdefault(
            f"{module}.{kind}.{resource['name']}",
            {
                **({"module": module} if module else {}),
                "mode": "managed",
                "type": kind,
                "name": resource["name"],
                "provider": BUILTIN if is_builtin else AWS,
                "instances": [],
            },
        )
        instance = {"schema_version": resource["schema_version"], "attributes": written}
        entry["instances"].append(instance | ({"index_key": resource["index"]} if "index" in resource else {}))
    return {
        "version": 4,
        "terraform_version": plan["terraform_version"],
        "serial": 1,
        "lineage": "made-up",
        "outputs": {},
        "resources": list(entries.values()),
    }


def plan_offline(work: Workspace, out: Path) -> dict[str, Any]:
    """A plan against the state file at hand, which is not compared with AWS."""
    return work.make_plan(out, arguments=["-refresh=false"])


def bring_to_rest(work: Workspace, first: Mapping[str, Any], schema: Schema, out: Path) -> dict[str, Any]:
    """Bring a stack's offline workspace into the state that its code describes; the last plan, which changes nothing.

    Parameters
    ----------
    first : the stack's plan against no state
    out : where to keep a plan for the moment

    Raises
    ------
    NoStandingError : after so many rounds the code still wants something else
    """
    attributes: dict[str, dict[str, Any]] = {}
    plan: Mapping[str, Any] = first
    for _ in range(ROUNDS):
        work.state.parent.mkdir(parents=True, exist_ok=True)
        work.state.write_text(json.dumps(make_standing_state(plan, schema, attributes)))
        again = plan_offline(work, out)
        if not list_changes(again):
            return again
        plan = again
    left = ", ".join(change.address for change in list_changes(plan)[:5])
    raise NoStandingError(f"the base never settles: {left} change at every plan.")
