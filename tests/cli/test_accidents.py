"""The table of `make accidents`: nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.spark
@pytest.mark.tensorflow
def test_nothing_is_lost_by_any_accident() -> None:
    """About fifteen minutes: some forty runs, each killed, crowded, damaged or out of room."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.accidents"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stdout.count("| nothing lost |") >= 4, process.stdout
