"""The parent of Spark's Python workers on one machine: it imports what they need before it forks them.

`make run-local` sets it (``spark.python.daemon.module``); a cluster uses Spark's own, because there the package comes
with the job. A child shares what its parent imported, and does not read and compile it again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

PRELOADED = ("fruits.featurize", "fruits.workers", "fruits.pca", "fruits.planning", "fruits.listing")
"""Without OpenVINO: its import starts a thread, which a fork would lose. pyarrow's allocator starts its own again."""


def drop_archives(paths: Sequence[str]) -> list[str]:
    """A search path without Spark's archive of itself, where its installation holds the same modules unpacked.

    Spark puts the archive first. Python keeps no bytecode of modules in an archive, so every start of a driver and of a
    daemon compiles all of them again, for a second.

    >>> drop_archives(["/nowhere/pyspark/python/lib/pyspark.zip", "/b"])
    ['/nowhere/pyspark/python/lib/pyspark.zip', '/b']
    """
    return [path for path in paths if not _is_spare(Path(path), paths)]


def _is_spare(path: Path, paths: Sequence[str]) -> bool:
    # site-packages/pyspark/python/lib: pyspark.zip, py4j-0.10.9.7-src.zip
    if path.suffix != ".zip" or path.parts[-4:-1] != ("pyspark", "python", "lib"):
        return False
    packages = path.parents[3]
    return (
        str(packages) in paths and (packages / path.name.split("-")[0].removesuffix(".zip") / "__init__.py").is_file()
    )


def main() -> None:
    """Import, then do what Spark's daemon does."""
    import importlib

    sys.path[:] = drop_archives(sys.path)
    for name in PRELOADED:
        importlib.import_module(name)
    from pyspark.daemon import manager

    manager()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    main()
