"""The lines of other commands: after a step, after a cluster's end, after the demo.

None of them makes the command fail whose end they tell: what is not available is said in a sentence.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from fruits.wording import format_count

from ops.aws.account import Account
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.cost import estimate, ledger
from ops.cost.ledger import TROUBLE, describe_record, explain_missing
from ops.cost.money import Currency, read_currency
from ops.cost.period import PricedNode
from ops.prices import table as prices
from ops.prices.current import find_current


def _age(account: Account, book: prices.Book) -> str:
    return f"; {old}" if (old := prices.say_age(book, account.target.region, _types(account))) else ""


def read_book(account: Account) -> prices.Book:
    """The prices of the types that the applied cluster may have."""
    return find_current(account.target.region, _types(account), ask=not account.target.emulated)


def _types(account: Account) -> set[str]:
    fleets = account.cluster.get("fleets") or {}
    return {name for fleet in fleets.values() for name in fleet["types"]}


def _with_start(usd: Decimal, nodes: Sequence[PricedNode]) -> tuple[Decimal, Decimal]:
    """Dollars with those of a short and of a long start on AWS."""
    hour = sum((node.usd_hour for node in nodes), Decimal(0))
    short, long = (usd + hour * minutes / 60 for minutes in estimate.START_MINUTES)
    return short, long


def describe_on_aws(account: Account, cluster_id: str, record: Mapping[str, Any], currency: Currency) -> str:
    """What a step of the embedded AWS would cost on AWS: its own seconds, and the start that AWS takes."""
    nodes, _ = ledger.observe(account, cluster_id, prices.table())
    low, high = _with_start(Decimal(record["usd"]["work"]), nodes)
    count, start = format_count(len(nodes), "node"), "{} to {} min".format(*estimate.START_MINUTES)
    return f"0.00 here; on AWS about {currency.between(low, high)} before tax: {count}, with {start} to start"


def tell_step_cost(
    account: Account, cluster_id: str, step_id: str, summary: Mapping[str, Any], console: Console
) -> None:
    """Say what a step did cost and keep it in the ledger."""
    try:
        currency, book = read_currency(account.currency), read_book(account)
        record = ledger.record_step(account, cluster_id, step_id, summary, book)
        if record is None:
            text = f"the step's cost is not available yet: EMR gives no end of {step_id}. Fix: make cost, later"
        else:
            bucket = account.bucket("data")
            new = ledger.write_record(account.client("s3"), bucket, record)
            place = f"s3://{bucket}/{ledger.make_key(record)}"
            emulated = account.target.emulated
            texts = (
                [describe_on_aws(account, cluster_id, record, currency)]
                if emulated
                else ledger.render_lines(record, currency)
            )
            texts += [f"{'kept in' if new else 'was kept in'} {place}{_age(account, book)}"]
            text = "cost      " + "\n          ".join(texts)
    except TROUBLE as error:
        text = f"the step's cost is not available: {explain_missing(error)}"
    console.print(text)


def tell_cluster_cost(account: Account, cluster_id: str, console: Console) -> None:
    """Keep what no step bore, when a cluster has ended; said only where it was billed."""
    try:
        s3, bucket, book = account.client("s3"), account.bucket("data"), read_book(account)
        record = ledger.record_rest(account, cluster_id, ledger.read_ledger(s3, bucket), book)
        new = ledger.write_record(s3, bucket, record)
        sentence = f"{describe_record(record, read_currency(account.currency))}{_age(account, book)}"
        text = f"beside its steps the cluster {sentence}" if new else ""
    except TROUBLE as error:
        text = f"the cluster's cost is not available: {explain_missing(error)}"
    if text and not account.target.emulated:
        console.print(text)


def describe_demo_price(account: Account, cluster_id: str) -> str:
    """What the demo's run would have cost on AWS, its cluster's start there included."""
    try:
        currency = read_currency(account.currency)
        cost, nodes, _ = ledger.price_life(account, cluster_id, prices.table())
        if not nodes:
            raise OperatorError("EMR lists no instance of it")
        low, high = _with_start(cost.total, nodes)
        remark = _age(account, prices.table())
    except TROUBLE as error:
        return f"what this would have cost on AWS is not available: {explain_missing(error)}"
    return (
        f"on AWS the same run would have cost about {currency.between(low, high)} before tax: "
        f"{format_count(len(nodes), 'node')}, "
        f"most of it while they start ({estimate.START_MINUTES[0]} to {estimate.START_MINUTES[1]} min){remark}"
    )
