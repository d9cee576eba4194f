"""`make verify-aws BILL=1`: what AWS billed for the last look, against what it expected, two days later."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.wording import format_count

from ops.aws.account import Account, Place
from ops.aws.refusals import explain_refusal
from ops.core.console import Console
from ops.core.errors import ExitCode, OperatorError, WrongUseError
from ops.core.target import PROJECT
from ops.verify import record
from ops.verify.assumptions import TABLE, judge_assumptions

WAIT_HOURS = 48
"""Cost Explorer is complete about a day after the usage; AWS renews it up to three times a day."""
EXPLORER_REGION = "us-east-1"  # Cost Explorer's only address in AWS's public partition


def find_newest_record(folder: Path, env: str) -> Path:
    """The record of the last look at a real account.

    Raises
    ------
    OperatorError : there is none
    """
    pages = sorted(p for p in folder.glob(f"*-{env}.json") if not json.loads(p.read_text())["emulated"])
    if not pages:
        raise WrongUseError(
            f"there is no record of a run in ENV={env} whose bill could be compared. Fix: make verify-aws ENV={env}."
        )
    return pages[-1]


def list_days(started: datetime) -> tuple[date, date]:
    """The days that a look may have been billed on: its own and the next (a look may pass midnight), end exclusive."""
    first = started.astimezone(UTC).date()
    return first, first + timedelta(days=2)


def sum_by_service(answer: Mapping[str, Any]) -> dict[str, Decimal]:
    """Dollars by service, those that are nothing left out, from an answer grouped by service."""
    services: dict[str, Decimal] = {}
    for day in answer["ResultsByTime"]:
        for group in day["Groups"]:
            amount = group["Metrics"]["UnblendedCost"]
            if amount["Unit"] != "USD":
                raise OperatorError(f"this account is billed in {amount['Unit']}, and prices here are in USD.")
            name = group["Keys"][0]
            services[name] = services.get(name, Decimal()) + Decimal(amount["Amount"])
    return {name: usd for name, usd in sorted(services.items()) if usd}


def ask_bill(explorer: Any, env: str, days: tuple[date, date]) -> dict[str, Any]:
    """What these days cost by service: by the tags Project and Environment, or of all where billing knows no tag."""
    query: dict[str, Any] = {
        "TimePeriod": {"Start": days[0].isoformat(), "End": days[1].isoformat()},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    tags = [{"Tags": {"Key": key, "Values": [value]}} for key, value in (("Project", PROJECT), ("Environment", env))]
    services = sum_by_service(explorer.get_cost_and_usage(**query, Filter={"And": tags}))
    by_tag = bool(services)
    if not by_tag:
        services = sum_by_service(explorer.get_cost_and_usage(**query))
    return {
        "days": [day.isoformat() for day in days],
        "by_tag": by_tag,
        "usd": str(sum(services.values(), Decimal())),
        "services": {name: str(usd) for name, usd in services.items()},
    }


def compare_bill(place: Place, console: Console, folder: Path = record.FOLDER) -> int:
    """Ask Cost Explorer (0.01 USD per request), judge, and add the answer to the record.

    Raises
    ------
    WrongUseError : the embedded AWS has no bill
    OperatorError : no record, too early, or AWS does not answer
    """
    if place.is_local:
        raise WrongUseError("the embedded AWS writes no bill. Fix: ENV=verify.")
    path = find_newest_record(folder, place.env)
    verify_record = json.loads(path.read_text())
    started = datetime.fromisoformat(verify_record["started"])
    hours = (datetime.now(UTC) - started).total_seconds() / 3600
    if hours < WAIT_HOURS:
        raise WrongUseError(
            f"AWS's bill of {started:%Y-%m-%d} is not complete before {WAIT_HOURS} hours have passed. Fix: run it "
            f"again in {format_count(math.ceil(WAIT_HOURS - hours), 'hour')}."
        )
    expected = verify_record["evidence"].get("cost", {}).get("usd")
    if expected is None:
        raise OperatorError(f"{path.name} does not say what it expected to pay, so there is nothing to compare.")
    account = Account.at(place)
    try:
        bill = ask_bill(account.session.client("ce", region_name=EXPLORER_REGION), place.env, list_days(started))
    except (ClientError, BotoCoreError) as error:
        raise OperatorError(f"Cost Explorer did not answer: {explain_refusal(error)[0]}") from error
    verify_record["evidence"]["bill"] = {**bill, "expected_usd": expected}
    results = judge_assumptions(
        verify_record["evidence"], emulated=False, table=tuple(a for a in TABLE if a.id == "bill")
    )
    data, page = record.amend(verify_record, results, path, account.target.account_id)
    for name, usd in bill["services"].items():
        console.print(f"   {Decimal(usd):10.4f} USD  {name}")
    console.print(results[0].summary)
    console.print(f"the record is {page}, its evidence {data}")
    return ExitCode.ASSUMPTION if results[0].verdict == "broken" else ExitCode.DONE
