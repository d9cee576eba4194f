"""IAM's evaluation: each case is a sentence of AWS's documentation."""

from __future__ import annotations

from typing import Any

import pytest

from localaws.policy import AccessRequest, Decision, decide, matches
from localaws.services.authorization import Caller, is_allowed

BUCKET = "arn:aws:s3:::fruit"
OBJECT = f"{BUCKET}/in/Pomme d'été (1)/a.jpg"


def one(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return {"Statement": {"Effect": effect, "Action": "s3:*", "Resource": "*", **elements}}


def test_nothing_said_is_silence_and_a_deny_beats_every_allow() -> None:
    assert decide([], AccessRequest("s3:GetObject", OBJECT)) is Decision.SILENT
    assert decide([one()], AccessRequest("s3:GetObject", OBJECT)) is Decision.ALLOW
    assert decide([one(), one("Deny", Action="s3:GetObject")], AccessRequest("s3:GetObject", OBJECT)) is Decision.DENY
    assert decide([one(Action="s3:PutObject")], AccessRequest("s3:GetObject", OBJECT)) is Decision.SILENT


@pytest.mark.parametrize(
    ("pattern", "value", "covered"),
    [
        (f"{BUCKET}/in/*", OBJECT, True),
        (f"{BUCKET}/in/*", f"{BUCKET}/out/a", False),
        (BUCKET, OBJECT, False),
        ("arn:aws:s3:::fru?t", BUCKET, True),
        ("arn:aws:s3:::fruit.x", "arn:aws:s3:::fruitAx", False),
    ],
)
def test_patterns(pattern: str, value: str, covered: bool) -> None:
    assert matches(pattern, value) is covered


def test_actions_ignore_case_and_resources_do_not() -> None:
    assert decide([one(Action="S3:getobject")], AccessRequest("s3:GetObject", OBJECT)) is Decision.ALLOW
    assert decide([one(Resource=OBJECT.upper())], AccessRequest("s3:GetObject", OBJECT)) is Decision.SILENT


def test_not_action_and_not_resource() -> None:
    document = {"Statement": {"Effect": "Deny", "NotAction": "s3:Get*", "NotResource": f"{BUCKET}/out/*"}}
    assert decide([document], AccessRequest("s3:PutObject", OBJECT)) is Decision.DENY
    assert decide([document], AccessRequest("s3:GetObject", OBJECT)) is Decision.SILENT
    assert decide([document], AccessRequest("s3:PutObject", f"{BUCKET}/out/x")) is Decision.SILENT


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:SecureTransport": "false"}, True),
        ({"StringEquals": {"aws:RequestTag/a": ["x", "y"]}}, {"aws:requesttag/A": "y"}, True),
        ({"StringEquals": {"k": "x"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "x"}}, {}, True),
        ({"ForAnyValue:StringNotEquals": {"k": "x"}}, {}, False),
        ({"ForAnyValue:StringNotEquals": {"k": "x"}}, {"k": ["x", "y"]}, True),
        ({"ForAnyValue:StringLikeIfExists": {"k": "x"}}, {}, True),
        ({"ForAllValues:StringNotEquals": {"k": ["x", "y"]}}, {"k": ["z"]}, True),
        ({"ForAllValues:StringNotEquals": {"k": ["x", "y"]}}, {"k": ["z", "y"]}, False),
        ({"StringEquals": {"k": "${aws:userid}"}}, {"k": "AIDA", "aws:userid": "AIDA"}, True),
        ({"StringEquals": {"k": "${aws:userid}"}}, {"k": "AIDA", "aws:userid": "AROA:x"}, False),
        ({"StringEquals": {"k": "${aws:userid}"}}, {"k": "${aws:userid}"}, False),
        ({"StringLike": {"k": "${aws:userid}-*"}}, {"k": "AIDA-1", "aws:userid": "*"}, False),
        ({"StringLike": {"k": "${aws:userid}-*"}}, {"k": "*-1", "aws:userid": "*"}, True),
        ({"StringEquals": {"k": "${aws:PrincipalTag/team, 'none'}"}}, {"k": "none"}, True),
        ({"StringLike": {"k": "a${*}b"}}, {"k": "axb"}, False),
        ({"StringLike": {"k": "a${*}b"}}, {"k": "a*b"}, True),
        ({"StringEqualsIfExists": {"k": "x"}}, {"k": "y"}, False),
        ({"StringNotEquals": {"k": ["x", "y"]}}, {"k": "y"}, False),
        ({"StringNotEquals": {"k": "x"}}, {}, True),
        ({"StringLike": {"s3:prefix": ["in/*", ""]}}, {"s3:prefix": "in/Apple"}, True),
        ({"StringLike": {"s3:prefix": ["in/*"]}}, {"s3:prefix": "out/"}, False),
        (
            {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"}},
            {"aws:PrincipalArn": "arn:aws:iam::1:role/x"},
            True,
        ),
        ({"NumericLessThan": {"k": "10"}}, {"k": "9"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.1.2.3"}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:SourceIp": "10.1.2.3"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "false"}}, {}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:TagKeys": ["a"]}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:TagKeys": ["a", "c"]}, False),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws:TagKeys": ["z", "a"]}, True),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], holds: bool) -> None:
    said = decide([one(Condition=condition)], AccessRequest("s3:GetObject", OBJECT, context))
    assert said is (Decision.ALLOW if holds else Decision.SILENT)


def test_every_condition_of_a_statement_must_hold() -> None:
    both = one(Condition={"StringEquals": {"a": "1"}, "StringLike": {"b": "2*"}})
    assert decide([both], AccessRequest("s3:GetObject", OBJECT, {"a": "1", "b": "23"})) is Decision.ALLOW
    assert decide([both], AccessRequest("s3:GetObject", OBJECT, {"a": "1", "b": "3"})) is Decision.SILENT


def test_an_operator_unknown_here_never_permits_and_always_denies() -> None:
    odd = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}
    assert decide([one(Condition=odd)], AccessRequest("s3:GetObject", OBJECT)) is Decision.SILENT
    assert decide([one("Deny", Condition=odd)], AccessRequest("s3:GetObject", OBJECT)) is Decision.DENY


def test_principals_of_a_resource_policy() -> None:
    role = "arn:aws:iam::123456789012:role/node"
    for principal in ("*", {"AWS": "*"}, {"AWS": role}):
        assert decide([one(Principal=principal)], AccessRequest("s3:GetObject", OBJECT), role) is Decision.ALLOW
    for principal in ({"Service": "logging.s3.amazonaws.com"}, {"AWS": "arn:aws:iam::999999999999:root"}):
        assert decide([one(Principal=principal)], AccessRequest("s3:GetObject", OBJECT), role) is Decision.SILENT


@pytest.mark.parametrize("account", ["123456789012", "arn:aws:iam::123456789012:root"])
def test_an_account_as_principal_grants_to_its_owner_and_denies_to_everybody_in_it(account: str) -> None:
    """reference_policies_elements_principal.html: what an account is granted, it passes on by its own policies."""
    root, node, stranger = (f"arn:aws:iam::{a}" for a in ("123456789012:root", "123456789012:role/node", "9:role/node"))
    request = AccessRequest("s3:GetObject", OBJECT)
    grant, denial = one(Principal={"AWS": account}), one("Deny", Principal={"AWS": account})
    assert [decide([grant], request, who) for who in (root, node, stranger)] == [Decision.ALLOW, *[Decision.SILENT] * 2]
    assert [decide([denial], request, who) for who in (root, node)] == [Decision.DENY] * 2
    assert decide([denial], request, stranger) is Decision.SILENT
    others = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "NotPrincipal": {"AWS": account}}}
    assert [decide([others], request, who) for who in (node, stranger)] == [Decision.SILENT, Decision.ALLOW]


@pytest.mark.parametrize(
    ("kind", "bounded", "allowed"), [("role", True, False), ("user", True, True), ("role", False, True)]
)
def test_a_boundary_limits_what_a_bucket_grants_to_a_role_and_not_to_a_user(
    kind: str, bounded: bool, allowed: bool
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html: resource-based policies."""
    arn = f"arn:aws:iam::123456789012:{kind}/node"
    boundary = one(Action="ec2:*") if bounded else None
    grant = one(Principal={"AWS": arn})
    assert is_allowed(Caller(arn, (), boundary), AccessRequest("s3:GetObject", OBJECT), grant) is allowed
