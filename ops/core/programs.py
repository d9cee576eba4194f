"""What the programs that a command starts are given: Terraform, git, spark-submit."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path
from typing import Any


def inherited_environment() -> dict[str, str]:
    """The shell's variables, for a program to inherit, and for the settings of Terraform that are the shell's own.

    A command's options are not read here: they come from `ops.cli`, which alone knows what was typed.
    """
    return dict(os.environ)


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
