"""Processes by the folder that they belong to: found by a variable of their environment, ended by their ids.

Whatever runs for a node carries the node's folder in its environment and hands it on to what it starts, so that
nothing is missed that left its process group, whose parent has died, or that was started by a daemon.

And while one is started, Ctrl-C and its like are kept back, so that none runs on of which nobody knows.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def hold_interrupts() -> Iterator[Callable[[], None]]:
    """Keep Ctrl-C, `kill` and a hang-up back until the value is called, or the block ends.

    An exception that comes while `Popen` is at work leaves a program that runs on and that nobody will end. So it is
    called in here, and the value at the beginning of the ``try`` that ends the program.
    """
    if threading.current_thread() is not threading.main_thread():  # no other thread is interrupted
        yield lambda: None
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    handlers = {number: handler for number in numbers if callable(handler := signal.getsignal(number))}
    came: list[int] = []

    def release() -> None:
        while handlers:
            signal.signal(*handlers.popitem())
        if came:
            number = came[0]
            came.clear()
            signal.raise_signal(number)

    try:
        for number in handlers:
            signal.signal(number, lambda number, _: came.append(number))
        yield release
    finally:
        release()
