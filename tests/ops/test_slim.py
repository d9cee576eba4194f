"""What the set-up leaves out of .venv, and how large the rest is. About a second."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import sysconfig
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from awscli.botocore.loaders import Loader

from ops.core.paths import ROOT
from ops.job import wheelhouse
from tests.cli.test_users_packages import LOCKS_OF_USERS, locked, normalised
from tools import slim

PACKAGES = Path(sysconfig.get_path("purelib"))
LARGEST = 2_500_000_000
MODEL = "awscli/botocore/data/s3/2006-03-01/service-2.json"


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder of packages with a file of three bytes for each of the unused, and one more beside it."""
    for pattern in slim.UNUSED:
        name = pattern.replace("[gn]", "g").replace("*", "x")
        place = tmp_path / name if "." in Path(name).name else tmp_path / name / "deep" / "file.h"
        for file in (place, tmp_path / Path(name).parts[0] / "used.py"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"abc")
    return tmp_path


def test_the_unused_goes_once_and_what_is_used_stays(packages: Path) -> None:
    used = set(packages.rglob("used.py"))
    assert slim.remove_unused(packages) == 3 * len(slim.UNUSED)
    assert {path for path in packages.rglob("*") if path.is_file()} == used
    assert slim.remove_unused(packages) == 0


def test_compressed_descriptions_say_the_same(tmp_path: Path) -> None:
    """Read by the AWS command line's own loader before and after."""
    model = tmp_path / MODEL
    model.parent.mkdir(parents=True)
    said = {"metadata": {"serviceId": "S3"}, "operations": {"GetObject": {"name": "GetObject"}}}
    model.write_text(json.dumps(said))
    data = str(tmp_path / slim.MODELS)

    def read() -> object:
        loader = Loader(extra_search_paths=[data], include_default_search_paths=False)
        return loader.list_available_services("service-2"), loader.load_service_model("s3", "service-2")

    before = read()
    assert before == (["s3"], said)
    assert slim.compress_models(tmp_path) == len(json.dumps(said)) - len(gzip.compress(json.dumps(said).encode(), 6))
    assert [path.name for path in model.parent.iterdir()] == ["service-2.json.gz"]
    assert read() == before
    assert slim.compress_models(tmp_path) == 0


def of_users() -> list[Distribution]:
    names = set().union(*map(locked, (*LOCKS_OF_USERS, "requirements-s3a.txt")), {"pip", "uv"})
    return [found for found in distributions() if normalised(found.metadata["Name"]) in names]


def test_everything_that_users_get_fits_into_two_and_a_half_gigabytes() -> None:
    """Their packages' files with bytecode, and one archive of Spark's classes, as they lie in this environment."""
    assert slim.list_unused(PACKAGES) == [], "Fix: .venv/bin/python -m tools.slim"
    owners = of_users()
    assert len(owners) > 60
    files = {os.path.normpath(f"{d.locate_file('')}/{name}") for d in owners for name in d.files or ()}
    bytecode = {importlib.util.cache_from_source(file) for file in files if file.endswith(".py")}
    archives = [path.stat().st_size for path in Path(sysconfig.get_path("data")).glob("spark-classes-*.jsa")]
    paths = (Path(file) for file in files | bytecode)
    size = sum(path.stat().st_size for path in paths if path.is_file()) + max(archives, default=0)
    assert 1_500_000_000 < size < LARGEST, f"{size / 1e9:.2f} GB"


def test_the_size_that_is_said_of_the_wheels_is_theirs() -> None:
    lock = (wheelhouse.LOCKS / "requirements-x86_64.txt").read_bytes()
    folder = ROOT / wheelhouse.FOLDER / wheelhouse.hash_lock(lock)
    if not (folder / wheelhouse.SUMS).exists():
        pytest.skip("needs the wheels of a node: make wheelhouse")
    size = sum(file.stat().st_size for file in folder.iterdir())
    assert size / 1e6 == pytest.approx(wheelhouse.SOME_MB, rel=0.02)
