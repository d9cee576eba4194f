"""How fast a vCPU is, from a benchmark's record or a run's: every figure by hand, with exact decimals."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from ops.core.errors import OperatorError
from ops.cost import speed
from ops.cost.speed import Speed

D = Decimal


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """300 images a second on four cores, 80% of what bare loops do: 75 a core, 37.5 a vCPU."""
    record = {
        "series": {"the job": {"median": 300}},
        "settings": {"loops": 4},
        "measured": "2026-11-27T10:00:00",
        "checks": [{"value": 80}, {"value": 1}],
    }
    path = tmp_path / "bare.json"
    path.write_text(json.dumps(record))
    return path


HALVED = "make bench of 2026-11-27, 75 images/s per core, halved for a vCPU"


@pytest.mark.parametrize(
    ("types", "precision", "factor", "why"),
    [
        ("m6i.xlarge c6i.large r6i.xlarge m6a.xlarge", "f32", D(1), "m6i and m6a: as the benchmark's machine"),
        ("m6i.xlarge r5.xlarge", "f32", 1 / D("1.15"), "m5, c5, r5: AWS: m6i is up to 15% faster"),
        ("m5.xlarge c6g.xlarge", "f32", 1 / D("1.25"), "m6g, c6g, r6g: AWS: m7g is up to 25% faster"),
        ("c7g.xlarge", "bf16", D(1), "m7g, c7g: not measured: taken as m6i"),
        ("c7i.xlarge", "f32", D("1.15"), "m7i, c7i: AWS: up to 15% faster than m6i"),
        ("m7i.xlarge", "bf16", D("1.15") * (D(198) / 90),
         "m7i, c7i: AWS: up to 15% faster than m6i; in bf16 2.2 times that, measured"),
        ("x9.large", "f32", D(1), "m6i and m6a: as the benchmark's machine"),
    ],
)  # fmt: skip
def test_the_slowest_processor_of_some_types(
    bench: Path, types: str, precision: str, factor: Decimal, why: str
) -> None:
    estimate = speed.estimate_types_speed(types.split(), precision, bench)
    assert estimate == Speed(D("37.5") * factor, f"{HALVED}; {why}", inferred=True)


def test_a_benchmark_is_of_cores_and_a_vcpu_half_of_one(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert speed.read_bench_speed(bench) == Speed(D("37.5"), HALVED, inferred=True)
    assert speed.read_job_share(bench) == D("0.8")
    monkeypatch.setattr(speed, "read_job_share", lambda: D("0.8"))
    here = speed.convert_core_rate(50.0)  # bare; 40 with the job around it
    assert here == Speed(D(20), "measured here on a sample, halved for a vCPU", inferred=True)


def test_every_family_by_precision(bench: Path) -> None:
    slow, usual, fast, old = 30.0, 37.5, 43.1, 32.6
    assert speed.compute_families(bench) == {
        "f32": dict.fromkeys(("m6i", "c6i", "r6i", "m6a", "m7g", "c7g"), usual)
        | dict.fromkeys(("m5", "c5", "r5"), old)
        | dict.fromkeys(("m6g", "c6g", "r6g"), slow)
        | dict.fromkeys(("m7i", "c7i"), fast),
        "bf16": {"m7i": 94.9, "c7i": 94.9},
        "slowest": slow,
    }
    assert speed.list_processors(bench) == [
        "m6i and m6a ~38",
        "m5, c5, r5 ~33",
        "m7i, c7i ~43 (~95 with PRECISION=bf16, the ratio measured)",
        "m6g, c6g, r6g ~30",
        "m7g, c7g ~38",
    ]


def test_the_newest_run_that_is_large_enough_goes_before_a_benchmark() -> None:
    run = {"images_featurized_now": 1000, "images_per_second": 90, "slots": 8}
    runs = [
        ("2026-11-02T10:20:30", run),
        ("2026-11-03T00:00:00", {**run, "images_featurized_now": 999}),
        ("2026-11-03T00:00:01", {**run, "images_featurized_now": None}),
        ("2026-11-03T00:00:02", {**run, "images_per_second": 0}),
        ("2026-11-03T00:00:03", {**run, "slots": None}),
        ("2026-11-01T00:00:00", {**run, "slots": 4}),
    ]
    measured = Speed(D("11.25"), "the run of 2026-11-02 10:20, 1,000 images on 8 vCPUs", inferred=False)
    assert speed.find_measured_speed(runs) == measured
    assert speed.find_measured_speed(runs[1:5]) is None


@pytest.mark.parametrize("text", [None, "no JSON", "{}", '{"series": []}'])
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "bare.json").write_text(text)
    with pytest.raises(OperatorError, match=r"^the measured speed cannot be read from bare\.json \(.*\)\. Fix: make b"):
        speed.read_bench_speed(tmp_path / "bare.json")
