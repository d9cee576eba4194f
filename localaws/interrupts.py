"""Ctrl-C and its like, while a program is being started: kept back, so that none runs on of which nobody knows."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
