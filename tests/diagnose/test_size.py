"""How long half a gigabyte of gzipped logs takes, and how much memory: a process of its own, on a tree made here."""

from __future__ import annotations

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from ops.core.paths import ROOT

CLUSTER, STEP, APPLICATION = "j-2AXXXXXXGAPLF", "s-08812552QZHJ7GG0YUF2", "application_1795600000000_0001"
WANTED = 500_000_000
LOST = (
    "26/11/24 10:02:00 ERROR YarnClusterScheduler: Lost executor 2 on ip-10-0-1-23: Container from a bad node: "
    "container_1795600000000_0001_01_000117 on host: ip-10-0-1-23. Exit status: 143. Diagnostics: x\n"
)
END = "26/11/24 10:02:01 ERROR ApplicationMaster: Max number of executor failures (3) reached\n"
HEAP = "26/11/24 10:01:59 ERROR Executor: Exception in task 1.0\njava.lang.OutOfMemoryError: Java heap space\n"
JUDGE = """
import json, resource, sys
from pathlib import Path
from ops.diagnose import gather
from ops.diagnose.causes import judge
verdict = judge(gather.of_tree(Path(sys.argv[1])))
used = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([verdict.cause, verdict.says, used.ru_utime + used.ru_stime, used.ru_maxrss // 1024]))
"""


def noise(seed: int) -> bytes:
    """Some five megabytes of what Spark writes while all is well, packed as badly as names and times pack."""
    draw = random.Random(seed)
    lines = []
    for _ in range(40_000):
        at = f"26/11/24 {draw.randrange(10, 24)}:{draw.randrange(10, 60)}:{draw.randrange(10, 60)}"
        host = f"ip-10-0-{draw.randrange(255)}-{draw.randrange(255)}.eu-west-3.compute.internal"
        task = f"task {draw.randrange(9999)}.0 in stage {draw.randrange(90)}.0 (TID {draw.randrange(10**6)})"
        lines.append(
            f"{at} INFO TaskSetManager: Finished {task} in {draw.randrange(99999)} ms on {host} (executor 7)"
            if draw.random() < 0.7
            else f"{at} INFO S3AInputStream: opened s3a://b/images/{draw.getrandbits(64):016x}.jpg after 7 ms"
        )
    return gzip.compress(("\n".join(lines) + "\n").encode(), 6)


def write(path: Path, *members: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(members))
    return path.stat().st_size


@pytest.mark.slow
def test_half_a_gigabyte_of_logs_is_judged_in_20_seconds_and_300_megabytes(tmp_path: Path) -> None:
    """The telling line lies in the middle of the driver's log, and what it means in one of two hundred others."""
    blocks = [noise(seed) for seed in range(4)]
    containers = tmp_path / CLUSTER / "containers" / APPLICATION
    step = tmp_path / CLUSTER / "steps" / STEP
    write(step / "stderr.gz", gzip.compress(f"INFO Client: Submitting application {APPLICATION}\n".encode()))
    write(step / "controller.gz", gzip.compress(b"WARN Step failed with exitCode 1 and took 20 seconds\n"))
    half = blocks * 5
    driver = (*half, gzip.compress(LOST.encode()), *half, gzip.compress(END.encode()))
    written, number = write(containers / "container_1795600000000_0001_01_000001" / "stderr.gz", *driver), 2
    while written < WANTED:
        telling = [gzip.compress(HEAP.encode())] if number == 117 else []
        name = f"container_1795600000000_0001_01_{number:06d}"
        written += write(containers / name / "stderr.gz", *blocks[:2], *telling)
        number += 1
    assert number > 117
    judged = subprocess.run(
        [sys.executable, "-c", JUDGE, str(tmp_path)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'jobs'}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        text=True,
    )
    cause, says, seconds, megabytes = json.loads(judged.stdout)
    assert cause == "out-of-memory-executor", says
    assert "Java heap space" in says
    assert seconds < 20, "of the processor: one process, which waits for nothing but the disk"
    assert megabytes < 300
