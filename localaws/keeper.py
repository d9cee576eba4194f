"""Waits for the server's end, however it comes, and ends what the server started: ``python -m localaws.keeper FOLDER``.

The server holds the other end of this process's standard input. A server that is killed outright cannot end its
clusters' processes, but the kernel closes its pipe.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from localaws.processes import end_processes

ROOT = Path(__file__).resolve().parents[1]


def start_keeper(folder: Path) -> subprocess.Popen[bytes]:
    """Start the keeper of the processes below a folder; when the value's ``stdin`` is closed, it ends them."""
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(folder)], cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True
    )


def main(folder: str) -> int:
    """Wait until the standard input ends, then end the processes of a folder."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # it ends with the server, not before
    sys.stdin.buffer.read()
    end_processes(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
