"""How long a node's bootstrap takes: the script itself, from a local wheelhouse, with TensorFlow imported.

The download from the bucket is not included. The goal is 30 s on 2 cores. A node that boots has no dirty pages and has
not just deleted files. So each run first waits until the disk has written the 2 GB of the run before, and another
minute, and the environments are deleted only after the last run: ext4 without a journal skips, for each new file, every
inode that was freed lately (``recently_deleted`` in its source: a minute, or six where the inode's block is dirty),
which doubles the time of a run after 28,000 deleted files.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.photographs import ROOT
from benchmarks.results import BenchmarkResult, Check, Options, collect
from ops.job import wheelhouse

SCRIPT = ROOT / "bootstrap" / "install_tensorflow.sh"
FORGET_SECONDS = 65.0
"""Seconds after which ext4 uses freed inodes again."""
PHASES = ("verify", "install", "import", "total")


def time_bootstraps(options: Options) -> dict[str, list[float]]:
    """Bootstrap into an empty folder, several times.

    Returns
    -------
    dict of str to list of float
        Seconds of each whole run (``total``) and of its longest phases; ``again`` is a second run of the script on a
        node that is ready; ``installed_mb`` is the size of the environment.
    """
    wheels = wheelhouse.build_wheelhouse(platform.machine(), root=ROOT / "build" / "wheelhouse")
    values: dict[str, list[float]] = {name: [] for name in (*PHASES, "again", "installed_mb")}
    with tempfile.TemporaryDirectory(dir=ROOT / "build", prefix="node.") as folder:
        for number in range(options.repeats):
            prefix = Path(folder) / str(number) / "fruits"
            os.sync()
            time.sleep(FORGET_SECONDS)
            command = ["bash", str(SCRIPT), "--wheelhouse", str(wheels.folder), "--prefix", str(prefix)]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            ready = json.loads((prefix / "ready.json").read_text())
            for phase in PHASES:
                values[phase].append(ready["seconds"][phase])
            completed = subprocess.run(command, check=True, capture_output=True, text=True)
            # install_tensorflow: [  0.1 s] /opt/fruits is ready already
            values["again"].append(float(completed.stdout.partition("[")[2].split()[0]))
            size = subprocess.run(["du", "-sm", prefix], check=True, capture_output=True).stdout.split()[0]
            values["installed_mb"].append(float(size))
            options.say(f"{number + 1}/{options.repeats}")
    return values


def measure(options: Options) -> BenchmarkResult:
    """Measure a node's bootstrap; it should take 30 s."""
    values = time_bootstraps(options)
    series = collect("MiB", {"installed_mb": values.pop("installed_mb")})
    series = collect("s", values) | series
    return BenchmarkResult(
        name="node_bootstrap",
        title="A node's bootstrap from the wheelhouse",
        method="seconds of bootstrap/install_tensorflow.sh, TensorFlow imported and byte-compiled",
        settings={"repeats": options.repeats},
        series=series,
        checks=(Check("the bootstrap", series["total"].median, "s", 30, at_least=False),),
    )
