"""The job against the limit of the machine: one bare loop per core, with the fastest engine."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from fruits.backbones import build_network
from fruits.models import freeze
from fruits.request import DEFAULT_MODEL

from benchmarks.loops import ENGINES, Features, convert_graph, run_loops
from benchmarks.photographs import link_photographs
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, alternate, compute_ratio, count_cores
from benchmarks.spark import JOB_JVM, WARM_UP, featurize, start_spark

FULL = 30_000
METHOD = (
    "images/s with reading, decoding and resizing. First every engine's loops over a tenth of the images, alternating; "
    "then the fastest engine's loops and the job over all of them, alternating. A loop is a process pinned to a core, "
    f"one thread; the clock starts when all have compiled and featurized {WARM_UP} images, and stops with the last. "
    "The job is timed by the featurize phase of its run.json, scheduling, Parquet and manifests included, after a run "
    f"over {WARM_UP} images per core in the same workers and with the same compiled engine."
)
TOLERANCE = 1e-3


def _require_equal(first: dict[str, Features]) -> None:
    """Refuse to compare engines that do not compute the same."""
    reference = first["TensorFlow"]
    for name, features in first.items():
        worst = float(np.abs(features - reference).max())
        if not worst <= TOLERANCE:
            raise BenchmarkError(
                f"{name} gives features that differ from TensorFlow's by {worst:.2g}, so its speed says nothing. Fix: "
                "check the conversion in benchmarks/loops.py."
            )


def measure(options: Options) -> BenchmarkResult:
    """Measure the job against bare loops; the job should reach 90% of the fastest loops."""
    images = options.images or FULL
    n = count_cores()
    everything, origin = link_photographs(images, options.scratch)
    tenth, _ = link_photographs(max(images // 10, n * 8), options.scratch)
    models = convert_graph(freeze(build_network(DEFAULT_MODEL, 224, None)), options.scratch)
    first: dict[str, Features] = {}

    def time_loops(name: str, folder: Path) -> float:
        engine = ENGINES[name]
        time = run_loops(engine, models[engine.suffix], sorted(folder.rglob("*.jpg")), n, WARM_UP)
        first.setdefault(name, time.first)
        return time.rate

    sides = {name: partial(time_loops, name, tenth) for name in ENGINES}
    contest = alternate(sides, options, unit="images/s")
    _require_equal(first)
    fastest = max(contest, key=lambda name: contest[name].median)
    limit = f"{n} bare loops of {fastest}"
    with start_spark(options.scratch, jvm=JOB_JVM) as spark:
        whole = {
            limit: lambda: time_loops(fastest, everything),
            "the job": lambda: featurize(spark, everything, options.scratch)["images_per_second"],
        }
        final = alternate(whole, options, unit="images/s")
    share = 100 * compute_ratio(final["the job"], final[limit])
    return BenchmarkResult(
        name="bare",
        title=f"Featurization on local[{n}] against bare loops, {DEFAULT_MODEL}",
        method=METHOD,
        settings={"images": origin, "loops": n, "fastest": fastest, "repeats": options.repeats},
        series={**{f"{n} loops of {name}, a tenth": series for name, series in contest.items()}, **final},
        checks=(Check(f"of the speed of the {limit}", share, "%", 90, at_least=True),),
    )
