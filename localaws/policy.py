"""What a set of IAM policies says about one request: action, resource and conditions.

Written because moto reads neither resources outside S3 nor conditions. Follows AWS's evaluation logic
(https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html) for one account, without
service control policies and session policies.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from typing import Any

Document = Mapping[str, Any]
Context = Mapping[str, str | list[str]]


class Decision(Enum):
    """What a document says: an explicit denial, a permission, or nothing."""

    DENY = "deny"
    ALLOW = "allow"
    SILENT = "silent"


@dataclass(frozen=True)
class AccessRequest:
    """One action on one resource, with the condition keys known about it (names in any case)."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


def decide(documents: Iterable[Document], request: AccessRequest, principal: str | None = None) -> Decision:
    """What the documents together say.

    Parameters
    ----------
    documents : identity policies, or one resource policy
    request : the action, resource and condition keys
    principal : the caller's ARN, for resource policies (whose statements name principals)

    Examples
    --------
    >>> read = {"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "arn:aws:s3:::fruit/in/*"}}
    >>> decide([read], AccessRequest("s3:GetObject", "arn:aws:s3:::fruit/in/a.jpg")).value
    'allow'
    >>> decide([read], AccessRequest("s3:GetObject", "arn:aws:s3:::other/a.jpg")).value
    'silent'
    """
    outcome = Decision.SILENT
    for document in documents:
        for statement in _as_list(document.get("Statement", [])):
            if not _applies(statement, request, principal):
                continue
            if statement["Effect"] == "Deny":
                return Decision.DENY
            outcome = Decision.ALLOW
    return outcome


def _applies(statement: Document, request: AccessRequest, principal: str | None) -> bool:
    denies = statement["Effect"] == "Deny"
    return (
        _names_principal(statement, principal)
        and _matches_statement(statement, "Action", request.action, {}, ignore_case=True)
        and _matches_statement(statement, "Resource", request.resource, request.context)
        and _conditions_hold(statement.get("Condition", {}), request.context, when_unknown=denies)
    )


def _matches_statement(
    statement: Document, element: str, value: str, context: Context, *, ignore_case: bool = False
) -> bool:
    for name, is_listed in ((element, True), (f"Not{element}", False)):
        if name in statement:
            patterns = _list_filled(statement[name], context)
            return any(matches(pattern, value, ignore_case=ignore_case) for pattern in patterns) == is_listed
    return element == "Resource"  # trust policies have no resource


def _names_principal(statement: Document, principal: str | None) -> bool:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        return True
    principals = statement.get("Principal", statement.get("NotPrincipal"))
    values = (
        [v for kind in principals.values() for v in _as_list(kind)] if isinstance(principals, Mapping) else [principals]
    )
    account = principal.split(":")[4] if principal and principal.count(":") >= 5 else None
    root = f"arn:aws:iam::{account}:root"
    names = {"*", principal}
    # what is granted to an account, others in it get only by their own policies
    if account is not None and (principal == root or statement["Effect"] == "Deny" or "NotPrincipal" in statement):
        names |= {account, root}
    return bool(names & set(values)) == ("Principal" in statement)


def matches(pattern: str, value: str, *, ignore_case: bool = False) -> bool:
    """Whether an IAM pattern (``*`` any run of characters, ``?`` one) covers the value."""
    return _compile_wildcards(pattern, ignore_case).fullmatch(value) is not None


@cache
def _compile_wildcards(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    # ${*}, ${?} and ${$} are the characters themselves
    tokens = re.findall(r"\$\{[*?$]\}|.", pattern, re.DOTALL)
    text = "".join(".*" if t == "*" else "." if t == "?" else re.escape(t[2] if len(t) > 1 else t) for t in tokens)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _fill_variables(pattern: str, context: Context) -> str | None:
    """A pattern with its policy variables (``${aws:userid}``) replaced; None where the request has none of a name.

    >>> _fill_variables("session/${aws:userid}-*", {"aws:userid": "AIDA*"})
    'session/AIDA${*}-*'
    """
    if "${" not in pattern:
        return pattern
    values = {key.lower(): value for key, value in context.items()}
    missing = False

    def value(match: re.Match[str]) -> str:
        nonlocal missing
        name, _, default = match[1].partition(",")
        filled = values.get(name.strip().lower(), default.strip().strip("'") or None)
        missing |= not isinstance(filled, str)
        return re.sub(r"[*?]", lambda wild: "${" + wild[0] + "}", str(filled))

    text = re.sub(r"\$\{([^}*?$]+)\}", value, pattern)
    return None if missing else text


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _fill_plain(text: str) -> str:
    return re.sub(r"\$\{([*?$])\}", r"\1", text)


def _is_in_network(network: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "stringequals": lambda expected, actual: _fill_plain(expected) == actual,
    "stringequalsignorecase": lambda expected, actual: _fill_plain(expected).lower() == actual.lower(),
    "stringlike": lambda expected, actual: matches(expected, actual),
    "arnequals": lambda expected, actual: matches(expected, actual),
    "arnlike": lambda expected, actual: matches(expected, actual),
    "bool": lambda expected, actual: expected.lower() == actual.lower(),
    "numericequals": lambda expected, actual: float(actual) == float(expected),
    "numericlessthan": lambda expected, actual: float(actual) < float(expected),
    "numericlessthanequals": lambda expected, actual: float(actual) <= float(expected),
    "numericgreaterthan": lambda expected, actual: float(actual) > float(expected),
    "numericgreaterthanequals": lambda expected, actual: float(actual) >= float(expected),
    "ipaddress": _is_in_network,
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
    values = {k.lower(): [str(v) for v in _as_list(v)] for k, v in context.items()}
    return all(
        _is_condition_met(operator, _list_filled(expected, context), values.get(key.lower()), when_unknown)
        for operator, keys in conditions.items()
        for key, expected in keys.items()
    )


def _list_filled(values: Any, context: Context) -> list[str]:
    """Patterns or values with their variables filled; one that the request does not settle fits nothing."""
    filled = (_fill_variables(_to_text(value), context) for value in _as_list(values))
    return [value for value in filled if value is not None]


def _to_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_condition_met(operator: str, expected: list[str], actual: list[str] | None, when_unknown: bool) -> bool:
    name = operator.lower()
    qualifier, _, operator_name = name.partition(":")
    for_all, for_any = qualifier == "forallvalues", qualifier == "foranyvalue"
    if for_all or for_any:
        name = operator_name
    if name == "null":
        return any((actual is None) == (w.lower() == "true") for w in expected)
    if_exists = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    negated = name in _NEGATIONS
    compare = _COMPARISONS.get(_NEGATIONS.get(name, name))
    if compare is None:
        return when_unknown  # an operator not known here never permits and always denies
    if actual is None:  # with ForAnyValue there is no value that could hold, also not of a negation
        return if_exists or for_all or (negated and not for_any)
    hits = [any(compare(w, g) for w in expected) != negated for g in actual]
    return all(hits) if for_all or (negated and not for_any) else any(hits)
