"""Remove what EMR and SageMaker leave in our VPC and Terraform does not know: EMR's endpoint, and groups of both.

Since EMR 7.5 the service makes an interface endpoint in the cluster's VPC; its managed policy lets it create one and
not delete it, so it outlives the cluster, is billed by the hour, and keeps subnets, groups and VPC from being
deleted. To be called before the cluster stack is destroyed, when its cluster has ended.

SageMaker makes two groups for the home folders of a Studio domain, and leaves them when the domain goes: so the domain
is removed first (``has_studio``), then the groups are swept, then the rest of the stack goes.
"""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from ops.aws.describe import list_pages
from ops.aws.poll import poll
from ops.core.errors import UnfinishedError

ENDPOINT_NAME = "emr-service-vpce"
GROUPS_OF_STUDIO = ("security-group-for-inbound-nfs-d-*", "security-group-for-outbound-nfs-d-*")
GROUP_NAMES = ("ElasticMapReduce-*", *GROUPS_OF_STUDIO)
WAIT_SECONDS = 600.0


def find_vpcs(ec2: Any, project: str, env: str) -> list[str]:
    """The VPCs of an environment's cluster stack, found by their tags."""
    filters = [{"Name": "tag:Project", "Values": [project]}, {"Name": "tag:Environment", "Values": [env]}]
    return [vpc["VpcId"] for vpc in list_pages(ec2, "describe_vpcs", "Vpcs", Filters=filters)]


def sweep_network(
    ec2: Any,
    vpc_ids: list[str],
    *,
    wait_seconds: float = WAIT_SECONDS,
    pause: float = 5.0,
    say: Callable[[str], None] = lambda _: None,
) -> list[str]:
    """Remove EMR's endpoint and EMR's own groups from the VPCs, and wait until the endpoint is gone; their ids.

    Parameters
    ----------
    ec2 : boto3 client
    vpc_ids : only in these
    wait_seconds : how long an endpoint's deletion may take (minutes on AWS)
    pause : seconds between two looks
    say : is told what is waited for

    Raises
    ------
    UnfinishedError : an endpoint is still there at the end of the wait
    """
    if not vpc_ids:
        return []
    if endpoints := _endpoints(ec2, vpc_ids):
        ec2.delete_vpc_endpoints(VpcEndpointIds=endpoints)
        say(f"waiting until EMR's endpoint {', '.join(endpoints)} is deleted; AWS takes a few minutes")

        def gone() -> bool | None:
            return None if _endpoints(ec2, vpc_ids, deleting=True) else True

        if poll(gone, pause=pause, limit=wait_seconds, say=say) is None:
            raise UnfinishedError(
                f"EMR's endpoint {', '.join(endpoints)} is still being deleted after {wait_seconds:.0f} s, and the "
                "VPC cannot go before it. Fix: run make destroy again in a few minutes."
            )
    return [*endpoints, *_delete_groups(ec2, vpc_ids, wait_seconds, pause, say)]


def has_studio(ec2: Any, vpc_ids: list[str]) -> bool:
    """Whether a Studio domain is, or was, in the VPCs."""
    return bool(vpc_ids and _groups(ec2, vpc_ids, GROUPS_OF_STUDIO))


def _endpoints(ec2: Any, vpc_ids: list[str], *, deleting: bool = False) -> list[str]:
    filters = [{"Name": "vpc-id", "Values": vpc_ids}, {"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
    gone = ("deleted",) if deleting else ("deleted", "deleting")
    endpoints = list_pages(ec2, "describe_vpc_endpoints", "VpcEndpoints", Filters=filters)
    return [e["VpcEndpointId"] for e in endpoints if e["State"].lower() not in gone]


def _groups(ec2: Any, vpc_ids: list[str], names: tuple[str, ...]) -> list[dict[str, Any]]:
    filters = [{"Name": "vpc-id", "Values": vpc_ids}, {"Name": "group-name", "Values": list(names)}]
    return list(list_pages(ec2, "describe_security_groups", "SecurityGroups", Filters=filters))


def _delete_groups(ec2: Any, vpc_ids: list[str], limit: float, pause: float, say: Callable[[str], None]) -> list[str]:
    groups = _groups(ec2, vpc_ids, GROUP_NAMES)
    for group in groups:  # they name each other, so their rules go first
        if group["IpPermissions"]:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
        if group["IpPermissionsEgress"]:
            ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    for group in groups:
        _delete_group(ec2, group, limit, pause, say)
    return [group["GroupId"] for group in groups]


def _delete_group(ec2: Any, group: dict[str, Any], limit: float, pause: float, say: Callable[[str], None]) -> None:
    """Delete a group once nothing uses it: interfaces of home folders go some minutes after their domain."""

    def delete() -> bool | None:
        try:
            ec2.delete_security_group(GroupId=group["GroupId"])
        except ClientError as error:
            if error.response["Error"]["Code"] == "DependencyViolation":
                return None
            raise
        return True

    if poll(delete, pause=pause, limit=limit, say=say) is None:
        raise UnfinishedError(
            f"the security group {group['GroupName']} is still in use, and the VPC cannot go before it. Fix: look in "
            "the EC2 console which network interface has it, remove what it belongs to (a file system of SageMaker "
            "Studio that was kept), then run make destroy again."
        )
