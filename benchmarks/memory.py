"""Peak memory of driver and workers, at a tenth of the images and at all."""

from __future__ import annotations

from benchmarks.results import BenchmarkResult, Check, Options, collect, compute_ratio, count_cores
from benchmarks.whole import ROLES, SAMPLE_EVERY, WholeRun, choose_sizes, run_all

FULL = 30_000
FLAT = 1.2
METHOD = (
    f"MiB of resident memory, the largest of samples taken every {SAMPLE_EVERY} s from start to end of whole runs as "
    f"`make run-local` starts them. Flat means: ten times the images, at most {FLAT} times the memory."
)


def measure(options: Options) -> BenchmarkResult:
    """Measure peak memory over growing inputs; it should stay flat."""
    _, medium, full = choose_sizes(options.images or FULL)

    def describe_peaks(run: WholeRun) -> str:
        return ", ".join(f"{role} {run.peak[role]:.0f}" for role in ROLES) + " MiB"

    runs = run_all((medium, full), options, describe_peaks)
    peaks = {
        f"{role}, {count:,} images": [run.peak[role] for run in whole_runs]
        for role in ROLES
        for count, whole_runs in runs.items()
    }
    series, what = collect("MiB", peaks), f"{full:,} against {medium:,} images"

    def compute_growth(role: str) -> float:
        return compute_ratio(series[f"{role}, {full:,} images"], series[f"{role}, {medium:,} images"])

    return BenchmarkResult(
        name="memory",
        title=f"Peak memory on local[{count_cores()}], {medium:,} and {full:,} images",
        method=METHOD,
        settings={"images": runs[full][0].origin, "repeats": options.repeats},
        series=series,
        checks=tuple(Check(f"{role}, {what}", compute_growth(role), "×", FLAT, at_least=False) for role in ROLES),
    )
