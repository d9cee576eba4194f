"""The same pipeline through Spark Connect, where there is no `sparkContext`. Runs in `make test-spark4`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from localaws.java import find_java_home
from sample.draw import draw_sample

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.spark, pytest.mark.slow]

PAGE = ROOT / "docs/elsewhere/spark-connect.md"


def program(folder: Path) -> str:
    """The page's program with this machine's addresses in place of its own."""
    (text,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    for theirs, ours in (
        ("sc://host:15002", "local[2]"),  # starts a Connect server here, and speaks to it as to any other
        ("s3://bucket/images", f"{folder}/in"),
        ("s3://bucket/results", f"{folder}/out"),
        ("parallelism=64", "parallelism=2"),
        ('"jobs"', repr(str(ROOT / "jobs"))),
    ):
        assert text.count(theirs) == 1, theirs
        text = text.replace(theirs, ours)
    return text + '\nprint("session", type(spark).__module__)\nspark.stop()\n'


@pytest.mark.skipif(version("pyspark").startswith("3."), reason="Spark Connect is tested on Spark 4: make test-spark4")
def test_the_program_of_the_page_runs_through_spark_connect(tmp_path: Path) -> None:
    """With the zip that the page's own command makes."""
    (packing,) = re.findall(r"^python3 (-m zipfile -c fruits\.zip) (jobs/fruits)", PAGE.read_text(), re.MULTILINE)
    subprocess.run([sys.executable, *packing[0].split(), ROOT / packing[1]], cwd=tmp_path, check=True)
    counts = draw_sample(tmp_path / "in", views=2)
    java = find_java_home()
    assert java is not None
    process = subprocess.run(
        [sys.executable, "-c", program(tmp_path)],
        env={
            "PATH": os.environ["PATH"],
            "JAVA_HOME": str(java),
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
    assert f"{sum(counts.values())} images; " in process.stdout
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert run["k"] == 3
    assert run["versions"]["spark"].startswith("4.")
