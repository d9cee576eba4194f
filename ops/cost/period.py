"""What a cluster did cost, from the lifetimes of its instances: pure functions on what EMR's API answers.

EC2, EMR's fee and volumes are each billed by the second, an instance for a minute at least, from its start on. EMR
tells when an instance was asked for (``CreationDateTime``), which is some seconds earlier: so this is slightly too
much, never too little. Spot nodes are counted at the book's Spot price, which is an order of magnitude.

A step is charged for the time since the previous one ended (the first since the cluster was asked for): so the steps
of a cluster and what follows the last one add up to the whole, whatever ran at the same time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

from ops.cost.money import HOUR, round_amount
from ops.prices import table as prices

MINIMUM_SECONDS = Decimal(60)
ROLES = {"MASTER": "primary", "CORE": "core", "TASK": "task"}
STATES = ("bootstrap", "work", "idle")
COMPONENTS = ("ec2", "emr", "ebs")


@dataclass(frozen=True, kw_only=True)
class PricedNode:
    """An instance of a cluster and its price.

    Attributes
    ----------
    start, ready, end : when it was asked for, could work, was gone; None where that has not happened
    ec2, emr, ebs : dollars an hour; ``ec2`` in the market that it was bought in
    inferred : which of the three nobody has read
    """

    id: str
    role: str
    type: str
    market: str
    start: datetime
    ready: datetime | None
    end: datetime | None
    ec2: Decimal
    emr: Decimal
    ebs: Decimal
    inferred: frozenset[str]

    @property
    def usd_hour(self) -> Decimal:
        """All three together."""
        return self.ec2 + self.emr + self.ebs

    def billed(self, at: datetime) -> Decimal:
        """Seconds on the bill at a moment: none before the start, then a minute at least."""
        until = min(at, self.end) if self.end else at
        if until <= self.start:
            return Decimal(0)
        return max(MINIMUM_SECONDS, Decimal(str((until - self.start).total_seconds())))


@dataclass(frozen=True)
class Span:
    """Seconds during which something held."""

    start: datetime
    end: datetime


def sum_volumes(cluster: Mapping[str, Any], fleets: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Decimal]:
    """GiB of root and data volumes by fleet id and instance type, from DescribeCluster and ListInstanceFleets."""
    root = Decimal(cluster.get("EbsRootVolumeSize") or 15)  # EMR 7's default
    return {
        (fleet["Id"], kind["InstanceType"]): root
        + sum(Decimal(device["VolumeSpecification"]["SizeInGB"]) for device in kind.get("EbsBlockDevices", []))
        for fleet in fleets
        for kind in fleet["InstanceTypeSpecifications"]
    }


def price_nodes(
    region: str,
    instances: Iterable[Mapping[str, Any]],
    fleets: Sequence[Mapping[str, Any]],
    cluster: Mapping[str, Any],
    book: prices.Book,
) -> list[PricedNode]:
    """The nodes of a cluster with their prices, from ListInstances, ListInstanceFleets and DescribeCluster.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    sizes, roles = sum_volumes(cluster, fleets), {fleet["Id"]: ROLES[fleet["InstanceFleetType"]] for fleet in fleets}
    gp3 = book.service(region, "ebs_gp3")
    priced = []
    for instance in instances:
        timeline = instance["Status"]["Timeline"]
        if "CreationDateTime" not in timeline:
            continue  # asked for and never had
        kind = book.instance(region, instance["InstanceType"])
        fleet, spot = str(instance.get("InstanceFleetId")), instance.get("Market") == "SPOT"
        inferred = {"ec2" if name == "spot" else name for name in kind.inferred if name != ("ec2" if spot else "spot")}
        priced.append(
            PricedNode(
                id=str(instance.get("Ec2InstanceId") or instance["Id"]),
                role=roles.get(fleet, "node"),
                type=kind.type,
                market="SPOT" if spot else "ON_DEMAND",
                start=timeline["CreationDateTime"],
                ready=timeline.get("ReadyDateTime"),
                end=timeline.get("EndDateTime"),
                ec2=kind.spot if spot else kind.ec2,
                emr=kind.emr,
                ebs=sizes[fleet, kind.type] * gp3.usd / prices.HOURS_A_MONTH,
                inferred=frozenset(inferred | ({"ebs"} if gp3.is_inferred else set())),
            )
        )
    return priced


def list_spans(steps: Iterable[Mapping[str, Any]], until: datetime) -> list[Span]:
    """When a cluster worked, from ListSteps; a step that still runs counts up to a moment."""
    timelines = [step["Status"]["Timeline"] for step in steps]
    return [
        Span(line["StartDateTime"], min(line.get("EndDateTime") or until, until))
        for line in timelines
        if line.get("StartDateTime") and line["StartDateTime"] < until
    ]


def find_period(step_id: str, steps: Sequence[Mapping[str, Any]], nodes: Sequence[PricedNode]) -> Span:
    """The time that a step bears: from the end of the step before it, or the cluster's beginning, to its own end."""
    ends = {
        step["Id"]: step["Status"]["Timeline"]["EndDateTime"]
        for step in steps
        if step["Status"]["Timeline"].get("EndDateTime") and step["Status"]["Timeline"].get("StartDateTime")
    }
    step_end = ends[step_id]
    # two steps that end in the same instant: the one with the greater id bears nothing
    before = [end for other, end in ends.items() if (end, other) < (step_end, step_id)]
    start = min((node.start for node in nodes), default=step_end)
    return Span(max([start, *before]), step_end)


def _state(node: PricedNode, moment: datetime, work: Sequence[Span]) -> str:
    if node.ready is None or moment < node.ready:
        return "bootstrap"
    return "work" if any(span.start <= moment < span.end for span in work) else "idle"


@dataclass(frozen=True, kw_only=True)
class PeriodCost:
    """What a period cost, in dollars to six places.

    Attributes
    ----------
    by_state : for bootstrap, work and idle; they add up to ``total``
    by_component : for ec2, emr and ebs; they add up to ``total`` but for the last digit
    by_node : for each instance
    seconds : of the period that the first node to be ready was starting, and that a step ran or none did
    inferred : which components nobody has read the price of
    """

    period: Span
    by_state: Mapping[str, Decimal]
    by_component: Mapping[str, Decimal]
    by_node: Mapping[str, Decimal]
    seconds: Mapping[str, Decimal]
    inferred: frozenset[str]

    @property
    def total(self) -> Decimal:
        return sum(self.by_state.values(), Decimal(0))


def price_period(period: Span, nodes: Sequence[PricedNode], work: Sequence[Span]) -> PeriodCost:
    """What some nodes cost in a period, split by what they did.

    An instance's minute of minimum goes to what it did first. Bills of periods that follow each other add up to the
    bill of the whole.
    """
    by_state = dict.fromkeys(STATES, Decimal(0))
    by_component = dict.fromkeys(COMPONENTS, Decimal(0))
    by_node: dict[str, Decimal] = {}
    for node in nodes:
        edges = {period.start, period.end, node.start, node.ready, node.end}
        edges |= {edge for span in work for edge in (span.start, span.end)}
        cuts = sorted(edge for edge in edges if edge is not None and period.start <= edge <= period.end)
        for start, end in pairwise(cuts):
            seconds = node.billed(end) - node.billed(start)
            if not seconds:
                continue
            for name in COMPONENTS:
                usd = seconds * getattr(node, name) / HOUR
                by_component[name] += usd
                by_state[_state(node, start, work)] += usd
                by_node[node.id] = by_node.get(node.id, Decimal(0)) + usd
    return PeriodCost(
        period=period,
        by_state={name: round_amount(usd) for name, usd in by_state.items()},
        by_component={name: round_amount(usd) for name, usd in by_component.items()},
        by_node={name: round_amount(usd) for name, usd in by_node.items()},
        seconds=_seconds(period, nodes, work),
        inferred=frozenset[str]().union(*(node.inferred for node in nodes if node.id in by_node)),
    )


def _seconds(period: Span, nodes: Sequence[PricedNode], work: Sequence[Span]) -> dict[str, Decimal]:
    """The period by the clock: until the first node is ready, with a step, without one."""
    ready = min((node.ready for node in nodes if node.ready), default=period.end)
    seconds = dict.fromkeys(STATES, Decimal(0))
    edges = {period.start, period.end, ready} | {edge for span in work for edge in (span.start, span.end)}
    cuts = sorted(edge for edge in edges if period.start <= edge <= period.end)
    for start, end in pairwise(cuts):
        busy = any(span.start <= start < span.end for span in work)
        state = "bootstrap" if start < ready else "work" if busy else "idle"
        seconds[state] += Decimal(str((end - start).total_seconds()))
    return seconds
