"""The same pipeline through Spark Connect, where there is no `sparkContext`. Runs in `make test-spark4`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from ops.datasets.draw import draw_sample
from ops.java import find_java_home
from ops.package import write_job_zip

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.spark, pytest.mark.slow]

_CLIENT = """
import json, sys
from pyspark.sql import SparkSession
from fruits.pipeline import run
from fruits.request import Request
spark = SparkSession.builder.remote("local[2]").getOrCreate()
spark.addArtifacts(sys.argv[1], pyfile=True)
print("session", type(spark).__module__)
summary = run(spark, Request(input=sys.argv[2], output=sys.argv[3], k=3, parallelism=2))
print("summary", json.dumps(summary["images_ok"]))
spark.stop()
"""


@pytest.mark.skipif(version("pyspark").startswith("3."), reason="Spark Connect is tested on Spark 4: make test-spark4")
def test_the_job_runs_through_spark_connect(tmp_path: Path) -> None:
    counts = draw_sample(tmp_path / "in", views=2)
    java = find_java_home()
    assert java is not None
    process = subprocess.run(
        [sys.executable, "-c", _CLIENT, write_job_zip(tmp_path), tmp_path / "in", tmp_path / "out"],
        env={
            "PATH": os.environ["PATH"],
            "JAVA_HOME": str(java),
            "PYTHONPATH": str(ROOT / "jobs"),
            "PYSPARK_PYTHON": sys.executable,
            "SPARK_LOCAL_IP": "127.0.0.1",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "session pyspark.sql.connect.session" in process.stdout
    assert f"summary {sum(counts.values())}" in process.stdout
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["k"] == 3
    assert run["versions"]["spark"].startswith("4.")
