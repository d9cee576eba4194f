"""As many photographs as Fruits-360 has: a first run, a second one over it, and another number of components."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, Series, count_cores
from benchmarks.whole import ROLES, SAMPLE_EVERY, WholeRun, prepare_request, run_request

FULL = 71_034
K = 50
MOST_PERCENT = 10.0
"""How much of the first run's time a run may take that featurizes nothing."""
METHOD = (
    "One whole run as `make run-local` starts it, from spark-submit to its end; then the same request over what it "
    f"left; then K={K} over that. Neither of these featurizes an image. Beside them the first run's featurize phase, "
    f"its files, and its peaks of resident memory, looked at every {SAMPLE_EVERY} s. Once, whatever REPEATS."
)


def measure(options: Options) -> BenchmarkResult:
    """Measure what a run, a second one and another K take at full size."""
    images = options.images or FULL
    request, origin = prepare_request(images, options.scratch, "scale")
    runs: dict[str, WholeRun] = {}
    for name, again in (("first run", request), ("second run", request), ("another K", replace(request, k=K))):
        runs[name] = run = run_request(again, origin)
        options.say(f"{name}: {run.seconds:.1f} s, {run.summary['images_featurized_now']:,} images featurized")
    first = runs["first run"]
    for name, expected in (("first run", images), ("second run", 0), ("another K", 0)):
        if (computed := runs[name].summary["images_featurized_now"]) != expected:
            raise BenchmarkError(f"the {name} featurized {computed:,} images and not {expected:,}.")
    series = {name: Series("s", (run.seconds,)) for name, run in runs.items()}
    series["first run, featurizing"] = Series("images/s", (first.summary["images_per_second"],))
    series["files of features"] = Series("files", (first.summary["feature_files"],))
    series |= {role: Series("MiB", (first.peak[role],)) for role in ROLES}
    return BenchmarkResult(
        name="scale",
        title=f"{images:,} images on local[{count_cores()}]: a run, a second one, another K",
        method=METHOD,
        settings={"images": origin, "repeats": 1, "k": K},
        series=series,
        checks=tuple(
            Check(
                f"{name} of the first run's time", 100 * run.seconds / first.seconds, "%", MOST_PERCENT, at_least=False
            )
            for name, run in runs.items()
            if run is not first
        ),
    )
