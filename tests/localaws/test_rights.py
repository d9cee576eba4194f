"""Which rights a call needs, read from what botocore's own serializer writes on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from localaws.calls import UnknownCallError, parse_call
from localaws.policy import AccessRequest
from localaws.rights import list_needs
from tests.localaws.support import REGION, sent

GROUP, OTHER, RULE = "sg-0aaaaaaaaaaaaaaa0", "sg-0bbbbbbbbbbbbbbb0", "sgr-0cccccccccccccc0"
TABLE, SUBNET, ASSOCIATION = "rtb-0dddddddddddddd0", "subnet-0eeeeeeeeeeeee0", "rtbassoc-0fffffffffff0"
PREFIX = f"arn:aws:ec2:{REGION}:123456789012:"


class Facts:
    """An account with one group that holds one rule, and one table that is joined to a subnet."""

    account = "123456789012"

    def read_tags(self, resource_id: str) -> Mapping[str, str]:
        return {"Project": "fruits"} if resource_id == GROUP else {}

    def find_profile_role(self, profile: str) -> str:
        return f"role-of-{profile}"

    def find_boundary(self, role: str) -> str | None:
        return None

    def find_association(self, association_id: str) -> list[str]:
        return {ASSOCIATION: [TABLE, SUBNET]}[association_id]

    def find_rule_group(self, rule_id: str) -> str:
        return {RULE: GROUP}[rule_id]

    def find_alias_key(self, alias: str) -> str:
        return "key"

    def find_space_owner(self, domain_id: str, space: str) -> str | None:
        return None


def list_all(service: str, operation: str, parameters: dict[str, Any]) -> list[AccessRequest]:
    facts: Any = Facts()
    return list_needs(parse_call(sent(service, operation, parameters)), facts)


def needs(service: str, operation: str, **parameters: Any) -> set[tuple[str, str]]:
    return {(need.action, need.resource) for need in list_all(service, operation, parameters)}


RULES = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": OTHER}]}]


@pytest.mark.parametrize(
    ("operation", "parameters", "about"),
    [
        ("AuthorizeSecurityGroupIngress", {"GroupId": GROUP, "IpPermissions": RULES}, [f"security-group/{GROUP}"]),
        ("RevokeSecurityGroupEgress", {"SecurityGroupRuleIds": [RULE]}, [f"security-group/{GROUP}"]),
        ("DisassociateRouteTable", {"AssociationId": ASSOCIATION}, [f"route-table/{TABLE}", f"subnet/{SUBNET}"]),
        ("DeleteTags", {"Resources": [SUBNET], "Tags": [{"Key": "a"}]}, [f"subnet/{SUBNET}"]),
    ],
)
def test_what_an_ec2_call_is_about(operation: str, parameters: dict[str, Any], about: list[str]) -> None:
    assert needs("ec2", operation, **parameters) == {(f"ec2:{operation}", PREFIX + name) for name in about}


def test_what_is_made_with_tags_is_tagged_too() -> None:
    tags = [{"ResourceType": "vpc", "Tags": [{"Key": "Project", "Value": "fruits"}]}]
    made, tagged = list_all("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16", "TagSpecifications": tags})
    assert (made.action, tagged.action) == ("ec2:CreateVpc", "ec2:CreateTags")
    assert made.context["aws:RequestTag/Project"] == tagged.context["aws:RequestTag/Project"] == "fruits"
    assert tagged.context["ec2:CreateAction"] == "CreateVpc"


def test_a_cluster_takes_its_roles_along() -> None:
    tags = [{"Key": "a", "Value": "b"}]
    roles = {"JobFlowRole": "node", "ServiceRole": "arn:aws:iam::123456789012:role/service"}
    assert needs("emr", "RunJobFlow", Name="c", Instances={}, Tags=tags, **roles) == {
        ("elasticmapreduce:RunJobFlow", "*"),
        ("elasticmapreduce:AddTags", f"arn:aws:elasticmapreduce:{REGION}:123456789012:cluster/*"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/role-of-node"),
        ("iam:PassRole", "arn:aws:iam::123456789012:role/service"),
    }


def test_objects_by_their_keys() -> None:
    objects = {"Objects": [{"Key": "a é"}, {"Key": "b", "VersionId": "1"}]}
    assert needs("s3", "DeleteObjects", Bucket="x", Delete=objects) == {
        ("s3:DeleteObject", "arn:aws:s3:::x/a é"),
        ("s3:DeleteObjectVersion", "arn:aws:s3:::x/b"),
    }
    assert needs("s3", "GetObject", Bucket="x", Key="a/é b.jpg") == {("s3:GetObject", "arn:aws:s3:::x/a/é b.jpg")}
    assert needs("s3", "CopyObject", Bucket="x", Key="k", CopySource="y/a%20b") == {
        ("s3:GetObject", "arn:aws:s3:::y/a b"),
        ("s3:PutObject", "arn:aws:s3:::x/k"),
    }


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"HTTP_AUTHORIZATION": ""}, "POST /: not signed"),
        ({"HTTP_X_AMZ_TARGET": "ElasticMapReduce.Fly"}, "POST / of emr: no operation fits"),
        (
            {"HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-3/ovens/aws4_request,"},
            "POST /: no model of the service ovens",
        ),
    ],
)
def test_what_is_not_known_is_said(changed: dict[str, str], reason: str) -> None:
    with pytest.raises(UnknownCallError, match=reason):
        parse_call(sent("emr", "ListClusters", {}) | changed)


def test_a_body_that_is_no_request_is_for_the_service_to_refuse() -> None:
    environ = sent("emr", "DescribeCluster", {"ClusterId": "j-1"})
    environ["wsgi.input"].truncate(0)
    environ["wsgi.input"].write(b"[1, 2]")
    environ["wsgi.input"].seek(0)
    with pytest.raises(UnknownCallError, match="POST / of emr: "):
        parse_call(environ | {"CONTENT_LENGTH": "6"})
    assert environ["wsgi.input"] is not None
