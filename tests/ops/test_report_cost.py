"""`make results` writes into the fetched report what the run did cost. On moto in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ops.aws.account import Account
from ops.core.console import Console
from ops.core.target import Target
from ops.cost import in_report, ledger
from ops.cost.money import Currency
from ops.lifecycle import environment as deploy
from tests.job.reporting import Pictures, page_of

FINISHED = "2026-11-24T12:00:00Z"
RECORD: dict[str, Any] = {
    "cluster_id": "j-1",
    "step_id": "s-1",
    "from": "2026-11-24T11:50:00+00:00",
    "to": "2026-11-24T12:01:00+00:00",
    "emulated": False,
    "inferred": [],
    "model": "efficientnet_lite0",
    "images": 6,
    "seconds": {"bootstrap": 60.0, "work": 500.0, "idle": 100.0},
    "usd": {"total": "0.5", "bootstrap": "0.1", "work": "0.3", "idle": "0.1"},
    "usd_per_1000_images": "83.3",
    "prices": "the <list> of a day",
}


class Stored(Account):
    """An account with one bucket."""

    def bucket(self, purpose: str) -> str:
        return f"fruits-{purpose}"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stored]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    with mock_aws():
        found = Stored(Target(env="dev", region="eu-west-3", account_id="123456789012"))
        where = {"LocationConstraint": "eu-west-3"}
        found.client("s3").create_bucket(Bucket="fruits-data", CreateBucketConfiguration=where)
        text = page_of(["Apple"] * 3 + ["Pear"] * 3, Pictures())
        run = {"finished": FINISHED, "model": "efficientnet_lite0", "images_in": 6}
        for name, body in (("report.html", text), ("run.json", json.dumps(run))):
            key = f"results/efficientnet_lite0/{name}"
            found.client("s3").put_object(Bucket="fruits-data", Key=key, Body=body.encode())
        yield found


def cost_of(page: str) -> str:
    found = re.search("<!--slot cost-->(.*)<!--/slot cost-->", page, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_fetched_page_says_what_the_run_cost(account: Stored) -> None:
    s3 = account.client("s3")
    ledger.write_record(s3, "fruits-data", RECORD)
    ledger.write_record(s3, "fruits-data", {**RECORD, "step_id": "s-0", "to": "2026-11-24T11:59:00+00:00"})
    ledger.write_record(s3, "fruits-data", {**RECORD, "step_id": None})
    folder = deploy.fetch_results(account, Console(quiet=True))
    said = cost_of((folder / "report.html").read_text())
    assert said.startswith("<p>The run cost ")
    assert "0.50" in said
    assert "the &lt;list&gt; of a day" in said
    assert "not counted: taxes" in said
    there = s3.get_object(Bucket="fruits-data", Key="results/efficientnet_lite0/report.html")["Body"].read().decode()
    assert "this run was not billed." in cost_of(there)  # the job's own page stays as it was


def test_a_page_whose_step_is_not_in_the_ledger_says_so(account: Stored) -> None:
    folder = deploy.fetch_results(account, Console(quiet=True))
    assert cost_of((folder / "report.html").read_text()) == (
        "<p>What the run cost is not known: the ledger has no record of its step.</p>"
    )


def test_results_come_also_where_the_ledger_cannot_be_read(account: Stored) -> None:
    account.client("s3").put_object(Bucket="fruits-data", Key="ledger/j-1/s-1.json", Body=b"damaged")
    folder = deploy.fetch_results(account, Console(quiet=True))
    assert "this run was not billed." in (folder / "report.html").read_text()
    (folder / "report.html").write_text("<p>an older page</p>")
    assert not in_report.add_cost(account, folder)
    assert (folder / "report.html").read_text() == "<p>an older page</p>"


def test_two_steps_of_the_same_time_are_told_apart_or_not_at_all() -> None:
    summary = {"finished": FINISHED, "model": "efficientnet_lite0", "images_in": 6}
    other = {**RECORD, "step_id": "s-2", "model": "resnet50"}
    twin = {**RECORD, "step_id": "s-3"}
    assert in_report.find_record(summary, [other, RECORD]) == RECORD
    assert in_report.find_record(summary, [twin, RECORD]) is None
    assert in_report.write_sentences(summary, [], Currency("USD", Decimal(1), "today")) == [
        "What the run cost is not known: the ledger has no record of its step."
    ]
