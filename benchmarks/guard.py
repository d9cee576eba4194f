"""What it costs to decode in a child process: the same photographs with and without it, featurized as a task does.

Seconds of the processor count, of the process and its child together: a task has one core, and what the child takes of
it the network does not get. Both sides take turns every few photographs, each as often first as second, and medians
count, so that what else runs on the machine meets both alike.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
from fruits.engines import BATCH
from fruits.featurize import PLACES, FeaturizeTask, featurize_partition
from fruits.guard import Guard
from fruits.images import ImageError, decode
from fruits.listing import COLUMNS
from fruits.models import publish
from fruits.request import Request
from fruits.store import Store

from benchmarks.photographs import ROOT, link_photographs
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, collect

FULL = 240
SIZE = 224
PIECE = 40
"""Photographs that one side featurizes before it is the other's turn."""
METHOD = (
    "images per second of the processor, of a process and its child pinned to one core, over files that were read "
    f"before: each side in turn, every {PIECE} photographs featurized as a task does it (read, decoded four at a time, "
    "network, Parquet), or decoded alone; a value is the median of a repeat's turns. The check compares what the guard "
    "adds to decoding with what a task takes for an image: of the whole task's rates it would be lost in their noise"
)
Work = Callable[[Sequence[Path]], object]


class InProcess:
    """Decodes as a guard does, in this process."""

    def __init__(self, places: int = PLACES) -> None:
        self.pixels = np.zeros((places, SIZE, SIZE, 3), np.uint8)

    def decode(self, files: Sequence[bytes], first: int = 0) -> list[str | None]:
        """Decode files into `pixels`, and return the reasons as `Guard.decode` does."""
        reasons: list[str | None] = []
        for place, data in enumerate(files, first):
            try:
                self.pixels[place] = decode(data, SIZE)
                reasons.append(None)
            except ImageError as error:
                reasons.append(str(error))
        return reasons


@contextmanager
def pin_to_one_core() -> Iterator[None]:
    """Keep this process, and what it starts, on one core: a task has no more."""
    free = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if free:
        os.sched_setaffinity(0, {min(free)})
    try:
        yield
    finally:
        if free:
            os.sched_setaffinity(0, free)


def time_turns(sides: Mapping[str, Work], files: Sequence[Path], clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of every piece on each side; the side that begins changes from piece to piece."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number, start in enumerate(range(0, len(files) - PIECE + 1, PIECE)):
        names = sorted(sides, reverse=bool(number % 2))
        for name in names:
            began = clock()
            sides[name](files[start : start + PIECE])
            seconds[name].append(clock() - began)
    return seconds


def featurize_with(decoder: Guard | InProcess, task: FeaturizeTask) -> Work:
    """Featurizing of photographs as a task does it, with pictures from `decoder`."""

    def featurize(paths: Sequence[Path]) -> None:
        rows = [(str(path), path.parent.name, path.stat().st_size, 0) for path in paths]
        batch = pa.RecordBatch.from_pylist([dict(zip(COLUMNS, row, strict=True)) for row in rows])
        with mock.patch("fruits.featurize.get_guard", return_value=decoder):
            list(featurize_partition([batch], task))

    return featurize


def decode_with(decoder: Guard | InProcess) -> Work:
    """Decoding of photographs alone, as many at a time as a task decodes."""

    def decode_files(paths: Sequence[Path]) -> None:
        for start in range(0, len(paths), BATCH):
            decoder.decode([path.read_bytes() for path in paths[start : start + BATCH]])

    return decode_files


def read_processor_time(pid: int) -> float:
    """Seconds of the processor that this process and one child have used.

    Raises
    ------
    BenchmarkError
        Where the system does not count a child's nanoseconds.
    """
    child = Path(f"/proc/{pid}/schedstat")
    if not child.exists():
        raise BenchmarkError("this system does not tell what a child takes of the processor. Fix: measure on Linux.")
    return time.process_time() + int(child.read_text().split()[0]) / 1e9


def measure(options: Options) -> BenchmarkResult:
    """Measure featurizing and decoding with and without a guard; it should add at most 2% to an image's time."""
    folder, origin = link_photographs(options.images or FULL, options.scratch)
    files = sorted(folder.rglob("*.jpg"))
    request = Request(input=str(folder), output=str(options.scratch / "out"), networks=str(ROOT / "build" / "models"))
    output = Store(request.output)
    task = FeaturizeTask(
        source=Store(request.input), output=output, model=publish(request, output), wave="bench", heartbeat=60
    )
    inside = InProcess()
    values: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    with pin_to_one_core(), Guard(SIZE, PLACES) as guard:
        clock = partial(read_processor_time, guard.pid)
        for activity, repetitions, work in (
            ("featurizing", 1, partial(featurize_with, task=task)),
            ("decoding", 4, decode_with),
        ):
            plain, guarded = f"{activity}, in the process itself", f"{activity}, by its guard"
            sides = {plain: work(inside), guarded: work(guard)}
            time_turns(sides, files[:PIECE], clock)
            for _ in range(options.repeats):
                for name, piece_seconds in time_turns(sides, files * repetitions, clock).items():
                    values.setdefault(name, []).append(PIECE / statistics.median(piece_seconds))
                    seconds.setdefault(name, []).append(statistics.median(piece_seconds) / PIECE)
                options.say(
                    f"{activity}: {values[plain][-1]:.1f} images/s without a guard, {values[guarded][-1]:.1f} with"
                )
    guarded_seconds, decoding_seconds, task_seconds = (
        statistics.median(seconds[name])
        for name in ("decoding, by its guard", "decoding, in the process itself", "featurizing, in the process itself")
    )
    added = 100 * (guarded_seconds - decoding_seconds) / task_seconds
    return BenchmarkResult(
        name="guard",
        title="Decoding in a child process",
        method=METHOD,
        settings={"images": len(files), "origin": origin, "repeats": options.repeats},
        series=collect("images/s", values),
        checks=(Check("what the guard adds to an image, of what a task takes for it", added, "%", 2, at_least=False),),
    )
