"""`make cost`: what an hour and a run will cost, what lives now, and what was spent. JSON=1 for a program."""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fruits.wording import format_count

from ops.aws.account import Account, offline_target
from ops.aws.refusals import is_unknown
from ops.cli.place import read_place
from ops.cli.values import is_on, read_size
from ops.core.console import Console, working
from ops.core.errors import ExitCode, NotAppliedError, OperatorError, TerraformError
from ops.core.mentions import complete_mentions
from ops.cost import ledger, speed
from ops.cost.ledger import describe_record
from ops.cost.money import Currency, encode_amount, read_currency
from ops.cost.quote import make_quote
from ops.plan import pricing
from ops.prices import table as prices
from ops.prices.current import find_current
from ops.terraform.variables import plan_cluster


def read_spending(account: Account, book: prices.Book) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The ledger, and interim records: for each cluster without a last one, what no step bore up to now."""
    s3, bucket = account.client("s3"), account.bucket("data")
    records = ledger.read_ledger(s3, bucket)
    ended = {record["cluster_id"] for record in records if not record["step_id"]}
    open_ids = {record["cluster_id"] for record in records} - ended
    # only clusters of the ledger are looked at where none is applied now
    with contextlib.suppress(NotAppliedError):
        open_ids |= {str(account.cluster["cluster_id"])} - ended
    interim = []
    for cluster_id in sorted(open_ids):
        try:
            interim.append(ledger.record_rest(account, cluster_id, records, book))
        except ledger.TROUBLE as error:
            # EMR forgets a cluster after two months; what no step bore is then unknown
            why = "EMR no longer knows this cluster" if is_unknown(error) else ledger.explain_missing(error)
            interim.append({"cluster_id": cluster_id, "missing": why})
    return records, interim


def list_priced(records: Sequence[Mapping[str, Any]], interim: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every record with an amount."""
    return [*records, *(record for record in interim if "missing" not in record)]


def render_ledger(
    records: Sequence[Mapping[str, Any]], interim: Sequence[Mapping[str, Any]], currency: Currency
) -> list[str]:
    """The ledger as a table with its sum."""
    emulated = any(record.get("emulated") for record in [*records, *interim])
    priced = list_priced(records, interim)
    texts = ["the ledger" + (" (embedded AWS: nothing was billed, this is what AWS would)" if emulated else "")]
    for record in priced:
        name = record["step_id"] or ("beside the steps" if record in records else "beside the steps, up to now")
        images = f"{format_count(record['images'], 'image')}, " if record.get("images") else ""
        texts.append(
            f"  {record['to'][:16].replace('T', ' ')}  {record['cluster_id']}  {name}: {images}"
            f"{describe_record(record, currency)}"
        )
    texts += [
        f"  {record['cluster_id']}: {record['missing']}, so what it cost beside its steps is not in the sum"
        for record in interim
        if "missing" in record
    ]
    steps = sum(1 for record in records if record["step_id"])
    texts.append(f"  together {currency.of(ledger.sum_records(priced))} in {format_count(steps, 'step')}")
    return texts


def compose_report(environ: Mapping[str, str], console: Console) -> tuple[list[str], dict[str, Any]]:
    """Everything `make cost` says: as lines and for a program."""
    place = read_place(environ)
    currency, target = read_currency(place.currency), offline_target(place)
    with working(console, "planning without asking AWS", quiet=not console.is_terminal):
        size = read_size(environ)
        plan = plan_cluster(target, size)
    missing = ""
    account: Account | None = None
    records: list[dict[str, Any]] = []
    interim: list[dict[str, Any]] = []
    try:
        account = Account.at(place)
    except TerraformError as error:
        missing = f"the ledger was not read: {error}"
    with console.status("asking for prices"):
        book = find_current(
            target.region,
            pricing.list_types(plan, unused=True),
            ask=account is not None and not account.target.emulated,
        )
    if account is not None:
        try:
            records, interim = read_spending(account, book)
        except ledger.TROUBLE as error:
            missing = f"the ledger was not read: {ledger.explain_missing(error)}"
    measured = (
        None if target.env == "local" else speed.find_measured_speed([(record["to"], record) for record in records])
    )
    price = make_quote(plan, env=target.env, region=target.region, book=book, size=size, measured=measured)
    if price is None:
        raise OperatorError("the plan holds no cluster, so there is nothing to price.")
    texts = price.lines(currency)
    texts += ["", *([missing] if missing else render_ledger(records, interim, currency))]
    answer = price.as_json(currency) | {
        "ledger": {
            "records": records,
            "beside_the_steps": interim,
            "missing": missing or None,
            "usd_total": ledger.sum_records(list_priced(records, interim)),
        }
    }
    return texts, answer


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0; 1 no plan or no figures; 2 wrong use; 3 no usable Terraform; 6 a price that is not known."""
    try:
        texts, answer = compose_report(environ, Console(stderr=True))
    except prices.UnknownPriceError as error:
        raise OperatorError(
            f"{error}. Fix: take another type or region, or renew the table: make prices",
            exit_code=ExitCode.UNKNOWN_PRICE,
        ) from error
    if is_on(environ, "JSON"):
        print(json.dumps(answer, indent=1, default=encode_amount))
    else:
        print(complete_mentions("\n".join(texts)))
    return 0
