"""EC2: refusals that AWS gives and moto does not, descriptions that it drops, Spot prices that Terraform can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import utcnow
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError, InvalidPermissionNotFoundError
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend, SecurityGroupRule
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.spot_instances import SpotInstances

from localaws import patching

# A price is all that the provider wants of a Spot history; the price table has the real ones.
SPOT_PRICE = "0.0712"


def _spot_price_history(self: Any) -> ActionResult:
    filters = self._filters_from_querystring()
    zones = [self._get_param("AvailabilityZone")] if self._get_param("AvailabilityZone") else []
    zones += filters.get("availability-zone", [])
    types = self._get_param("InstanceTypes", []) or filters.get("instance-type", [])
    products = self._get_param("ProductDescriptions", []) or filters.get("product-description") or ["Linux/UNIX"]
    offers = self.ec2_backend.describe_spot_price_history(types, {})
    return ActionResult(
        {
            "SpotPriceHistory": [
                {
                    "InstanceType": offer["InstanceType"],
                    "ProductDescription": products[0],
                    "SpotPrice": SPOT_PRICE,
                    "AvailabilityZone": offer["Location"],
                    "Timestamp": utcnow(),
                }
                for offer in offers
                if not zones or offer["Location"] in zones
            ]
        }
    )


def _by_rule_id(original: Callable[..., Any]) -> Callable[..., Any]:
    """AWS has a code of its own for an unknown rule id, which Terraform's provider tolerates."""

    def revoke(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(self, *args, **kwargs)
        except InvalidPermissionNotFoundError:
            if ids := kwargs.get("security_rule_ids"):
                raise EC2ClientError(
                    "InvalidSecurityGroupRuleId.NotFound",
                    f"The security group rule ID '{ids[0]}' does not exist",
                ) from None
            raise

    return revoke


def _with_descriptions(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto keeps the description of a rule about addresses and drops that of one about a group or prefix list."""

    def authorize(self: Any, *args: Any, **kwargs: Any) -> Any:
        rules, group = original(self, *args, **kwargs)
        by_group = {g.get("GroupId"): g.get("Description") for g in kwargs.get("source_groups") or []}
        by_list = {p["PrefixListId"]: p.get("Description") for p in kwargs.get("prefix_list_ids") or []}
        for rule in rules:
            rule.described_as = by_group.get(rule.source_group.get("GroupId")) or by_list.get(rule.prefix_list_id)
        return rules, group

    return authorize


def _description(self: Any) -> str | None:
    description: str | None = getattr(self, "described_as", None) or self.ip_range.get("Description")
    return description


def users_of_subnet(backend: Any, subnet_id: str) -> list[str]:
    """What keeps a subnet from being deleted: interface endpoints, instances and other interfaces in it."""
    users = [
        e.id for e in backend.vpc_end_points.values() if subnet_id in (e.subnet_ids or []) and e.state == "available"
    ]
    users += [i.id for i in backend.enis.values() if i.instance is None and i.subnet.id == subnet_id]
    return users + [i.id for i in backend.all_instances() if i.subnet_id == subnet_id and i.state != "terminated"]


def users_of_group(backend: Any, group_id: str) -> list[str]:
    """What keeps a security group from being deleted: endpoints, instances, interfaces and other groups' rules."""
    users = [
        e.id
        for e in backend.vpc_end_points.values()
        if group_id in (e.security_group_ids or []) and e.state == "available"
    ]
    users += [
        i.id
        for i in backend.all_instances()
        if i.state != "terminated" and group_id in [g.id for g in i.security_groups]
    ]
    users += [i.id for i in backend.enis.values() if i.instance is None and group_id in [g.id for g in i.group_set]]
    for groups in backend.groups.values():
        for group in groups.values():
            rules = [*group.ingress_rules, *group.egress_rules] if group.id != group_id else []
            users += [group.id for r in rules if r.source_group.get("GroupId") == group_id]
    return users


def _delete_subnet(self: Any, subnet_id: str) -> Any:
    if users_of_subnet(self, subnet_id):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    return _moto_delete_subnet(self, subnet_id)


def _delete_security_group(self: Any, name: str | None = None, group_id: str | None = None) -> Any:
    if group_id and users_of_group(self, group_id):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return _moto_delete_security_group(self, name, group_id)


def _delete_vpc(self: Any, vpc_id: str) -> Any:
    endpoints = [e for e in self.vpc_end_points.values() if e.vpc_id == vpc_id and e.state == "available"]
    gateways = [g for g in self.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
    groups = [g for g in self.groups.get(vpc_id, {}).values() if g.name != "default"]
    if endpoints or gateways or groups:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    return _moto_delete_vpc(self, vpc_id)


def _delete_nat_gateway(self: Any, nat_gateway_id: str) -> NatGateway:
    """A gateway's interface goes with it; moto keeps it, and with it the subnet."""
    gateway: NatGateway = _moto_delete_nat_gateway(self, nat_gateway_id)
    self.enis.pop(gateway._eni.id, None)
    return gateway


_moto_delete_nat_gateway: Any = None
_moto_delete_subnet: Any = None
_moto_delete_security_group: Any = None
_moto_delete_vpc: Any = None


def install() -> None:
    """Correct Spot prices, the revocation of rules and the deletion of what is still in use."""
    global _moto_delete_nat_gateway, _moto_delete_subnet, _moto_delete_security_group, _moto_delete_vpc
    patching.replace(SpotInstances, "describe_spot_price_history", _spot_price_history)
    for name in ("revoke_security_group_ingress", "revoke_security_group_egress"):
        original = patching.replace(SecurityGroupBackend, name, None)
        setattr(SecurityGroupBackend, name, _by_rule_id(original))
    for name in ("authorize_security_group_ingress", "authorize_security_group_egress"):
        original = patching.replace(SecurityGroupBackend, name, None)
        setattr(SecurityGroupBackend, name, _with_descriptions(original))
    patching.replace(SecurityGroupRule, "description", property(_description))
    _moto_delete_nat_gateway = patching.replace(NatGatewayBackend, "delete_nat_gateway", _delete_nat_gateway)
    _moto_delete_subnet = patching.replace(SubnetBackend, "delete_subnet", _delete_subnet)
    _moto_delete_security_group = patching.replace(
        SecurityGroupBackend, "delete_security_group", _delete_security_group
    )
    _moto_delete_vpc = patching.replace(VPCBackend, "delete_vpc", _delete_vpc)
