"""EC2: refusals and descriptions that moto lacks, and Spot prices that Terraform can read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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

# The provider only needs some price in a Spot history; the price table has the real ones.
SPOT_PRICE = "0.0712"


def _describe_spot_prices(self: Any) -> ActionResult:
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


def _revoke(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    """AWS has a code of its own for an unknown rule id, which Terraform's provider tolerates."""
    try:
        return original(self, *args, **kwargs)
    except InvalidPermissionNotFoundError:
        if ids := kwargs.get("security_rule_ids"):
            sentence = f"The security group rule ID '{ids[0]}' does not exist"
            raise EC2ClientError("InvalidSecurityGroupRuleId.NotFound", sentence) from None
        raise


def _authorize(original: Callable[..., Any], self: Any, *args: Any, **kwargs: Any) -> Any:
    """moto keeps the description of a rule about addresses and drops that of one about a group or prefix list."""
    rules, group = original(self, *args, **kwargs)
    by_group = {g.get("GroupId"): g.get("Description") for g in kwargs.get("source_groups") or []}
    by_list = {p["PrefixListId"]: p.get("Description") for p in kwargs.get("prefix_list_ids") or []}
    for rule in rules:
        rule.described_as = by_group.get(rule.source_group.get("GroupId")) or by_list.get(rule.prefix_list_id)
    return rules, group


def _read_description(self: Any) -> str | None:
    description: str | None = getattr(self, "described_as", None) or self.ip_range.get("Description")
    return description


def _list_uses(backend: Any) -> Iterator[tuple[list[str], list[str]]]:
    """The subnets and security groups of everything that uses some: endpoints, instances, and other interfaces."""
    for endpoint in backend.vpc_end_points.values():
        if endpoint.state == "available":
            yield endpoint.subnet_ids or [], endpoint.security_group_ids or []
    for instance in backend.all_instances():
        if instance.state != "terminated":
            yield [instance.subnet_id], [group.id for group in instance.security_groups]
    for interface in backend.enis.values():
        if interface.instance is None:
            yield [interface.subnet.id], [group.id for group in interface.group_set]


def _is_named_in_a_rule(backend: Any, group_id: str) -> bool:
    """Whether another group's rule names a security group."""
    groups = [group for groups_by_id in backend.groups.values() for group in groups_by_id.values()]
    rules = [rule for group in groups if group.id != group_id for rule in (*group.ingress_rules, *group.egress_rules)]
    return any(rule.source_group.get("GroupId") == group_id for rule in rules)


def _delete_subnet(original: Callable[..., Any], self: Any, subnet_id: str) -> Any:
    if any(subnet_id in subnets for subnets, _ in _list_uses(self)):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    return original(self, subnet_id)


def _delete_security_group(
    original: Callable[..., Any], self: Any, name: str | None = None, group_id: str | None = None
) -> Any:
    if group_id and (any(group_id in groups for _, groups in _list_uses(self)) or _is_named_in_a_rule(self, group_id)):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    return original(self, name, group_id)


def _delete_vpc(original: Callable[..., Any], self: Any, vpc_id: str) -> Any:
    endpoints = [e for e in self.vpc_end_points.values() if e.vpc_id == vpc_id and e.state == "available"]
    gateways = [g for g in self.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
    groups = [g for g in self.groups.get(vpc_id, {}).values() if g.name != "default"]
    if endpoints or gateways or groups:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    return original(self, vpc_id)


def _delete_nat_gateway(original: Callable[..., Any], self: Any, nat_gateway_id: str) -> NatGateway:
    """AWS deletes a gateway's interface with it; moto keeps it, so that the subnet cannot be deleted."""
    gateway: NatGateway = original(self, nat_gateway_id)
    self.enis.pop(gateway._eni.id, None)
    return gateway


def install() -> None:
    """Correct Spot prices, the revocation of rules and the deletion of what is still in use."""
    patching.replace_attribute(SpotInstances, "describe_spot_price_history", _describe_spot_prices)
    for direction in ("ingress", "egress"):
        patching.wrap_method(SecurityGroupBackend, f"revoke_security_group_{direction}", _revoke)
        patching.wrap_method(SecurityGroupBackend, f"authorize_security_group_{direction}", _authorize)
    patching.replace_attribute(SecurityGroupRule, "description", property(_read_description))
    patching.wrap_method(NatGatewayBackend, "delete_nat_gateway", _delete_nat_gateway)
    patching.wrap_method(SubnetBackend, "delete_subnet", _delete_subnet)
    patching.wrap_method(SecurityGroupBackend, "delete_security_group", _delete_security_group)
    patching.wrap_method(VPCBackend, "delete_vpc", _delete_vpc)
