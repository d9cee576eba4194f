"""Every policy document of the plans, linted with parliament: real actions, on fitting resources, by real keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ops.plan import policies
from tests.infra.iam_lint import load_parliament
from tests.infra.planning import SCENARIOS

parliament = load_parliament()

Plan = dict[str, Any]

IDENTITY = ("aws_iam_role_policy", "aws_iam_policy")


def findings(text: str, *, resource_policy: bool = False) -> list[str]:
    """What parliament says about a document, as "issue: detail"."""
    held = json.loads(text)
    if resource_policy:
        # parliament reads identity policies; the part of a resource's policy that says who is not its business.
        held["Statement"] = [{k: v for k, v in s.items() if k != "Principal"} for s in held["Statement"]]
    analyzed = parliament.analyze_policy_string(json.dumps(held))
    return [f"{f.issue}: {f.detail}" for f in analyzed.findings]


def documents(plan: Plan, types: tuple[str, ...]) -> dict[str, str]:
    return {
        resource.address: resource.values[attribute]
        for resource in policies.resources(plan)
        if resource.type in types
        for attribute in policies.DOCUMENTS[resource.type]
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
    assert {a: f for a, text in held.items() if (f := findings(text, resource_policy=True))} == {}


@pytest.mark.parametrize(
    ("statement", "issue"),
    [
        ({"Action": "s3:GetObjekt", "Resource": "arn:aws:s3:::b/*"}, "UNKNOWN_ACTION"),
        ({"Action": "s3:GetObject", "Resource": "arn:aws:s3:::b"}, "RESOURCE_MISMATCH"),
        (
            {
                "Action": "s3:GetObject",
                "Resource": "arn:aws:s3:::b/*",
                "Condition": {"Bool": {"aws:SecureTransprt": "true"}},
            },
            "UNKNOWN_CONDITION_FOR_ACTION",
        ),
        ({"Action": "iam:PassRole", "Resource": "arn:aws:iam::123456789012:user/x"}, "RESOURCE_MISMATCH"),
    ],
)
def test_lint_can_fail(statement: dict[str, Any], issue: str) -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
    assert [finding.split(":")[0] for finding in findings(text)] == [issue]
