"""A terminal that is closed, while a command runs that must not leave a cluster behind."""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from ops.core.paths import ROOT
from ops.core.programs import end_as_by_ctrl_c

ONE_SHOT = """
import sys, time
from pathlib import Path
from ops.cli import run_step
from ops.cli.main import main
from ops.core.console import Console
from ops.lifecycle import step
from tests.ops.test_poll import SUBMITTED, Cloud

log, console = Path(sys.argv[1]).open("a", buffering=1), Console()

def sleep(*_):
    log.write("watching\\n")
    time.sleep(60)

def destroy(*_):
    console.print("ending the cluster")
    time.sleep(0.3)
    console.print("cluster destroyed")
    log.write("destroyed\\n")

step.begin, step.watch, run_step.destroy, run_step.replace = lambda *_, **__: SUBMITTED, sleep, destroy, lambda it: it
run_step.open_account = lambda _: Cloud({})
main(["run-step", "--oneshot", "--env", "dev"])
"""


def test_a_closed_terminal_ends_a_one_shot_cluster_though_nothing_can_be_printed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ONE_SHOT, str(log)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'jobs'}"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(slave)
    try:
        while "watching" not in log.read_text():
            assert process.poll() is None, os.read(master, 10_000).decode()
            time.sleep(0.05)
    finally:
        os.close(master)  # the kernel hangs up
    os.kill(process.pid, signal.SIGHUP)  # and the shell, too
    assert process.wait() == 130
    assert log.read_text() == "watching\ndestroyed\n"


def test_what_nohup_started_outlives_its_terminal() -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        end_as_by_ctrl_c()
        os.kill(os.getpid(), signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
