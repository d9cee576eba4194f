"""What a cluster costs by the hour, from a dated table in this folder (see its README for the sources).

Not a bill: no tax, no discount, no Savings Plan, and prices move. Amounts are US dollars, as ``Decimal``. A price that
nobody has read says so: ``inferred`` names it.
"""

import csv
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path

from fruits.wording import format_count

from ops.core.errors import ExitCode, OperatorError

HERE = Path(__file__).parent
HOURS_A_MONTH = 730  # AWS's own
SPOT_SHARE = Decimal("0.5")  # of the on-demand price, where no Spot price was read
INFERRED = "inferred"


class UnknownPriceError(OperatorError):
    """The table has no price for this; the message says of what."""

    exit_code = ExitCode.UNKNOWN_PRICE


@dataclass(frozen=True)
class InstancePrice:
    """A type in a region.

    Attributes
    ----------
    vcpu, memory_gib, architecture : its size
    ec2, emr : dollars an hour on demand, and EMR's fee, which Spot nodes pay too
    spot : dollars an hour on Spot: an order of magnitude
    ec2_as_of, emr_as_of, spot_as_of : the day of each figure, or ``inferred`` or ``undated``
    """

    region: str
    type: str
    vcpu: int
    memory_gib: int
    architecture: str
    ec2: Decimal
    emr: Decimal
    spot: Decimal
    ec2_as_of: str
    emr_as_of: str
    spot_as_of: str

    @property
    def inferred(self) -> frozenset[str]:
        """Which of ec2, emr and spot nobody has read."""
        return frozenset(name for name in ("ec2", "emr", "spot") if getattr(self, f"{name}_as_of") == INFERRED)


@dataclass(frozen=True)
class Service:
    """The price of something else in a region, in the unit that services.csv names."""

    usd: Decimal
    as_of: str

    @property
    def is_inferred(self) -> bool:
        """Whether nobody has read it."""
        return self.as_of == INFERRED


def parse_row(row: Mapping[str, str]) -> InstancePrice:
    """A row of instances.csv."""
    ec2 = Decimal(row["ec2_usd_hour"])
    return InstancePrice(
        region=row["region"],
        type=row["type"],
        vcpu=int(row["vcpu"]),
        memory_gib=int(row["memory_gib"]),
        architecture=row["architecture"],
        ec2=ec2,
        emr=Decimal(row["emr_usd_hour"]),
        spot=Decimal(row["spot_usd_hour"]) if row["spot_usd_hour"] else SPOT_SHARE * ec2,
        ec2_as_of=row["ec2_as_of"],
        emr_as_of=row["emr_as_of"],
        spot_as_of=row["spot_as_of"] if row["spot_usd_hour"] else INFERRED,
    )


@dataclass(frozen=True)
class Book:
    """Prices: of types by region and name, of services by region and item.

    Attributes
    ----------
    source : where they come from, for a reader
    """

    instances: Mapping[tuple[str, str], InstancePrice]
    services: Mapping[tuple[str, str], Service]
    source: str

    def instance(self, region: str, type_name: str) -> InstancePrice:
        """One type in one region.

        Raises
        ------
        UnknownPriceError : there is none
        """
        kind = self.instances.get((region, type_name))
        if kind is None:
            known = sorted({place for place, _ in self.instances})
            raise UnknownPriceError(
                f"no price is known for {type_name} in {region} (known regions: {', '.join(known)}; "
                "some do not offer every type)"
            )
        return kind

    def service(self, region: str, item: str) -> Service:
        """The price of something else; the dearest known, as inferred, where the region has none.

        Raises
        ------
        UnknownPriceError : nobody has one
        """
        if (price := self.services.get((region, item))) is not None:
            return price
        amounts = [service.usd for (_, name), service in self.services.items() if name == item]
        if not amounts:
            raise UnknownPriceError(f"no price of {item} is known in any region")
        return Service(max(amounts), INFERRED)


@cache
def table() -> Book:
    """The prices of this folder's files."""
    with (HERE / "instances.csv").open(newline="") as file:
        instances = {(row["region"], row["type"]): parse_row(row) for row in csv.DictReader(file)}
    with (HERE / "services.csv").open(newline="") as file:
        services = {
            (row["region"], row["item"]): Service(Decimal(row["usd"]), row["as_of"]) for row in csv.DictReader(file)
        }
    return Book(instances, services, "the dated table of this repository")


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

    def nodes(self, kind: InstancePrice) -> int:
        """How many nodes of a type fill it: whole ones, so the last may overshoot."""
        return 1 if self.name == "primary" else math.ceil(self.units / kind.vcpu)


@dataclass(frozen=True, kw_only=True)
class FleetHour:
    """What an hour of a fleet costs at most, each figure for the type of which it is dearest.

    Attributes
    ----------
    nodes : how many nodes that is at most
    on_demand, spot : EC2 at either price
    emr, ebs : EMR's fee and the volumes
    least : all of it, of the type that is cheapest in the fleet's market
    inferred : which of ec2, emr, spot and ebs nobody has read, for any of its types
    """

    name: str
    market: str
    nodes: int
    on_demand: Decimal
    spot: Decimal
    emr: Decimal
    ebs: Decimal
    least: Decimal
    inferred: frozenset[str]

    @property
    def ec2(self) -> Decimal:
        """EC2 in the fleet's market."""
        return self.spot if self.market == "SPOT" else self.on_demand


@dataclass(frozen=True, kw_only=True)
class NetworkHour:
    """What an hour of something in the network costs."""

    name: str
    usd: Decimal
    inferred: bool


@dataclass(frozen=True, kw_only=True)
class Hourly:
    """What an hour costs at most: of each fleet, and of the network."""

    fleets: tuple[FleetHour, ...]
    items: tuple[NetworkHour, ...]

    @property
    def ec2(self) -> Decimal:
        return sum((fleet.ec2 for fleet in self.fleets), Decimal(0))

    @property
    def ec2_on_demand(self) -> Decimal:
        """What EC2 costs without Spot capacity and the fleet falls back."""
        return sum((fleet.on_demand for fleet in self.fleets), Decimal(0))

    @property
    def emr(self) -> Decimal:
        return sum((fleet.emr for fleet in self.fleets), Decimal(0))

    @property
    def ebs(self) -> Decimal:
        return sum((fleet.ebs for fleet in self.fleets), Decimal(0))

    @property
    def network(self) -> Decimal:
        return sum((item.usd for item in self.items), Decimal(0))

    @property
    def nodes(self) -> int:
        return sum(fleet.nodes for fleet in self.fleets)

    @property
    def total(self) -> Decimal:
        return self.ec2 + self.emr + self.ebs + self.network

    @property
    def total_on_demand(self) -> Decimal:
        return self.ec2_on_demand + self.emr + self.ebs + self.network

    @property
    def least(self) -> Decimal:
        """What it costs where EMR gets the cheapest type of each fleet."""
        return sum((fleet.least for fleet in self.fleets), Decimal(0)) + self.network


MONTHS_OF_TRUST = 12


def describe_old_dates(dates: str, today: date) -> str:
    """What to say of a text's dates that are older than a year; an empty string where none is.

    >>> describe_old_dates("EC2 2025-04-04; EMR 2026-10-02", date(2026, 11, 27))
    'prices of 2025-04-04 are older than 12 months. Fix: make prices ENV=dev renews them.'
    >>> describe_old_dates("EC2 2026-04-04, inferred; Spot inferred", date(2026, 11, 27))
    ''
    """
    limit = today.replace(year=today.year - 1, day=min(today.day, 28)).isoformat()
    old = sorted({day for day in re.findall(r"\d{4}-\d{2}-\d{2}", dates) if day < limit})
    if not old:
        return ""
    return f"prices of {', '.join(old)} are older than {MONTHS_OF_TRUST} months. Fix: make prices ENV=dev renews them."


def say_age(
    book: Book | None = None,
    region: str | None = None,
    types: Collection[str] | None = None,
    today: date | None = None,
) -> str:
    """A remark for whoever shows a price: empty, or that machines' prices are older than a year.

    Parameters
    ----------
    book : None looks at the dated table
    region, types : of the prices shown; None looks at all

    >>> say_age(Book({}, {}, "none"))
    ''
    """
    dates = {
        kind.ec2_as_of
        for kind in (book or table()).instances.values()
        if region in (None, kind.region) and (types is None or kind.type in types)
    }
    return describe_old_dates(" ".join(dates), today or datetime.now(UTC).date())


def price_fleets(
    region: str,
    fleets: Sequence[Fleet],
    *,
    volume_gib: float,
    nat: bool = False,
    endpoints: int = 0,
    book: Book | None = None,
) -> Hourly:
    """What an hour of these fleets costs at most.

    Parameters
    ----------
    volume_gib : root and data volumes of one node together
    nat : a NAT gateway with its public address
    endpoints : interface endpoints, each in one zone
    book : other prices than the table's

    Raises
    ------
    UnknownPriceError : a type has no price in this region
    """
    book = book or table()
    hours = [price_fleet(fleet, region, volume_gib, book) for fleet in fleets if fleet.units > 0]
    return Hourly(fleets=tuple(hours), items=tuple(price_network_items(region, book, nat=nat, endpoints=endpoints)))


def price_fleet(fleet: Fleet, region: str, volume_gib: float, book: Book) -> FleetHour:
    """An hour of one fleet: EMR takes whichever of its types it gets, so each figure is that of the dearest."""
    gp3 = book.service(region, "ebs_gp3")
    volume = Decimal(str(volume_gib)) * gp3.usd / HOURS_A_MONTH
    counts = [(kind, fleet.nodes(kind)) for kind in (book.instance(region, name) for name in fleet.types)]
    nodes = max(count for _, count in counts)
    unread = frozenset[str]().union(*(kind.inferred for kind, _ in counts))

    def whole(kind: InstancePrice) -> Decimal:
        return (kind.spot if fleet.market == "SPOT" else kind.ec2) + kind.emr + volume

    return FleetHour(
        name=fleet.name,
        market=fleet.market,
        nodes=nodes,
        on_demand=max(count * kind.ec2 for kind, count in counts),
        spot=max(count * kind.spot for kind, count in counts),
        emr=max(count * kind.emr for kind, count in counts),
        ebs=nodes * volume,
        least=min(count * whole(kind) for kind, count in counts),
        inferred=unread | ({"ebs"} if gp3.is_inferred else frozenset()),
    )


def price_network_items(region: str, book: Book, *, nat: bool, endpoints: int) -> Iterator[NetworkHour]:
    """An hour of what stands in the network beside the nodes."""
    if endpoints:
        price = book.service(region, "interface_endpoint")
        name = format_count(endpoints, "interface endpoint")
        yield NetworkHour(name=name, usd=endpoints * price.usd, inferred=price.is_inferred)
    if nat:
        prices = [book.service(region, item) for item in ("nat_gateway", "public_ipv4")]
        yield NetworkHour(
            name="NAT gateway with its address",
            usd=sum((price.usd for price in prices), Decimal(0)),
            inferred=any(price.is_inferred for price in prices),
        )
