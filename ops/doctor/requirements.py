"""What the planned cluster asks of an account, read from the plan's JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.core.paths import INFRA
from ops.plan import contents, pricing
from ops.prices import table as prices

RELEASES = INFRA / "modules" / "emr" / "releases.json"
REGIONS = INFRA / "regions.json"


@dataclass(frozen=True, kw_only=True)
class ClusterNeeds:
    """What must be had.

    Attributes
    ----------
    fleets : types, vCPUs and market of each
    zones : in which EMR may start it; it takes one
    release : label
    architecture : x86_64 or arm64
    """

    fleets: tuple[prices.Fleet, ...]
    zones: tuple[str, ...]
    release: str
    architecture: str


def read_needs(plan: Mapping[str, Any]) -> ClusterNeeds | None:
    """What a plan asks; None for one without a cluster."""
    size = pricing.read_shape(plan)
    if size is None:
        return None
    resources = contents.list_resources(plan)
    (cluster,) = [resource for resource in resources if resource.type == "aws_emr_cluster"]
    zones = {
        str(resource.values["availability_zone"])
        for resource in resources
        if resource.type == "aws_subnet" and resource.name == "private"
    }
    return ClusterNeeds(
        fleets=tuple(fleet for fleet in size.fleets if fleet.units > 0),
        zones=tuple(sorted(zones)),
        release=str(cluster.values["release_label"]),
        architecture=str(plan["planned_values"]["outputs"]["architecture"]["value"]),
    )


def list_vcpus() -> dict[str, int]:
    """vCPUs by type; a type is the same size everywhere."""
    return {kind.type: kind.vcpu for kind in prices.table().instances.values()}


def count_needed_vcpus(fleets: tuple[prices.Fleet, ...], market: str) -> int:
    """vCPUs that the fleets of a market have at most: whole nodes, of the type of which that is most."""
    sizes = list_vcpus()

    def most(fleet: prices.Fleet) -> int:
        if fleet.name == "primary":
            return max(sizes[name] for name in fleet.types)
        return max(math.ceil(fleet.units / sizes[name]) * sizes[name] for name in fleet.types)

    return sum(most(fleet) for fleet in fleets if fleet.market == market)


def read_ends_of_support() -> dict[str, str]:
    """Last days of support by release, as the module emr reads them."""
    ends: dict[str, str] = json.loads(RELEASES.read_text(encoding="utf-8"))
    return ends


def read_european_regions() -> tuple[str, ...]:
    """Regions of the European Union, as the stacks' validation reads them."""
    return tuple(json.loads(REGIONS.read_text(encoding="utf-8")))
