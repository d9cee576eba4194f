"""What EMR does in the account for a cluster: permission checks, instances, the endpoint ``emr-service-vpce``.

Everything goes through the embedded AWS's own API, as the service's would.
"""

from __future__ import annotations

import re
import threading
from typing import Any

import boto3
from botocore.exceptions import ClientError
from moto.ec2.models import ec2_backends
from moto.emr.models import EXAMPLE_AMI_ID
from moto.emr.utils import EmrSecurityGroupManager
from moto.iam.exceptions import NotFoundException

from localaws.emr import capacity
from localaws.emr.model import MANAGED_GROUPS, Cluster, Instance, now
from localaws.keys import Keys
from localaws.policy import AccessRequest
from localaws.services import authorization
from localaws.settings import Settings

# EMR creates its interface endpoint from this release on (AmazonEMRServicePolicy_v2, CreateEmrServiceVPCEndpoint).
ENDPOINT_SINCE = (7, 5)
ENDPOINT_NAME = "emr-service-vpce"
MANAGED_TAG = "for-use-with-amazon-emr-managed-policies"
_SHARED = threading.Lock()
"""Held while a cluster looks for, or makes, what clusters of a VPC share: groups with their rules, the endpoint."""


def parse_release(label: str) -> tuple[int, int]:
    """Major and minor of a release label; EMR's Spark releases come after all others.

    >>> parse_release("emr-7.13.0"), parse_release("emr-spark-8.0.0")
    ((7, 13), (8, 0))
    """
    match = re.fullmatch(r"emr-(?:spark-)?(\d+)\.(\d+)\.\d+(?:-.*)?", label)
    return (int(match[1]), int(match[2])) if match else (0, 0)


class Provisioner:
    """Makes and ends what one cluster has in EC2."""

    def __init__(self, cluster: Cluster, endpoint: str, keys: Keys, settings: Settings) -> None:
        self.cluster, self.endpoint, self.keys, self.settings = cluster, endpoint, keys, settings
        self._session = boto3.session.Session()  # boto3's default session is not made for threads
        self._resizing = threading.Lock()
        self._profile = str(cluster.request.get("JobFlowRole", "")).rsplit("/", 1)[-1]
        self.ec2 = self.make_client("ec2")

    def make_client(self, service: str) -> Any:
        """A client of the embedded AWS, as the account's owner."""
        region = self.cluster.region
        return self._session.client(service, endpoint_url=self.endpoint, region_name=region, **self.keys.arguments())

    # -- permissions ----------------------------------------
    def find_refusal(self) -> str | None:
        """Why the cluster cannot start: a missing role or profile, or rights that the service role lacks."""
        service = str(self.cluster.request.get("ServiceRole", "")).rsplit("/", 1)[-1]
        try:
            role = authorization.find_role_caller(self.cluster.account, service)
        except NotFoundException:
            return f"Service role {service} does not exist."
        try:
            roles = self._list_profile_roles()
        except ClientError:
            return f"Invalid InstanceProfile: {self._profile}."
        if not roles:
            return f"Instance profile {self._profile} has no role."
        request = AccessRequest("iam:PassRole", roles[0]["Arn"], {"iam:PassedToService": "ec2.amazonaws.com"})
        if not authorization.is_allowed(role, request):
            return self._describe_refusal(role.arn, "iam:PassRole", roles[0]["Arn"])
        for action, resource, context in self._list_needs():
            if not authorization.is_allowed(role, AccessRequest(action, resource, context)):
                return self._describe_refusal(role.arn, action, resource)
        return None

    def _list_profile_roles(self) -> list[dict[str, Any]]:
        profile = self.make_client("iam").get_instance_profile(InstanceProfileName=self._profile)
        return list(profile["InstanceProfile"]["Roles"])

    @staticmethod
    def _describe_refusal(role: str, action: str, resource: str) -> str:
        return (
            f"Service role {role} has insufficient EC2 permissions. EC2 Message: You are not authorized to perform: "
            f"{action} on resource: {resource}"
        )

    def _list_needs(self) -> list[tuple[str, str, dict[str, str]]]:
        """What EC2 checks at the launch: used resources with their own tags, new ones with the cluster's."""
        region, account = self.cluster.region, self.cluster.account
        requested = {f"aws:RequestTag/{k}": v for k, v in self.cluster.tag_map.items()}
        base = {"aws:RequestedRegion": region}

        def make_arn(kind: str, name: str = "*") -> str:
            return f"arn:aws:ec2:{region}:{account}:{kind}/{name}"

        needs = [("ec2:RunInstances", make_arn(kind), requested) for kind in ("instance", "volume")]
        for kind, name in self._list_launch_resources():
            needs.append(("ec2:RunInstances", make_arn(kind, name), self._read_tags(name, "aws:ResourceTag")))
        if self._makes_endpoint():
            vpc = self._find_vpc()
            endpoint_tags = {"aws:RequestTag/Name": ENDPOINT_NAME} | {
                k: v for k, v in requested.items() if k.endswith(MANAGED_TAG)
            }
            needs.append(("ec2:CreateVpcEndpoint", make_arn("vpc-endpoint"), endpoint_tags))
            needs.append(("ec2:CreateVpcEndpoint", make_arn("vpc", vpc), self._read_tags(vpc, "aws:ResourceTag")))
        return [(action, resource, base | context) for action, resource, context in needs]

    def _list_launch_resources(self) -> list[tuple[str, str]]:
        subnets = [("subnet", self.cluster.subnet_id)] if self.cluster.subnet_id else []
        return [*subnets, *(("security-group", g) for g in sorted(set(self.cluster.managed_groups.values())))]

    def _read_tags(self, resource: str, key: str) -> dict[str, str]:
        tags = self.ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [resource]}])["Tags"]
        return {f"{key}/{tag['Key']}": tag["Value"] for tag in tags}

    def _find_vpc(self) -> str:
        return str(self._describe_subnet()["VpcId"])

    def _describe_subnet(self) -> dict[str, Any]:
        return dict(self.ec2.describe_subnets(SubnetIds=[self.cluster.subnet_id])["Subnets"][0])

    def reaches_internet(self) -> bool:
        """Whether the cluster's subnet has a route to the internet, as EC2's default subnet has."""
        subnet_id = self.cluster.subnet_id
        if subnet_id is None:
            return True
        filters = [{"Name": "vpc-id", "Values": [self._find_vpc()]}]
        tables = self.ec2.describe_route_tables(Filters=filters)["RouteTables"]
        subnet_tables = [t for t in tables if any(a.get("SubnetId") == subnet_id for a in t["Associations"])]
        main_tables = [t for t in tables if any(a.get("Main") for a in t["Associations"])]
        routes = [route for table in subnet_tables or main_tables for route in table["Routes"]]
        return any(route.get("DestinationCidrBlock") == "0.0.0.0/0" for route in routes)

    def _makes_endpoint(self) -> bool:
        return self.cluster.subnet_id is not None and (
            parse_release(self.cluster.request["ReleaseLabel"]) >= ENDPOINT_SINCE
        )

    # -- instances ----------------------------------------
    @property
    def has_spot(self) -> bool:
        """Whether EC2 has Spot instances to give."""
        return self.settings.fault != "no-capacity"

    def provision(self) -> None:
        """Launch the instances that fleets or groups lack, end those that are too many."""
        with self._resizing:
            if self.cluster.ending is not None:
                return  # `release` may have been here
            if self.cluster.subnet_id and self.cluster.zone is None:
                self.cluster.zone = self._describe_subnet()["AvailabilityZone"]
            for target in list(self.cluster.list_targets()):
                key = (target["role"], target["market"], target.get("fleet_id"), target.get("group_id"))
                living = [i for i in self.cluster.instances if i.ended is None]
                same = [i for i in living if (i.role, i.market, i.fleet_id, i.group_id) == key]
                if len(same) < target["count"] and (target["market"] != "SPOT" or self.has_spot):
                    self._launch(target, target["count"] - len(same))
                self.lose(same[target["count"] :], "Resized")
            self._mark_provisioned()

    def manage_groups(self) -> None:
        """Add EMR's rules to the managed security groups, and make the groups that were not given, as EMR does."""
        if self.cluster.subnet_id is None:
            return
        backend = ec2_backends[self.cluster.account][self.cluster.region]
        group_ids = [self.cluster.managed_groups.get(key, "") for key in MANAGED_GROUPS]
        with _SHARED:
            groups = EmrSecurityGroupManager(backend, self._find_vpc()).manage_security_groups(*group_ids)
        with self.cluster.changed:
            self.cluster.managed_groups = {key: group.id for key, group in zip(MANAGED_GROUPS, groups, strict=True)}

    def _launch(self, target: dict[str, Any], count: int) -> None:
        cluster = self.cluster
        primary = target["role"] == "MASTER"
        group = cluster.managed_groups.get(
            "EmrManagedMasterSecurityGroup" if primary else "EmrManagedSlaveSecurityGroup"
        )
        tags = cluster.tag_map | {
            "aws:elasticmapreduce:job-flow-id": cluster.id,
            "aws:elasticmapreduce:instance-group-role": target["role"],
        }
        options: dict[str, Any] = {}
        if cluster.subnet_id:
            interface: dict[str, Any] = {"DeviceIndex": 0, "SubnetId": cluster.subnet_id, "DeleteOnTermination": True}
            options["NetworkInterfaces"] = [interface | ({"Groups": [group]} if group else {})]
        launched = self.ec2.run_instances(
            ImageId=EXAMPLE_AMI_ID,
            InstanceType=target["type"],
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]}],
            **options,
        )["Instances"]
        for instance in launched:  # one by one: at the launch moto gives it only to the first
            profile = {"Name": self._profile}
            self.ec2.associate_iam_instance_profile(IamInstanceProfile=profile, InstanceId=instance["InstanceId"])
        with cluster.changed:
            for instance in launched:
                cluster.instances.append(
                    Instance(
                        ec2_id=instance["InstanceId"],
                        private_ip=instance.get("PrivateIpAddress", ""),
                        private_dns=instance.get("PrivateDnsName", ""),
                        instance_type=target["type"],
                        market=target["market"],
                        role=target["role"],
                        fleet_id=target.get("fleet_id"),
                        group_id=target.get("group_id"),
                    )
                )
                if primary:
                    cluster.primary_dns = instance.get("PrivateDnsName")

    def _mark_provisioned(self) -> None:
        with self.cluster.changed:
            for fleet in self.cluster.fleets:
                capacity.count_provisioned(fleet, self.cluster.instances)
            for group in self.cluster.groups:
                group["RunningInstanceCount"] = group["RequestedInstanceCount"]

    def mark_ready(self) -> None:
        """Mark instances, fleets and groups as running, but for fleets that wait for Spot capacity."""
        with self.cluster.changed:
            for instance in self.cluster.instances:
                instance.ready = instance.ready or now()
            waiting = capacity.list_waits(self.cluster)
            for owner in [*self.cluster.fleets, *self.cluster.groups]:
                status = owner["Status"]
                if owner["Id"] in waiting:
                    state = "RESIZING" if "ReadyDateTime" in status["Timeline"] else "PROVISIONING"
                    owner["Status"] = status | {"State": state}
                else:
                    timeline = status["Timeline"] | {"ReadyDateTime": now()}
                    owner["Status"] = {"State": "RUNNING", "StateChangeReason": {}, "Timeline": timeline}

    def make_endpoint(self) -> None:
        """Make EMR's interface endpoint in the cluster's VPC, once for all its clusters; EMR never removes it."""
        if not self._makes_endpoint():
            return
        vpc = self._find_vpc()
        filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
        with _SHARED:
            if not self.ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]:
                self._create_endpoint(vpc)

    def _create_endpoint(self, vpc: str) -> None:
        group = self.cluster.managed_groups.get("ServiceAccessSecurityGroup")
        tags = [{"Key": "Name", "Value": ENDPOINT_NAME}, {"Key": MANAGED_TAG, "Value": "true"}]
        self.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=vpc,
            ServiceName=f"com.amazonaws.{self.cluster.region}.elasticmapreduce",
            SubnetIds=[self.cluster.subnet_id],
            **({"SecurityGroupIds": [group]} if group else {}),
            TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": tags}],
        )

    def release(self, reason: str) -> None:
        """End every instance. The endpoint stays, as EMR's does."""
        with self._resizing:  # after a launch that was under way: its instances end too
            self.lose([i for i in self.cluster.instances if i.ended is None], reason)
        with self.cluster.changed:
            for owner in [*self.cluster.fleets, *self.cluster.groups]:
                owner["Status"] = owner["Status"] | {"State": "TERMINATED"}
                owner["Status"]["Timeline"] = owner["Status"]["Timeline"] | {"EndDateTime": now()}

    def lose(self, instances: list[Instance], reason: str) -> None:
        """End instances, whatever the fleets ask for; `provision` replaces them."""
        if not instances:
            return
        self.ec2.terminate_instances(InstanceIds=[i.ec2_id for i in instances])
        with self.cluster.changed:
            for instance in instances:
                instance.ended, instance.reason = now(), reason

    # -- identity of the nodes ----------------------------------------
    def fetch_profile_keys(self) -> Keys:
        """Temporary keys of the instance profile's role, as the nodes would get them from their metadata."""
        role, session = self._list_profile_roles()[0]["Arn"], self.cluster.instances[0].ec2_id
        keys = self.make_client("sts").assume_role(RoleArn=role, RoleSessionName=session)["Credentials"]
        return Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
