"""The parent of the workers on one machine: what it imports, from where, and that it may be forked. Seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pyspark
import pytest
from fruits import daemon

JOBS = Path(daemon.__file__).parents[1]
PACKAGES = Path(pyspark.__file__).parents[1]
ARCHIVES = sorted((PACKAGES / "pyspark" / "python" / "lib").glob("*.zip"))


def _run(program: list[str]) -> subprocess.CompletedProcess[bytes]:
    """A Python started as Spark starts one: its archives first."""
    path = os.pathsep.join(map(str, (*ARCHIVES, JOBS)))
    return subprocess.run(
        [sys.executable, *program],
        env={**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )


def test_what_is_installed_unpacked_is_not_read_from_archives() -> None:
    assert len(ARCHIVES) == 2, "pyspark and py4j"
    program = "import sys; from fruits import daemon; sys.path[:] = daemon.drop_archives(sys.path); "
    answer = _run(["-c", program + "import pyspark, py4j; print(pyspark.__file__, py4j.__file__)"])
    assert answer.stdout.decode().split() == [str(PACKAGES / name / "__init__.py") for name in ("pyspark", "py4j")]


@pytest.mark.parametrize("missing", ["package", "path", "place"])
def test_an_archive_stays_where_nothing_else_holds_its_modules(tmp_path: Path, missing: str) -> None:
    package = tmp_path / "pyspark" if missing != "place" else tmp_path / "spark"
    archive = package / "python" / "lib" / "pyspark.zip"
    archive.parent.mkdir(parents=True)
    if missing != "package":
        (package / "__init__.py").touch()
    paths = [str(archive), "/b", *([str(tmp_path)] if missing != "path" else [])]
    assert daemon.drop_archives(paths) == paths


def test_it_says_its_port_and_nothing_else_and_ends_with_spark() -> None:
    """Whatever an import printed would be taken for the port."""
    answer = _run(["-m", "fruits.daemon"])
    assert answer.stderr == b""
    assert 0 < int.from_bytes(answer.stdout, "big") < 1 << 16
    assert len(answer.stdout) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_what_it_imports_starts_no_thread_that_a_fork_would_lose() -> None:
    program = (
        "import importlib, glob; from fruits import daemon\n"
        "for name in daemon.PRELOADED: importlib.import_module(name)\n"
        "for path in glob.glob('/proc/self/task/*/comm'): print(open(path).read().strip())"
    )
    threads = _run(["-c", program]).stdout.decode().split()
    assert len([name for name in threads if not name.startswith("jemalloc")]) == 1
