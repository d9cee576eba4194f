"""What README and docs say of speed is what `benchmarks/results` holds. Below a second."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ops.core.errors import OperatorError
from ops.cost.speed import compute_families, estimate_types_speed
from tools import bench_tables


def _median(name: str, series: str) -> float:
    record = json.loads((bench_tables.RESULTS / f"{name}.json").read_text())
    return float(record["series"][series]["median"])


@pytest.mark.parametrize("name", bench_tables.PAGES)
def test_the_pages_say_what_was_measured(name: str) -> None:
    text = (bench_tables.ROOT / name).read_text(encoding="utf-8")
    assert "<!-- bench: " in text
    assert text == bench_tables.fill(text), "make bench-tables writes it anew"


def test_numbers_are_the_medians_of_their_own_results() -> None:
    readme = bench_tables.render_speed()
    assert f" {_median('rivals', 'this job, featurizing'):.0f} images per second" in " ".join(readme.split())
    assert f" {_median('rivals', 'Daft, start to end'):.0f} s " in " ".join(readme.split())
    table = bench_tables.render_targets()
    assert f"{_median('fixed', '25 images: whole run'):.1f} s |" in table
    assert f"{_median('bare', 'the job'):.0f} against " in table


def test_every_row_has_its_day_and_its_verdict() -> None:
    rows = bench_tables.render_targets().splitlines()[2:]
    assert len(rows) >= 8
    for row in rows:
        assert re.search(r"\| [≥≤] [\d.]+.* \| (reached|not reached|in part) \| \d{4}-\d\d-\d\d, \d+ \|$", row), row


def test_what_was_not_measured_has_no_row_or_says_how_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match="make bench ONLY=scale"):
        bench_tables.BenchResult("scale", tmp_path)
    monkeypatch.setattr(bench_tables, "RESULTS", tmp_path)
    assert len(bench_tables.render_targets().splitlines()) == 2
    (tmp_path / "bare.json").write_text('{"series": {}}')
    with pytest.raises(OperatorError, match=r"bare\.json has no 'the job'"):
        bench_tables.BenchResult("bare", tmp_path)["the job"]


def test_clusters_are_sized_by_the_speeds_that_price_them() -> None:
    speeds = json.loads(bench_tables.SPEEDS.read_text())
    assert speeds == compute_families(), "make bench-tables writes it anew"
    for precision in ("f32", "bf16"):
        for family, rate in speeds[precision].items():
            assert rate == pytest.approx(
                float(estimate_types_speed([f"{family}.xlarge"], precision).per_vcpu), abs=0.05
            )
    assert speeds["f32"]["m6i"] == pytest.approx(_median("bare", "the job") / 4, abs=0.05)  # two cores, four vCPUs
    assert speeds["bf16"].keys() == {"m7i", "c7i"}
