"""Rules of plans that have exceptions, a statement at a time; `infra/test_plan_policies.py` has the real plans."""

from __future__ import annotations

import json

import pytest

from ops.plan import access_rules
from ops.plan.contents import Resource

ANY, ANY_SERVICE = "statement Pass passes any role", "statement Pass passes the role to any service"
TO_EC2 = {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}


@pytest.mark.parametrize(
    ("name", "condition", "problems"),
    [
        ("fruits-prod-emr-node", TO_EC2, []),
        ("fruits-prod-ttl-*", TO_EC2, []),  # the end of a name is a cluster's id
        ("abcdefgh-*", TO_EC2, []),
        ("abcdefg-*", TO_EC2, [ANY]),  # too little of it is said
        ("fruits-prod*", TO_EC2, [ANY]),
        ("Fruits-prod-ttl-*", TO_EC2, [ANY]),
        ("fruits-*-ttl-*", TO_EC2, [ANY]),
        ("*", TO_EC2, [ANY]),
        ("fruits-prod-ttl-*", {}, [ANY_SERVICE]),
        ("*", {}, [ANY, ANY_SERVICE]),
    ],
)
def test_only_the_end_of_a_passed_roles_name_may_be_open(
    name: str, condition: dict[str, object], problems: list[str]
) -> None:
    arn = f"arn:aws:iam::123456789012:role/{name}"
    statement = {"Sid": "Pass", "Effect": "Allow", "Action": "iam:PassRole", "Resource": arn, "Condition": condition}
    values = {"policy": json.dumps({"Statement": [statement]})}
    policy = Resource("aws_iam_policy.a", "", "aws_iam_policy", "a", values, frozenset(values))
    broken = list(access_rules.pass_role_scoped([policy]))
    assert broken == [(policy.address, problem) for problem in problems]
