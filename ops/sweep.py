"""Remove what EMR leaves in our VPC and Terraform does not know: its endpoint ``emr-service-vpce`` and its groups.

Since EMR 7.5 the service makes an interface endpoint in the cluster's VPC; its managed policy lets it create one and
not delete it, so it outlives the cluster, is billed by the hour, and keeps subnets, groups and VPC from being
deleted. To be called before the cluster stack is destroyed, when its cluster has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

ENDPOINT_NAME = "emr-service-vpce"
GROUP_NAMES = ("ElasticMapReduce-*",)
WAIT_SECONDS = 600.0


class SweepError(Exception):
    """What EMR left behind could not be removed; the message says what and how to go on."""

    exit_code = 1


@dataclass
class Swept:
    """What was removed.

    Attributes
    ----------
    endpoints : ids of VPC endpoints
    groups : ids of security groups
    """

    endpoints: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)


def vpcs_of(ec2: Any, project: str, env: str) -> list[str]:
    """The VPCs of an environment's cluster stack, found by their tags."""
    filters = [
        {"Name": "tag:Project", "Values": [project]},
        {"Name": "tag:Environment", "Values": [env]},
    ]
    return [
        vpc["VpcId"] for page in ec2.get_paginator("describe_vpcs").paginate(Filters=filters) for vpc in page["Vpcs"]
    ]


def sweep(
    ec2: Any,
    vpc_ids: list[str],
    *,
    wait_seconds: float = WAIT_SECONDS,
    pause: float = 5.0,
    say: Callable[[str], None] = lambda _: None,
) -> Swept:
    """Remove EMR's endpoint and EMR's own groups from the VPCs, and wait until the endpoint is gone.

    Parameters
    ----------
    ec2 : boto3 client
    vpc_ids : only in these
    wait_seconds : how long an endpoint's deletion may take (minutes on AWS)
    pause : seconds between two looks
    say : is told what is waited for

    Raises
    ------
    SweepError : an endpoint is still there at the end of the wait
    """
    swept = Swept()
    if not vpc_ids:
        return swept
    swept.endpoints = _endpoints(ec2, vpc_ids)
    if swept.endpoints:
        ec2.delete_vpc_endpoints(VpcEndpointIds=swept.endpoints)
        deadline = time.monotonic() + wait_seconds
        say(f"waiting until EMR's endpoint {', '.join(swept.endpoints)} is deleted; AWS takes some minutes")
        while left := _endpoints(ec2, vpc_ids, deleting=True):
            if time.monotonic() > deadline:
                raise SweepError(
                    f"EMR's endpoint {', '.join(left)} is still being deleted after {wait_seconds:.0f} s, and the VPC "
                    "cannot go before it: run make destroy again in some minutes."
                )
            time.sleep(pause)
    swept.groups = _delete_groups(ec2, vpc_ids)
    return swept


def _endpoints(ec2: Any, vpc_ids: list[str], *, deleting: bool = False) -> list[str]:
    filters = [{"Name": "vpc-id", "Values": vpc_ids}, {"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
    gone = ("deleted",) if deleting else ("deleted", "deleting")
    pages = ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=filters)
    found = [e for page in pages for e in page["VpcEndpoints"]]
    return [e["VpcEndpointId"] for e in found if e["State"].lower() not in gone]


def _delete_groups(ec2: Any, vpc_ids: list[str]) -> list[str]:
    filters = [{"Name": "vpc-id", "Values": vpc_ids}, {"Name": "group-name", "Values": list(GROUP_NAMES)}]
    pages = ec2.get_paginator("describe_security_groups").paginate(Filters=filters)
    groups = [group for page in pages for group in page["SecurityGroups"]]
    for group in groups:  # they name each other, so their rules go first
        if group["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
        if group["IpPermissionsEgress"]:
            ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    for group in groups:
        ec2.delete_security_group(GroupId=group["GroupId"])
    return [group["GroupId"] for group in groups]
