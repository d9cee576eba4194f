"""The two stacks' whole life, applied to the embedded AWS by the real Terraform and provider (about three minutes).

One history in order; each test is one sentence of it and needs those before. What it asks, it asks of the account
and not of Terraform's state.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from localaws import server
from localaws.settings import Settings
from ops.aws.sweep import ENDPOINT_NAME, sweep, vpcs_of
from ops.terraform.workspace import EMULATED_ACCOUNT, CommandFailedError, Stack, Target, Workspace

pytestmark = [pytest.mark.terraform, pytest.mark.aws]
REGION = "eu-west-3"
PURPOSES = ("data", "artifacts", "logs")
PICTURE = "images/Pomme d'été (1)/0_100.jpg"
BOOTSTRAP = 'set -eu\nmkdir -p "$NODE_ROOT/opt"\nprintf "%s\\n" "$@"\n'


@dataclass
class Account:
    """The embedded account, and the stacks in it."""

    endpoint: str
    home: Path
    terraform: Path

    def client(self, service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def stack(self, stack: Stack, **extra: Any) -> Workspace:
        target = Target(env="local", region=REGION, account_id=EMULATED_ACCOUNT, endpoint=self.endpoint)
        options: dict[str, Any] = {"home": self.home, "terraform": self.terraform, "capture": True}
        if stack == "cluster":
            buckets = {purpose: self.bucket(purpose) for purpose in PURPOSES}
            extra = {
                "buckets": buckets,
                "bootstrap_uri": f"s3://{buckets['artifacts']}/bootstrap/1/install.sh",
                "wheelhouse_uri": f"s3://{buckets['artifacts']}/wheelhouse/1/",
                **extra,
            }
        return Workspace(target=target, stack=stack, extra=extra, **options)

    def apply(self, stack: Stack, **extra: Any) -> None:
        with told():
            self.stack(stack, **extra).apply()

    def destroy(self, stack: Stack, **extra: Any) -> None:
        with told():
            self.stack(stack, **extra).destroy()

    def bucket(self, purpose: str) -> str:
        return f"fruits-local-{purpose}-{EMULATED_ACCOUNT}"

    def clusters(self, *states: str) -> list[dict[str, Any]]:
        asked = {"ClusterStates": list(states)} if states else {}
        found: list[dict[str, Any]] = self.client("emr").list_clusters(**asked)["Clusters"]
        return found

    def live(self) -> list[dict[str, Any]]:
        return self.clusters("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")

    def tagged(self, **tags: str) -> list[str]:
        """What bears the tags, without instances that have ended: EC2 tells of those for an hour."""
        filters = [{"Key": key, "Values": [value]} for key, value in tags.items()]
        state = [{"Name": "instance-state-name", "Values": ["terminated"]}]
        reservations = self.client("ec2").describe_instances(Filters=state)["Reservations"]
        ended = {i["InstanceId"] for r in reservations for i in r["Instances"]}
        pages = self.client("resourcegroupstaggingapi").get_paginator("get_resources").paginate(TagFilters=filters)
        found = [found["ResourceARN"] for page in pages for found in page["ResourceTagMappingList"]]
        return sorted(arn for arn in found if arn.rsplit("/", 1)[-1] not in ended)

    def inventory(self) -> dict[str, list[str]]:
        """Everything that the stacks could have made, by listing."""
        ec2, iam = self.client("ec2"), self.client("iam")
        instances = [i for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
        endpoints = ec2.describe_vpc_endpoints()["VpcEndpoints"]
        policies = iam.list_policies(Scope="Local")["Policies"]
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
            "policies": [p["PolicyName"] for p in policies],
            "clusters": [c["Id"] for c in self.live()],
            "security": [
                s["Name"] for s in self.client("emr").list_security_configurations()["SecurityConfigurations"]
            ],
            "schedules": [s["Name"] for s in self.client("scheduler").list_schedules()["Schedules"]],
            "budgets": [
                b["BudgetName"] for b in self.client("budgets").describe_budgets(AccountId=EMULATED_ACCOUNT)["Budgets"]
            ],
        }
        return {kind: sorted(names) for kind, names in found.items()}

    def objects(self) -> list[tuple[str, str, str]]:
        s3 = self.client("s3")
        return [
            (bucket, version["Key"], version["VersionId"])
            for bucket in (self.bucket("data"), self.bucket("artifacts"))
            for version in s3.list_object_versions(Bucket=bucket).get("Versions", [])
        ]

    def settings_of_buckets(self) -> dict[str, Any]:
        s3 = self.client("s3")
        found = {}
        for bucket in (self.bucket(purpose) for purpose in PURPOSES):
            found[bucket] = (
                s3.get_bucket_policy(Bucket=bucket)["Policy"],
                s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"],
                s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"],
                s3.get_bucket_versioning(Bucket=bucket).get("Status"),
                s3.get_bucket_tagging(Bucket=bucket)["TagSet"],
            )
        return found

    def clear_cluster(self) -> None:
        """What `make destroy` does: sweep what EMR left, then Terraform."""
        emr, ec2 = self.client("emr"), self.client("ec2")
        if ids := [c["Id"] for c in self.live()]:
            emr.terminate_job_flows(JobFlowIds=ids)
            for cluster in ids:
                emr.get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1})
        sweep(ec2, vpcs_of(ec2, "fruits", "local"), pause=0.2)
        self.destroy("cluster")


@contextmanager
def told() -> Iterator[None]:
    """Say in the test's failure what Terraform said."""
    try:
        yield
    except CommandFailedError as error:
        pytest.fail(f"{error}\n{error.output[-4000:]}")


# The history, one fixture a deed, each after the one before.
@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, terraform: Path) -> Iterator[Account]:
    home = tmp_path_factory.mktemp("life-cycle")
    with server.running(Settings(home=home / "aws", starting_seconds=0.1, log_delay_seconds=0.1)) as endpoint:
        yield Account(endpoint, home / "terraform", terraform)


@pytest.fixture(scope="module")
def empty(account: Account) -> dict[str, list[str]]:
    return account.inventory()


@pytest.fixture(scope="module")
def stored(account: Account, empty: dict[str, list[str]]) -> dict[str, list[str]]:
    """Storage is applied, a photograph and a bootstrap script are in it; the value is what the account has then."""
    account.apply("storage")
    s3 = account.client("s3")
    s3.put_object(Bucket=account.bucket("data"), Key=PICTURE, Body=b"jpeg")
    s3.put_object(Bucket=account.bucket("artifacts"), Key="bootstrap/1/install.sh", Body=BOOTSTRAP.encode())
    return account.inventory()


@pytest.fixture(scope="module")
def kept(account: Account, stored: dict[str, list[str]]) -> tuple[list[tuple[str, str, str]], dict[str, Any]]:
    """The objects and the buckets' settings before there was a cluster."""
    return account.objects(), account.settings_of_buckets()


@pytest.fixture(scope="module")
def first(account: Account, kept: tuple[list[tuple[str, str, str]], dict[str, Any]]) -> dict[str, Any]:
    """The cluster stack is applied; the value is its cluster."""
    account.apply("cluster")
    return account.clusters("WAITING")[0]


@pytest.fixture(scope="module")
def changed(account: Account, first: dict[str, Any]) -> dict[str, Any]:
    """A tag and the idle time are changed."""
    account.apply("cluster", tags={"Owner": "ana"}, idle_timeout_seconds=1200)
    found: dict[str, Any] = account.client("emr").describe_cluster(ClusterId=first["Id"])["Cluster"]
    return found


@pytest.fixture(scope="module")
def left(account: Account, changed: dict[str, Any]) -> list[dict[str, Any]]:
    """The cluster stack is destroyed; the value is what EMR had left in the VPC before."""
    ec2 = account.client("ec2")
    filters = [{"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
    found: list[dict[str, Any]] = ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"]
    account.clear_cluster()
    return found


@pytest.fixture(scope="module")
def second(account: Account, left: list[dict[str, Any]]) -> dict[str, Any]:
    """Applied again, and this cluster ends by itself."""
    account.apply("cluster")
    cluster = account.clusters("WAITING")[0]["Id"]
    server.set_clock(account.endpoint, 100_000)
    account.client("emr").get_waiter("cluster_terminated").wait(ClusterId=cluster, WaiterConfig={"Delay": 1})
    server.set_clock(account.endpoint, 1)
    found: dict[str, Any] = account.client("emr").describe_cluster(ClusterId=cluster)["Cluster"]
    return found


@pytest.fixture(scope="module")
def cleared(account: Account, second: dict[str, Any]) -> dict[str, list[str]]:
    account.clear_cluster()
    return account.inventory()


@pytest.fixture(scope="module")
def purged(account: Account, cleared: dict[str, list[str]]) -> dict[str, list[str]]:
    account.apply("storage", force_destroy=True)
    account.destroy("storage", force_destroy=True)
    return account.inventory()


def test_apply_makes_buckets_and_a_cluster_that_waits(account: Account, first: dict[str, Any]) -> None:
    made = account.inventory()
    buckets = {purpose: account.bucket(purpose) for purpose in PURPOSES}
    assert account.stack("storage").outputs()["buckets"] == buckets
    assert [name for name in made["buckets"] if name.startswith("fruits-local-")] == sorted(buckets.values())
    assert [c["Id"] for c in account.live()] == [first["Id"]]
    instances = account.client("emr").list_instances(ClusterId=first["Id"])["Instances"]
    assert {i["Status"]["State"] for i in instances} == {"RUNNING"}
    assert sorted(made["instances"]) == sorted(i["Ec2InstanceId"] for i in instances)


def test_the_bootstrap_action_ran_with_its_arguments(account: Account, first: dict[str, Any]) -> None:
    action = account.client("emr").list_bootstrap_actions(ClusterId=first["Id"])["BootstrapActions"][0]
    assert action["Name"] == "install-tensorflow"
    assert action["Args"][:2] == ["--wheelhouse", f"s3://{account.bucket('artifacts')}/wheelhouse/1/"]
    logs = account.client("s3").list_objects_v2(Bucket=account.bucket("logs"), Prefix=f"emr/{first['Id']}/node/")
    assert any(found["Key"].endswith("/bootstrap-actions/1/stdout.gz") for found in logs["Contents"])


def test_the_nodes_can_do_their_work_in_s3_and_no_more(account: Account, first: dict[str, Any]) -> None:
    attributes = account.client("emr").describe_cluster(ClusterId=first["Id"])["Cluster"]["Ec2InstanceAttributes"]
    profile = attributes["IamInstanceProfile"].rsplit("/", 1)[-1]
    role = account.client("iam").get_instance_profile(InstanceProfileName=profile)["InstanceProfile"]["Roles"][0]
    keys = account.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="node")["Credentials"]
    node = boto3.session.Session().client(
        "s3",
        endpoint_url=account.endpoint,
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    owner, data, artifacts = account.client("s3"), account.bucket("data"), account.bucket("artifacts")
    owner.create_bucket(Bucket="elsewhere", CreateBucketConfiguration={"LocationConstraint": REGION})
    owner.put_object(Bucket="elsewhere", Key="secret", Body=b"1")

    assert node.get_object(Bucket=data, Key=PICTURE)["Body"].read() == b"jpeg"
    assert node.list_objects_v2(Bucket=data, Prefix="images/")["KeyCount"] == 1
    assert node.get_object(Bucket=artifacts, Key="bootstrap/1/install.sh")["ContentLength"] == len(BOOTSTRAP)
    node.put_object(Bucket=account.bucket("logs"), Key="node/x.json", Body=b"{}")
    made = node.put_object(Bucket=data, Key="results/1/part", Body=b"1")["VersionId"]
    marker = node.delete_object(Bucket=data, Key="results/1/part")["VersionId"]
    forbidden = {
        "read another bucket": lambda: node.get_object(Bucket="elsewhere", Key="secret"),
        "list another bucket": lambda: node.list_objects_v2(Bucket="elsewhere"),
        "delete an image": lambda: node.delete_object(Bucket=data, Key=PICTURE),
        "replace an image": lambda: node.put_object(Bucket=data, Key=PICTURE, Body=b"2"),
        "write outside its prefixes": lambda: node.put_object(Bucket=data, Key="other/x", Body=b"2"),
        "replace the job": lambda: node.put_object(Bucket=artifacts, Key="jobs/x.zip", Body=b"2"),
        "delete a result for good": lambda: node.delete_object(Bucket=data, Key="results/1/part", VersionId=made),
        "open a bucket": lambda: node.delete_bucket_policy(Bucket=data),
    }
    for what, call in forbidden.items():
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == "AccessDenied", f"the nodes' role may {what}"

    for version in (made, marker):
        owner.delete_object(Bucket=data, Key="results/1/part", VersionId=version)
    owner.delete_object(Bucket="elsewhere", Key="secret")
    owner.delete_bucket(Bucket="elsewhere")


@pytest.mark.parametrize("stack", ["storage", "cluster"])
def test_a_second_plan_has_nothing_to_do(account: Account, first: dict[str, Any], stack: Stack) -> None:
    work = account.stack(stack)
    out = account.home / f"second-{stack}.tfplan"
    different = work.plan(out=out)
    changes = [
        (change["address"], change["change"]["actions"])
        for change in work.show(out)["resource_changes"]
        if change["change"]["actions"] not in (["no-op"], ["read"])
    ]
    assert not different, f"the plan is not empty: {changes}"


def test_a_harmless_change_keeps_the_cluster(account: Account, first: dict[str, Any], changed: dict[str, Any]) -> None:
    assert [c["Id"] for c in account.live()] == [first["Id"]]
    assert changed["Status"]["State"] == "WAITING"
    assert {"Key": "Owner", "Value": "ana"} in changed["Tags"]
    policy = account.client("emr").get_auto_termination_policy(ClusterId=first["Id"])["AutoTerminationPolicy"]
    assert policy == {"IdleTimeout": 1200}


def test_destroy_leaves_nothing_of_the_cluster(
    account: Account, stored: dict[str, list[str]], first: dict[str, Any], left: list[dict[str, Any]]
) -> None:
    assert account.inventory() == stored
    assert account.tagged(Project="fruits", Stack="cluster") == []
    ended = account.client("emr").describe_cluster(ClusterId=first["Id"])["Cluster"]["Status"]
    assert (ended["State"], ended["StateChangeReason"]["Code"]) == ("TERMINATED", "USER_REQUEST")


def test_the_endpoint_that_emr_makes_was_there_and_is_swept(account: Account, left: list[dict[str, Any]]) -> None:
    assert [(e["VpcEndpointType"], e["ServiceName"]) for e in left] == [
        ("Interface", f"com.amazonaws.{REGION}.elasticmapreduce")
    ]
    now = account.client("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    assert left[0]["VpcEndpointId"] not in [e["VpcEndpointId"] for e in now if e["State"] != "deleted"]


def test_destroy_does_not_touch_storage(
    account: Account, kept: tuple[list[tuple[str, str, str]], dict[str, Any]], left: list[dict[str, Any]]
) -> None:
    objects, settings = kept
    assert (account.bucket("data"), PICTURE) in [(bucket, key) for bucket, key, _ in objects]
    assert account.objects() == objects
    assert account.settings_of_buckets() == settings


def test_a_cluster_that_ended_by_itself_is_planned_anew(account: Account, second: dict[str, Any]) -> None:
    assert second["Status"]["State"] == "TERMINATED"
    assert second["Status"]["StateChangeReason"]["Code"] == "ALL_STEPS_COMPLETED"
    work = account.stack("cluster")
    out = account.home / "ended.tfplan"
    assert work.plan(out=out) is True
    actions = {c["address"]: c["change"]["actions"] for c in work.show(out)["resource_changes"]}
    assert actions["module.emr.aws_emr_cluster.this"] == ["create"]
    assert not [a for a, done in actions.items() if "delete" in done and a.startswith("module.network")]


def test_destroy_after_the_cluster_ended_by_itself(
    account: Account, stored: dict[str, list[str]], cleared: dict[str, list[str]]
) -> None:
    assert cleared == stored
    assert account.tagged(Project="fruits", Stack="cluster") == []


def test_purge_leaves_an_empty_account(
    account: Account, empty: dict[str, list[str]], purged: dict[str, list[str]]
) -> None:
    assert purged == empty
    assert account.tagged(Project="fruits") == []
