"""What a planned cluster costs by the hour, and a run over so many images on it: a plan's JSON in, numbers out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from fruits.wording import format_count

from ops.core.errors import WrongUseError
from ops.cost.money import HOUR, NOT_COUNTED, Currency, format_amount
from ops.cost.speed import Speed
from ops.plan import cluster_rules, contents, pricing
from ops.prices import table as prices

START_MINUTES = (Decimal(6), Decimal(10))
"""From the request to the first step, which bills: published runs, not ours (docs: a cluster's own start-up)."""


@dataclass(frozen=True, kw_only=True)
class RunEstimate:
    """What a run over some images takes and costs, from the request of a cluster to the end of its only step.

    Attributes
    ----------
    images : how many
    minutes : of the step
    usd : at least and at most: fleet of the cheapest or dearest types, short or long start-up
    usd_on_demand : at most, without Spot capacity
    requests : dollars for reading every image from S3, part of ``usd``
    idle : dollars until the cluster ends itself where nobody destroys it, not part of ``usd``
    """

    images: int
    minutes: Decimal
    usd: tuple[Decimal, Decimal]
    usd_on_demand: Decimal
    requests: Decimal
    idle: Decimal
    idle_minutes: Decimal


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Of a plan: an hour, and a run where images were given."""

    env: str
    region: str
    hour: prices.Hourly
    dates: str
    book: str
    speed: Speed
    run: RunEstimate | None


def read_fixed_seconds(plan: Mapping[str, Any]) -> Decimal:
    """Seconds of a step that do not depend on the number of images, as infra/modules/sizing has them."""
    calls = plan["configuration"]["root_module"]["module_calls"]
    return Decimal(str(calls["sizing"]["module"]["variables"]["fixed_seconds"]["default"]))


def _idle_minutes(plan: Mapping[str, Any]) -> Decimal:
    resources = contents.list_resources(plan)
    (cluster,) = [resource for resource in resources if resource.type == "aws_emr_cluster"]
    policy = cluster.values.get("auto_termination_policy") or [{"idle_timeout": 3600}]
    watched = any(resource.values.get("schedule_expression") == cluster_rules.WATCH_RATE for resource in resources)
    return Decimal(policy[0]["idle_timeout"]) / 60 + (cluster_rules.WATCH_MINUTES if watched else 0)


def _dates(size: pricing.Shape, region: str, book: prices.Book) -> str:
    """The days of the prices in use: ``EC2 2025-04-04; EMR 2022-11-11, inferred; …``."""
    kinds = [book.instance(region, name) for fleet in size.fleets if fleet.units > 0 for name in fleet.types]
    spot = any(fleet.market == "SPOT" and fleet.units > 0 for fleet in size.fleets)
    columns = {"EC2": "ec2_as_of", "EMR": "emr_as_of"} | ({"Spot": "spot_as_of"} if spot else {})
    dates = [
        f"{name} {', '.join(sorted({getattr(kind, column) for kind in kinds}))}" for name, column in columns.items()
    ]
    dates.append(f"volumes {book.service(region, 'ebs_gp3').as_of}")
    return "; ".join(dates)


def price_reads(images: Decimal, get: Decimal) -> Decimal:
    """Dollars for reading images from S3: pyarrow asks for an object's size (HEAD) and then for its bytes (GET).

    Both cost the same. pyarrow 26 takes no size that is known from the listing, so the first cannot be spared.
    """
    return 2 * images / 1000 * get


def estimate_run(
    hour: prices.Hourly,
    *,
    workers: int,
    images: Decimal,
    speed: Speed,
    fixed_seconds: Decimal,
    idle_minutes: Decimal,
    get: Decimal,
) -> RunEstimate:
    """A run on a cluster: its minutes, and its price from the request to the end of the step.

    Parameters
    ----------
    workers : vCPUs that featurize
    get : dollars of a thousand requests that read from S3
    """
    step = images / (speed.per_vcpu * max(1, workers)) + fixed_seconds
    requests = price_reads(images, get)
    short, long = (start * 60 + step for start in START_MINUTES)
    return RunEstimate(
        images=int(images),
        minutes=step / 60,
        usd=(hour.least * short / HOUR + requests, hour.total * long / HOUR + requests),
        usd_on_demand=hour.total_on_demand * long / HOUR + requests,
        requests=requests,
        idle=hour.total * idle_minutes / 60,
        idle_minutes=idle_minutes,
    )


def estimate_cost(
    plan: Mapping[str, Any], *, env: str, region: str, speed: Speed, images: float | None, book: prices.Book
) -> Estimate | None:
    """What a plan costs; None for a plan without a cluster.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    WrongUseError : a number of images below 1
    """
    size = pricing.read_shape(plan)
    if size is None:
        return None
    hour = pricing.price_shape(size, region, book)
    run = None
    if images is not None:
        if images < 1:
            raise WrongUseError(f"IMAGES={images} is too small. Fix: at least 1.")
        run = estimate_run(
            hour,
            workers=int(plan["planned_values"]["outputs"]["sizing"]["value"]["worker_vcpus"]),
            images=Decimal(str(images)),
            speed=speed,
            fixed_seconds=read_fixed_seconds(plan),
            idle_minutes=_idle_minutes(plan),
            get=book.service(region, "s3_get").usd,
        )
    return Estimate(
        env=env, region=region, hour=hour, dates=_dates(size, region, book), book=book.source, speed=speed, run=run
    )


def _marked(amount: Decimal, inferred: bool, width: int = 9) -> str:
    return f"{'~' if inferred else ''}{format_amount(amount)}".rjust(width)


def render_lines(costs: Estimate, currency: Currency, today: date | None = None) -> list[str]:
    """The estimate as a reader wants it, a sentence or a row of a table a line; ``today`` dates the tables."""
    hour = costs.hour
    texts = [
        f"an hour of ENV={costs.env} in {costs.region}, at most, USD (~ is inferred, not read)",
        f"  {'':26}{'nodes':>6}{'on demand':>11}{'Spot':>9}{'EMR fee':>9}{'volumes':>9}{'together':>10}",
    ]
    for fleet in hour.fleets:
        spot = fleet.market == "SPOT"
        ec2 = "spot" if spot else "ec2"
        together = fleet.ec2 + fleet.emr + fleet.ebs
        texts.append(
            f"  {fleet.name + (' on Spot' if spot else ' on demand'):26}{fleet.nodes:>6}"
            f"{_marked(fleet.on_demand, 'ec2' in fleet.inferred, 11)}{_marked(fleet.spot, 'spot' in fleet.inferred)}"
            f"{_marked(fleet.emr, 'emr' in fleet.inferred)}{_marked(fleet.ebs, 'ebs' in fleet.inferred)}"
            f"{_marked(together, bool(fleet.inferred & {ec2, 'emr', 'ebs'}), 10)}"
        )
    texts += [f"  {item.name:26}{_marked(item.usd, item.inferred, 54)}" for item in hour.items]
    fallback = f"; {currency.of(hour.total_on_demand)} without Spot capacity" if hour.ec2 != hour.ec2_on_demand else ""
    texts.append(
        f"an hour costs {currency.of(hour.total)} at most{fallback}; {currency.of(hour.least)} with the cheapest types"
    )
    if (run := costs.run) is not None:
        low, high = run.usd
        fallback = f"; {currency.of(run.usd_on_demand)} without Spot capacity" if run.usd_on_demand != high else ""
        mark = "~" if costs.speed.inferred else ""
        texts += [
            f"{format_count(run.images, 'image')}: the step takes some {mark}{run.minutes:.1f} min, the cluster's "
            f"start ~{START_MINUTES[0]} to {START_MINUTES[1]} min before it",
            f"  the run costs {currency.between(low, high)}{fallback}, {format_amount(run.requests)} USD of it for "
            "reading the images from S3",
            f"  and up to {currency.of(run.idle)} more for the {run.idle_minutes:.0f} min that it idles before it ends "
            "by itself, unless you run make destroy",
            f"  speed: {mark}{costs.speed.per_vcpu:.1f} images/s per vCPU ({costs.speed.source})",
        ]
    texts.append(f"prices: {costs.book}: {costs.dates}" + (f"; {rate}" if (rate := currency.describe_rate()) else ""))
    texts += [old] if (old := prices.describe_old_dates(costs.dates, today or datetime.now(UTC).date())) else []
    texts.append(NOT_COUNTED)
    return texts


def as_json(costs: Estimate, currency: Currency) -> dict[str, Any]:
    """The estimate for a program; amounts are dollars as strings, so that nothing is lost."""
    hour = costs.hour
    answer: dict[str, Any] = {
        "env": costs.env,
        "region": costs.region,
        "usd_per_hour": {"at_most": hour.total, "on_demand": hour.total_on_demand, "at_least": hour.least},
        "fleets": {
            fleet.name: {
                "market": fleet.market,
                "nodes": fleet.nodes,
                "ec2_on_demand": fleet.on_demand,
                "ec2_spot": fleet.spot,
                "emr": fleet.emr,
                "ebs": fleet.ebs,
                "inferred": sorted(fleet.inferred),
            }
            for fleet in hour.fleets
        },
        "network": [{"name": item.name, "usd": item.usd, "inferred": item.inferred} for item in hour.items],
        "prices": {"source": costs.book, "as_of": costs.dates},
        "currency": {"code": currency.code, "per_usd": currency.per_usd, "as_of": currency.as_of},
        "speed": {
            "images_per_second_per_vcpu": costs.speed.per_vcpu,
            "source": costs.speed.source,
            "inferred": costs.speed.inferred,
        },
        "not_counted": NOT_COUNTED,
    }
    if (run := costs.run) is not None:
        answer["run"] = {
            "images": run.images,
            "step_minutes": run.minutes,
            "start_minutes": START_MINUTES,
            "usd_at_least": run.usd[0],
            "usd_at_most": run.usd[1],
            "usd_on_demand": run.usd_on_demand,
            "usd_s3_requests": run.requests,
            "usd_idle_until_end": run.idle,
        }
    return answer
