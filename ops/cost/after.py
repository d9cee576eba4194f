"""The lines of other commands: before `make apply` asks, after a step, after a cluster's end, after the demo.

None of them makes the command fail whose end they tell: what cannot be told is said in a sentence.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import Account
from ops.core.console import Console
from ops.core.errors import NotAppliedError
from ops.core.text import number
from ops.cost import estimate, ledger, speed
from ops.cost.bill import Span, bill, spans_of_steps
from ops.cost.ledger import TROUBLE, sentence
from ops.cost.money import currency_from
from ops.plan import policies
from ops.prices import table as prices
from ops.prices.current import current


def _why(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)


def book_of(account: Account) -> prices.Book:
    """The prices of the types that the applied cluster may have."""
    fleets = account.cluster.get("fleets") or {}
    types = {name for fleet in fleets.values() for name in fleet["types"]}
    return current(account.target.region, types, ask=not account.target.emulated)


def speed_of(account: Account) -> speed.Speed:
    """As the newest run in the ledger measured; as the benchmark did where there is none, or on the embedded AWS."""
    measured = None
    if not account.target.emulated:
        with contextlib.suppress(BotoCoreError, ClientError, NotAppliedError):
            records = ledger.read(account.client("s3"), account.bucket("data"))
            measured = speed.of_runs([(one["to"], one) for one in records])
    return measured or speed.of_bench()


def before_apply(plan: Mapping[str, Any], account: Account, environ: Mapping[str, str]) -> list[str]:
    """The estimate that is shown before the question whether to create a cluster."""
    region = account.target.region
    try:
        found = estimate.estimate(
            plan,
            env=account.target.env,
            region=region,
            speed=speed_of(account),
            images=number(environ, "IMAGES"),
            book=current(region, policies.types(plan), ask=not account.target.emulated),
        )
        return [f"   {line}" for line in estimate.lines(found, currency_from(environ))] if found else []
    except TROUBLE as error:
        return [f"   the cost cannot be told: {_why(error)}"]


def after_step(account: Account, cluster_id: str, step_id: str, summary: Mapping[str, Any], console: Console) -> None:
    """Say what a step did cost and keep it in the ledger."""
    try:
        currency = currency_from(account.environ)
        record = ledger.of_step(account, cluster_id, step_id, summary, book_of(account))
        if record is None:
            text = f"what the step cost cannot be told yet: EMR gives no end of {step_id}. Fix: make cost, later"
        else:
            bucket = account.bucket("data")
            new = ledger.write(account.client("s3"), bucket, record)
            place = f"s3://{bucket}/{ledger.key_of(record)}"
            said = [*ledger.lines(record, currency), f"{'kept in' if new else 'was kept in'} {place}"]
            text = "cost      " + "\n          ".join(said)
    except TROUBLE as error:
        text = f"what the step cost cannot be told: {_why(error)}"
    console.print(text)


def after_cluster(account: Account, cluster_id: str, console: Console) -> None:
    """Keep what no step bore, when a cluster has ended; said only where it was billed."""
    try:
        s3, bucket = account.client("s3"), account.bucket("data")
        record = ledger.of_rest(account, cluster_id, ledger.read(s3, bucket), book_of(account))
        new = ledger.write(s3, bucket, record)
        text = f"beside its steps the cluster {sentence(record, currency_from(account.environ))}" if new else ""
    except TROUBLE as error:
        text = f"what the cluster cost cannot be told: {_why(error)}"
    if text and not account.target.emulated:
        console.print(text)


def demo_price(account: Account, cluster_id: str, environ: Mapping[str, str]) -> str:
    """What the demo's run would have cost on AWS, its cluster's start there included."""
    try:
        currency = currency_from(environ)
        nodes_, steps = ledger.observe(account, cluster_id, prices.table())
        start = min(node.start for node in nodes_)
        end = max(node.end for node in nodes_ if node.end)
        found = bill(Span(start, end), nodes_, spans_of_steps(steps, end))
        hour = sum((node.ec2 + node.emr + node.ebs for node in nodes_), Decimal(0))
        low, high = (currency.of(found.total + hour * minutes / 60) for minutes in estimate.START_MINUTES)
    except (*TROUBLE, ValueError) as error:  # ValueError: no node at all
        return f"what this would have cost on AWS cannot be told: {_why(error)}"
    return (
        f"on AWS the same run would have cost about {low} to {high} before tax: {len(nodes_)} nodes, most of it while "
        f"they start ({estimate.START_MINUTES[0]} to {estimate.START_MINUTES[1]} min)"
    )
