"""A Python that takes more and more memory, until something kills it.

Every Python that starts with this folder on its path imports this module by itself (``site``).
"""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path

MOST, LEAST_LEFT, PIECE, PAUSE = 8 << 30, 2 << 30, 128 << 20, 0.1
"""Bytes in all, bytes that the machine keeps, bytes at a time; seconds between two pieces."""


def _read_available() -> int:
    """Bytes that the machine can still give; ``MOST`` where it does not say."""
    try:
        match = re.search(r"MemAvailable: +(\d+) kB", Path("/proc/meminfo").read_text())
    except OSError:
        return MOST
    return int(match[1]) << 10 if match else MOST


def _grow() -> None:
    """Take memory, faster than a run gets to the check of its own memory, which would refuse to go on."""
    pieces: list[bytes] = []
    while len(pieces) * PIECE < MOST and _read_available() > LEAST_LEFT:
        pieces.append(b"\1" * PIECE)  # written to, because memory that was never touched takes no room
        time.sleep(PAUSE)
    threading.Event().wait()  # what was taken is kept


threading.Thread(target=_grow, name="growing", daemon=True).start()
