"""Lists what bills of an environment, service by service, by our tags and by our names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.wording import format_count

from ops.aws.account import Account
from ops.aws.describe import list_pages, read_tags
from ops.aws.inventory import Inventory, count_billed_zones, is_made_by_emr
from ops.aws.refusals import describe_refusal
from ops.aws.studio import describe_app, list_apps
from ops.aws.sweep import ENDPOINT_NAME
from ops.core.errors import NotAppliedError, TerraformError
from ops.core.text import format_duration, format_size
from ops.cost import ledger
from ops.cost.billing import Item, RunningCosts, split_arns
from ops.prices import table as prices

GIB = Decimal(2**30)


@dataclass
class Lister:
    """Lists what bills of one environment, service by service."""

    account: Account
    book: prices.Book
    clusters: dict[str, str] = field(default_factory=dict)  # id to name, of those that live

    def __post_init__(self) -> None:
        self.env, self.region = self.account.target.env, self.account.target.region
        self.where = f"--region {self.region}"
        self.destroy = f"make destroy ENV={self.env}"
        self.inventory = Inventory(self.account)

    def live_clusters(self) -> Iterator[Item]:
        """Clusters that have not ended."""
        now = datetime.now(UTC)
        for cluster in self.inventory.clusters():
            cluster_id, state = cluster["Id"], cluster["Status"]["State"]
            self.clusters[cluster_id] = cluster["Name"]
            age = max(0.0, (now - cluster["Status"]["Timeline"]["CreationDateTime"]).total_seconds())
            count, usd, inferred = self._nodes(cluster_id)
            nodes = f", {format_count(count, 'node')}, volumes included" if count else ""
            yield Item(
                kind="cluster",
                id=cluster_id,
                about=f"{'left ' if state == 'WAITING' else ''}{state}, {format_duration(age)} old{nodes}",
                usd_hour=usd,
                inferred=inferred,
                remove=self._removal(cluster_id),
            )

    def _removal(self, cluster_id: str) -> str:
        """What ends a cluster: its own command where Terraform knows it, which removes its network too."""
        try:
            applied_id = self.account.cluster["cluster_id"]
        except (NotAppliedError, TerraformError):
            applied_id = None
        if cluster_id == applied_id:
            return self.destroy
        return f"aws emr terminate-clusters --cluster-ids {cluster_id} {self.where}"

    def _nodes(self, cluster_id: str) -> tuple[int, Decimal | None, bool]:
        """Nodes that live, what they cost an hour, and whether a figure of it is inferred."""
        try:
            nodes, _ = ledger.observe(self.account, cluster_id, self.book)
        except (ClientError, prices.UnknownPriceError, KeyError):
            return 0, None, False
        live = [node for node in nodes if node.end is None]
        usd = sum((node.usd_hour for node in live), Decimal(0))
        return len(live), usd, any(node.inferred for node in live)

    def _of_live_cluster(self, thing: Mapping[str, Any]) -> bool:
        return read_tags(thing).get("aws:elasticmapreduce:job-flow-id") in self.clusters

    def instances(self) -> Iterator[Item]:
        """Machines with our tags that belong to no live cluster."""
        for machine in self.inventory.instances():
            if self._of_live_cluster(machine):
                continue
            kind = self.book.instances.get((self.region, machine["InstanceType"]))
            yield Item(
                kind="instance",
                id=machine["InstanceId"],
                about=f"{machine['InstanceType']}, {machine['State']['Name']}, of no live cluster",
                usd_hour=kind.ec2 if kind else None,
                remove=f"aws ec2 terminate-instances --instance-ids {machine['InstanceId']} {self.where}",
            )

    def _hourly(self, kind: str, name: str, about: str, item: str, remove: str, *, times: Decimal | int = 1) -> Item:
        """A thing that bills by the hour, so many times the price of an item of services.csv."""
        rate = self.book.service(self.region, item)
        return Item(
            kind=kind, id=name, about=about, usd_hour=times * rate.usd, inferred=rate.is_inferred, remove=remove
        )

    def volumes(self) -> Iterator[Item]:
        """Volumes with our tags, but for those of a live cluster, which are counted with its nodes."""
        for volume in self.inventory.volumes():
            if self._of_live_cluster(volume):
                continue
            name, size = volume["VolumeId"], volume["Size"]
            about, remove = f"{size} GiB, {volume['State']}", f"aws ec2 delete-volume --volume-id {name} {self.where}"
            item = self._hourly("volume", name, about, "ebs_gp3", remove, times=Decimal(size) / prices.HOURS_A_MONTH)
            yield item if volume.get("VolumeType") == "gp3" else replace(item, inferred=True)

    def addresses(self) -> Iterator[Item]:
        """Elastic IPs, in use or not."""
        for address in self.inventory.addresses():
            name, used = address["AllocationId"], "in use" if address.get("AssociationId") else "used by nothing"
            remove = f"aws ec2 release-address --allocation-id {name} {self.where}"
            yield self._hourly("elastic IP", name, f"{address['PublicIp']}, {used}", "public_ipv4", remove)

    def gateways(self) -> Iterator[Item]:
        """NAT gateways."""
        for gateway in self.inventory.nat_gateways():
            about = f"{gateway['State']}; and by the GB that passes"
            yield self._hourly("NAT gateway", gateway["NatGatewayId"], about, "nat_gateway", self.destroy)

    def endpoints(self) -> Iterator[Item]:
        """Interface endpoints, EMR's own too; those of S3 are free."""
        for endpoint in self.inventory.endpoints():
            if not (zones := count_billed_zones(endpoint)):
                continue
            of_emr, service = is_made_by_emr(endpoint), endpoint["ServiceName"].rpartition(".")[2]
            about = f"{f'{ENDPOINT_NAME}, which EMR made' if of_emr else service}, {format_count(zones, 'zone')}"
            name = endpoint["VpcEndpointId"]
            item = self._hourly("endpoint", name, about, "interface_endpoint", self.destroy, times=zones)
            yield replace(item, inferred=True) if of_emr else item

    def domains(self) -> Iterator[Item]:
        """The Studio domain: what runs in it bills by the hour, its file system by what it holds."""
        for domain in self.inventory.domains():
            try:
                running = [describe_app(app) for app in list_apps(self.account.client("sagemaker"), domain["DomainId"])]
                apps = f"runs {', '.join(running)} (make studio-stop ends it)" if running else "nothing runs in it"
            except ClientError as error:
                apps = f"what runs in it was not listed: {describe_refusal(error)[0]}"
            yield Item(
                kind="Studio domain",
                id=domain["DomainId"],
                about=f"{domain['Status']}; {apps}; its file system bills by the month",
                remove=f"{self.destroy}, which closes what runs in it first",
            )

    def buckets(self) -> Iterator[Item]:
        """Our buckets with everything in them, older versions too."""
        s3, target = self.account.client("s3"), self.account.target
        rate = self.book.service(self.region, "s3_standard")
        for purpose, name in {**target.bucket_names, "state": target.state_bucket}.items():
            try:
                versions = list_pages(s3, "list_object_versions", "Versions", Bucket=name)
                sizes = [int(version["Size"]) for version in versions]
            except ClientError as error:
                if error.response["Error"]["Code"] in ("NoSuchBucket", "404"):
                    continue
                raise
            about = f"{purpose}: {format_count(len(sizes), 'object version')}, {format_size(sum(sizes))}"
            if purpose == "state":
                about += "; holds the states of every environment of the account"
            yield Item(
                kind="bucket",
                id=name,
                about=about,
                usd_month=sum(sizes) / GIB * rate.usd,
                inferred=rate.is_inferred,
                remove=f"make purge ENV={self.env}" if purpose != "state" else write_removal(name),
            )


def write_removal(bucket: str) -> str:
    """The command that empties a versioned bucket (a thousand versions a time) and deletes it."""
    query = "{Objects: [Versions,DeleteMarkers][].{Key:Key,VersionId:VersionId}}"
    return (
        f'aws s3api delete-objects --bucket {bucket} --delete "$(aws s3api list-object-versions --bucket {bucket} '
        f"--max-items 1000 --output json --query '{query}')\"; aws s3 rb s3://{bucket}"
    )


def list_running_costs(account: Account, book: prices.Book, *, buckets: bool = True) -> RunningCosts:
    """Everything of an environment that still bills; what cannot be listed is said in ``unseen``.

    Parameters
    ----------
    buckets : measure them too, which lists every object
    """
    lister, costs = Lister(account, book), RunningCosts()
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
            costs.items += listing()
        except (ClientError, BotoCoreError) as error:
            costs.unseen.append(f"{name} were not listed: {describe_refusal(error)[0]}")
    try:
        more, costs.free = split_arns(lister.inventory.arns(), account.target.env)
        costs.items += more
    except (ClientError, BotoCoreError) as error:
        costs.unseen.append(f"what else has our tags was not listed: {describe_refusal(error)[0]}")
    if account.target.emulated:  # a command for AWS, typed in another shell, would be one for a real account
        costs.items = [replace(item, remove="make local-down") for item in costs.items]
    return costs
