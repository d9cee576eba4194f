"""What the programs that a command starts are given (Terraform, git, spark-submit), and how both are ended."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn


def inherited_environment() -> dict[str, str]:
    """The shell's variables, for a program to inherit, and for the settings of Terraform that are the shell's own.

    A command's options are not read here: they come from `ops.cli`, which alone knows what was typed.
    """
    return dict(os.environ)


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Leaving:
    """A stream whose terminal may go at any moment; what can no longer be written there is lost."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def end_as_by_ctrl_c() -> None:
    """From now on a `kill` and a closed terminal end the command as Ctrl-C does. What `nohup` started goes on.

    Writing to a terminal that is gone would be an error, and cut short what the command does at its end: from then on
    nothing is written to it. A shell may send the signal before the terminal goes.
    """
    terminals = [number for number in (1, 2) if os.isatty(number)]

    def interrupt(number: int, _: object) -> NoReturn:
        if number == signal.SIGHUP:
            # the kernel and the shell may send one each; a program that is started from now on inherits this
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for terminal in terminals:
                if not os.isatty(terminal):
                    os.dup2(nowhere, terminal)
            sys.stdout, sys.stderr = _Leaving(sys.stdout), _Leaving(sys.stderr)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, interrupt)


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a program that leads a process group, and all that it started, gently first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=15)
            return


def describe_commit(root: Path) -> str:
    """A checkout's commit, with ``+`` when files differ from it; empty outside git, and without it."""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""
