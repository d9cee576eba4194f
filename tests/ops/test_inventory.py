"""What an environment holds at AWS: the last line of a command, `make billing` and verify-aws mean the same things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops.aws.account import Account
from ops.aws.inventory import Inventory
from ops.aws.sweep import ENDPOINT_NAME
from ops.core.target import Target
from ops.cost import upkeep
from ops.cost.leftovers import Lister, list_running_costs
from ops.prices import table as prices

REGION, OWNER = "eu-west-3", "123456789012"


def tags(env: str, kind: str) -> list[dict[str, Any]]:
    pairs = [{"Key": "Project", "Value": "fruits"}, {"Key": "Environment", "Value": env}]
    return [{"ResourceType": kind, "Tags": pairs}]


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    listing = Inventory._list

    def without_what_moto_lacks(self: Inventory, service: str, call: str, key: str, **arguments: Any) -> Iterator[Any]:
        return iter(()) if call == "list_security_configurations" else listing(self, service, call, key, **arguments)

    monkeypatch.setattr(Inventory, "_list", without_what_moto_lacks)
    with mock_aws():
        yield Account(Target(env="dev", region=REGION, account_id=OWNER))


def furnish(env: str) -> dict[str, list[str]]:
    """Make one thing of each kind in a network of an environment; EMR's and a user's endpoint bear none of our tags."""
    ec2 = boto3.client("ec2", region_name=REGION)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags(env, "vpc"))["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/20")["Subnet"]["SubnetId"]

    def endpoint(service: str, kind: str, **more: Any) -> str:
        name = f"com.amazonaws.{REGION}.{service}"
        made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=name, VpcEndpointType=kind, **more)
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    name = [{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "Name", "Value": ENDPOINT_NAME}]}]
    of_emr = endpoint("elasticmapreduce", "Interface", SubnetIds=[subnet], TagSpecifications=name)
    of_user, of_s3 = endpoint("ssm", "Interface", SubnetIds=[subnet]), endpoint("s3", "Gateway")
    address = ec2.allocate_address(Domain="vpc", TagSpecifications=tags(env, "elastic-ip"))["AllocationId"]
    gateway = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address, TagSpecifications=tags(env, "natgateway"))
    gone = ec2.create_nat_gateway(SubnetId=subnet, TagSpecifications=tags(env, "natgateway"))["NatGateway"]
    ec2.delete_nat_gateway(NatGatewayId=gone["NatGatewayId"])
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=8, TagSpecifications=tags(env, "volume"))["VolumeId"]
    image = "ami-12c6146b"  # one of moto's
    more = {"SubnetId": subnet, "TagSpecifications": tags(env, "instance"), "MinCount": 1, "MaxCount": 1}
    machine = ec2.run_instances(ImageId=image, InstanceType="m5.xlarge", **more)["Instances"][0]["InstanceId"]
    bucket, where = f"fruits-{env}-data-{OWNER}", {"LocationConstraint": REGION}
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=bucket, CreateBucketConfiguration=where)
    return {
        "VPCs": [vpc],
        "endpoints": sorted([of_emr, of_user, of_s3]),
        "interface endpoints": sorted([of_emr, of_user]),
        "elastic IPs": [address],
        "NAT gateways": [gateway["NatGateway"]["NatGatewayId"]],
        "volumes": [volume],
        "instances": [machine],
        "buckets": [bucket],
    }


@pytest.mark.costly
def test_an_inventory_is_of_one_environment_and_leaves_out_what_is_gone(account: Account) -> None:
    furnish("prod")
    dev = furnish("dev")
    names = {kind: sorted(ids) for kind, ids in Inventory(account).names().items()}
    for kind in ("VPCs", "endpoints", "elastic IPs", "NAT gateways", "volumes", "instances", "buckets"):
        assert names[kind] == dev[kind], kind
    assert (names["clusters"], names["Studio domains"], names["schedules"]) == ([], [], [])
    assert len(names["interfaces"]) >= 1


def test_billing_and_the_last_line_count_the_same_network(account: Account) -> None:
    furnish("prod")
    dev, lister = furnish("dev"), Lister(account, prices.table())
    hourly = upkeep.price_network(account)
    assert sorted(name.rpartition(" ")[2] for name in hourly) == sorted(
        [*dev["interface endpoints"], *dev["NAT gateways"]]
    )
    listed = {item.id: item.usd_hour for item in [*lister.endpoints(), *lister.gateways()]}
    assert listed == {name.rpartition(" ")[2]: usd for name, usd in hourly.items()}
    assert [item.id for item in lister.instances()] == dev["instances"]
    assert [item.id for item in lister.addresses()] == dev["elastic IPs"]


@pytest.mark.costly
def test_nothing_on_the_embedded_aws_is_removed_by_a_command_for_aws(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typed in another shell, `aws ec2 terminate-instances` would mean a real account."""
    furnish("dev")
    real = list_running_costs(account, prices.table(), buckets=False).items
    ways = {item.kind: item.remove for item in real}
    assert ways["endpoint"] == ways["NAT gateway"] == "make destroy ENV=dev"  # the network is Terraform's
    assert ways["instance"].startswith("aws ec2 terminate-instances")
    monkeypatch.setattr(Target, "emulated", property(lambda _: True))
    embedded = list_running_costs(account, prices.table(), buckets=False).items
    assert [item.id for item in embedded] == [item.id for item in real]
    assert {item.remove for item in embedded} == {"make local-down"}


@pytest.mark.parametrize(
    ("known", "remove"),
    [("j-1", "make destroy ENV=dev"), ("j-2", f"aws emr terminate-clusters --cluster-ids j-1 --region {REGION}")],
)
def test_a_cluster_of_terraforms_is_ended_by_its_own_command(account: Account, known: str, remove: str) -> None:
    lister = Lister(replace(account), prices.table())
    lister.account.__dict__["cluster"] = {"cluster_id": known}  # a cached property
    assert lister._removal("j-1") == remove


def test_an_empty_account_holds_nothing(account: Account) -> None:
    assert not any(Inventory(account).names().values())
    assert upkeep.price_network(account) == {}
