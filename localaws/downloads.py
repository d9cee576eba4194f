"""Programs that download (pip, Ivy): run, and watched by how many bytes have come."""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from localaws.interrupts import hold_interrupts

POLL_SECONDS = 0.5


def run_download(
    command: Sequence[str],
    folders: Sequence[Path],
    word: str,
    advance: Callable[[int], None],
    *,
    most_bytes: float = math.inf,
    **options: Any,
) -> int:
    """Run a program to its end, and tell what has come; it is killed when that is interrupted.

    Parameters
    ----------
    folders : where its files come, first and last: the one with most counts
    word : in the names of these files
    advance : called with the number of bytes that have come since the last call
    most_bytes : no more than these are told in all
    options : of `subprocess.Popen`

    Returns
    -------
    int
        The program's exit code.
    """
    with hold_interrupts() as release:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, **options)
        told_bytes = 0
        try:
            release()
            while process.returncode is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=POLL_SECONDS)
                bytes_now = int(min(most_bytes, max(_measure_files(folder, word) for folder in folders)))
                advance(max(0, bytes_now - told_bytes))
                told_bytes = max(bytes_now, told_bytes)
            return process.returncode
        finally:
            process.kill()
            process.wait()


def _measure_files(folder: Path, word: str) -> int:
    """Bytes of the files below a folder that have a word in their names, while others move and delete in it."""
    total = 0
    for place, _, names in os.walk(folder):  # passes over a folder that has just gone; `Path.rglob` does not
        for name in names:
            if word in name:
                with contextlib.suppress(FileNotFoundError):
                    total += Path(place, name).stat().st_size
    return total
