"""`make verify-aws BILL=1` on answers that botocore's model of Cost Explorer accepts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from ops.aws.account import Account, Place
from ops.core.console import Console
from ops.core.errors import OperatorError, WrongUseError
from ops.core.target import Target
from ops.verify import bill, record
from ops.verify.assumptions import judge_assumptions
from ops.verify.extras import EXTRAS, add_extras, parse_extras

ACCOUNT = "111122223333"
STARTED = datetime.now(UTC) - timedelta(hours=50)


def answer(*days: dict[str, str]) -> dict[str, Any]:
    """Cost Explorer's answer: one entry a day, a group per service, amounts as text."""
    first = date(2026, 11, 20)
    return {
        "ResultsByTime": [
            {
                "TimePeriod": {
                    "Start": str(first + timedelta(days=number)),
                    "End": str(first + timedelta(days=number + 1)),
                },
                "Groups": [
                    {"Keys": [name], "Metrics": {"UnblendedCost": {"Amount": usd, "Unit": "USD"}}}
                    for name, usd in services.items()
                ],
                "Estimated": True,
            }
            for number, services in enumerate(days)
        ]
    }


EMR, EC2 = "Amazon Elastic MapReduce", "Amazon Elastic Compute Cloud - Compute"
OURS = answer({EMR: "0.0611", EC2: "0.2089"}, {EC2: "0.0500", "Tax": "0"})


@pytest.fixture
def explorer(monkeypatch: pytest.MonkeyPatch) -> Stubber:
    client = boto3.client("ce", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.activate()
    monkeypatch.setattr(boto3.session.Session, "client", lambda *_, **__: client)
    target = Target(env="verify", region="eu-west-3", account_id=ACCOUNT)
    monkeypatch.setattr(Account, "at", classmethod(lambda cls, place: Account(target)))
    return stub


def written(folder: Path, started: datetime = STARTED, **evidence: Any) -> Path:
    """A record of a real account, of 50 hours ago unless said otherwise."""
    about = {
        "env": "verify", "region": "eu-west-3", "emulated": False, "started": started.isoformat(timespec="seconds"),
        "minutes": 31.0, "release": "emr-7.13.0", "commit": None, "stopped": None,
    }  # fmt: skip
    seen = {"cost": {"usd": "0.31", "limit_usd": "0.95", "said": "0.31 USD"}, "left": {}, **evidence}
    return record.write_files(
        record.make_record(judge_assumptions(seen, emulated=False), about, seen), ACCOUNT, folder
    )[0]


def compared(folder: Path) -> tuple[int, str]:
    console = Console(record=True, width=160)
    code = bill.compare_bill(Place(env="verify"), console, folder)
    return code, console.export_text()


def row_of_bill(place: Path) -> dict[str, Any]:
    return next(row for row in json.loads(place.read_text())["assumptions"] if row["id"] == "bill")


def test_the_bill_is_added_up_and_put_into_the_record(explorer: Stubber, tmp_path: Path) -> None:
    place = written(tmp_path)
    assert row_of_bill(place)["verdict"] == "open"
    tags = [{"Tags": {"Key": k, "Values": [v]}} for k, v in (("Project", "fruits"), ("Environment", "verify"))]
    first = STARTED.date()
    explorer.add_response(
        "get_cost_and_usage",
        OURS,
        {
            "TimePeriod": {"Start": str(first), "End": str(first + timedelta(days=2))},
            "Granularity": "DAILY",
            "Metrics": ["UnblendedCost"],
            "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
            "Filter": {"And": tags},
        },
    )
    code, printed = compared(tmp_path)
    explorer.assert_no_pending_responses()
    assert code == 0
    assert "0.2589 USD  Amazon Elastic Compute Cloud - Compute" in printed
    assert "Tax" not in printed
    assert "0.3200 USD by tag, expected 0.3100" in printed
    kept = json.loads(place.read_text())
    assert row_of_bill(place)["verdict"] == "verified"
    assert kept["evidence"]["bill"]["usd"] == "0.3200"
    assert kept["verdicts"]["verified"] == 3
    assert "| bill |" in place.with_suffix(".md").read_text()


def test_a_bill_that_is_dearer_breaks_the_assumption(explorer: Stubber, tmp_path: Path) -> None:
    place = written(tmp_path)
    explorer.add_response("get_cost_and_usage", answer({EC2: "0.3721"}))
    assert compared(tmp_path)[0] == 30
    assert row_of_bill(place)["verdict"] == "broken"


def test_an_account_without_active_tags_is_looked_at_whole(explorer: Stubber, tmp_path: Path) -> None:
    place = written(tmp_path)
    for part in (answer({}), answer({EC2: "7.5"})):
        explorer.add_response("get_cost_and_usage", part)
    code, printed = compared(tmp_path)
    assert code == 0
    assert "the tag Project is not active in billing" in printed
    assert row_of_bill(place)["verdict"] == "open"


def test_what_cannot_be_compared_says_why(explorer: Stubber, tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no record of a run in ENV=verify .* Fix: make verify-aws ENV=verify"):
        compared(tmp_path)
    with pytest.raises(WrongUseError, match=r"the embedded AWS writes no bill. Fix: ENV=verify"):
        bill.compare_bill(Place(), Console(quiet=True), tmp_path)
    written(tmp_path, datetime.now(UTC) - timedelta(hours=20))
    with pytest.raises(OperatorError, match=r"not complete before 48 hours have passed. Fix: run it again in 28 hours"):
        compared(tmp_path)


def test_a_refusal_says_whose_right_is_missing(explorer: Stubber, tmp_path: Path) -> None:
    written(tmp_path)
    explorer.add_client_error("get_cost_and_usage", "AccessDeniedException", "not authorized", 400)
    with pytest.raises(OperatorError, match=r"Cost Explorer did not answer: .*GetCostAndUsage"):
        compared(tmp_path)


def test_extras_are_chosen_by_name_and_change_the_stacks() -> None:
    target = Target(env="verify", region="eu-west-3", account_id=ACCOUNT)
    wide = add_extras(target, parse_extras("ssm,kms"))
    assert wide.overrides == {"storage": {"enable_kms": True}, "cluster": {"enable_ssm": True}}
    assert wide == add_extras(target, ("kms", "ssm"))
    with pytest.raises(WrongUseError, match=r"WITH=nats is not known. Fix: choose from kms, ssm"):
        parse_extras("nats")
    assert all(extra.help for extra in EXTRAS.values())
