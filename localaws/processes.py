"""Processes by the folder that they belong to: found by a variable of their environment, ended by their ids.

Whatever runs for a node carries the node's folder in its environment and hands it on to what it starts, so that
nothing is missed that left its process group, whose parent has died, or that was started by a daemon.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

OWNER_VARIABLE = "NODE_ROOT"
END_SECONDS = 10.0


def find_processes(folder: Path, variable: str = OWNER_VARIABLE) -> Iterator[psutil.Process]:
    """The processes of this user whose variable names the folder or one below it; never this process itself."""
    root = str(folder)
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        try:
            value = process.environ().get(variable, "")
        except psutil.Error:
            continue  # it has ended, or is another user's
        if value == root or value.startswith(f"{root}/"):
            yield process


def end_processes(folder: Path, variable: str = OWNER_VARIABLE, seconds: float = END_SECONDS) -> int:
    """Kill them all, and what they start meanwhile; returns how many there were.

    Raises
    ------
    TimeoutError : some were still there after so many seconds
    """
    count = 0
    deadline = time.monotonic() + seconds
    while processes := list(find_processes(folder, variable)):
        for process in processes:
            try:
                process.kill()
                count += 1
            except psutil.NoSuchProcess:
                continue  # it has just ended by itself
        psutil.wait_procs(processes, timeout=2)
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes of {folder} do not end: {[process.pid for process in processes]}")
    return count
