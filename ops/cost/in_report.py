"""Write into a fetched report what its run did cost: the job knows no prices, the ledger does."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ops.aws.account import Account
from ops.cost import ledger
from ops.cost.ledger import TROUBLE, describe_record
from ops.cost.money import NOT_COUNTED, Currency, read_currency
from ops.prices.table import say_age, table


def find_record(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The record of the step in which a run finished; None where there is none.

    Parameters
    ----------
    summary : ``run.json``
    records : the ledger
    """
    finished = datetime.fromisoformat(str(summary["finished"]))
    steps = [record for record in records if record["step_id"]]
    during = [r for r in steps if datetime.fromisoformat(r["from"]) <= finished <= datetime.fromisoformat(r["to"])]
    same = [r for r in during if r.get("model") == summary["model"] and r.get("images") == summary["images_in"]]
    return same[0] if len(same) == 1 else None


def write_sentences(summary: Mapping[str, Any], records: Sequence[Mapping[str, Any]], currency: Currency) -> list[str]:
    """What the page says."""
    record = find_record(summary, records)
    if record is None:
        return ["What the run cost is not known: the ledger has no record of its step."]
    old = say_age() if str(record["prices"]) == table().source else ""
    return [
        f"The run {describe_record(record, currency)}.",
        f"Prices: {record['prices']}. {f'{old[0].upper()}{old[1:]} ' if old else ''}{NOT_COUNTED}",
    ]


def add_cost(account: Account, folder: Path) -> bool:
    """Fill the page's slot for the cost; False where there is no page, or one of another version, or no answer."""
    from fruits.report import page  # numpy and pyarrow with it, which commands without a page have no use for

    report = folder / "report.html"
    try:
        summary = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        text = report.read_text(encoding="utf-8")
        records = ledger.read_ledger(account.client("s3"), account.bucket("data"))
        texts = write_sentences(summary, records, read_currency(account.currency))
    except (OSError, ValueError, *TROUBLE):
        return False  # a page without its cost is still the run's page
    filled = page.refill(text, "cost", page.render_paragraphs(texts))
    if filled is None:
        return False
    report.write_text(filled, encoding="utf-8")
    return True
