"""What the benchmark makes of another pipeline's answer; the pipelines themselves run in test_bench_smoke."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import rivals
from benchmarks.results import BenchmarkError


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stands for the rivals' Python: a shell script, to be written by the test."""
    path = tmp_path / "python"
    path.touch(mode=0o755)
    monkeypatch.setattr(rivals, "PYTHON", path)
    return path


def run(images: int = 10) -> tuple[float, float]:
    return rivals.run_rival("daft", Path("photographs"), Path("scratch"), Path("network.pb"), images)


def test_its_seconds_make_the_rate_and_the_whole_is_measured_outside(program: Path) -> None:
    program.write_text("#!/bin/sh\necho 'a progress bar'\nsleep 0.2\necho '{\"rows\": 10, \"seconds\": 4.0}'\n")
    rate, whole = run()
    assert rate == 2.5
    assert 0.2 <= whole < 4


def test_missing_rows_make_no_speed(program: Path) -> None:
    program.write_text('#!/bin/sh\necho \'{"rows": 9, "seconds": 4.0}\'\n')
    with pytest.raises(BenchmarkError, match="daft wrote 9 of 10 rows, so its speed says nothing"):
        run()


def test_a_failure_shows_its_last_lines(program: Path) -> None:
    program.write_text("#!/bin/sh\necho 'ValueError: no' >&2\nexit 3\n")
    with pytest.raises(BenchmarkError, match="daft failed with exit code 3: ValueError: no"):
        run()


def test_where_they_are_not_installed_it_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rivals, "PYTHON", Path(sys.prefix) / "none")
    with pytest.raises(BenchmarkError, match="Fix: make bench ONLY=rivals installs them"):
        run()
