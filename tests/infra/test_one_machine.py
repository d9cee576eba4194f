"""The table of docs/elsewhere/one-machine.md is what measurements, prices and plan give. Seconds."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ops.core.paths import ROOT
from tools import machine_table as machines
from tools.bench_tables import PLANNED

Plan = dict[str, Any]
WHOLE = {
    "series": {
        "25 images: whole run": {"median": 17.0},
        "25 images: all else": {"median": 16.0},
        "3,000 images: whole run": {"median": 30.0},
        "3,000 images: all else": {"median": 18.0},
        "3,000 images: share of all else": {"median": 60.0},
    }
}


@pytest.mark.terraform
def test_the_table_of_the_page_is_computed(plan_of: Callable[[str], Plan]) -> None:
    page = (ROOT / PLANNED).read_text(encoding="utf-8")
    table = machines.render_machines(plan_of("dev-cluster"))
    assert f"<!-- bench: machines -->\n{table}<!-- end of bench -->\n" in page, "make bench-tables writes it anew"


@pytest.mark.terraform
def test_a_row_by_hand(plan_of: Callable[[str], Plan]) -> None:
    """A million images, with this repository's rate and Paris' prices of 2025."""
    (row,) = [row for row in machines.compute_rows(plan_of("dev-cluster")) if row.images == 1_000_000]
    rate = json.loads(machines.speed.BENCH.read_text())["series"]["the job"]["median"] / 4  # two cores, four vCPUs
    amx, m5 = 1.15 * rate, rate / 1.15  # m7i and c7i, and the slowest type that EMR may give
    assert float(row.machine.step) == pytest.approx((1_000_000 / (8 * amx) + 60) / 60)
    hour = 0.4242 + 40 * 0.0928 / 730
    assert float(row.machine.usd[0]) == pytest.approx(hour * (float(row.machine.step) + 3) / 60 + 0.84)
    assert float(row.machine.usd[1]) == pytest.approx(hour * (float(row.machine.step) + 6) / 60 + 0.84)
    assert float(row.one_node.step) == pytest.approx((1_000_000 / (4 * m5) + 60) / 60)
    hour = 0.2352 + 0.0504 + 72 * 0.0928 / 730 + 0.011  # m7i, its fee and volumes, and an endpoint that EMR may make
    assert float(row.one_node.usd[1]) == pytest.approx(hour * (float(row.one_node.step) + 10) / 60 + 0.84, rel=0.005)
    assert float(row.cluster.step) == pytest.approx((1_000_000 / (6 * m5) + 60) / 60)
    assert row.one_node.usd[1] < row.cluster.usd[0]
    assert not row.measured


def test_the_laptops_time_is_measured_or_the_largest_fixed_part_and_the_rate() -> None:
    assert machines.compute_laptop_seconds(3_000, WHOLE, Decimal(300)) == (Decimal("30.0"), True)
    assert machines.compute_laptop_seconds(60_000, WHOLE, Decimal(300)) == (Decimal("218.0"), False)
