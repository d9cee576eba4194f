"""Every benchmark once, over a handful of images: it runs, and what it writes is complete. Speed is not judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import rivals
from ops.job.tuning import choose_precisions, read_capabilities

ROOT = Path(__file__).resolve().parents[2]
CHECKS = {
    "notebook": 1,
    "bare": 1,
    "guard": 1,
    "latency": 1,
    "pca": 1,
    "fixed": 1 + len(choose_precisions(None, read_capabilities())),
    "memory": 3,
    "scale": 2,
    "rivals": 4,
    "diagnose": 2,
}


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.tensorflow
@pytest.mark.parametrize("name", CHECKS)
def test_a_benchmark_runs_and_writes_its_numbers(name: str, tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    images = 64 * cores + 40  # more than the warm-up takes
    if name == "pca":
        images = 200
    if name == "rivals" and not rivals.PYTHON.exists():
        pytest.skip("the rivals are not installed: make bench ONLY=rivals installs them")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--images", str(images), "--repeats", "1", "--results", tmp_path],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "jobs"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-3000:]
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert len(found["checks"]) == CHECKS[name]
    assert done.returncode == (0 if all(check["reached"] for check in found["checks"]) else 1)
    assert all(value > 0 for series in found["series"].values() for value in series["values"])
