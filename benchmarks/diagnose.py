"""How long it takes to diagnose half a gigabyte of gzipped logs, and how much memory: one process, on made-up logs."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.photographs import ROOT
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, Series

FULL = 500_000_000
"""Bytes of gzipped logs."""
CLUSTER, STEP, APPLICATION = "j-2AXXXXXXGAPLF", "s-08812552QZHJ7GG0YUF2", "application_1795600000000_0001"
TELLING = 117
"""The container whose log says why it ended."""
LOST = (
    "26/11/24 10:02:00 ERROR YarnClusterScheduler: Lost executor 2 on ip-10-0-1-23: Container from a bad node: "
    f"container_1795600000000_0001_01_{TELLING:06d} on host: ip-10-0-1-23. Exit status: 143. Diagnostics: x\n"
)
END = "26/11/24 10:02:01 ERROR ApplicationMaster: Max number of executor failures (3) reached\n"
HEAP = "26/11/24 10:01:59 ERROR Executor: Exception in task 1.0\njava.lang.OutOfMemoryError: Java heap space\n"
JUDGE = """
import json, resource, sys
from pathlib import Path
from ops.diagnose import gather
from ops.diagnose.causes import judge
verdict = judge(gather.gather_tree(Path(sys.argv[1])))
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status")  # what getrusage says is at least what the process before the exec had
lines = status.read_text().splitlines() if status.exists() else []
peak = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
seconds, kibibytes = used.ru_utime + used.ru_stime, (peak or [used.ru_maxrss])[0]
print(json.dumps([verdict.cause, verdict.meaning, seconds, kibibytes // 1024]))
"""
METHOD = (
    "a driver's log with the telling line in the middle, and executors' logs until the tree has the size, one of which "
    "says what it means; `judge(gather_tree(folder))` in a process of its own, from a disk that was just written"
)


def write_tree(folder: Path, size: int = FULL) -> int:
    """Write that many bytes of gzipped logs in EMR's layout; returns how many executors' logs there are."""
    blocks = [_make_noise(seed) for seed in range(4)]
    containers, step = folder / CLUSTER / "containers" / APPLICATION, folder / CLUSTER / "steps" / STEP
    _write(step / "stderr.gz", gzip.compress(f"INFO Client: Submitting application {APPLICATION}\n".encode()))
    _write(step / "controller.gz", gzip.compress(b"WARN Step failed with exitCode 1 and took 20 seconds\n"))
    half = blocks * 5
    driver = (*half, gzip.compress(LOST.encode()), *half, gzip.compress(END.encode()))
    size_written, number = _write(containers / "container_1795600000000_0001_01_000001" / "stderr.gz", *driver), 2
    while size_written < size or number <= TELLING:
        telling_blocks = [gzip.compress(HEAP.encode())] if number == TELLING else []
        name = f"container_1795600000000_0001_01_{number:06d}"
        size_written += _write(
            containers / name / "stderr.gz", *(blocks[:2] if size_written < size else ()), *telling_blocks
        )
        number += 1
    return number - 2


def _make_noise(seed: int) -> bytes:
    """Make about five megabytes of what Spark writes while all is well; they compress as badly as real logs."""
    draw = random.Random(seed)
    lines = []
    for _ in range(40_000):
        time_text = f"26/11/24 {draw.randrange(10, 24)}:{draw.randrange(10, 60)}:{draw.randrange(10, 60)}"
        host = f"ip-10-0-{draw.randrange(255)}-{draw.randrange(255)}.eu-west-3.compute.internal"
        task = f"task {draw.randrange(9999)}.0 in stage {draw.randrange(90)}.0 (TID {draw.randrange(10**6)})"
        lines.append(
            f"{time_text} INFO TaskSetManager: Finished {task} in {draw.randrange(99999)} ms on {host} (executor 7)"
            if draw.random() < 0.7
            else f"{time_text} INFO S3AInputStream: opened s3a://b/images/{draw.getrandbits(64):016x}.jpg after 7 ms"
        )
    return gzip.compress(("\n".join(lines) + "\n").encode(), 6)


def _write(path: Path, *members: bytes) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(members))
    return path.stat().st_size


def judge_tree(folder: Path) -> tuple[str, str, float, int]:
    """Judge a tree in a process; returns cause and sentence, seconds of the processor, and its peak in MiB."""
    printed = subprocess.run(
        [sys.executable, "-c", JUDGE, str(folder)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'jobs'}", "PATH": os.defpath},
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    cause, sentence, seconds, megabytes = json.loads(printed)
    return cause, sentence, seconds, megabytes


def measure(options: Options) -> BenchmarkResult:
    """Measure the judging of a large tree; it should take 20 s and 300 MiB at most, and name the right cause."""
    size = options.images * 1_000_000 if options.images else FULL
    folder = options.scratch / "logs"
    executors = write_tree(folder, size)
    seconds, processor, megabytes = [], [], []
    for _ in range(options.repeats):
        began = time.monotonic()
        cause, sentence, cpu_seconds, peak = judge_tree(folder)
        seconds.append(time.monotonic() - began)
        processor.append(cpu_seconds)
        megabytes.append(float(peak))
        options.say(f"{seconds[-1]:.1f} s, {cpu_seconds:.1f} s of the processor, {peak} MiB: {cause}")
        if "Java heap space" not in sentence:
            raise BenchmarkError(f"the tree was judged wrongly: {cause}: {sentence}")
    return BenchmarkResult(
        name="diagnose",
        title="A failed step's logs, judged",
        method=METHOD,
        settings={"megabytes": size // 1_000_000, "executors": executors, "repeats": options.repeats},
        series={
            "until the cause is named": Series("s", tuple(seconds)),
            "of it, the processor": Series("s", tuple(processor)),
            "memory": Series("MiB", tuple(megabytes)),
        },
        checks=(
            Check("half a gigabyte of logs, judged", max(seconds), "s", 20, at_least=False),
            Check("memory to judge them", max(megabytes), "MiB", 300, at_least=False),
        ),
    )
