"""How long a node's bootstrap takes: the script itself, from a local wheelhouse, with TensorFlow imported.

The download from the bucket is not in it. Reach: 30 s on 2 cores. Before each run the disk has written what the one
before left: 2 GB of dirty pages, which a node that boots does not have. What the runs leave, 2 GB each, is deleted
after the last: ext4 without a journal looks for each new file past every inode that was freed in the last minutes
(``recently_deleted``), which doubles the system's share after 28,000 of them, and a node that boots has freed none.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
from pathlib import Path
from statistics import median

from ops import wheelhouse

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "bootstrap" / "install_tensorflow.sh"
PHASES = ("verify", "install", "import", "total")


def run(rounds: int = 3) -> dict[str, float]:
    """Bootstrap into an empty place, several times.

    Parameters
    ----------
    rounds
        Runs of which the median is taken.

    Returns
    -------
    dict of str to float
        Median seconds in all (``total``), and of the phases that take most; ``again`` is the script run once
        more on a node that is ready; ``installed_mb`` is the size of the environment.
    """
    wheels = wheelhouse.build(platform.machine(), root=ROOT / "build" / "wheelhouse")
    seconds: dict[str, list[float]] = {phase: [] for phase in (*PHASES, "again")}
    size = 0
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="node.") as folder:
        for number in range(rounds):
            prefix = Path(folder) / str(number) / "fruits"
            os.sync()
            command = ["bash", str(SCRIPT), "--wheelhouse", str(wheels.folder), "--prefix", str(prefix)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            ready = json.loads((prefix / "ready.json").read_text())
            for phase in PHASES:
                seconds[phase].append(ready["seconds"][phase])
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            # install_tensorflow: [  0.1 s] /opt/fruits is ready already
            seconds["again"].append(float(done.stdout.partition("[")[2].split()[0]))
            size = int(subprocess.run(["du", "-sm", prefix], check=True, capture_output=True).stdout.split()[0])
    return {phase: median(values) for phase, values in seconds.items()} | {"installed_mb": float(size)}


if __name__ == "__main__":
    print(json.dumps(run(), indent=1))
