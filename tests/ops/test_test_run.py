"""The tests' own run: what a test leaves behind ends with it, also when the fixtures could not see to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.processes import interruptible

REPO = Path(__file__).resolve().parents[2]
LEAVES_A_PROCESS = """
import os, signal, subprocess, sys

def test_it():
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    open({record!r}, "w").write(str(left.pid))
    os.kill(os.getppid(), signal.SIGINT)
"""


@pytest.mark.costly
def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    record = tmp_path / "pid"
    (tmp_path / "test_leaves.py").write_text(LEAVES_A_PROCESS.format(record=str(record)))
    options = ["-p", "tests.leftovers", "-p", "no:cacheprovider", "-n", "1", "--rootdir", str(tmp_path)]
    command = [sys.executable, "-m", "pytest", *options, str(tmp_path / "test_leaves.py")]
    done = subprocess.run(
        command, cwd=REPO, check=False, capture_output=True, text=True, timeout=600, preexec_fn=interruptible
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert not psutil.pid_exists(int(record.read_text()))
