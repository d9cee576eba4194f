"""What SageMaker makes in a Studio domain's VPC: a file system of home folders, and the groups that let notebooks in.

The file system is deleted with the domain only on request; the two security groups, which name each other, never
are (hashicorp/terraform-provider-aws issue 20986 and many others), and keep the VPC from being deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from moto.ec2.models import ec2_backends
from moto.efs.models import EFSBackend, efs_backends

from localaws import patching

INBOUND, OUTBOUND = "security-group-for-inbound-nfs-", "security-group-for-outbound-nfs-"
MANAGED_BY = "ManagedByAmazonSageMakerResource"  # on the groups and on the file system
NFS_PORT = "2049"


def make_file_system(
    account: str, region: str, *, domain_id: str, domain_arn: str, vpc_id: str, subnets: Sequence[str]
) -> str:
    """Make a file system, its mount targets and groups; returns the file system's id."""
    ec2, efs = ec2_backends[account][region], efs_backends[account][region]
    inbound, outbound = (
        ec2.create_security_group(
            f"{prefix}{domain_id}",
            f"[DO NOT DELETE] Allows {way} NFS traffic of the SageMaker domain [{domain_id}]",
            vpc_id=vpc_id,
            tags={MANAGED_BY: domain_arn},
        )
        for prefix, way in ((INBOUND, "inbound"), (OUTBOUND, "outbound"))
    )
    ec2.authorize_security_group_ingress(
        inbound.id, "tcp", NFS_PORT, NFS_PORT, [], source_groups=[{"GroupId": outbound.id}], vpc_id=vpc_id
    )
    ec2.authorize_security_group_egress(
        outbound.id, "tcp", NFS_PORT, NFS_PORT, [], source_groups=[{"GroupId": inbound.id}], vpc_id=vpc_id
    )
    tag = {"Key": MANAGED_BY, "Value": domain_arn}
    home = efs.create_file_system(domain_id, "generalPurpose", True, "", "bursting", 0, "", False, [tag])
    for subnet in subnets:
        efs.create_mount_target(home.file_system_id, subnet, security_groups=[inbound.id])
    return str(home.file_system_id)


def remove_file_system(account: str, region: str, file_system_id: str) -> None:
    """Delete the file system and its mount targets; the groups stay."""
    efs = efs_backends[account][region]
    targets = [t for t in efs.mount_targets_by_id.values() if t.file_system_id == file_system_id]
    for target in targets:
        efs.delete_mount_target(target.mount_target_id)
    efs.delete_file_system(file_system_id)


def knows_vpc(account: str, region: str, vpc_id: str) -> bool:
    """Whether an account and region have a VPC."""
    return vpc_id in ec2_backends[account][region].vpcs


def install() -> None:
    """Check that moto has what is called here; nothing of it is changed."""
    names: tuple[Any, ...] = ("create_file_system", "create_mount_target", "delete_mount_target", "delete_file_system")
    patching.require_attributes(EFSBackend, *names)
