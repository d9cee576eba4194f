"""Which versions a process runs, and the refusal to mix them between driver and workers."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from fruits import __version__
from fruits.errors import VersionMismatchError

PACKAGES = ("numpy", "pyarrow", "pillow", "openvino")


@lru_cache(maxsize=1)
def collect() -> dict[str, str]:
    """Versions that decide about a feature's value: Python (major.minor), the packages, this job."""
    found = {"python": ".".join(platform.python_version_tuple()[:2]), "fruits": __version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found


def require_same(expected: dict[str, str]) -> None:
    """Refuse to work in a process whose versions differ from the driver's.

    Raises
    ------
    VersionMismatchError
        Naming each difference.
    """
    mine = collect()
    different = [
        f"{name} {expected.get(name, 'missing')} on the driver, {mine.get(name, 'missing')} on a worker"
        for name in sorted(mine.keys() | expected.keys())
        if mine.get(name) != expected.get(name)
    ]
    if different:
        raise VersionMismatchError(
            "driver and workers do not run the same versions: "
            + "; ".join(different)
            + ". Cure: let spark.pyspark.python, spark.executorEnv.PYSPARK_PYTHON and (on YARN) "
            "spark.yarn.appMasterEnv.PYSPARK_PYTHON name the same environment on every node."
        )
