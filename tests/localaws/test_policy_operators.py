"""IAM's condition operators, one by one, on values below, at and above what is wanted.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from localaws.policy import AccessRequest, Decision, decide

ACTION = "s3:GetObject"


def allows(condition: dict[str, Any], context: dict[str, Any]) -> bool:
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": condition}
    return decide([{"Statement": statement}], AccessRequest(ACTION, "arn:aws:s3:::b/k", context)) is Decision.ALLOW


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("NumericEquals", (False, True, False)),
        ("NumericNotEquals", (True, False, True)),
        ("NumericLessThan", (True, False, False)),
        ("NumericLessThanEquals", (True, True, False)),
        ("NumericGreaterThan", (False, False, True)),
        ("NumericGreaterThanEquals", (False, True, True)),
    ],
)
def test_numbers(operator: str, holds: tuple[bool, bool, bool]) -> None:
    for value, expected in zip(("9", "10.0", "10.5"), holds, strict=True):
        assert allows({operator: {"s3:max-keys": "10"}}, {"s3:max-keys": value}) is expected, value


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("StringEquals", "Fruit", True),
        ("StringEquals", "fruit", False),
        ("StringEquals", "Fruit*", False),
        ("StringNotEquals", "fruit", True),
        ("StringNotEquals", "Fruit", False),
        ("StringEqualsIgnoreCase", "fRUIT", True),
        ("StringEqualsIgnoreCase", "fruits", False),
        ("StringNotEqualsIgnoreCase", "fRUIT", False),
        ("StringNotEqualsIgnoreCase", "fruits", True),
    ],
)
def test_texts(operator: str, value: str, holds: bool) -> None:
    assert allows({operator: {"k": "Fruit"}}, {"k": value}) is holds


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("StringLike", "in/a", True),
        ("StringLike", "in/", True),
        ("StringLike", "IN/a", False),
        ("StringNotLike", "in/a", False),
        ("StringNotLike", "out/a", True),
        ("ArnLike", "in/a", True),
        ("ArnEquals", "in/a", True),
        ("ArnEquals", "out/a", False),
        ("ArnNotLike", "in/a", False),
        ("ArnNotEquals", "out/a", True),
    ],
)
def test_patterns(operator: str, value: str, holds: bool) -> None:
    assert allows({operator: {"k": "in/*"}}, {"k": value}) is holds


def test_a_boolean_of_json_is_the_word() -> None:
    for wanted, got in itertools.product((True, False), ("true", "false", "True")):
        assert allows({"Bool": {"k": wanted}}, {"k": got}) is (str(wanted).lower() == got.lower())
        assert allows({"StringEquals": {"k": wanted}}, {"k": got}) is (str(wanted).lower() == got)


@pytest.mark.parametrize(("address", "inside"), [("10.0.0.0", True), ("10.0.0.255", True), ("10.0.1.0", False)])
def test_networks(address: str, inside: bool) -> None:
    assert allows({"IpAddress": {"aws:SourceIp": "10.0.0.7/24"}}, {"aws:SourceIp": address}) is inside
    assert allows({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/24"}}, {"aws:SourceIp": address}) is not inside


@pytest.mark.parametrize(
    ("operator", "holds"),
    [
        ("StringEquals", False),
        ("StringLike", False),
        ("NumericLessThan", False),
        ("Bool", False),
        ("StringNotEquals", True),
        ("StringNotLike", True),
        ("ArnNotLike", True),
        ("NumericNotEquals", True),
        ("NotIpAddress", True),
        ("StringEqualsIfExists", True),
        ("NumericLessThanIfExists", True),
        ("ForAllValues:StringEquals", True),
        ("ForAnyValue:StringEquals", False),
    ],
)
def test_a_key_that_the_request_lacks(operator: str, holds: bool) -> None:
    assert allows({operator: {"k": "1"}}, {}) is holds


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        ("ForAllValues:StringEquals", ["a", "b"], True),
        ("ForAllValues:StringEquals", ["a", "x"], False),
        ("ForAnyValue:StringEquals", ["x", "a"], True),
        ("ForAnyValue:StringEquals", ["x", "y"], False),
        ("ForAllValues:StringNotEquals", ["x", "y"], True),
        ("ForAllValues:StringNotEquals", ["x", "a"], False),
        ("ForAnyValue:StringNotEquals", ["x", "a"], True),
        ("ForAnyValue:StringNotEquals", ["a", "b"], False),
        ("ForAnyValue:StringLike", ["x", "abc"], True),
    ],
)
def test_keys_of_many_values(operator: str, values: list[str], holds: bool) -> None:
    wanted = ["a*", "b"] if operator.endswith("Like") else ["a", "b"]
    assert allows({operator: {"aws:TagKeys": wanted}}, {"aws:TagKeys": values}) is holds


@pytest.mark.parametrize("effects", list(itertools.permutations(("other", "Allow", "Deny"))))
def test_a_statement_that_does_not_apply_ends_nothing(effects: tuple[str, ...]) -> None:
    """Whatever the order of the statements: AWS reads all of them."""
    statements = [
        {"Effect": "Allow" if effect == "other" else effect, "Resource": "*"}
        | {"Action": "ec2:*" if effect == "other" else "s3:*"}
        for effect in effects
    ]
    asked = AccessRequest(ACTION, "arn:aws:s3:::b/k")
    assert decide([{"Statement": statements}], asked) is Decision.DENY
    assert decide([{"Statement": [s]} for s in statements], asked) is Decision.DENY
    allowing = [s for s in statements if s["Effect"] == "Allow"]
    assert decide([{"Statement": allowing}], asked) is Decision.ALLOW


def test_a_statement_without_a_resource_is_of_the_role_itself() -> None:
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    asked = AccessRequest("sts:AssumeRole", "arn:aws:iam::123456789012:role/node")
    assert decide([{"Statement": [trust]}], asked, "ec2.amazonaws.com") is Decision.ALLOW
    assert decide([{"Statement": [trust]}], asked, "emr.amazonaws.com") is Decision.SILENT
    nameless = {"Effect": "Allow", "Resource": "*"}
    assert decide([{"Statement": [nameless]}], asked) is Decision.SILENT, "no action, no right"


def test_whom_a_policy_does_not_name() -> None:
    other = {"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:role/node"}, "Action": "*"}
    document = [{"Statement": [{**other, "Resource": "*"}]}]
    asked = AccessRequest(ACTION, "arn:aws:s3:::b/k")
    assert decide(document, asked, "arn:aws:iam::123456789012:role/node") is Decision.SILENT
    assert decide(document, asked, "arn:aws:iam::123456789012:role/other") is Decision.DENY
