"""How long half a gigabyte of gzipped logs takes, and how much memory; `make bench ONLY=diagnose` measures the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import diagnose


@pytest.mark.slow
def test_half_a_gigabyte_of_logs_is_judged_in_20_seconds_and_300_megabytes(tmp_path: Path) -> None:
    """The telling line lies in the middle of the driver's log, and what it means in one of two hundred others."""
    assert diagnose.write_tree(tmp_path) > diagnose.TELLING
    cause, says, seconds, megabytes = diagnose.judge_tree(tmp_path)
    assert cause == "out-of-memory-executor", says
    assert "Java heap space" in says
    assert seconds < 20, "of the processor: one process, which waits for nothing but the disk"
    assert megabytes < 300
