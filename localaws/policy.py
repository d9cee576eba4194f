"""What a set of IAM policies says about one request: action, resource and conditions.

Written because moto reads neither resources outside S3 nor conditions. Follows AWS's evaluation logic
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html) for one account, without
service control policies, session policies and policy variables.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Document = Mapping[str, Any]
Context = Mapping[str, str | list[str]]


class Decision(Enum):
    """What a document says: an explicit denial, a permission, or nothing."""

    DENY = "deny"
    ALLOW = "allow"
    SILENT = "silent"


@dataclass(frozen=True)
class Request:
    """One action on one resource, with the condition keys known about it (names in any case)."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def decide(documents: Iterable[Document], request: Request, principal: str | None = None) -> Decision:
    """What the documents together say.

    Parameters
    ----------
    documents : identity policies, or one resource policy
    request : the action, resource and condition keys
    principal : the caller's ARN, for resource policies (whose statements name principals)

    Examples
    --------
    >>> read = {"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::fruit/in/*"}}
    >>> decide([read], Request("s3:GetObject", "arn:aws:s3:::fruit/in/a.jpg")).value
    'allow'
    >>> decide([read], Request("s3:GetObject", "arn:aws:s3:::other/a.jpg")).value
    'silent'
    """
    outcome = Decision.SILENT
    for document in documents:
        for statement in _listed(document.get("Statement", [])):
            if not _applies(statement, request, principal):
                continue
            if statement["Effect"] == "Deny":
                return Decision.DENY
            outcome = Decision.ALLOW
    return outcome


def _applies(statement: Document, request: Request, principal: str | None) -> bool:
    denies = statement["Effect"] == "Deny"
    return (
        _names_principal(statement, principal)
        and _names(statement, "Action", request.action, ignore_case=True)
        and _names(statement, "Resource", request.resource)
        and _conditions_hold(statement.get("Condition", {}), request.context, when_unknown=denies)
    )


def _names(statement: Document, element: str, value: str, *, ignore_case: bool = False) -> bool:
    if element in statement:
        return any(matches(p, value, ignore_case=ignore_case) for p in _listed(statement[element]))
    if f"Not{element}" in statement:
        return not any(matches(p, value, ignore_case=ignore_case) for p in _listed(statement[f"Not{element}"]))
    return element == "Resource"  # trust policies have no resource


def _names_principal(statement: Document, principal: str | None) -> bool:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        return True
    named = statement.get("Principal", statement.get("NotPrincipal"))
    values = [v for kind in named.values() for v in _listed(kind)] if isinstance(named, Mapping) else [named]
    account = principal.split(":")[4] if principal and principal.count(":") >= 5 else None
    hit = any(
        v in ("*", principal) or (account is not None and v in (account, f"arn:aws:iam::{account}:root"))
        for v in values
    )
    return hit == ("Principal" in statement)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether an IAM pattern (``*`` any run of characters, ``?`` one) covers the value."""
    regex = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(regex, value, re.DOTALL | (re.IGNORECASE if ignore_case else 0)) is not None


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _in_network(wanted: str, got: str) -> bool:
    return ipaddress.ip_address(got) in ipaddress.ip_network(wanted, strict=False)


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda wanted, got: wanted == got,
    "stringequalsignorecase": lambda wanted, got: wanted.lower() == got.lower(),
    "stringlike": lambda wanted, got: matches(wanted, got),
    "arnequals": lambda wanted, got: matches(wanted, got),
    "arnlike": lambda wanted, got: matches(wanted, got),
    "bool": lambda wanted, got: wanted.lower() == got.lower(),
    "numericequals": lambda wanted, got: float(got) == float(wanted),
    "numericlessthan": lambda wanted, got: float(got) < float(wanted),
    "numericlessthanequals": lambda wanted, got: float(got) <= float(wanted),
    "numericgreaterthan": lambda wanted, got: float(got) > float(wanted),
    "numericgreaterthanequals": lambda wanted, got: float(got) >= float(wanted),
    "ipaddress": _in_network,
}
_NEGATIONS = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
    "numericnotequals": "numericequals",
    "notipaddress": "ipaddress",
}


def _conditions_hold(conditions: Document, context: Context, *, when_unknown: bool) -> bool:
    known = {k.lower(): [str(v) for v in _listed(v)] for k, v in context.items()}
    return all(
        _holds(operator, [_text(w) for w in _listed(wanted)], known.get(key.lower()), when_unknown)
        for operator, keys in conditions.items()
        for key, wanted in keys.items()
    )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _holds(operator: str, wanted: list[str], got: list[str] | None, when_unknown: bool) -> bool:
    name = operator.lower()
    qualifier, _, rest = name.partition(":")
    for_all, for_any = qualifier == "forallvalues", qualifier == "foranyvalue"
    if for_all or for_any:
        name = rest
    if name == "null":
        return (got is None) == (wanted[0] == "true")
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    negated = name in _NEGATIONS
    compare = _COMPARISONS.get(_NEGATIONS.get(name, name))
    if compare is None:
        return when_unknown  # an operator not known here never permits and always denies
    if got is None:
        return if_exists or negated or for_all
    hits = [any(compare(w, g) for w in wanted) != negated for g in got]
    return all(hits) if for_all or (negated and not for_any) else any(hits)
