"""Time against the number of images: what a run takes beside featurization."""

from __future__ import annotations

from benchmarks.results import BenchmarkResult, Check, Options, Series, collect, count_cores
from benchmarks.whole import choose_sizes, run_all

FULL = 30_000
METHOD = (
    "seconds of a whole run as `make run-local` starts it, from spark-submit to its end, JVM and TensorFlow starting "
    "included; beside it the featurize phase of its run.json. Everything but featurization is the difference."
)


def measure(options: Options) -> BenchmarkResult:
    """Measure what a run takes besides featurizing; a tiny run should take 10 s, a full one 15% of its time."""
    counts = sorted(set(choose_sizes(options.images or FULL)))
    runs = run_all(counts, options, lambda run: f"{run.seconds:.1f} s")
    series: dict[str, Series] = {}
    for count, whole_runs in runs.items():
        seconds = {
            "whole run": [run.seconds for run in whole_runs],
            "featurize": [run.summary["seconds"]["featurize"] for run in whole_runs],
            "all else": [run.other_seconds for run in whole_runs],
        }
        series |= collect("s", {f"{count:,} images: {part}": values for part, values in seconds.items()})
    tiny, full = counts[0], counts[-1]
    whole_tiny = series[f"{tiny:,} images: whole run"]
    share = Series("%", tuple(100 * run.other_seconds / run.seconds for run in runs[full]))
    series[f"{full:,} images: share of all else"] = share
    phases = {str(count): whole_runs[-1].summary["seconds"] for count, whole_runs in runs.items()}
    return BenchmarkResult(
        name="fixed",
        title=f"Whole runs on local[{count_cores()}]: time against the number of images",
        method=METHOD,
        settings={"images": runs[full][0].origin, "repeats": options.repeats, "phases_of_the_last_runs": phases},
        series=series,
        checks=(
            Check(f"a whole run of {tiny} images", whole_tiny.median, "s", 10, at_least=False),
            Check(f"all but featurization at {full:,} images", share.median, "%", 15, at_least=False),
        ),
    )
