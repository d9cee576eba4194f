"""What AWS's APIs refuse of texts is refused here, by patterns and lengths that botocore's models hold."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws.calls import Call, parse_call
from localaws.limits import find_problems
from localaws.settings import ROOT
from tests.localaws.support import Aws, World, allow, sent, trust
from tools import module_docs

EC2_TEXTS = [
    ("SageMaker services through the NAT gateway", True),
    ("._-:/()#,@[]+=&;{}!$* aZ9", True),
    ("x" * 255, True),
    ("SageMaker's own services", False),
    ("l’été", False),
    ("Pommes d'été", False),
    ("a tab\there", False),
    ("100 %", False),
    ("x" * 256, False),
]


def nested(path: str, text: str) -> dict[str, Any]:
    """A text as a member of members; those in the plural are lists."""
    value: Any = text
    for name in reversed(path.split(".")):
        value = {name: [value] if name.endswith("s") and isinstance(value, dict) else value}
    return dict(value)


@pytest.mark.parametrize(("text", "taken"), EC2_TEXTS)
@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("CreateSecurityGroup", "Description"),
        ("CreateSecurityGroup", "GroupName"),
        ("AuthorizeSecurityGroupIngress", "IpPermissions.IpRanges.Description"),
        ("AuthorizeSecurityGroupEgress", "IpPermissions.PrefixListIds.Description"),
        ("AuthorizeSecurityGroupIngress", "IpPermissions.UserIdGroupPairs.Description"),
        ("ModifySecurityGroupRules", "SecurityGroupRules.SecurityGroupRule.Description"),
        ("UpdateSecurityGroupRuleDescriptionsIngress", "IpPermissions.IpRanges.Description"),
    ],
)
def test_texts_of_groups_and_rules(operation: str, path: str, text: str, taken: bool) -> None:
    assert (find_problems(parse_call(sent("ec2", operation, nested(path, text)))) == []) is taken


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "taken"),
    [
        ("ec2", "CreateVpc", {"CidrBlock": "10.42.0.0/16"}, True),
        ("ec2", "CreateVpc", {"CidrBlock": "10.42.0.0/15"}, False),
        ("ec2", "CreateVpc", {"CidrBlock": "10.42.0.1/16"}, False),
        ("ec2", "CreateSubnet", {"CidrBlock": "10.42.0.0/29"}, False),
        ("ec2", "AuthorizeSecurityGroupEgress", nested("IpPermissions.IpRanges.CidrIp", "0.0.0.0/0"), True),
        ("ec2", "AuthorizeSecurityGroupEgress", nested("IpPermissions.IpRanges.CidrIp", "10.0.0.5/8"), False),
        ("ec2", "CreateTags", {"Tags": [{"Key": "k" * 128, "Value": "v" * 256}]}, True),
        ("ec2", "CreateTags", nested("Tags.Key", "k" * 129), False),
        ("ec2", "CreateVpc", nested("TagSpecifications.Tags.Value", "v" * 257), False),
        ("ec2", "CreateTags", nested("Tags.Key", "AWS:owner"), False),
        ("iam", "CreateRole", {"RoleName": "fruits-dev-emr-node", "Description": "Émile's"}, True),
        ("iam", "CreateRole", {"RoleName": "fruits dev"}, False),
        ("iam", "CreateRole", {"RoleName": "r" * 65}, False),
        ("iam", "CreateRole", {"Description": "l’été"}, False),
        ("iam", "CreateRole", {"Tags": [{"Key": "Owner", "Value": "ana & co"}]}, False),
        ("scheduler", "CreateSchedule", {"Name": "fruits-dev-idle", "Target": {"Arn": "a", "RoleArn": "r"}}, False),
        ("scheduler", "CreateSchedule", {"Name": "fruits idle"}, False),
        ("scheduler", "CreateSchedule", {"Name": "fruits", "Description": "d" * 513}, False),
        ("stepfunctions", "CreateStateMachine", {"name": "n" * 81}, False),
        ("emr", "RunJobFlow", {"Name": "n" * 257}, False),
        ("emr", "RunJobFlow", {"Name": "fruits-dev", "AutoTerminationPolicy": {"IdleTimeout": 900}}, True),
        ("emr", "RunJobFlow", {"Steps": [{"Name": "s" * 257}]}, False),
        ("sagemaker", "CreateDomain", {"DomainName": "fruits_dev"}, False),
        ("sagemaker", "CreateUserProfile", {"UserProfileName": "ana", "DomainId": "d-1"}, True),
        ("kms", "CreateAlias", {"AliasName": "alias/fruits dev"}, False),
        ("kms", "CreateKey", {"Description": "d" * 8193}, False),
    ],
)
def test_patterns_and_lengths(service: str, operation: str, parameters: dict[str, Any], taken: bool) -> None:
    problems = find_problems(parse_call(sent(service, operation, parameters)))
    assert (problems == []) is taken, problems


@pytest.mark.aws
def test_the_service_says_it_in_its_own_way(aws: Aws, world: World) -> None:
    asked: list[tuple[str, str, dict[str, Any], str]] = [
        ("ec2", "create_security_group", {"GroupName": "g", "Description": "d'été", "VpcId": world.vpc}, "InvalidPara"),
        ("iam", "create_role", {"RoleName": "a b", "AssumeRolePolicyDocument": trust("x")}, "ValidationError"),
        (
            "iam",
            "put_role_policy",
            {"RoleName": "a", "PolicyName": "p p", "PolicyDocument": allow("x", on=[])},
            "Valid",
        ),
        ("stepfunctions", "create_state_machine", {"name": "n" * 81, "definition": "{}", "roleArn": "r"}, "Validation"),
        ("scheduler", "get_schedule", {"Name": "a b"}, "ValidationException"),
    ]
    for service, operation, given, code in asked:
        with pytest.raises(ClientError, match=code):
            getattr(aws.client(service), operation)(**given)
    world.end(world.cluster(Name="Émile's cluster"))


@pytest.mark.costly
def test_no_description_of_the_stacks_has_what_ec2_refuses() -> None:
    """The code's own texts, as written; `make apply` on the embedded AWS says the same of what becomes of them."""
    texts = []
    for path in sorted((ROOT / "infra").rglob("*.tf")):
        for resource in module_docs.parse_blocks(path.read_text()).get("resource", []):
            for kind, named in resource.items():
                if kind in (
                    "aws_security_group",
                    "aws_vpc_security_group_ingress_rule",
                    "aws_vpc_security_group_egress_rule",
                ):
                    texts += [(path, body.get("description", "")) for body in named.values()]
    assert len(texts) > 15
    for path, text in texts:
        assert text, f"{path}: a rule without a description"
        plain = text if "${" not in text else "x"
        assert find_problems(Call("ec2", "CreateSecurityGroup", "eu-west-3", {"Description": plain})) == [], path
