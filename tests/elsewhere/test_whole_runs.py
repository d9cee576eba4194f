"""`make run-local` from and to another cloud's store: the same job, only the addresses differ. Half a minute each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fruits.store import Store

from tests.drawn import draw_once
from tests.elsewhere.conftest import ROOT, Cloud
from tests.typed import as_typed

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow, pytest.mark.slow]


def run_local(cloud: Cloud, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "run-local"],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT / "jobs"), **cloud.environment, **as_typed(variables)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_images_and_results_in_another_cloud(cloud: Cloud, tmp_path: Path) -> None:
    counts = draw_once(tmp_path, views=2)
    source = Store(f"{cloud.uri}/été 1 #2")
    for path in tmp_path.rglob("*.jpg"):
        source.write(f"{path.parent.name}/{path.name}", path.read_bytes())
    output = f"{cloud.uri}/results/run 1"
    process = run_local(cloud, INPUT=source.uri, OUTPUT=output, K="4")
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"results   {output}" in process.stdout
    run = json.loads(Store(output).read("run.json"))
    assert {label: c["ok"] for label, c in run["classes"].items()} == counts
    keys = {entry.key for entry in Store(output).list(recursive=True) if entry.is_file}
    assert {"report.html", "pca/scores.csv", "pca/model.npz", "_run/progress.json"} <= keys
    assert not [key for key in keys if key.startswith(("_run/listing", "_run/todo", "_run/workers"))]
    again = run_local(cloud, INPUT=source.uri, OUTPUT=output, K="3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"no feature was computed: all {sum(counts.values())} were kept" in again.stdout
