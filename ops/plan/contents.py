"""What a plan leaves in being, on plain values of ``terraform show -json``: its resources and their policy documents.

Values that are only known after apply cannot be judged; the modules write names out so that policies are known.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Resource:
    """A resource as it will be after the plan.

    Attributes
    ----------
    address, module, type, name : as Terraform names it; module is "" in the root
    values : the attributes that are known, also those that AWS fills in
    written : the names of those that the code gives
    """

    address: str
    module: str
    type: str
    name: str
    values: Mapping[str, Any]
    written: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PolicyStatement:
    """A statement of a policy document.

    Attributes
    ----------
    resource : what the document belongs to
    """

    resource: Resource
    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def condition(self, test: str, key: str) -> tuple[str, ...]:
        """The values that a condition asks for."""
        return self.conditions.get(test, {}).get(key, ())

    def asks_for(self, key: str) -> bool:
        """Whether any condition names a key."""
        return any(key in keys for keys in self.conditions.values())


def list_resources(plan: Mapping[str, Any]) -> list[Resource]:
    """Every managed resource that the plan leaves in being."""

    def walk(module: Mapping[str, Any], name: str, code: Mapping[str, Any]) -> Iterator[Resource]:
        expressions = {
            (entry["type"], entry["name"]): frozenset(entry.get("expressions", {}))
            for entry in code.get("resources", [])
        }
        for resource in module.get("resources", []):
            if resource["mode"] == "managed":
                kind, resource_name = resource["type"], resource["name"]
                written = expressions.get((kind, resource_name), frozenset(resource["values"]))
                yield Resource(resource["address"], name, kind, resource_name, resource["values"], written)
        for child in module.get("child_modules", []):
            call = child["address"].rpartition("module.")[2].partition("[")[0]
            yield from walk(child, child["address"], code.get("module_calls", {}).get(call, {}).get("module", {}))

    return list(walk(plan["planned_values"]["root_module"], "", plan.get("configuration", {}).get("root_module", {})))


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "aws_iam_role": ("assume_role_policy",),
    "aws_iam_role_policy": ("policy",),
    "aws_iam_policy": ("policy",),
    "aws_s3_bucket_policy": ("policy",),
    "aws_vpc_endpoint": ("policy",),
    "aws_kms_key": ("policy",),
}


def list_statements(resources: Iterable[Resource]) -> Iterator[PolicyStatement]:
    """Every statement of every policy document that the code writes and that is known.

    What AWS fills in where the code writes none is only seen by a plan of what stands already: it is not judged, so
    that the same code is judged alike before and after it is applied.
    """
    for resource in resources:
        for attribute in DOCUMENTS.get(resource.type, ()):
            text = resource.values.get(attribute)
            if not text or attribute not in resource.written:
                continue
            listed = json.loads(text)["Statement"]
            for entry in listed if isinstance(listed, list) else [listed]:
                principal = entry.get("Principal", {})
                principals = {"*": "*"} if principal == "*" else principal
                yield PolicyStatement(
                    resource=resource,
                    sid=entry.get("Sid", ""),
                    effect=entry["Effect"],
                    actions=_tuple(entry.get("Action")),
                    resources=_tuple(entry.get("Resource")),
                    principals={kind: _tuple(names) for kind, names in principals.items()},
                    conditions={
                        test: {key: _tuple(values) for key, values in keys.items()}
                        for test, keys in entry.get("Condition", {}).items()
                    },
                )


def filter_types(resources: Iterable[Resource], *types: str) -> list[Resource]:
    return [resource for resource in resources if resource.type in types]


def find_beside(resources: Iterable[Resource], resource: Resource, type_name: str) -> Resource | None:
    """The resource of a type in the same module: a bucket's id is not known before it exists."""
    return next((other for other in resources if other.type == type_name and other.module == resource.module), None)


def take_block(value: Any) -> Mapping[str, Any]:
    """The one block of a list of blocks, or nothing."""
    return value[0] if value else {}
