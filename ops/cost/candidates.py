"""What else would do it: the shapes that reach the same minutes, each with its price, the cheapest ticked.

The shapes are the plan's own (``alternatives`` of infra/cluster), so that there is one arithmetic of sizes; a machine
by hand is added. Prices are those of `ops.cost.estimate`: the planned shape costs here what it costs there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fruits.wording import format_count

from ops.cost import estimate
from ops.cost.money import Currency, format_amount
from ops.cost.speed import Speed, estimate_types_speed, list_processors
from ops.plan import pricing
from ops.prices import table as prices

EXAMPLE_IMAGES = 30_000
MACHINES = ("c7i.2xlarge", "c7i.4xlarge")
"""By hand: the smallest that is fast enough, or the larger one."""
MACHINE_GIB = 40
MACHINE_START_MINUTES = (Decimal(3), Decimal(6))
"""From RunInstances to the job's first line, the first `make`'s downloads included: assumed, not measured."""
BY_HAND = "one EC2 machine, by hand"
NAMES = {"one_node": "one node", "on_demand": "cluster, on demand", "spot": "cluster with Spot"}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A way to do it.

    Attributes
    ----------
    name, size : for a reader
    workers : vCPUs that featurize
    step : minutes of the step
    minutes : from the request to the end, with a short and a long start
    usd : at least and at most
    core_units : vCPUs of the core fleet; 0 where there is none
    """

    name: str
    size: str
    workers: int
    speed: Speed
    step: Decimal
    minutes: tuple[Decimal, Decimal]
    usd: tuple[Decimal, Decimal]
    core_units: int = 0
    is_planned: bool = False


def choose_machine(
    region: str, step_minutes: Decimal, images: Decimal, book: prices.Book, precision: str = "f32"
) -> str:
    """The smallest machine that is as fast as the minutes given; the largest where none is."""
    for type_name in MACHINES[:-1]:
        rate = estimate_types_speed([type_name], precision).per_vcpu * book.instance(region, type_name).vcpu
        if images / rate / 60 <= step_minutes:
            return type_name
    return MACHINES[-1]


def price_machine(
    region: str,
    type_name: str,
    *,
    images: Decimal,
    fixed_seconds: Decimal,
    book: prices.Book,
    measured: Speed | None = None,
    precision: str = "f32",
) -> Candidate:
    """One machine on demand with its volume, started and ended by hand; no EMR fee."""
    kind, speed = book.instance(region, type_name), measured or estimate_types_speed([type_name], precision)
    hour = kind.ec2 + book.service(region, "ebs_gp3").usd * MACHINE_GIB / prices.HOURS_A_MONTH
    step = (images / (speed.per_vcpu * kind.vcpu) + fixed_seconds) / 60
    requests = estimate.price_reads(images, book.service(region, "s3_get").usd)
    short, long = (start + step for start in MACHINE_START_MINUTES)
    usd = (hour * short / 60 + requests, hour * long / 60 + requests)
    return Candidate(
        name=BY_HAND, size=type_name, workers=kind.vcpu, speed=speed, step=step, minutes=(short, long), usd=usd
    )


def price_cluster(
    shape: pricing.Shape,
    region: str,
    *,
    name: str,
    is_planned: bool,
    workers: int,
    images: Decimal,
    fixed_seconds: Decimal,
    speed: Speed,
    book: prices.Book,
) -> Candidate:
    """One cluster, from its start to the end of its step; nothing for the time that it idles afterwards."""
    run = estimate.estimate_run(
        pricing.price_shape(shape, region, book),
        workers=workers,
        images=images,
        speed=speed,
        fixed_seconds=fixed_seconds,
        idle_minutes=Decimal(0),
        get=book.service(region, "s3_get").usd,
    )
    short, long = (start + run.minutes for start in estimate.START_MINUTES)
    return Candidate(
        name=name,
        size=_describe(shape.fleets),
        workers=workers,
        speed=speed,
        step=run.minutes,
        minutes=(short, long),
        usd=run.usd,
        is_planned=is_planned,
        core_units=int(next(fleet.units for fleet in shape.fleets if fleet.name == "core")),
    )


def list_fleets(shape: Mapping[str, Any], planned: Sequence[prices.Fleet]) -> tuple[prices.Fleet, ...]:
    """The fleets of an alternative, with the types of the plan's."""
    by_name = {fleet.name: fleet for fleet in planned}
    fleets = [replace(by_name["primary"], types=shape["primary_types"])]
    fleets += [replace(by_name[name], units=shape[f"{name}_units"]) for name in ("core", "task")]
    return tuple(fleets)


def _describe(fleets: Sequence[prices.Fleet]) -> str:
    units = {fleet.name: fleet.units for fleet in fleets}
    if not units["core"]:
        return fleets[0].types[0]
    return f"core {units['core']:.0f}" + (f", task {units['task']:.0f}" if units["task"] else "") + " vCPUs"


def list_clusters(plan: Mapping[str, Any], size: pricing.Shape) -> tuple[str, dict[str, tuple[pricing.Shape, int]]]:
    """The name of the planned cluster; and by name the shape and the vCPUs that featurize of each that would do it."""
    outputs = plan["planned_values"]["outputs"]
    shapes = outputs["alternatives"]["value"]
    clusters = {
        name: (replace(size, fleets=list_fleets(shape, size.fleets)), int(shape["worker_vcpus"]))
        for key, name in NAMES.items()
        if (shape := shapes[key]) is not None
    }
    same = (name for name, (shape, _) in clusters.items() if _units(shape.fleets) == _units(size.fleets))
    planned = next(same, "as planned")
    clusters[planned] = size, int(outputs["sizing"]["value"]["worker_vcpus"])
    return planned, clusters


def list_candidates(
    plan: Mapping[str, Any],
    *,
    region: str,
    images: float | None,
    book: prices.Book,
    measured: Speed | None = None,
    machine: str | None = None,
    precision: str = "f32",
) -> list[Candidate]:
    """Every way to do it, the planned one first among equals; empty for a plan without a cluster.

    Parameters
    ----------
    images : how many; `EXAMPLE_IMAGES` where it is None
    measured : the speed of a run on AWS, instead of what is known of the types' processors
    machine : the type of the machine by hand; None takes one that is fast enough
    precision : of the runs: f32 or bf16

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    size = pricing.read_shape(plan)
    if size is None:
        return []
    count, fixed = Decimal(str(images or EXAMPLE_IMAGES)), estimate.read_fixed_seconds(plan)
    planned, clusters = list_clusters(plan, size)
    candidates = [
        price_cluster(
            shape,
            region,
            name=name,
            is_planned=name == planned,
            workers=workers,
            images=count,
            fixed_seconds=fixed,
            speed=measured or estimate_types_speed(pricing.list_worker_types(shape.fleets), precision),
            book=book,
        )
        for name, (shape, workers) in clusters.items()
    ]
    slowest = max(candidate.step for candidate in candidates)
    type_name = machine or choose_machine(region, slowest, count, book, precision)
    by_hand = price_machine(
        region, type_name, images=count, fixed_seconds=fixed, book=book, measured=measured, precision=precision
    )
    return [*candidates, by_hand]


def _units(fleets: Sequence[prices.Fleet]) -> dict[str, float]:
    return {fleet.name: fleet.units for fleet in fleets if fleet.units}


def find_cheapest(candidates: Sequence[Candidate], minutes: float | None) -> Candidate | None:
    """The cheapest that `make apply` makes and that reaches the minutes asked for, by what it costs at most."""
    fit = [
        candidate
        for candidate in candidates
        if candidate.name != BY_HAND and (minutes is None or candidate.step <= Decimal(str(minutes)))
    ]
    return min(fit, key=lambda candidate: candidate.usd[1], default=None)


def _range(low: Decimal, high: Decimal) -> str:
    return (
        format_amount(low)
        if format_amount(low) == format_amount(high)
        else f"{format_amount(low)}–{format_amount(high)}"
    )


def render_lines(
    candidates: Sequence[Candidate], *, images: float | None, minutes: float | None, currency: Currency, env: str
) -> list[str]:
    """The candidates as a table, the cheapest ticked, and what to type where another one is planned."""
    if not candidates:
        return []
    cheapest = find_cheapest(candidates, minutes)
    code = "" if currency.code == "USD" else currency.code
    count, example = int(images or EXAMPLE_IMAGES), "" if images else " (an example; IMAGES= for yours)"
    texts = [
        f"{format_count(count, 'image')}{example}, from the request to the end:",
        f"    {'':26}{'size':26}{'minutes':>9}{'USD':>12}{code:>12}  images/s per vCPU",
    ]
    for candidate in candidates:
        low, high = candidate.usd
        converted = _range(low * currency.per_usd, high * currency.per_usd) if code else ""
        mark = "✓" if candidate is cheapest else " "
        between = f"{candidate.minutes[0]:.0f}–{candidate.minutes[1]:.0f}"
        rate = f"{'~' if candidate.speed.inferred else ''}{candidate.speed.per_vcpu:.0f}"
        texts.append(
            f"  {mark} {candidate.name:26}{candidate.size:26}{between:>9}{_range(low, high):>12}{converted:>12}  {rate}"
            + ("  (planned)" if candidate.is_planned else "")
            + (f"  over MINUTES={minutes:g}" if minutes is not None and candidate.step > Decimal(str(minutes)) else "")
        )
    planned = next((candidate for candidate in candidates if candidate.is_planned), None)
    if cheapest is not None and planned is not None and cheapest is not planned:
        texts.append(
            f"  ✓ is the cheapest. Fix: core = {{ units = {cheapest.core_units} }} in infra/env/{env}.cluster.tfvars"
        )
    texts.append(
        f"  images/s per vCPU: {'; '.join(list_processors())} (~ inferred); by hand: docs/elsewhere/one-machine.md"
    )
    return texts


def as_json(candidates: Sequence[Candidate], minutes: float | None) -> list[dict[str, Any]]:
    """The candidates for a program; dollars in full."""
    cheapest = find_cheapest(candidates, minutes)
    return [
        {
            "name": candidate.name,
            "size": candidate.size,
            "worker_vcpus": candidate.workers,
            "images_per_second_per_vcpu": candidate.speed.per_vcpu,
            "speed": {"source": candidate.speed.source, "inferred": candidate.speed.inferred},
            "step_minutes": candidate.step,
            "minutes": candidate.minutes,
            "usd": candidate.usd,
            "planned": candidate.is_planned,
            "cheapest": candidate is cheapest,
        }
        for candidate in candidates
    ]
