"""What an account holds at each moment of the history, asked of the account and not of Terraform's state.

The history asks while it goes on (`Life`), and the tests read what was answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from localaws import server
from localaws.keys import Keys
from ops.aws.sweep import ENDPOINT_NAME
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.terraform.variables import Size, make_workspace
from ops.terraform.workspace import Stack, Workspace
from tests.infra import provider

REGION = "eu-west-3"
PURPOSES = ("data", "artifacts", "logs")
BUCKETS = {purpose: f"fruits-local-{purpose}-{EMULATED_ACCOUNT}" for purpose in PURPOSES}
ONLOOKER = "onlooker"
LIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
Inventory = dict[str, list[str]]


@dataclass
class Account:
    """The embedded account, seen by its owner."""

    endpoint: str
    keys: Keys
    """Of the account's owner."""
    looking: Keys | None = None
    """Of who looks at the account, if that is somebody else."""

    @property
    def target(self) -> Target:
        """The account as ENV=local names it."""
        place = {"region": REGION, "account_id": EMULATED_ACCOUNT}
        return Target(env="local", **place, endpoint=self.endpoint, keys=self.keys)

    def client(self, service: str, **keys: str) -> Any:
        given = keys or (self.looking or self.keys).arguments()
        return boto3.session.Session(region_name=REGION).client(service, endpoint_url=self.endpoint, **given)

    def live_clusters(self) -> list[str]:
        found = self.client("emr").list_clusters(ClusterStates=list(LIVE))["Clusters"]
        return [cluster["Id"] for cluster in found]

    def tagged(self, **tags: str) -> list[str]:
        """What bears the tags, without instances that have ended: EC2 tells of those for an hour."""
        filters = [{"Key": key, "Values": [value]} for key, value in tags.items()]
        state = [{"Name": "instance-state-name", "Values": ["terminated"]}]
        reservations = self.client("ec2").describe_instances(Filters=state)["Reservations"]
        ended = {i["InstanceId"] for r in reservations for i in r["Instances"]}
        pages = self.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=filters)
        found = [found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"]]
        return sorted(arn for arn in found if arn.rsplit("/", 1)[-1] not in ended)

    def inventory(self) -> Inventory:
        """Everything that the stacks could have made, by listing."""
        ec2, iam, emr = self.client("ec2"), self.client("iam"), self.client("emr")
        instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
        budgets = self.client("budgets").describe_budgets(AccountId=EMULATED_ACCOUNT)["Budgets"]
        found = {
            "buckets": [b["Name"] for b in self.client("s3").list_buckets()["Buckets"]],
            "vpcs": [v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"]],
            "subnets": [s["SubnetId"] for s in ec2.describe_subnets()["Subnets"]],
            "groups": [g["GroupId"] for g in ec2.describe_security_groups()["SecurityGroups"]],
            "tables": [t["RouteTableId"] for t in ec2.describe_route_tables()["RouteTables"]],
            "endpoints": [e["VpcEndpointId"] for e in endpoints if e["State"] != "deleted"],
            "interfaces": [n["NetworkInterfaceId"] for n in ec2.describe_network_interfaces()["NetworkInterfaces"]],
            "instances": [i["InstanceId"] for i in instances if i["State"]["Name"] != "terminated"],
            "volumes": [v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]],
            "addresses": [a["AllocationId"] for a in ec2.describe_addresses()["Addresses"]],
            "roles": [r["RoleName"] for r in iam.list_roles()["Roles"]],
            "profiles": [p["InstanceProfileName"] for p in iam.list_instance_profiles()["InstanceProfiles"]],
            "policies": [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]],
            "clusters": self.live_clusters(),
            "security": [s["Name"] for s in emr.list_security_configurations()["SecurityConfigurations"]],
            "schedules": [s["Name"] for s in self.client("scheduler").list_schedules()["Schedules"]],
            "budgets": [budget["BudgetName"] for budget in budgets],
        }
        return {kind: sorted(names) for kind, names in found.items()}

    def objects(self) -> list[tuple[str, str, str]]:
        s3 = self.client("s3")
        return [
            (bucket, version["Key"], version["VersionId"])
            for bucket in (BUCKETS["data"], BUCKETS["artifacts"])
            for version in s3.list_object_versions(Bucket=bucket).get("Versions", [])
        ]

    def settings_of_buckets(self) -> dict[str, Any]:
        s3 = self.client("s3")
        return {
            bucket: (
                s3.get_bucket_policy(Bucket=bucket)["Policy"],
                s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"],
                s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
                s3.get_bucket_versioning(Bucket=bucket).get("Status"),
                s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
            )
            for bucket in BUCKETS.values()
        }

    def emr_endpoints(self) -> list[dict[str, Any]]:
        """The interface endpoint that EMR makes in a private subnet, and that Terraform does not know."""
        filters = [{"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
        found: list[dict[str, Any]] = self.client("ec2").describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
        return [endpoint for endpoint in found if endpoint["State"] != "deleted"]

    def as_node(self, cluster: str) -> Any:
        """S3 with the rights of a cluster's nodes."""
        iam = self.client("iam")
        attributes = self.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]["Ec2InstanceAttributes"]
        profile = attributes["IamInstanceProfile"].rsplit("/", 1)[-1]
        role = iam.get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"][0]
        keys = self.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="node")["Credentials"]
        return self.client(
            "s3",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


def make_onlooker(account: Account) -> Keys:
    """Keys of a user who may see everything: what the history looks at is not counted among the operator's calls."""
    iam = account.client("iam")
    iam.create_user(UserName=ONLOOKER)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_user_policy(UserName=ONLOOKER, PolicyName="everything", PolicyDocument=json.dumps(everything))
    made = iam.create_access_key(UserName=ONLOOKER)["AccessKey"]
    return Keys(made["AccessKeyId"], made["SecretAccessKey"])


def answer_of(call: Callable[[], Any]) -> str:
    """ "allowed", or the code with which a call is refused."""
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "allowed"


@dataclass
class Life:
    """What the account held, moment by moment."""

    account: Account
    terraform: Path
    plans: Path
    provider: str | None
    """A provider that stays, for the account; what is typed starts its own."""
    seen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, home: Path, terraform: Path, plans: Path) -> Life:
        record, _ = server.find_server(home)
        account = Account(record.endpoint, record.keys)
        account.looking = make_onlooker(account)
        return cls(account, terraform, plans, provider.start(account.target.environment()))

    def stack(self, stack: Stack, **extra: Any) -> Workspace:
        """A stack with the variables that `make apply` gives it."""
        work = make_workspace(stack, self.account.target, Size(), terraform=self.terraform, capture=True)
        work.extra = {**work.extra, **extra}
        return work

    def plan(self, stack: Stack) -> tuple[bool, dict[str, list[str]]]:
        """Whether a plan would change something, and what it would do where."""
        work, out = self.stack(stack), self.plans / f"{stack}.tfplan"
        with provider.attached(self.provider):
            different = work.plan(out=out)
            changes = work.show(out)["resource_changes"] if different else []
        done = {change["address"]: change["change"]["actions"] for change in changes}
        return different, {
            address: actions for address, actions in done.items() if actions not in (["no-op"], ["read"])
        }

    def after_apply(self) -> None:
        account, emr, s3 = self.account, self.account.client("emr"), self.account.client("s3")
        cluster = account.live_clusters()[0]
        prefix = f"emr/{cluster}/node/"
        self.seen |= {
            "outputs": self.stack("storage").outputs(),
            "made": account.inventory(),
            "cluster": cluster,
            "instances": emr.list_instances(ClusterId=cluster)["Instances"],
            "bootstrap": emr.list_bootstrap_actions(ClusterId=cluster)["BootstrapActions"],
            "logs": s3.list_objects_v2(Bucket=BUCKETS["logs"], Prefix=prefix)["Contents"],
            "endpoints": account.emr_endpoints(),
            "second plans": {stack: self.plan(stack) for stack in ("storage", "cluster")},
        }

    def after_upload(self) -> None:
        """What the nodes' role may do in S3, tried."""
        owner, node = self.account.client("s3"), self.account.as_node(self.seen["cluster"])
        data, artifacts = BUCKETS["data"], BUCKETS["artifacts"]
        owner.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": REGION})
        owner.put_object(Bucket="elsewhere", Key="secret", Body=b"1")
        image = owner.list_objects_v2(Bucket=data, Prefix="images/")["Contents"][0]["Key"]
        script = owner.list_objects_v2(Bucket=artifacts, Prefix="bootstrap/")["Contents"][0]["Key"]
        allowed = {
            "read an image": lambda: node.get_object(Bucket=data, Key=image)["Body"].read(),
            "list the images": lambda: node.list_objects_v2(Bucket=data, Prefix="images/"),
            "read the bootstrap": lambda: node.get_object(Bucket=artifacts, Key=script)["Body"].read(),
            "write logs": lambda: node.put_object(Bucket=BUCKETS["logs"], Key="node/x.json", Body=b"{}"),
        }
        made = node.put_object(Bucket=data, Key="results/1/part", Body=b"1")["VersionId"]
        marker = node.delete_object(Bucket=data, Key="results/1/part")["VersionId"]
        forbidden = {
            "read another bucket": lambda: node.get_object(Bucket="elsewhere", Key="secret"),
            "list another bucket": lambda: node.list_objects_v2(Bucket="elsewhere"),
            "delete an image": lambda: node.delete_object(Bucket=data, Key=image),
            "replace an image": lambda: node.put_object(Bucket=data, Key=image, Body=b"2"),
            "write outside its prefixes": lambda: node.put_object(Bucket=data, Key="other/x", Body=b"2"),
            "replace the job": lambda: node.put_object(Bucket=artifacts, Key="jobs/x.zip", Body=b"2"),
            "delete a result for good": lambda: node.delete_object(Bucket=data, Key="results/1/part", VersionId=made),
            "open a bucket": lambda: node.delete_bucket_policy(Bucket=data),
        }
        self.seen["allowed"] = {what: answer_of(call) for what, call in allowed.items()}
        self.seen["forbidden"] = {what: answer_of(call) for what, call in forbidden.items()}
        for version in (made, marker):
            owner.delete_object(Bucket=data, Key="results/1/part", VersionId=version)
        owner.delete_object(Bucket="elsewhere", Key="secret")
        owner.delete_bucket(Bucket="elsewhere")

    def change(self) -> None:
        """Another tag and another idle time are applied."""
        with provider.attached(self.provider):
            self.stack("cluster", tags={"Owner": "ana"}, idle_timeout_seconds=1200).apply()
        emr, cluster = self.account.client("emr"), self.seen["cluster"]
        self.seen |= {
            "changed": emr.describe_cluster(ClusterId=cluster)["Cluster"],
            "idle": emr.get_auto_termination_policy(ClusterId=cluster)["AutoTerminationPolicy"],
            "live after the change": self.account.live_clusters(),
        }

    def end_by_idleness(self) -> None:
        """The cluster's idle clock runs out, sooner than it would."""
        emr, cluster = self.account.client("emr"), self.seen["cluster"]
        server.set_clock(self.account.endpoint, self.account.keys, 100_000)
        emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1, "MaxAttempts": 300})
        server.set_clock(self.account.endpoint, self.account.keys, 1)
        self.seen["ended"] = emr.describe_cluster(ClusterId=cluster)["Cluster"]
        self.seen["plan after the end"] = self.plan("cluster")

    def before_destroy(self) -> None:
        self.seen["kept before"] = self.account.objects(), self.account.settings_of_buckets()

    def after_destroy(self) -> None:
        self.seen["left"] = self.account.inventory()
        self.seen["tagged after destroy"] = self.account.tagged(Project="fruits", Stack="cluster")
        self.seen["kept after"] = self.account.objects(), self.account.settings_of_buckets()

    def after_purge(self) -> None:
        self.seen["purged"] = self.account.inventory()
        self.seen["tagged after purge"] = self.account.tagged(Project="fruits")
