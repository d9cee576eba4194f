"""Time against the number of images: what a run takes besides featurization."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.results import BenchmarkResult, Check, Options, Series, collect, count_cores
from benchmarks.whole import WholeRun, choose_sizes, run_all
from ops.job.tuning import choose_precisions, read_capabilities

FULL = 30_000
METHOD = (
    "seconds of a whole run as `make run-local` starts it, from spark-submit to its end, JVM and TensorFlow starting "
    "included; beside it the featurize phase of its run.json. Everything but featurization is the difference. Last, "
    "where the processor has it, the largest number in bf16."
)


def run_precisions(counts: Sequence[int], options: Options) -> dict[str, list[WholeRun]]:
    """Whole runs by what they were over: each number of images, and the largest in bf16 where the processor has it."""
    runs: dict[str, list[WholeRun]] = {}
    for precision in choose_precisions(None, read_capabilities()):
        ending = "" if precision == "f32" else f" in {precision}"
        numbers = counts if precision == "f32" else counts[-1:]
        runs_by_count = run_all(numbers, options, lambda r: f"{r.seconds:.1f} s in {r.summary['precision']}", precision)
        runs |= {f"{count:,} images{ending}": whole_runs for count, whole_runs in runs_by_count.items()}
    return runs


def measure(options: Options) -> BenchmarkResult:
    """Measure what a run takes besides featurizing: at most 10 s when tiny, 15% of its time when full, 20% in bf16."""
    counts = sorted(set(choose_sizes(options.images or FULL)))
    runs = run_precisions(counts, options)
    tiny, full = f"{counts[0]:,} images", f"{counts[-1]:,} images"
    bounds = {name: bound for name, bound in ((full, 15), (f"{full} in bf16", 20)) if name in runs}
    series: dict[str, Series] = {}
    for name, whole_runs in runs.items():
        seconds = {
            "whole run": [run.seconds for run in whole_runs],
            "featurize": [run.summary["seconds"]["featurize"] for run in whole_runs],
            "all else": [run.other_seconds for run in whole_runs],
        }
        series |= collect("s", {f"{name}: {part}": values for part, values in seconds.items()})
    checks = [Check(f"a whole run of {tiny}", series[f"{tiny}: whole run"].median, "s", 10, at_least=False)]
    for name, bound in bounds.items():
        share = Series("%", tuple(100 * run.other_seconds / run.seconds for run in runs[name]))
        series[f"{name}: share of all else"] = share
        checks.append(Check(f"all but featurization at {name}", share.median, "%", bound, at_least=False))
    phases = {name: whole_runs[-1].summary["seconds"] for name, whole_runs in runs.items()}
    return BenchmarkResult(
        name="fixed",
        title=f"Whole runs on local[{count_cores()}]: time against the number of images",
        method=METHOD,
        settings={"images": runs[full][0].origin, "repeats": options.repeats, "phases_of_the_last_runs": phases},
        series=series,
        checks=tuple(checks),
    )
