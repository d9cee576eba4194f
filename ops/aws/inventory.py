"""Everything of an environment that AWS lists: by our tags, by our names, and inside our networks, as AWS describes it.

Whoever prices it, says what is left of it or removes it asks here, so that all mean the same things. What is deleted or
being deleted is left out. Nothing is judged here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.aws.describe import list_pages, read_tags
from ops.aws.refusals import is_denied
from ops.aws.states import ENDING_STATE, LIVE_STATES
from ops.aws.sweep import ENDPOINT_NAME, find_vpcs
from ops.core.target import PROJECT

GONE = ("deleted", "deleting", "terminated", "shutting-down")
NO_BUCKET = ("404", "NoSuchBucket", "403")


def is_made_by_emr(endpoint: Mapping[str, Any]) -> bool:
    """Whether EMR made an endpoint, which bears none of our tags."""
    return read_tags(endpoint).get("Name") == ENDPOINT_NAME


def count_billed_zones(endpoint: Mapping[str, Any]) -> int:
    """In how many zones an endpoint bills by the hour; none where it is a gateway's, which is free."""
    return max(1, len(endpoint.get("SubnetIds") or [])) if endpoint["VpcEndpointType"] == "Interface" else 0


@dataclass(frozen=True)
class Inventory:
    """One environment. Each listing is asked when it is called, and raises what botocore raises."""

    account: Account

    @property
    def name(self) -> str:
        """What the names of the environment's things begin with."""
        return f"{PROJECT}-{self.account.target.env}"

    @property
    def _ours(self) -> list[dict[str, Any]]:
        return [
            {"Name": "tag:Project", "Values": [PROJECT]},
            {"Name": "tag:Environment", "Values": [self.account.target.env]},
        ]

    def _is_tagged(self, thing: Mapping[str, Any]) -> bool:
        tags = read_tags(thing)
        return tags.get("Project") == PROJECT and tags.get("Environment") == self.account.target.env

    def _list(self, service: str, call: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        return list_pages(self.account.client(service), call, key, **arguments)

    def clusters(self, states: Sequence[str] = LIVE_STATES) -> Iterator[Mapping[str, Any]]:
        """Clusters with our tags, whoever made them; those that an operator may not look at are another's."""
        emr = self.account.client("emr")
        for summary in self._list("emr", "list_clusters", "Clusters", ClusterStates=list(states)):
            try:
                cluster = emr.describe_cluster(ClusterId=summary["Id"])["Cluster"]
            except ClientError as error:
                if is_denied(error):
                    continue
                raise
            if self._is_tagged(cluster):
                yield cluster

    def instances(self) -> Iterator[dict[str, Any]]:
        """Machines with our tags."""
        for reservation in self._list("ec2", "describe_instances", "Reservations", Filters=self._ours):
            yield from (machine for machine in reservation["Instances"] if machine["State"]["Name"] not in GONE)

    def volumes(self) -> Iterator[dict[str, Any]]:
        """Volumes with our tags, attached or not."""
        volumes = self._list("ec2", "describe_volumes", "Volumes", Filters=self._ours)
        return (volume for volume in volumes if volume["State"] not in GONE)

    def addresses(self) -> list[dict[str, Any]]:
        """Elastic IPs with our tags, in use or not."""
        addresses: list[dict[str, Any]] = self.account.client("ec2").describe_addresses(Filters=self._ours)["Addresses"]
        return addresses

    @cached_property
    def vpcs(self) -> list[str]:
        """Ids of our networks."""
        return find_vpcs(self.account.client("ec2"), PROJECT, self.account.target.env)

    def _tagged_or_inside(self, call: str, key: str, id_key: str) -> Iterator[dict[str, Any]]:
        filters = [self._ours, [{"Name": "vpc-id", "Values": self.vpcs}]] if self.vpcs else [self._ours]
        pages = (self._list("ec2", call, key, Filters=chosen) for chosen in filters)
        resources = {resource[id_key]: resource for page in pages for resource in page}
        for resource in resources.values():  # moto overlooks the filter by tags
            is_ours = self._is_tagged(resource) or resource["VpcId"] in self.vpcs
            if is_ours and resource["State"].lower() not in GONE:
                yield resource

    def nat_gateways(self) -> Iterator[dict[str, Any]]:
        """NAT gateways with our tags or in our networks."""
        gateways = self._tagged_or_inside("describe_nat_gateways", "NatGateways", "NatGatewayId")
        return (gateway for gateway in gateways if gateway["State"] != "failed")  # AWS deletes it by itself

    def endpoints(self) -> Iterator[dict[str, Any]]:
        """Endpoints with our tags or in our networks, EMR's own too."""
        return self._tagged_or_inside("describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId")

    def _inside(self, call: str, key: str) -> Iterator[dict[str, Any]]:
        if self.vpcs:
            yield from self._list("ec2", call, key, Filters=[{"Name": "vpc-id", "Values": self.vpcs}])

    def domains(self) -> Iterator[dict[str, Any]]:
        """The Studio domain, which is known by its name."""
        domains = self._list("sagemaker", "list_domains", "Domains")
        return (domain for domain in domains if domain["DomainName"] == self.name)

    def buckets(self) -> Iterator[tuple[str, str]]:
        """Purpose and name of the storage stack's buckets that are there and ours."""
        s3 = self.account.client("s3")
        for purpose, bucket in self.account.target.bucket_names.items():
            try:
                s3.head_bucket(Bucket=bucket)
            except ClientError as error:
                if error.response["Error"]["Code"] in NO_BUCKET:
                    continue
                raise
            yield purpose, bucket

    def arns(self) -> list[str]:
        """Everything with our tags, as the Tagging API knows it."""
        tags = [{"Key": "Project", "Values": [PROJECT]}, {"Key": "Environment", "Values": [self.account.target.env]}]
        mappings = self._list("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=tags)
        return sorted(mapping["ResourceARN"] for mapping in mappings)

    def names(self) -> dict[str, list[str]]:
        """Ids and names of everything by kind, empty kinds included: what bills, and what must be gone at the end."""
        roles = tuple(f"{self.name}-{part}" for part in ("emr-", "ttl-", "idle-", "studio"))
        ours = f"{self.name}-"
        configurations = self._list("emr", "list_security_configurations", "SecurityConfigurations")
        groups = self._inside("describe_security_groups", "SecurityGroups")
        interfaces = self._inside("describe_network_interfaces", "NetworkInterfaces")
        return {
            "clusters": [cluster["Id"] for cluster in self.clusters([*LIVE_STATES, ENDING_STATE])],
            "instances": [machine["InstanceId"] for machine in self.instances()],
            "volumes": [volume["VolumeId"] for volume in self.volumes()],
            "elastic IPs": [address["AllocationId"] for address in self.addresses()],
            "VPCs": self.vpcs,
            "endpoints": [endpoint["VpcEndpointId"] for endpoint in self.endpoints()],
            "interfaces": [interface["NetworkInterfaceId"] for interface in interfaces],
            "groups": [group["GroupId"] for group in groups if group["GroupName"] != "default"],
            "NAT gateways": [gateway["NatGatewayId"] for gateway in self.nat_gateways()],
            "Studio domains": [domain["DomainId"] for domain in self.domains()],
            "roles": [
                role["RoleName"]
                for role in self._list("iam", "list_roles", "Roles")
                if role["RoleName"].startswith(roles)
            ],
            "security configurations": [c["Name"] for c in configurations if c["Name"].startswith(ours)],
            "schedules": [s["Name"] for s in self._list("scheduler", "list_schedules", "Schedules", NamePrefix=ours)],
            "buckets": [bucket for _, bucket in self.buckets()],
        }
