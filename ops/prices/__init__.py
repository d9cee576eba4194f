"""What a cluster costs by the hour, from a dated table in this folder (see its README for the sources).

Not a bill: no tax, no discount, no Savings Plan, and prices move. Amounts are US dollars.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
HOURS_A_MONTH = 730  # AWS's own
SPOT_SHARE = 0.5  # of the on-demand price, where no Spot price was read


class UnknownPriceError(Exception):
    """The table has no price for this; the message says of what."""


@dataclass(frozen=True)
class Instance:
    """A type in a region.

    Attributes
    ----------
    vcpu, memory_gib, architecture : its size
    ec2, emr : dollars an hour on demand, and EMR's fee, which Spot nodes pay too
    spot : dollars an hour on Spot: an order of magnitude
    """

    region: str
    type: str
    vcpu: int
    memory_gib: int
    architecture: str
    ec2: float
    emr: float
    spot: float


@cache
def instances() -> Mapping[tuple[str, str], Instance]:
    """Every type by region and name."""
    with (HERE / "instances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["region"], row["type"]): Instance(
            region=row["region"],
            type=row["type"],
            vcpu=int(row["vcpu"]),
            memory_gib=int(row["memory_gib"]),
            architecture=row["architecture"],
            ec2=float(row["ec2_usd_hour"]),
            emr=float(row["emr_usd_hour"]),
            spot=float(row["spot_usd_hour"] or SPOT_SHARE * float(row["ec2_usd_hour"])),
        )
        for row in rows
    }


def instance(region: str, type_: str) -> Instance:
    """One type in one region.

    Raises
    ------
    UnknownPriceError : the table does not have it
    """
    found = instances().get((region, type_))
    if found is None:
        known = sorted({place for place, _ in instances()})
        raise UnknownPriceError(
            f"no price is known for {type_} in {region} (known regions: {', '.join(known)}; "
            "some do not offer every type)"
        )
    return found


@cache
def _services() -> Mapping[tuple[str, str], float]:
    with (HERE / "services.csv").open(newline="") as file:
        return {(row["region"], row["item"]): float(row["usd"]) for row in csv.DictReader(file)}


def service(region: str, item: str) -> float:
    """The price of something else, in the unit that services.csv names; the dearest known where the region has none.

    Raises
    ------
    UnknownPriceError : nobody has one
    """
    if (found := _services().get((region, item))) is not None:
        return found
    known = [price for (_, name), price in _services().items() if name == item]
    if not known:
        raise UnknownPriceError(f"no price of {item} is known in any region")
    return max(known)


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Some capacity of one kind.

    Attributes
    ----------
    name : primary, core or task
    types : what EMR may choose from
    units : vCPUs to be had, or 1 for the one node of a primary fleet
    market : ON_DEMAND or SPOT
    """

    name: str
    types: Sequence[str]
    units: float
    market: str = "ON_DEMAND"


@dataclass(frozen=True, kw_only=True)
class Hourly:
    """What an hour costs, taking the dearest type that EMR may choose.

    Attributes
    ----------
    ec2, emr, ebs, network : dollars an hour
    nodes : how many nodes that is at most
    ec2_on_demand : what EC2 costs where Spot has nothing and the fleet falls back
    """

    ec2: float
    emr: float
    ebs: float
    network: float
    nodes: int
    ec2_on_demand: float

    @property
    def total(self) -> float:
        return self.ec2 + self.emr + self.ebs + self.network

    @property
    def total_on_demand(self) -> float:
        return self.ec2_on_demand + self.emr + self.ebs + self.network


def hourly(
    region: str,
    fleets: Sequence[Fleet],
    *,
    volume_gib: float,
    nat: bool = False,
    endpoints: int = 0,
) -> Hourly:
    """What an hour of these fleets costs at most.

    Parameters
    ----------
    volume_gib : root and data volumes of one node together
    nat : a NAT gateway with its public address
    endpoints : interface endpoints, each in one zone

    Raises
    ------
    UnknownPriceError : a type has no price in this region
    """
    ec2 = emr = on_demand = 0.0
    nodes = 0
    for fleet in fleets:
        if fleet.units <= 0:
            continue
        types = [instance(region, name) for name in fleet.types]
        # EMR fills a fleet with whole nodes and may overshoot by one that is not full.
        count = {kind.type: 1 if fleet.name == "primary" else -(-fleet.units // kind.vcpu) for kind in types}
        spot = fleet.market == "SPOT"
        ec2 += max(count[kind.type] * (kind.spot if spot else kind.ec2) for kind in types)
        on_demand += max(count[kind.type] * kind.ec2 for kind in types)
        emr += max(count[kind.type] * kind.emr for kind in types)
        nodes += int(max(count.values()))
    ebs = nodes * volume_gib * service(region, "ebs_gp3") / HOURS_A_MONTH
    network = endpoints * service(region, "interface_endpoint")
    if nat:
        network += service(region, "nat_gateway") + service(region, "public_ipv4")
    return Hourly(ec2=ec2, emr=emr, ebs=ebs, network=network, nodes=nodes, ec2_on_demand=on_demand)
