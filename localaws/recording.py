"""The rights that calls to the embedded AWS need: one JSON line per call, when ``Settings.record`` names a file.

A layer around the application: it reads a request before it is answered (a deleted thing still has its tags then),
changes nothing, and records a call that it does not understand as unknown.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from moto.ec2.models import ec2_backends
from moto.emr.models import emr_backends
from moto.iam.exceptions import NotFoundException
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends

from localaws.calls import UnknownCallError, parse_call, parse_credential
from localaws.guard import Wsgi
from localaws.rights import UnmappedCallError, list_needs
from localaws.services.sagemaker import find_owner, find_studio_in

LOG = logging.getLogger(__name__)


class AccountFacts:
    """What IAM knows besides a request: the account and what exists in it, from moto's backends."""

    def __init__(self, account: str, region: str) -> None:
        self.account, self.region = account, region

    def read_tags(self, resource_id: str) -> Mapping[str, str]:
        """Tags of an EC2 resource, a cluster, a key, or something in SageMaker Studio (by its ARN)."""
        if resource_id.startswith("arn:aws:sagemaker:"):
            tags = find_studio_in(self.account, self.region).tags.list_tags_for_resource(resource_id)["Tags"]
            return {tag["Key"]: tag["Value"] for tag in tags}
        cluster: Any = emr_backends[self.account][self.region].clusters.get(resource_id)
        if cluster is not None:
            return dict(cluster.tag_map)
        keys = kms_backends[self.account][self.region]
        if resource_id in keys.keys:
            tags = keys.tagger.list_tags_for_resource(resource_id)["Tags"]
            return {tag["TagKey"]: tag["TagValue"] for tag in tags}
        return dict(ec2_backends[self.account][self.region].tags.get(resource_id, {}))

    def find_profile_role(self, profile: str) -> str:
        """The role of an instance profile."""
        instance_profile = iam_backends[self.account]["aws"].get_instance_profile(profile)
        return str(instance_profile.roles[0].name)

    def find_boundary(self, role: str) -> str | None:
        """A role's permissions boundary; None where there is none, or no role."""
        try:
            boundary_arn: str | None = iam_backends[self.account]["aws"].get_role(role).permissions_boundary_arn
        except NotFoundException:
            return None
        return boundary_arn

    def find_association(self, association_id: str) -> list[str]:
        """The route table and the subnet of an association; the address of an elastic IP's."""
        ec2: Any = ec2_backends[self.account][self.region]
        if association_id.startswith("eipassoc-"):
            # its network interface is a gateway's, and that may be gone already
            return [address.allocation_id for address in ec2.addresses if address.association_id == association_id]
        for table in ec2.route_tables.values():
            for match in table.associations:
                if match["RouteTableAssociationId"] == association_id:
                    return [table.id, *([match["SubnetId"]] if "SubnetId" in match else [])]
        return []

    def find_rule_group(self, rule_id: str) -> str:
        """The security group of a rule; raises UnmappedCallError when there is none of that id."""
        for groups in ec2_backends[self.account][self.region].groups.values():
            for group in groups.values():
                if any(rule.id == rule_id for rule in [*group.ingress_rules, *group.egress_rules]):
                    return str(group.id)
        raise UnmappedCallError(f"a change of the unknown rule {rule_id}")

    def find_alias_key(self, alias: str) -> str:
        """The id of the key that an alias names; empty where there is none."""
        return str(kms_backends[self.account][self.region].get_key_id_from_alias(alias) or "")

    def find_space_owner(self, domain_id: str, space: str) -> str | None:
        """The user profile that owns a space; None for a shared one, or where there is none."""
        space_details = find_studio_in(self.account, self.region).spaces.get((domain_id, space))
        return find_owner(space_details) if space_details else None


def wrap_recording(application: Wsgi, path: Path, account: str) -> Wsgi:
    """The application, with every call written to a file.

    Each line holds the access ``key``, ``service``, ``operation`` and ``needs``; or ``unknown`` with the reason.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    lock = threading.Lock()

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith("/moto-api/"):
            line = json.dumps(describe_call(environ, account), sort_keys=True)
            with lock, path.open("a") as file:
                file.write(line + "\n")
        return application(environ, start_response)

    return call


def describe_call(environ: dict[str, Any], account: str) -> dict[str, Any]:
    """The line of one request, which can be read again afterwards."""
    scope = parse_credential(environ.get("HTTP_AUTHORIZATION", ""))
    key = scope.key if scope else ""
    try:
        call = parse_call(environ)
        needs = [
            {"action": need.action, "resource": need.resource, "context": dict(need.context)}
            for need in list_needs(call, AccountFacts(account, call.region))
        ]
    except (UnknownCallError, UnmappedCallError) as error:
        return {"key": key, "unknown": str(error)}
    except (ValueError, LookupError, NotFoundException) as error:
        # A request that no service would take: the service refuses it, and the record says that it is unknown.
        line = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        return {"key": key, "unknown": f"{line}: {type(error).__name__} {error}"}
    return {"key": key, "service": call.service, "operation": call.operation, "needs": needs}
