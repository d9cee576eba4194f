"""What `make billing` lists of an environment, from recorded answers: each thing's price by hand, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.cost import leftovers
from ops.cost.billing import Item
from ops.cost.leftovers import list_running_costs
from ops.prices.table import INFERRED, Service
from tests.ops import test_money as recorded
from tests.ops.test_money import BOOK, REGION, Answers, Recorded

D = Decimal
PRICES = replace(BOOK, services={**BOOK.services, (REGION, "s3_standard"): Service(D("0.02"), INFERRED)})
OURS = [{"Key": "Project", "Value": "fruits"}, {"Key": "Environment", "Value": "dev"}]
OF_CLUSTER = [*OURS, {"Key": "aws:elasticmapreduce:job-flow-id", "Value": "j-1"}]
WHERE = f"--region {REGION}"
DESTROY = "make destroy ENV=dev"
END = f"aws ec2 terminate-instances --instance-ids {{}} {WHERE}"
DELETE = f"aws ec2 delete-volume --volume-id vol-{{}} {WHERE}"
RELEASE = f"aws ec2 release-address --allocation-id eipalloc-{{}} {WHERE}"
BY_MONTH = "; its file system bills by the month"
OF_ALL = "; holds the states of every environment of the account"
ARN = f"arn:aws:{{}}:{REGION}:123456789012:{{}}"


@pytest.fixture(autouse=True)
def two_and_a_half_hours_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leftovers, "datetime", SimpleNamespace(now=lambda _: recorded.at(9000)))


class Buckets:
    """S3 with versions in two buckets of four; of the others one is not there, and one holds nothing."""

    def __init__(self, refusal: str = "NoSuchBucket") -> None:
        self.refusal = refusal

    def get_paginator(self, call: str) -> Any:
        assert call == "list_object_versions"
        return SimpleNamespace(paginate=self.paginate)

    def paginate(self, *, Bucket: str) -> Iterator[dict[str, Any]]:
        if "-data-" in Bucket:
            raise ClientError({"Error": {"Code": self.refusal, "Message": "no"}}, "ListObjectVersions")
        sizes = {"fruits-dev-artifacts-123456789012": [2**30, 2 * 2**30], "fruits-tfstate-123456789012": [2**29]}
        yield {}
        yield {"Versions": [{"Size": size} for size in sizes.get(Bucket, [])]}


def account(**more: Any) -> Recorded:
    """The cluster of the recorded answers, one node of it on Spot, and things around it."""
    made = recorded.account(
        instances=[recorded.PRIMARY, {**recorded.CORE, "Market": "SPOT"}, recorded.TASK],
        cluster={
            **recorded.CLUSTER,
            "Name": "fruits-dev",
            "Tags": OURS,
            "Status": {"State": "WAITING", "Timeline": {"CreationDateTime": recorded.at(0)}},
        },
    )
    emr, ec2 = made.answers["emr"].given, made.answers["ec2"].given
    emr["list_clusters"] = {"Clusters": [{"Id": "j-1"}]}
    of_emr, *endpoints = recorded.ENDPOINTS
    ec2 |= {
        "describe_vpc_endpoints": {
            "VpcEndpoints": [{**of_emr, "Tags": [{"Key": "Name", "Value": "emr-service-vpce"}]}, *endpoints]
        },
        "describe_instances": {
            "Reservations": [
                {"Instances": [{"InstanceId": name, "InstanceType": kind, "State": {"Name": state}, "Tags": tags}]}
                for name, kind, state, tags in (
                    ("i-1", "m5.xlarge", "running", OF_CLUSTER),
                    ("i-2", "c5.xlarge", "running", OURS),
                    ("i-3", "x9.large", "stopped", OURS),
                    ("i-4", "c5.xlarge", "terminated", OURS),
                )
            ]
        },
        "describe_volumes": {
            "Volumes": [
                {"VolumeId": name, "Size": size, "State": state, "VolumeType": kind, "Tags": tags}
                for name, size, state, kind, tags in (
                    ("vol-1", 40, "in-use", "gp3", OF_CLUSTER),
                    ("vol-2", 100, "available", "gp3", OURS),
                    ("vol-3", 20, "available", "gp2", OURS),
                )
            ]
        },
        "describe_addresses": {
            "Addresses": [
                {"AllocationId": "eipalloc-1", "PublicIp": "192.0.2.1", "AssociationId": "eipassoc-1"},
                {"AllocationId": "eipalloc-2", "PublicIp": "192.0.2.2"},
            ]
        },
    }
    apps = [{"AppType": "JupyterLab", "SpaceName": "mine", "Status": status} for status in ("InService", "Deleted")]
    domains = [{"DomainId": "d-1", "DomainName": "fruits-dev", "Status": "InService"}]
    tagged = [ARN.format("kms", "key/k-1"), ARN.format("ec2", "vpc/vpc-1"), ARN.format("sqs", "queue")]
    made.answers.update(
        {
            "emr": Answers("emr", emr),
            "ec2": Answers("ec2", ec2),
            "s3": Buckets(),
            "sagemaker": Answers("sagemaker", {"list_domains": {"Domains": domains}, "list_apps": {"Apps": apps}}),
            "resourcegroupstaggingapi": Answers(
                "resourcegroupstaggingapi",
                {"get_resources": {"ResourceTagMappingList": [{"ResourceARN": arn} for arn in tagged]}},
            ),
        }
    )
    return replace(made, **more)


def as_row(item: Item) -> tuple[str, str, str, Decimal | None, bool, str]:
    usd = item.usd_hour if item.usd_month is None else item.usd_month
    return item.kind, item.id, item.about, usd, item.inferred, item.remove


def test_each_thing_bears_its_price_and_what_ends_it() -> None:
    costs = list_running_costs(account(), PRICES)
    assert [as_row(item) for item in costs.items] == [
        # 0.20 + 0.05 and 50 GiB, 0.08 + 0.05 and 100 GiB; a Spot price that nobody has read
        ("cluster", "j-1", "left WAITING, 2 h 30 min old, 2 nodes, volumes included", D("0.395"), True, DESTROY),
        ("instance", "i-2", "c5.xlarge, running, of no live cluster", D("0.10"), False, END.format("i-2")),
        ("instance", "i-3", "x9.large, stopped, of no live cluster", None, False, END.format("i-3")),
        ("volume", "vol-2", "100 GiB, available", D("0.01"), False, DELETE.format(2)),
        ("volume", "vol-3", "20 GiB, available", D("0.002"), True, DELETE.format(3)),
        ("elastic IP", "eipalloc-1", "192.0.2.1, in use", D("0.005"), False, RELEASE.format(1)),
        ("elastic IP", "eipalloc-2", "192.0.2.2, used by nothing", D("0.005"), False, RELEASE.format(2)),
        ("NAT gateway", "nat-0", "available; and by the GB that passes", D("0.050"), False, DESTROY),
        ("NAT gateway", "nat-2", "pending; and by the GB that passes", D("0.050"), False, DESTROY),
        ("endpoint", "vpce-1", "emr-service-vpce, which EMR made, 2 zones", D("0.022"), True, DESTROY),
        ("endpoint", "vpce-5", "ssm, 1 zone", D("0.011"), False, DESTROY),
        (
            "Studio domain",
            "d-1",
            "InService; runs JupyterLab of mine (make studio-stop ends it)" + BY_MONTH,
            None,
            False,
            f"{DESTROY}, which closes what runs in it first",
        ),
        (
            "bucket",
            "fruits-dev-artifacts-123456789012",
            "artifacts: 2 object versions, 3.0 GiB",
            D("0.06"),
            True,
            "make purge ENV=dev",
        ),
        (
            "bucket",
            "fruits-dev-logs-123456789012",
            "logs: 0 object versions, 0 B",
            D(0),
            True,
            "make purge ENV=dev",
        ),
        (
            "bucket",
            "fruits-tfstate-123456789012",
            "state: 1 object version, 512.0 MiB" + OF_ALL,
            D("0.01"),
            True,
            costs.items[-3].remove,
        ),
        (
            "key",
            ARN.format("kms", "key/k-1"),
            "a customer managed key; one scheduled for deletion does not bill",
            D(1),
            True,
            "make purge ENV=dev",
        ),
        (
            "sqs:queue",
            ARN.format("sqs", "queue"),
            "has our tags and may bill",
            None,
            False,
            f"{DESTROY}, or in the console of sqs",
        ),
    ]
    assert costs.items[-3].remove.startswith("aws s3api delete-objects --bucket fruits-tfstate-123456789012 --delete ")
    assert costs.items[-3].remove.endswith("; aws s3 rb s3://fruits-tfstate-123456789012")
    assert (costs.free, costs.unseen) == ([ARN.format("ec2", "vpc/vpc-1")], [])


def test_a_cluster_that_terraform_does_not_know_is_ended_by_emr_and_works() -> None:
    made = account(applied=False)
    made.answers["emr"].given["describe_cluster"]["Cluster"]["Status"]["State"] = "RUNNING"
    made.answers["emr"].given["list_instances"] = {"Instances": [{**recorded.PRIMARY, "InstanceType": "x9.large"}]}
    cluster = list_running_costs(made, PRICES, buckets=False).items[0]
    terminate = f"aws emr terminate-clusters --cluster-ids j-1 {WHERE}"
    assert as_row(cluster) == ("cluster", "j-1", "RUNNING, 2 h 30 min old", None, False, terminate)


def test_what_cannot_be_listed_is_said_and_the_rest_is_priced() -> None:
    made = account()

    def refuse(code: str, call: str) -> Any:
        def raise_it(*_: Any, **__: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "no"}}, call)

        return SimpleNamespace(get_paginator=raise_it)

    made.answers.update(s3=Buckets("AccessDenied"), resourcegroupstaggingapi=refuse("AccessDenied", "GetResources"))
    made.answers["sagemaker"].given["list_apps"] = {"Apps": []}
    costs = list_running_costs(made, PRICES)
    assert costs.unseen == [
        "buckets were not listed: ListObjectVersions is not allowed (AccessDenied)",
        "what else has our tags was not listed: GetResources is not allowed (AccessDenied)",
    ]
    domain = costs.items[-1]
    assert domain.about == "InService; nothing runs in it" + BY_MONTH
    domains = made.answers["sagemaker"].get_paginator("list_domains")

    def paginate(call: str) -> Any:
        return domains if call == "list_domains" else refuse("AccessDenied", "ListApps").get_paginator()

    made.answers["sagemaker"] = SimpleNamespace(get_paginator=paginate)
    domain = list_running_costs(made, PRICES, buckets=False).items[-1]
    assert "; what runs in it was not listed: ListApps is not allowed (AccessDenied); " in domain.about


def test_buckets_are_measured_where_that_is_asked_and_nothing_embedded_is_ended_by_a_command_for_aws() -> None:
    made = account()
    few = list_running_costs(made, PRICES, buckets=False)
    assert "bucket" not in {item.kind for item in few.items}
    embedded = replace(made, target=replace(made.target, endpoint="http://127.0.0.1:1"))
    items = list_running_costs(embedded, PRICES, buckets=False).items
    assert [item.id for item in items] == [item.id for item in few.items]
    assert {item.remove for item in items} == {"make local-down"}
