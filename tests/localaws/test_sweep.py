"""What EMR leaves in a VPC is found by tag and name, and removed; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest

from ops.sweep import SweepError, sweep, vpcs_of
from tests.localaws.support import Aws, make_world

pytestmark = pytest.mark.aws


def test_emrs_endpoint_and_its_own_groups_go_and_ours_stay(aws: Aws) -> None:
    world, ec2 = make_world(aws), aws.client("ec2")
    none: dict[str, Any] = {
        "EmrManagedMasterSecurityGroup": "",
        "EmrManagedSlaveSecurityGroup": "",
        "ServiceAccessSecurityGroup": "",
    }
    cluster = world.cluster(Instances=none)
    world.wait(cluster, "WAITING")
    world.end(cluster)

    def groups() -> set[str]:
        found = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [world.vpc]}])["SecurityGroups"]
        return {group["GroupName"] for group in found}

    ours = {name for name in groups() if not name.startswith("ElasticMapReduce-")}
    assert len(groups() - ours) == 3
    swept = sweep(ec2, [world.vpc], pause=0.05)
    assert (len(swept.endpoints), len(swept.groups)) == (1, 3)
    assert groups() == ours
    again = sweep(ec2, [world.vpc], pause=0.05)
    assert (again.endpoints, again.groups) == ([], [])
    assert sweep(ec2, []).endpoints == []
    for group in world.groups:
        ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=world.subnet)
    ec2.delete_vpc(VpcId=world.vpc)


def test_the_vpc_is_found_by_project_and_environment(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    made = {}
    for env in ("one", "two"):
        tags = [{"Key": "Project", "Value": "fruits"}, {"Key": "Environment", "Value": env}]
        specification = [{"ResourceType": "vpc", "Tags": tags}]
        made[env] = ec2.create_vpc(CidrBlock="10.9.0.0/16", TagSpecifications=specification)["Vpc"]["VpcId"]
    assert vpcs_of(ec2, "fruits", "two") == [made["two"]]
    assert vpcs_of(ec2, "fruits", "three") == []


class Stubborn:
    """An EC2 whose endpoint stays in deletion."""

    def get_paginator(self, name: str) -> Stubborn:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "State": "available"}], "SecurityGroups": []}]

    def delete_vpc_endpoints(self, **asked: Any) -> None:
        assert asked == {"VpcEndpointIds": ["vpce-1"]}


def test_an_endpoint_that_does_not_go_is_told_with_the_cure() -> None:
    with pytest.raises(SweepError, match=r"vpce-1 is still being deleted after 0 s.*run make destroy again"):
        sweep(Stubborn(), ["vpc-1"], wait_seconds=0, pause=0)
