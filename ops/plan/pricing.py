"""What a planned cluster costs an hour: the size that a plan names, and its price by the dated tables."""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.plan.contents import filter_types, list_resources, take_block
from ops.prices import table as prices

EMR_ENDPOINT = "EMR's endpoint emr-service-vpce"


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a planned cluster's price depends on: its fleets, the volumes of a node (GiB), and its network."""

    fleets: tuple[prices.Fleet, ...]
    volume_gib: float
    nat: bool
    endpoints: int


def read_shape(plan: Mapping[str, Any]) -> Shape | None:
    """The size of the planned cluster; None for a plan without a cluster."""
    resources = list_resources(plan)
    cluster = next(iter(filter_types(resources, "aws_emr_cluster")), None)
    if cluster is None:
        return None
    outputs: dict[str, dict[str, Any]] = plan["planned_values"]["outputs"]["fleets"]["value"]
    first = take_block(cluster.values["master_instance_fleet"])["instance_type_configs"][0]
    data = sum(volume["size"] * (volume.get("volumes_per_instance") or 1) for volume in first.get("ebs_config", []))
    return Shape(
        fleets=tuple(
            prices.Fleet(name=name, types=fleet["types"], units=fleet["units"], market=fleet["market"])
            for name, fleet in outputs.items()
        ),
        volume_gib=cluster.values["ebs_root_volume_size"] + data,
        nat=bool(filter_types(resources, "aws_nat_gateway")),
        endpoints=sum(
            r.values.get("vpc_endpoint_type") == "Interface" for r in filter_types(resources, "aws_vpc_endpoint")
        ),
    )


def list_types(plan: Mapping[str, Any], *, unused: bool = False) -> set[str]:
    """The instance types that a plan's cluster may come to have; ``unused``: those of fleets without nodes too."""
    size = read_shape(plan)
    return {name for fleet in size.fleets if fleet.units > 0 or unused for name in fleet.types} if size else set()


def list_worker_types(fleets: Iterable[prices.Fleet]) -> list[str]:
    """The types on which executors run: of core and task fleets, or of the primary that is alone."""
    listed = [fleet for fleet in fleets if fleet.units > 0]
    working = [fleet for fleet in listed if fleet.name != "primary"] or listed
    return [name for fleet in working for name in fleet.types]


def price_shape(size: Shape, region: str, book: prices.Book | None = None) -> prices.Hourly:
    """What an hour of a cluster costs at most, with the interface endpoint that EMR may make and no plan shows.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    book = book or prices.table()
    hour = prices.price_fleets(
        region, size.fleets, volume_gib=size.volume_gib, nat=size.nat, endpoints=size.endpoints, book=book
    )
    # that it is billed like ours was not seen: it stays marked
    endpoint = prices.NetworkHour(name=EMR_ENDPOINT, usd=book.service(region, "interface_endpoint").usd, inferred=True)
    return dataclasses.replace(hour, items=(*hour.items, endpoint))


def price_plan(plan: Mapping[str, Any], region: str, book: prices.Book | None = None) -> prices.Hourly | None:
    """What an hour of the planned cluster costs at most; None for a plan without a cluster.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    size = read_shape(plan)
    return price_shape(size, region, book) if size else None
