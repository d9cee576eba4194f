"""A Spark session on this machine, and the job in it as it runs once it is warm."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fruits.pipeline import begin
from fruits.request import Request
from fruits.store import Store

from benchmarks.photographs import ROOT
from benchmarks.results import BenchmarkError, count_cores
from localaws.java import find_java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JOB_JVM = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
"""As `make run-local` starts it; the other side of a comparison gets the JVM's defaults."""
WARM_UP = 64
"""Images per core before the clock starts: workers are up, engines compiled."""


@contextmanager
def start_spark(scratch: Path, *, jvm: str = "", options: dict[str, str] | None = None) -> Iterator[SparkSession]:
    """A session on ``local[cores]`` whose workers can import this package and the job's.

    Raises
    ------
    BenchmarkError
        When there is no Java.
    """
    java = find_java_home()
    if java is None:
        raise BenchmarkError("no Java 17 was found. Fix: make setup installs one, or set JAVA_HOME.")
    for name in ("SPARK_HOME", "SPARK_CONF_DIR"):
        os.environ.pop(name, None)
    os.environ |= {
        "JAVA_HOME": str(java),
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'jobs'}",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    from pyspark.sql import SparkSession

    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.driver.extraJavaOptions": jvm,
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.sql.shuffle.partitions": str(max(2, count_cores())),
        **(options or {}),
    }
    builder = SparkSession.builder.master(f"local[{count_cores()}]").appName("benchmarks")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    try:
        yield spark
    finally:
        gateway = spark.sparkContext._gateway
        spark.stop()
        # the JVM's own options count when it starts: the next session needs a new one
        if gateway is not None:
            _end_jvm(gateway)


def _end_jvm(gateway: Any) -> None:
    from pyspark import SparkContext

    gateway.shutdown()
    gateway.proc.stdin.close()
    gateway.proc.wait(timeout=30)
    SparkContext._gateway = SparkContext._jvm = None


def featurize(spark: SparkSession, folder: Path, scratch: Path, source: Store | None = None) -> dict[str, Any]:
    """Featurize a folder in workers that are warm already.

    A first run takes `WARM_UP` images per core; the second continues it over all others, in the same worker processes
    with the same compiled engine, and is the one that counts.

    Parameters
    ----------
    source : Store, optional
        Reads the images instead of the ordinary store.

    Returns
    -------
    dict
        The second run's ``run.json``.
    """
    output = str(scratch / f"out-{uuid.uuid4().hex[:12]}")
    summary: dict[str, Any] = {}
    for limit in (WARM_UP * count_cores(), None):
        with begin(Request(input=str(folder), output=output, k=1, limit=limit)) as run:
            if source is not None:
                run.source = source
            summary = run.execute(spark)
    if not summary["images_per_second"]:
        raise BenchmarkError(
            f"{summary['images_in']} images are no more than the warm-up takes. Fix: --images above "
            f"{WARM_UP * count_cores()}."
        )
    return summary
