"""A Python that takes more and more memory, until somebody ends it.

Every Python that starts with this folder on its path imports this module by itself (``site``).
"""

from __future__ import annotations

import threading
import time

MOST, PIECE, PAUSE = 8 << 30, 64 << 20, 0.25
"""Bytes in all and at a time, and seconds between two pieces."""


def _grow() -> None:
    pieces = []
    for _ in range(MOST // PIECE):
        pieces.append(b"\1" * PIECE)  # written to: memory that nobody touched takes no room
        time.sleep(PAUSE)


threading.Thread(target=_grow, name="growing", daemon=True).start()
