"""What every plan of the stacks must keep to, checked on ``terraform show -json`` before anything is created.

Pure functions on plain values: no AWS, no Terraform. The rules stand in ``access_rules`` and ``cluster_rules``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.plan import access_rules as access_rules
from ops.plan import cluster_rules as cluster_rules
from ops.plan.contents import Resource, filter_types, list_resources
from ops.plan.pricing import price_plan
from ops.plan.rules import RULES as RULES
from ops.prices import table as prices


@dataclass(frozen=True, order=True)
class Violation:
    """A rule that a plan breaks.

    Attributes
    ----------
    policy : name of the rule
    address : the resource, as Terraform names it
    message : what is wrong with it
    """

    policy: str
    address: str
    message: str

    def __str__(self) -> str:
        return f"{self.address}: {self.message} [{self.policy}]"


def check_plan(plan: Mapping[str, Any], *, ceiling: float | None = None, region: str = "") -> list[Violation]:
    """The rules that a plan breaks, sorted; an empty list is a good plan.

    Parameters
    ----------
    plan : what ``terraform show -json`` gives for a kept plan
    ceiling : dollars an hour that the cluster may cost on demand; None does not look
    region : of the prices
    """
    resources = list_resources(plan)
    broken = [Violation(name, address, message) for name, keep in RULES.items() for address, message in keep(resources)]
    if ceiling is not None:
        broken += _too_dear(plan, resources, ceiling, region)
    return sorted(broken)


def _too_dear(plan: Mapping[str, Any], resources: list[Resource], ceiling: float, region: str) -> Iterator[Violation]:
    try:
        hour = price_plan(plan, region)
    except prices.UnknownPriceError as error:
        yield Violation("hourly-price", "module.emr", f"there is a ceiling, and {error}")
        return
    if hour is not None and hour.total_on_demand > ceiling:
        cluster = filter_types(resources, "aws_emr_cluster")[0]
        text = f"an hour may cost {hour.total_on_demand:.2f} USD, more than the {ceiling:.2f} that are allowed"
        yield Violation("hourly-price", cluster.address, text)
