"""Lists what bills of an environment, service by service, by our tags and by our names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import Account
from ops.aws.emr import LIVE_STATES
from ops.aws.refusals import is_denied, why_not
from ops.aws.studio import apps_of, label
from ops.aws.sweep import ENDPOINT_NAME, vpcs_of
from ops.core.target import PROJECT
from ops.core.text import age, size
from ops.cost import ledger
from ops.cost.billing import GIB, Bill, Item, is_ours, others, tags_of
from ops.prices import table as prices


@dataclass
class Lister:
    """Lists what bills of one environment, service by service."""

    account: Account
    book: prices.Book
    clusters: dict[str, str] = field(default_factory=dict)  # id to name, of those that live

    def __post_init__(self) -> None:
        self.env, self.region = self.account.target.env, self.account.target.region
        self.where = f"--region {self.region}"
        self.filters = [
            {"Name": "tag:Project", "Values": [PROJECT]},
            {"Name": "tag:Environment", "Values": [self.env]},
        ]

    def _pages(self, service: str, call: str, key: str, **asked: Any) -> Iterator[Mapping[str, Any]]:
        for page in self.account.client(service).get_paginator(call).paginate(**asked):
            yield from page.get(key, [])

    def live_clusters(self) -> Iterator[Item]:
        """Clusters that have not ended: by their tags, whoever made them."""
        emr, now = self.account.client("emr"), datetime.now(UTC)
        for summary in self._pages("emr", "list_clusters", "Clusters", ClusterStates=list(LIVE_STATES)):
            cluster_id, state = summary["Id"], summary["Status"]["State"]
            try:
                cluster = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
            except ClientError as error:
                if is_denied(error):
                    continue  # an operator may look at this environment's clusters only
                raise
            if not is_ours(cluster, self.env):
                continue
            self.clusters[cluster_id] = summary["Name"]
            since = age(summary["Status"]["Timeline"]["CreationDateTime"], now)
            count, usd, inferred = self._nodes(cluster_id)
            nodes = f", {count} nodes with their volumes" if count else ""
            yield Item(
                kind="cluster",
                id=cluster_id,
                about=f"{'left ' if state == 'WAITING' else ''}{state}, {since} old{nodes}",
                usd_hour=usd,
                inferred=inferred,
                remove=f"aws emr terminate-clusters --cluster-ids {cluster_id} {self.where}",
            )

    def _nodes(self, cluster_id: str) -> tuple[int, Decimal | None, bool]:
        """Nodes that live, what they cost an hour, and whether a figure of it is inferred."""
        try:
            nodes, _ = ledger.observe(self.account, cluster_id, self.book)
        except (ClientError, prices.UnknownPriceError, KeyError):
            return 0, None, False
        live = [node for node in nodes if node.end is None]
        usd = sum((node.ec2 + node.emr + node.ebs for node in live), Decimal(0))
        return len(live), usd, any(node.inferred for node in live)

    def _of_live_cluster(self, thing: Mapping[str, Any]) -> bool:
        return tags_of(thing).get("aws:elasticmapreduce:job-flow-id") in self.clusters

    def instances(self) -> Iterator[Item]:
        """Machines with our tags that belong to no live cluster."""
        for reservation in self._pages("ec2", "describe_instances", "Reservations", Filters=self.filters):
            for found in reservation["Instances"]:
                if found["State"]["Name"] in ("terminated", "shutting-down") or self._of_live_cluster(found):
                    continue
                kind = self.book.instances.get((self.region, found["InstanceType"]))
                yield Item(
                    kind="instance",
                    id=found["InstanceId"],
                    about=f"{found['InstanceType']}, {found['State']['Name']}, of no live cluster",
                    usd_hour=kind.ec2 if kind else None,
                    remove=f"aws ec2 terminate-instances --instance-ids {found['InstanceId']} {self.where}",
                )

    def volumes(self) -> Iterator[Item]:
        """Volumes with our tags, but for those of a live cluster, which are counted with its nodes."""
        rate = self.book.service(self.region, "ebs_gp3")
        for found in self._pages("ec2", "describe_volumes", "Volumes", Filters=self.filters):
            if self._of_live_cluster(found):
                continue
            yield Item(
                kind="volume",
                id=found["VolumeId"],
                about=f"{found['Size']} GiB, {found['State']}",
                usd_hour=Decimal(found["Size"]) * rate.usd / prices.HOURS_A_MONTH,
                inferred=rate.as_of == prices.INFERRED or found.get("VolumeType") != "gp3",
                remove=f"aws ec2 delete-volume --volume-id {found['VolumeId']} {self.where}",
            )

    def addresses(self) -> Iterator[Item]:
        """Elastic IPs, in use or not."""
        rate = self.book.service(self.region, "public_ipv4")
        for found in self.account.client("ec2").describe_addresses(Filters=self.filters)["Addresses"]:
            used = "in use" if found.get("AssociationId") else "used by nothing"
            yield Item(
                kind="elastic IP",
                id=found["AllocationId"],
                about=f"{found['PublicIp']}, {used}",
                usd_hour=rate.usd,
                inferred=rate.as_of == prices.INFERRED,
                remove=f"aws ec2 release-address --allocation-id {found['AllocationId']} {self.where}",
            )

    def gateways(self) -> Iterator[Item]:
        """NAT gateways."""
        rate = self.book.service(self.region, "nat_gateway")
        for found in self._pages("ec2", "describe_nat_gateways", "NatGateways", Filters=self.filters):
            if found["State"] in ("deleted", "deleting", "failed"):
                continue
            yield Item(
                kind="NAT gateway",
                id=found["NatGatewayId"],
                about=f"{found['State']}; and by the GB that passes",
                usd_hour=rate.usd,
                inferred=rate.as_of == prices.INFERRED,
                remove=f"aws ec2 delete-nat-gateway --nat-gateway-id {found['NatGatewayId']} {self.where}",
            )

    def endpoints(self) -> Iterator[Item]:
        """Interface endpoints with our tags, and EMR's own in our networks; those of S3 are free."""
        rate = self.book.service(self.region, "interface_endpoint")
        own = list(self._pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=self.filters))
        if vpcs := vpcs_of(self.account.client("ec2"), PROJECT, self.env):
            emrs = [{"Name": "vpc-id", "Values": vpcs}, {"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
            own += self._pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=emrs)
        for endpoint_id, found in {one["VpcEndpointId"]: one for one in own}.items():
            if found["VpcEndpointType"] != "Interface" or found["State"].lower() in ("deleted", "deleting"):
                continue
            emr_made = tags_of(found).get("Name") == ENDPOINT_NAME
            zones = max(1, len(found.get("SubnetIds") or []))
            name = f"{ENDPOINT_NAME}, which EMR made" if emr_made else found["ServiceName"].rpartition(".")[2]
            yield Item(
                kind="endpoint",
                id=endpoint_id,
                about=f"{name}, {zones} zone{'' if zones == 1 else 's'}",
                usd_hour=zones * rate.usd,
                inferred=emr_made or rate.as_of == prices.INFERRED,
                remove=f"aws ec2 delete-vpc-endpoints --vpc-endpoint-ids {endpoint_id} {self.where}",
            )

    def domains(self) -> Iterator[Item]:
        """The Studio domain: what runs in it bills by the hour, its file system by what it holds."""
        sagemaker = self.account.client("sagemaker")
        for found in self._pages("sagemaker", "list_domains", "Domains"):
            if found["DomainName"] == f"{PROJECT}-{self.env}":
                try:
                    running = [label(app) for app in apps_of(sagemaker, found["DomainId"])]
                    what = f"runs {', '.join(running)} (make studio-stop ends it)" if running else "nothing runs in it"
                except ClientError as error:
                    what = f"what runs in it was not listed: {why_not(error)[0]}"
                yield Item(
                    kind="Studio domain",
                    id=found["DomainId"],
                    about=f"{found['Status']}; {what}; its file system bills by the month",
                    remove=f"make destroy ENV={self.env}, which closes what runs in it first",
                )

    def buckets(self) -> Iterator[Item]:
        """Our buckets with everything in them, older versions too."""
        s3, target = self.account.client("s3"), self.account.target
        rate = self.book.service(self.region, "s3_standard")
        names = {p: f"{PROJECT}-{self.env}-{p}-{target.account_id}" for p in ("data", "artifacts", "logs")}
        for purpose, name in {**names, "state": target.state_bucket}.items():
            try:
                pages = s3.get_paginator("list_object_versions").paginate(Bucket=name)
                sizes = [int(item["Size"]) for page in pages for item in page.get("Versions", [])]
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchBucket", "404"):
                    continue
                raise
            about = f"{purpose}: {len(sizes):,} objects and versions, {size(sum(sizes))}"
            if purpose == "state":
                about += "; holds the states of every environment of the account"
            yield Item(
                kind="bucket",
                id=name,
                about=about,
                usd_month=sum(sizes) / GIB * rate.usd,
                inferred=rate.as_of == prices.INFERRED,
                remove=f"make purge ENV={self.env}" if purpose != "state" else removal_of_versions(name),
            )

    def tagged(self) -> list[str]:
        """ARNs of everything with our tags, as the Tagging API knows it."""
        filters = [{"Key": "Project", "Values": [PROJECT]}, {"Key": "Environment", "Values": [self.env]}]
        found = self._pages("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=filters)
        return sorted(one["ResourceARN"] for one in found)


def removal_of_versions(bucket: str) -> str:
    """The command that empties a versioned bucket (a thousand versions a time) and deletes it."""
    query = "{Objects: [Versions,DeleteMarkers][].{Key:Key,VersionId:VersionId}}"
    return (
        f'aws s3api delete-objects --bucket {bucket} --delete "$(aws s3api list-object-versions --bucket {bucket} '
        f"--max-items 1000 --output json --query '{query}')\"; aws s3 rb s3://{bucket}"
    )


def bill(account: Account, book: prices.Book, *, buckets: bool = True) -> Bill:
    """Everything of an environment that still bills; what cannot be listed is said in ``unseen``.

    Parameters
    ----------
    buckets : measure them too, which lists every object
    """
    lister, found = Lister(account, book), Bill()
    listings: Sequence[tuple[str, Callable[[], Iterator[Item]]]] = (
        ("clusters", lister.live_clusters),  # first: the others leave out what belongs to a live cluster
        ("instances", lister.instances),
        ("volumes", lister.volumes),
        ("elastic IPs", lister.addresses),
        ("NAT gateways", lister.gateways),
        ("endpoints", lister.endpoints),
        ("Studio domains", lister.domains),
        *([("buckets", lister.buckets)] if buckets else []),
    )
    for name, listing in listings:
        try:
            found.items += listing()
        except (ClientError, BotoCoreError) as error:
            found.unseen.append(f"{name} were not listed: {why_not(error)[0]}")
    try:
        more, found.free = others(lister.tagged(), account.target.env)
        found.items += more
    except (ClientError, BotoCoreError) as error:
        found.unseen.append(f"what else bears our tags was not listed: {why_not(error)[0]}")
    return found
