"""What EMR and SageMaker leave in a VPC is found by tag and name, and removed; nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.aws.sweep import find_vpcs, has_studio, sweep_network
from ops.core.errors import UnfinishedError
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
    swept = sweep_network(ec2, [world.vpc], pause=0.05)
    assert [name.partition("-")[0] for name in swept] == ["vpce", "sg", "sg", "sg"]
    assert groups() == ours
    assert sweep_network(ec2, [world.vpc], pause=0.05) == []
    assert sweep_network(ec2, []) == []
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
    assert find_vpcs(ec2, "fruits", "two") == [made["two"]]
    assert find_vpcs(ec2, "fruits", "three") == []


def make_domain(aws: Aws, vpc: str, subnet: str, name: str) -> str:
    made = aws.client("sagemaker").create_domain(
        DomainName=name,
        AuthMode="IAM",
        DefaultUserSettings={"ExecutionRole": "arn:aws:iam::123456789012:role/studio"},
        SubnetIds=[subnet],
        VpcId=vpc,
    )
    return str(made["DomainId"])


def test_what_a_studio_domain_leaves_is_swept_once_its_home_folders_are_gone(aws: Aws) -> None:
    world, ec2, studio = make_world(aws), aws.client("ec2"), aws.client("sagemaker")
    domain = make_domain(aws, world.vpc, world.subnet, "kept")
    assert has_studio(ec2, [world.vpc])
    home = studio.describe_domain(DomainId=domain)["HomeEfsFileSystemId"]
    studio.delete_domain(DomainId=domain)  # AWS's default: the file system is kept
    efs = aws.client("efs")
    target = efs.describe_mount_targets(FileSystemId=home)["MountTargets"][0]["MountTargetId"]
    with pytest.raises(UnfinishedError, match=r"security-group-for-inbound-nfs-d-\d+ is still in use.*file system"):
        sweep_network(ec2, [world.vpc], wait_seconds=0, pause=0)
    efs.delete_mount_target(MountTargetId=target)
    swept = sweep_network(ec2, [world.vpc], pause=0.05)
    assert sum(name.startswith("sg-") for name in swept) == 2
    assert not has_studio(ec2, [world.vpc])
    for group in world.groups:
        ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=world.subnet)
    ec2.delete_vpc(VpcId=world.vpc)


def test_a_domain_that_is_deleted_with_its_home_folders_leaves_two_groups(aws: Aws) -> None:
    world, ec2, studio = make_world(aws), aws.client("ec2"), aws.client("sagemaker")
    domain = make_domain(aws, world.vpc, world.subnet, "whole")
    home = studio.describe_domain(DomainId=domain)["HomeEfsFileSystemId"]
    studio.delete_domain(DomainId=domain, RetentionPolicy={"HomeEfsFileSystem": "Delete"})
    assert home not in [f["FileSystemId"] for f in aws.client("efs").describe_file_systems()["FileSystems"]]
    assert has_studio(ec2, [world.vpc])
    with pytest.raises(ClientError, match="has dependencies and cannot be deleted"):
        ec2.delete_vpc(VpcId=world.vpc)
    assert sum(name.startswith("sg-") for name in sweep_network(ec2, [world.vpc], pause=0.05)) == 2


class Stubborn:
    """An EC2 whose endpoint stays in deletion."""

    def get_paginator(self, name: str) -> Stubborn:
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:
        return [{"VpcEndpoints": [{"VpcEndpointId": "vpce-1", "State": "available"}], "SecurityGroups": []}]

    def delete_vpc_endpoints(self, **asked: Any) -> None:
        assert asked == {"VpcEndpointIds": ["vpce-1"]}


def test_an_endpoint_that_does_not_go_is_told_with_the_cure() -> None:
    with pytest.raises(UnfinishedError, match=r"vpce-1 is still being deleted after 0 s.*run make destroy again"):
        sweep_network(Stubborn(), ["vpc-1"], wait_seconds=0, pause=0)
