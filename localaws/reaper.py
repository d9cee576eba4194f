"""A small process beside the server that outlives it by a moment, and ends what a killed server left behind.

The server has the other end of this process's standard input. When it ends, in whatever way, that pipe is closed. Then
every process of the clusters' nodes is killed, in any session and whoever started it, and the clusters' folders (2 GB
each) are removed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

from localaws.processes import end_processes
from localaws.settings import ROOT


class Reaper:
    """The server's end of the pipe.

    Parameters
    ----------
    clusters : the folder of the clusters' node folders
    """

    def __init__(self, clusters: Path) -> None:
        command = [sys.executable, "-m", __name__, str(clusters)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """Let it end, and wait for that: the server stops in order."""
        self._process.communicate()


def main(clusters: Path) -> None:
    """Read until the server's end, then remove what it left."""
    sys.stdin.buffer.read()
    end_processes(clusters)
    shutil.rmtree(clusters, ignore_errors=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the server, not before
    main(Path(sys.argv[1]))
