"""A small process beside the server that outlives it by a moment: what a server that was killed left is ended here.

The server writes ``+<process group>`` and ``-<process group>`` to this process's standard input. Its end, however it
came, closes that pipe; then every group still named is killed and the clusters' folders (2 GB each) are removed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path


class Reaper:
    """The server's end of the pipe.

    Parameters
    ----------
    clusters : the folder of the clusters' node folders
    """

    def __init__(self, clusters: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-S", __file__, str(clusters)],
            stdin=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def watch(self, group: int) -> None:
        """Kill this process group should the server end before it."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """The group has ended; its number may be given to others."""
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """The server ends in order."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(BrokenPipeError):  # somebody ended the reaper: the server works without
            self._process.stdin.write(line)
            self._process.stdin.flush()


def reap(lines: Iterable[str], clusters: Path) -> None:
    """Read until the server's end, then remove what it left."""
    groups: set[int] = set()
    for line in lines:
        (groups.add if line[0] == "+" else groups.discard)(int(line[1:]))
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(clusters, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    reap(sys.stdin, Path(sys.argv[1]))
