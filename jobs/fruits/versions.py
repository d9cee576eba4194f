"""Which versions a process runs, and the refusal to mix them between driver and workers."""

from __future__ import annotations

import platform
import sys
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from zipimport import zipimporter

from fruits import __version__
from fruits.errors import VersionMismatchError

PACKAGES = ("numpy", "pyarrow", "pillow", "pi-heif", "openvino")


@lru_cache(maxsize=1)
def collect_versions() -> dict[str, str]:
    """Versions that may change a feature's value: Python (major.minor), the packages, this job."""
    versions = {"python": ".".join(platform.python_version_tuple()[:2]), "fruits": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    return versions


def collect_makers(engine: str) -> dict[str, str]:
    """Versions that may change the last digits of a feature: the decoder, the engine and the kind of processor.

    Parameters
    ----------
    engine : str
        ``fast`` or ``tensorflow``.
    """
    versions = {name: value for name, value in collect_versions().items() if name.startswith("pillow")}
    packages = ("openvino",) if engine == "fast" else ("tensorflow-cpu", "tensorflow", "keras")
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package.removesuffix("-cpu")] = version(package)
    return {**versions, "processor": platform.machine()}


def require_same(expected: dict[str, str]) -> None:
    """Refuse to work in a process whose versions differ from the driver's. Every task calls it first.

    Raises
    ------
    VersionMismatchError
        Naming each difference.
    """
    _forget_archives()
    mine = collect_versions()
    different = [
        f"{name} {expected.get(name, 'missing')} on the driver, {mine.get(name, 'missing')} on a worker"
        for name in sorted(mine.keys() | expected.keys())
        if mine.get(name) != expected.get(name)
    ]
    if different:
        raise VersionMismatchError(
            "driver and workers do not run the same versions: "
            + "; ".join(different)
            + ". Fix: let spark.pyspark.python, spark.executorEnv.PYSPARK_PYTHON and (on YARN) "
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON name the same environment on every node."
        )


def _forget_archives() -> None:
    """Keep the next task of this worker from reading the table of contents of every archive on its path again.

    A Spark worker begins each task with `importlib.invalidate_caches`. On Python 3.11 each importer of an archive (one
    for every package in it) then parses the whole table (Spark's own zip and jar: thousands of entries, about 50 ms per
    task). The importers are a cache: a later import makes a new one.
    """
    for path, finder in list(sys.path_importer_cache.items()):
        if isinstance(finder, zipimporter):
            sys.path_importer_cache.pop(path, None)
