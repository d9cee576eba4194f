"""What it costs to decode in a child process: the same images through decoder and network, with and without."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import numpy as np
from fruits.backbones import build
from fruits.engines import BATCH, OpenVinoEngine
from fruits.guard import Guard
from fruits.images import decode
from fruits.models import freeze
from fruits.request import DEFAULT_MODEL

from benchmarks.photographs import folder_of
from benchmarks.results import Check, Options, Result, alternate, ratio

FULL = 1_000
METHOD = (
    "images/s of one process, pinned to a core with its child, over files that were read before: decoded in the "
    "process itself, or by its guard, four at a time; then through the network as a worker does. Alternating."
)


def measure(options: Options) -> Result:
    """Both sides; to reach: 98 % of the rate without a guard."""
    folder, origin = folder_of(options.images or FULL, options.scratch)
    files = [path.read_bytes() for path in sorted(folder.rglob("*.jpg"))]
    engine = OpenVinoEngine(freeze(build(DEFAULT_MODEL, 224, None)), 224)
    free = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if free:
        os.sched_setaffinity(0, {min(free)})
    try:
        with Guard(224, BATCH) as guard:
            own = np.zeros_like(guard.pixels)

            def unguarded(batch: list[bytes]) -> None:
                for place, data in enumerate(batch):
                    own[place] = decode(data, 224)
                engine.embed(own)

            def guarded(batch: list[bytes]) -> None:
                guard.decode(batch)
                engine.embed(guard.pixels)

            def rate(work: Callable[[list[bytes]], None]) -> float:
                began = time.monotonic()
                for start in range(0, len(files), BATCH):
                    work(files[start : start + BATCH])
                return len(files) / (time.monotonic() - began)

            guarded(files[:BATCH])
            unguarded(files[:BATCH])
            sides = {"in the process itself": lambda: rate(unguarded), "by its guard": lambda: rate(guarded)}
            series = alternate(sides, unit="images/s", repeats=options.repeats, say=options.say)
    finally:
        if free:
            os.sched_setaffinity(0, free)
    share = 100 * ratio(series["by its guard"], series["in the process itself"])
    return Result(
        name="guard",
        title="Decoding in a child process",
        method=METHOD,
        settings={"images": len(files), "origin": origin, "repeats": options.repeats},
        series=series,
        checks=(Check("with a guard, of the rate without", share, "%", 98, at_least=True),),
    )
