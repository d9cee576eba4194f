"""The job with 30 ms added to each image read, as on S3, against the job without."""

from __future__ import annotations

import time
from collections.abc import Callable

from fruits.request import DEFAULT_MODEL
from fruits.store import Store

from benchmarks.photographs import link_photographs
from benchmarks.results import BenchmarkResult, Check, Options, alternate, compute_ratio, count_cores
from benchmarks.spark import JOB_JVM, WARM_UP, featurize, start_spark

FULL = 3_000
DELAY = 0.030
METHOD = (
    f"images/s of the featurize phase of run.json, warm ({WARM_UP} images per core just before). The delay is a sleep "
    f"of {1e3 * DELAY:.0f} ms in the workers before the bytes of each image are read."
)


class DelayedStore(Store):
    """A store that answers late."""

    def read(self, key: str, *, room: Callable[[int], None] | None = None) -> bytes:
        time.sleep(DELAY)
        return super().read(key, room=room)


def measure(options: Options) -> BenchmarkResult:
    """Measure featurizing from a slow store; it should keep 90% of the rate without delay."""
    folder, origin = link_photographs(options.images or FULL, options.scratch)

    def measure_rate(source: Store) -> float:
        return float(featurize(spark, folder, options.scratch, source)["images_per_second"])

    with start_spark(options.scratch, jvm=JOB_JVM) as spark:
        sides = {
            "without delay": lambda: measure_rate(Store(str(folder))),
            "30 ms a read": lambda: measure_rate(DelayedStore(str(folder))),
        }
        series = alternate(sides, options, unit="images/s")
    share = 100 * compute_ratio(series["30 ms a read"], series["without delay"])
    return BenchmarkResult(
        name="latency",
        title=f"Featurization on local[{count_cores()}] with 30 ms added to each object read, {DEFAULT_MODEL}",
        method=METHOD,
        settings={"images": origin, "delay_ms": 1e3 * DELAY, "repeats": options.repeats},
        series=series,
        checks=(Check("of the rate without delay", share, "%", 90, at_least=True),),
    )
