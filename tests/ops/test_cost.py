"""What a cluster cost, from the lifetimes of its nodes; the ledger on moto; currencies. Seconds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from ops.cost import ledger
from ops.cost.period import PricedNode, Span, price_period

ZERO = datetime(2026, 11, 1, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def node(start: float, ready: float | None, end: float | None, name: str = "i-1") -> PricedNode:
    return PricedNode(
        id=name, role="core", type="m5.xlarge", market="ON_DEMAND", start=at(start),
        ready=None if ready is None else at(ready), end=None if end is None else at(end),
        ec2=Decimal("0.224"), emr=Decimal("0.048"), ebs=Decimal("0.01"), inferred=frozenset(),
    )  # fmt: skip


def test_an_hour_of_a_node_is_split_into_start_work_and_idle() -> None:
    found = price_period(Span(at(0), at(3600)), [node(0, 600, 3600)], [Span(at(900), at(2700))])
    assert found.by_state == {
        "bootstrap": Decimal("0.047000"), "work": Decimal("0.141000"), "idle": Decimal("0.094000")
    }  # fmt: skip
    assert found.total == Decimal("0.282")
    assert found.by_component == {"ec2": Decimal("0.224"), "emr": Decimal("0.048"), "ebs": Decimal("0.01")}
    assert found.seconds == {"bootstrap": 600, "work": 1800, "idle": 1200}


def test_a_node_of_ten_seconds_is_billed_a_minute() -> None:
    assert price_period(Span(at(0), at(10)), [node(0, 5, 10)], []).total == Decimal("0.0047")


@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 300), st.integers(0, 900)), min_size=1, max_size=4),
    st.integers(0, 1500),
)
def test_bills_of_periods_that_follow_each_other_add_up_to_the_whole(
    lives: list[tuple[int, int, int]], cut: int
) -> None:
    nodes = [node(a, a + b, a + b + c, f"i-{n}") for n, (a, b, c) in enumerate(lives)]
    work = [Span(at(300), at(700))]
    whole = price_period(Span(at(0), at(2000)), nodes, work).total
    parts = (
        price_period(Span(at(0), at(cut)), nodes, work).total + price_period(Span(at(cut), at(2000)), nodes, work).total
    )
    assert abs(whole - parts) < Decimal("0.00001")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="fruits-data")
        yield "fruits-data"


def test_a_record_of_the_ledger_is_written_once_and_summed(bucket: str) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    record = {"cluster_id": "j-1", "step_id": "s-1", "to": "2026-11-01", "usd": {"total": "0.10"}}
    assert ledger.write_record(s3, bucket, record)
    assert not ledger.write_record(s3, bucket, {**record, "usd": {"total": "9"}})
    assert ledger.write_record(s3, bucket, {**record, "step_id": "s-2", "usd": {"total": "0.20"}})
    assert ledger.sum_records(ledger.read_ledger(s3, bucket)) == Decimal("0.30")
