"""How tests start what they will interrupt, and find and kill what runs below it: any may end while it is looked at."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

import psutil


def interruptible() -> None:
    """For ``preexec_fn``: tests in a shell's background, and what they start, ignore Ctrl-C; below nohup a hang-up."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def list_family(pid: int) -> list[psutil.Process]:
    """All below a process, and itself last; none if it has ended."""
    try:
        root = psutil.Process(pid)
        return [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return []


def find_below(pid: int, is_wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Those below a process that are what is looked for; one that ends meanwhile, or is a zombie, is not."""
    wanted_processes = []
    for process in list_family(pid)[:-1]:
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie is one, too
            if process.status() != psutil.STATUS_ZOMBIE and is_wanted(process):
                wanted_processes.append(process)
    return wanted_processes


def is_python_worker(process: psutil.Process) -> bool:
    """Whether it is one of Spark's Python workers: what the daemon below the JVM has forked."""
    parent = process.parent()
    return parent is not None and "fruits.daemon" in parent.cmdline()


def kill_family(pid: int) -> None:
    """SIGKILL of a process and all below it, as a power cut would."""
    for process in list_family(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
