"""What of an environment is there, by listing and by name: what must be empty at the end, and before the beginning."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ops.aws.account import Account
from ops.aws.emr import LIVE_STATES
from ops.aws.sweep import vpcs_of
from ops.core.target import PROJECT

GONE = ("404", "NoSuchBucket", "403")


def of_environment(account: Account) -> dict[str, list[str]]:
    """Ids and names by kind, empty kinds included."""
    env, name = account.target.env, f"{PROJECT}-{account.target.env}"
    ec2, iam, emr = account.client("ec2"), account.client("iam"), account.client("emr")
    tags = [{"Name": "tag:Project", "Values": [PROJECT]}, {"Name": "tag:Environment", "Values": [env]}]
    vpcs = vpcs_of(ec2, PROJECT, env)
    inside = [{"Name": "vpc-id", "Values": vpcs or ["none"]}]
    living = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    clusters = _all(emr, "list_clusters", "Clusters", ClusterStates=[*LIVE_STATES, "TERMINATING"])
    return {
        "clusters": [c["Id"] for c in clusters if c["Name"] == name],
        "instances": [
            i["InstanceId"] for r in _all(ec2, "describe_instances", "Reservations", Filters=tags + living)
            for i in r["Instances"]
        ],
        "volumes": [v["VolumeId"] for v in _all(ec2, "describe_volumes", "Volumes", Filters=tags)],
        "VPCs": vpcs,
        "endpoints": [
            e["VpcEndpointId"]
            for e in _all(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=inside)
            if e["State"].lower() not in ("deleted", "deleting")
        ],
        "interfaces": [
            n["NetworkInterfaceId"]
            for n in _all(ec2, "describe_network_interfaces", "NetworkInterfaces", Filters=inside)
        ],
        "groups": [
            g["GroupId"]
            for g in _all(ec2, "describe_security_groups", "SecurityGroups", Filters=inside)
            if g["GroupName"] != "default"
        ],
        "NAT gateways": [
            n["NatGatewayId"]
            for n in _all(ec2, "describe_nat_gateways", "NatGateways", Filters=tags)
            if n["State"] not in ("deleted", "deleting", "failed")
        ],
        "roles": [
            r["RoleName"] for r in _all(iam, "list_roles", "Roles")
            if r["RoleName"].startswith((f"{name}-emr-", f"{name}-ttl-", f"{name}-idle-", f"{name}-studio"))
        ],
        "security configurations": [
            s["Name"]
            for s in _all(emr, "list_security_configurations", "SecurityConfigurations")
            if s["Name"].startswith(f"{name}-")
        ],
        "schedules": [
            s["Name"] for s in _all(account.client("scheduler"), "list_schedules", "Schedules", NamePrefix=f"{name}-")
        ],
        "buckets": [bucket for bucket in bucket_names(account) if exists(account.client("s3"), bucket)],
    }  # fmt: skip


def _all(client: Any, call: str, key: str, **asked: Any) -> list[dict[str, Any]]:
    return [item for page in client.get_paginator(call).paginate(**asked) for item in page.get(key, [])]


def bucket_names(account: Account) -> list[str]:
    """The names that the storage stack gives."""
    target = account.target
    return [f"{PROJECT}-{target.env}-{purpose}-{target.account_id}" for purpose in ("data", "artifacts", "logs")]


def exists(s3: Any, bucket: str) -> bool:
    """Whether the account has a bucket of this name."""
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] in GONE:
            return False
        raise
    return True
