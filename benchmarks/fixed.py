"""Time against the number of images: what a run takes beside featurization."""

from __future__ import annotations

from dataclasses import replace

import openvino
from fruits.engines import require_bf16
from fruits.errors import FruitsError

from benchmarks.results import BenchmarkResult, Check, Options, Series, collect, count_cores
from benchmarks.whole import WholeRun, choose_sizes, make_request, run_all, run_request

FULL = 30_000
METHOD = (
    "seconds of a whole run as `make run-local` starts it, from spark-submit to its end, JVM and TensorFlow starting "
    "included; beside it the featurize phase of its run.json. Everything but featurization is the difference. Last, "
    "where the processor has it, the largest number in bf16."
)


def has_bf16() -> bool:
    """Whether the job would compute in bf16 on this machine."""
    try:
        require_bf16(openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    except FruitsError:
        return False
    return True


def run_bf16(images: int, options: Options) -> list[WholeRun]:
    """Whole runs in bf16, as many as are repeated."""
    runs = []
    for repeat in range(options.repeats):
        request, origin = make_request(images, options.scratch, f"bf16-{repeat}")
        runs.append(run_request(replace(request, precision="bf16"), origin))
        options.say(f"{repeat + 1}/{options.repeats}  {images:,} images in bf16: {runs[-1].seconds:.1f} s")
    return runs


def measure(options: Options) -> BenchmarkResult:
    """Measure what a run takes besides featurizing: at most 10 s when tiny, 15% of its time when full, 20% in bf16."""
    counts = sorted(set(choose_sizes(options.images or FULL)))
    runs = {
        f"{count:,} images": whole_runs
        for count, whole_runs in run_all(counts, options, lambda run: f"{run.seconds:.1f} s").items()
    }
    tiny, full = f"{counts[0]:,} images", f"{counts[-1]:,} images"
    bounds = {full: 15}
    if has_bf16():
        runs[f"{full} in bf16"] = run_bf16(counts[-1], options)
        bounds[f"{full} in bf16"] = 20
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
