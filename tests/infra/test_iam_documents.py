"""Every policy document of the plans against AWS's reference: real actions, on fitting resources, by real keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops.plan import contents
from tests.infra.planning import SCENARIOS
from tests.infra.policy_lint import find_policy_faults

Plan = dict[str, Any]

IDENTITY = ("aws_iam_role_policy", "aws_iam_policy")


def findings(text: str) -> list[str]:
    """What of a document AWS does not have; who may, in a resource's policy, is not its business."""
    return find_policy_faults(json.loads(text))


def documents(plan: Plan, types: tuple[str, ...]) -> dict[str, str]:
    return {
        resource.address: resource.values[attribute]
        for resource in contents.list_resources(plan)
        if resource.type in types
        for attribute in contents.DOCUMENTS[resource.type]
        if attribute == "policy" and resource.values.get(attribute)
    }


@pytest.mark.terraform
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.endswith("cluster")])
def test_identity_policies(plan_of: Callable[[str], Plan], scenario: str) -> None:
    held = documents(plan_of(scenario), IDENTITY)
    assert {"module.iam.aws_iam_role_policy.instance", "module.iam.aws_iam_role_policy.service"} <= set(held)
    assert {address: found for address, text in held.items() if (found := findings(text))} == {}


@pytest.mark.terraform
def test_policies_of_githubs_roles(plan_of: Callable[[str], Plan]) -> None:
    held = documents(plan_of("dev-github"), IDENTITY)
    assert set(held) == {f"aws_iam_role_policy.{name}" for name in ("plan", "apply", "never")}
    assert {address: found for address, text in held.items() if (found := findings(text))} == {}


@pytest.mark.terraform
@pytest.mark.parametrize("scenario", ["dev-storage", "prod-storage", "all-cluster"])
def test_resource_policies(plan_of: Callable[[str], Plan], scenario: str) -> None:
    held = documents(plan_of(scenario), ("aws_s3_bucket_policy", "aws_vpc_endpoint"))
    assert held
    assert {a: f for a, text in held.items() if (f := findings(text))} == {}


@pytest.mark.terraform
@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name.endswith("operators")])
def test_policies_of_operators(plan_of: Callable[[str], Plan], scenario: str) -> None:
    held = documents(plan_of(scenario), IDENTITY)
    assert {"aws_iam_policy.boundary", "aws_iam_policy.network", "aws_iam_policy.cluster"} <= set(held)
    assert {address: found for address, text in held.items() if (found := findings(text))} == {}


RULES = "arn:aws:ec2:eu-west-3:123456789012:security-group-rule/*"


def when(key: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": {key: "x"}}}


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({"Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::b/*"}, ["AWS has no action s3:GetObjekt"]),
        ({"Action": "ec3:*", "Resource": "*"}, ["AWS has no action ec3:*"]),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, ["s3:GetObject is not decided on arn:aws:s3:::b"]),
        ({"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::b/*"},
         ["s3:ListBucket is not decided on arn:aws:s3:::b/*"]),
        ({"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]}, []),
        ({"Action": "s3:GetObject", "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]},
         ["no action of it is decided on arn:aws:s3:::b"]),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*", **when("aws:SecureTransprt")},
         ["s3:GetObject on object knows no condition key aws:SecureTransprt"]),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:user/x"},
         ["iam:PassRole is not decided on arn:aws:iam::123456789012:user/x"]),
        ({"Action": "ssmmessages:OpenDataChannel", "Resource": "arn:aws:ssm:eu-west-3:123456789012:session/x"},
         ['ssmmessages:OpenDataChannel knows no resource: nothing but "*" allows it']),
        # what kept an operator's first apply from making its rules
        ({"Action": "ec2:AuthorizeSecurityGroupIngress", "Resource": RULES, **when("aws:ResourceTag/Project")},
         ["ec2:AuthorizeSecurityGroupIngress on security-group-rule knows no condition key aws:ResourceTag/Project"]),
        ({"Action": "ec2:AuthorizeSecurityGroupIngress", "Resource": RULES, **when("aws:RequestTag/Project")}, []),
        ({"Action": "ec2:TerminateInstances", "Resource": "*", **when("ec2:CreateAction")},
         ["ec2:TerminateInstances on instance knows no condition key ec2:CreateAction"]),
        ({"Action": "iam:TagRole", "Resource": "*", **when("iam:PermissionsBoundary")},
         ["iam:TagRole on role knows no condition key iam:PermissionsBoundary"]),
        # what let a request without names take all tags away
        ({"Action": "ec2:DeleteTags", "Resource": "*",
          "Condition": {"ForAllValues:StringNotEquals": {"aws:TagKeys": "x"}}},
         ["ForAllValues holds of a request without aws:TagKeys; Null must ask for one"]),
        ({"Action": "ec2:DeleteTags", "Resource": "*",
          "Condition": {"ForAllValues:StringNotEquals": {"aws:TagKeys": "x"}, "Null": {"aws:TagKeys": "false"}}}, []),
        # of a pattern only what holds for all that it means
        ({"Action": "s3:Get*", "Resource": "arn:aws:s3:::b/*"}, []),
        ({"Action": "elasticmapreduce:Terminate*", "Resource": "arn:aws:s3:::b/*"},
         ["elasticmapreduce:TerminateJobFlows is not decided on arn:aws:s3:::b/*"]),
    ],
)  # fmt: skip
def test_lint_can_fail(statement: dict[str, Any], said: list[str]) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "S", "Effect": "Allow", **statement}]})
    assert findings(text) == [f"statement S: {one}" for one in said]
