"""What the planned cluster asks of an account, read from the plan's JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.core.paths import INFRA
from ops.plan import policies
from ops.prices import table as prices

RELEASES = INFRA / "modules" / "emr" / "releases.json"
REGIONS = INFRA / "regions.json"


@dataclass(frozen=True, kw_only=True)
class Asked:
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


def asked(plan: Mapping[str, Any]) -> Asked | None:
    """What a plan asks; None for one without a cluster."""
    size = policies.shape(plan)
    if size is None:
        return None
    found = policies.resources(plan)
    (cluster,) = [one for one in found if one.type == "aws_emr_cluster"]
    zones = {
        str(one.values["availability_zone"]) for one in found if one.type == "aws_subnet" and one.name == "private"
    }
    return Asked(
        fleets=tuple(fleet for fleet in size.fleets if fleet.units > 0),
        zones=tuple(sorted(zones)),
        release=str(cluster.values["release_label"]),
        architecture=str(plan["planned_values"]["outputs"]["architecture"]["value"]),
    )


def vcpus_of_types() -> dict[str, int]:
    """vCPUs by type; a type is the same size everywhere."""
    return {one.type: one.vcpu for one in prices.instances().values()}


def vcpus(fleets: tuple[prices.Fleet, ...], market: str) -> int:
    """vCPUs that the fleets of a market have at most: whole nodes, of the type of which that is most."""
    sizes = vcpus_of_types()

    def most(fleet: prices.Fleet) -> int:
        if fleet.name == "primary":
            return max(sizes[name] for name in fleet.types)
        return max(math.ceil(fleet.units / sizes[name]) * sizes[name] for name in fleet.types)

    return sum(most(fleet) for fleet in fleets if fleet.market == market)


def ends_of_support() -> dict[str, str]:
    """Last days of support by release, as the module emr reads them."""
    ends: dict[str, str] = json.loads(RELEASES.read_text(encoding="utf-8"))
    return ends


def european_regions() -> tuple[str, ...]:
    """Regions of the European Union, as the stacks' validation reads them."""
    return tuple(json.loads(REGIONS.read_text(encoding="utf-8")))
