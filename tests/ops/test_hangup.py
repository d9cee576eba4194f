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
from tests.processes import interruptible

ONE_SHOT = """
import sys, time
from pathlib import Path
from ops.cli import run_step
from ops.cli.main import main
from ops.core.console import Console
from ops.lifecycle import step
from tests.ops.test_poll import SUBMITTED, Cloud

log, console, gone = Path(sys.argv[1]).open("a", buffering=1), Console(), Path(sys.argv[2])

def sleep(*_):
    log.write("watching\\n")
    time.sleep(60)

def destroy(*_):
    console.print("ending the cluster")
    log.write("ending\\n")
    while not gone.exists():
        time.sleep(0.02)
    console.print("cluster destroyed")
    log.write("destroyed\\n")

step.begin, step.watch, run_step.destroy, run_step.replace = lambda *_, **__: SUBMITTED, sleep, destroy, lambda it: it
run_step.open_account = lambda _: Cloud({})
try:
    main(["run-step", "--oneshot", "--env", "dev"])
except BaseException as error:
    if getattr(error, "code", None) != 130:  # it cannot be printed
        log.write(f"{error!r}, from {error.__context__!r}\\n")
    raise
"""


def take_terminal() -> None:
    """Standard input becomes the terminal of the session, which hangs up on it."""
    interruptible()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize("first", ["the kernel", "the shell"])
def test_a_closed_terminal_ends_a_one_shot_cluster_though_nothing_can_be_printed(tmp_path: Path, first: str) -> None:
    """The kernel hangs up when the terminal goes; a shell sends its signal before that, or after."""
    log, gone = tmp_path / "log", tmp_path / "gone"
    log.touch()
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", ONE_SHOT, str(log), str(gone)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'jobs'}"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        preexec_fn=take_terminal,
    )
    os.close(slave)

    def wait_for(word: str) -> None:
        while word not in log.read_text():
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)

    try:
        wait_for("watching")
        if first == "the shell":
            os.kill(process.pid, signal.SIGHUP)
            wait_for("ending")
    finally:
        os.close(master)  # the kernel hangs up
    if first == "the kernel":
        os.kill(process.pid, signal.SIGHUP)
    gone.touch()
    code = process.wait()
    assert (code, log.read_text()) == (130, "watching\nending\ndestroyed\n")


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
