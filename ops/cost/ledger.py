"""What was spent, kept in the data bucket: ``ledger/<cluster>/<step>.json``, and ``…/end.json`` for what no step bore.

Each object is written once and never again: S3 itself refuses a second one under the same key (``If-None-Match: *``),
so two terminals that watch one step leave one record. Amounts are dollars as strings.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError

from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.refusals import describe_refusal
from ops.core.errors import OperatorError
from ops.cost.money import Currency, format_amount, round_amount
from ops.cost.period import PeriodCost, PricedNode, Span, find_period, list_spans, price_nodes, price_period
from ops.prices.table import Book

PREFIX = "ledger/"
LEAST_FOR_A_RATE = 5000
"""Images; of fewer the price of a thousand is the price of a start."""
END = "end"


def make_key(record: Mapping[str, Any]) -> str:
    """Where a record lies."""
    return f"{PREFIX}{record['cluster_id']}/{record['step_id'] or END}.json"


def write_record(s3: Any, bucket: str, record: Mapping[str, Any]) -> bool:
    """Keep a record; False where there is one already, which stays as it is."""
    body = json.dumps(record, indent=1, default=str).encode()
    try:
        s3.put_object(Bucket=bucket, Key=make_key(record), Body=body, IfNoneMatch="*")
    except ClientError as error:
        # 409: another writer was at it in the same moment
        if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True


def read_ledger(s3: Any, bucket: str) -> list[dict[str, Any]]:
    """Every record, the oldest first."""
    listed = list_pages(s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=PREFIX)
    keys = [item["Key"] for item in listed if item["Key"].endswith(".json")]
    records = [json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) for key in keys]
    return sorted(records, key=lambda record: (record["to"], record["cluster_id"], record["step_id"] or END))


def sum_records(records: Sequence[Mapping[str, Any]]) -> Decimal:
    """Dollars of some records together."""
    return sum((Decimal(record["usd"]["total"]) for record in records), Decimal(0))


def observe(account: Account, cluster_id: str, book: Book) -> tuple[list[PricedNode], list[Mapping[str, Any]]]:
    """Nodes and steps of a cluster, as EMR knows them (it does for two months after the end).

    Raises
    ------
    prices.UnknownPriceError : a node's type has no price
    """
    emr = account.client("emr")
    cluster = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
    fleets = list(list_pages(emr, "list_instance_fleets", "InstanceFleets", ClusterId=cluster_id))
    instances = list_pages(emr, "list_instances", "Instances", ClusterId=cluster_id)
    observed = price_nodes(account.target.region, instances, fleets, cluster, book)
    return observed, list(list_pages(emr, "list_steps", "Steps", ClusterId=cluster_id))


def price_life(
    account: Account, cluster_id: str, book: Book, now: datetime | None = None
) -> tuple[PeriodCost, list[PricedNode], list[Mapping[str, Any]]]:
    """What a cluster cost from its first instance to its last, or to now; its nodes (maybe none yet) and its steps.

    Raises
    ------
    prices.UnknownPriceError : a node's type has no price
    """
    nodes, steps = observe(account, cluster_id, book)
    now = now or datetime.now(UTC)
    end = max((node.end or now for node in nodes), default=now)
    life = Span(min((node.start for node in nodes), default=now), end)
    return price_period(life, nodes, list_spans(steps, end)), nodes, steps


def _record(account: Account, cluster_id: str, step_id: str | None, cost: PeriodCost, book: Book) -> dict[str, Any]:
    return {
        "schema": 1,
        "env": account.target.env,
        "region": account.target.region,
        "emulated": account.target.emulated,
        "cluster_id": cluster_id,
        "step_id": step_id,
        "from": cost.period.start.astimezone(UTC).isoformat(),
        "to": cost.period.end.astimezone(UTC).isoformat(),
        "seconds": {name: float(seconds) for name, seconds in cost.seconds.items()},
        "usd": {
            "total": str(cost.total),
            **{name: str(usd) for name, usd in cost.by_state.items()},
            "by_component": {name: str(usd) for name, usd in cost.by_component.items()},
            "by_node": {name: str(usd) for name, usd in cost.by_node.items()},
        },
        "inferred": sorted(cost.inferred),
        "prices": book.source,
    }


def record_step(
    account: Account, cluster_id: str, step_id: str, summary: Mapping[str, Any], book: Book
) -> dict[str, Any] | None:
    """The record of a step that has ended; None where EMR gives no end of it.

    Parameters
    ----------
    summary : the run's run.json
    """
    nodes, steps = observe(account, cluster_id, book)
    ended = next((step for step in steps if step["Id"] == step_id), None)
    if ended is None or not ended["Status"]["Timeline"].get("EndDateTime"):
        return None
    period = find_period(step_id, steps, nodes)
    cost = price_period(period, nodes, list_spans(steps, period.end))
    images = int(summary["images_in"])
    return _record(account, cluster_id, step_id, cost, book) | {
        "model": summary.get("model"),
        "images": images,
        "usd_per_1000_images": str(round_amount(cost.total / images * 1000)) if images else None,
        **{name: summary.get(name) for name in ("images_featurized_now", "images_per_second", "slots")},
    }


def record_rest(account: Account, cluster_id: str, records: Sequence[Mapping[str, Any]], book: Book) -> dict[str, Any]:
    """What a cluster cost that no record of a step bears: failed steps, and waiting after the last one.

    Parameters
    ----------
    records : the ledger
    """
    whole, _, _ = price_life(account, cluster_id, book)
    kept_records = [record for record in records if record["cluster_id"] == cluster_id and record["step_id"]]

    def left(usd_whole: Decimal, key: str, part: str | None = None) -> Decimal:
        amounts = ((record["usd"][part] if part else record["usd"]).get(key, "0") for record in kept_records)
        return usd_whole - sum((Decimal(usd) for usd in amounts), Decimal(0))

    rest = PeriodCost(
        period=whole.period,
        by_state={name: left(usd, name) for name, usd in whole.by_state.items()},
        by_component={name: left(usd, name, "by_component") for name, usd in whole.by_component.items()},
        by_node={name: left(usd, name, "by_node") for name, usd in whole.by_node.items()},
        seconds={
            name: seconds - sum((Decimal(str(record["seconds"][name])) for record in kept_records), Decimal(0))
            for name, seconds in whole.seconds.items()
        },
        inferred=whole.inferred,
    )
    return _record(account, cluster_id, None, rest, book)


TROUBLE = (
    BotoCoreError,
    ClientError,
    FruitsError,
    OperatorError,  # a price that is not known, too
    KeyError,  # an answer without a field
)


def explain_missing(error: Exception) -> str:
    """What kept a cost from being told, in words."""
    if isinstance(error, (BotoCoreError, ClientError)):
        return describe_refusal(error)[0]
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)


def render_lines(record: Mapping[str, Any], currency: Currency) -> list[str]:
    """A record of the ledger: what it cost, and what of that was start, work and waiting."""
    usd, seconds = record["usd"], record["seconds"]
    parts = ", ".join(
        f"{name} {format_amount(Decimal(usd[key]))} ({seconds[key]:,.0f} s)"
        for name, key in (("start", "bootstrap"), ("work", "work"), ("idle", "idle"))
    )
    verb = "would have cost on AWS" if record["emulated"] else "cost"
    about = "~" if record["inferred"] else ""
    each = record.get("usd_per_1000_images") if record.get("images", 0) >= LEAST_FOR_A_RATE else None
    images = f"; 1,000 images {currency.of(Decimal(each))}" if each else ""
    return [f"{verb} {about}{currency.of(Decimal(usd['total']))} before tax{images}", f"USD: {parts}"]


def describe_record(record: Mapping[str, Any], currency: Currency) -> str:
    """A record of the ledger in one line."""
    return "; ".join(render_lines(record, currency))
