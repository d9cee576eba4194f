"""The job against pipelines of today's engines, the fair notebook and bare loops: same photographs, same network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from fruits.backbones import build_network
from fruits.engines import write_archive
from fruits.models import freeze
from fruits.request import DEFAULT_MODEL

from benchmarks.loops import ENGINES, run_loops
from benchmarks.notebook import ARROW_BATCH, run_notebook
from benchmarks.photographs import ROOT, link_photographs
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, Series, compute_ratio, count_cores
from benchmarks.spark import WARM_UP, start_session
from benchmarks.whole import run_whole

FULL = 3_000
PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
JOB, LOOPS, NOTEBOOK = "this job", "bare loops", "the notebook"
RIVALS = {"Daft": "daft", "Ray Data": "ray"}
METHOD = (
    "Each side in turn, on all cores, in single precision by OpenVINO (the notebook: Keras). Featurizing: the "
    "featurize phase of the job's run.json (its workers compile the network while it lists); of Daft and Ray Data from "
    "the plan to the written Parquet file, without imports and start; of the notebook and of the loops as notebook.py "
    "and bare.py say, warm. Start to end: of a process, from its start to its end; the job's lists, reduces, checks "
    "and draws its report in it, Daft's and Ray Data's end with the features."
)


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "jobs"), "OPENBLAS_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0",
            "DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "1"}  # fmt: skip


def run_rival(name: str, folder: Path, scratch: Path, graph: Path, images: int) -> tuple[float, float]:
    """Run a pipeline once in its own environment.

    Returns
    -------
    float, float
        Images per second while featurizing, and seconds from start to end.

    Raises
    ------
    BenchmarkError
        When it is not set up, fails, or writes other rows.
    """
    if not PYTHON.exists():
        raise BenchmarkError("the rivals are not installed. Fix: make bench ONLY=rivals installs them.")
    output = scratch / f"{name}-{uuid.uuid4().hex[:8]}"
    program = str(Path(__file__).parent / "rival.py")
    began = time.monotonic()
    answer = subprocess.run(
        [PYTHON, program, name, str(folder), str(output), str(graph), str(count_cores())],
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    whole_seconds = time.monotonic() - began
    shutil.rmtree(output, ignore_errors=True)
    try:
        counts = json.loads(answer.stdout.strip().splitlines()[-1])
        rows, seconds = int(counts["rows"]), float(counts["seconds"])
    except (ValueError, KeyError, TypeError, IndexError):
        last = "\n".join(answer.stderr.splitlines()[-8:])
        raise BenchmarkError(f"{name} failed with exit code {answer.returncode}: {last}") from None
    if rows != images:
        raise BenchmarkError(f"{name} wrote {rows} of {images} rows, so its speed says nothing.")
    return images / seconds, whole_seconds


def measure(options: Options) -> BenchmarkResult:
    """Measure the job against its rivals; it should featurize 1.5 times as fast, and be ahead from start to end."""
    images = options.images or FULL
    folder, origin = link_photographs(images, options.scratch)
    warm_up_folder, _ = link_photographs(WARM_UP * count_cores(), options.scratch)
    network = build_network(DEFAULT_MODEL, 224, None)
    graph = options.scratch / "network.pb"
    graph.write_bytes(freeze(network))
    archive = write_archive(network)
    files = sorted(folder.rglob("*.jpg"))

    def loops() -> float:
        return run_loops(ENGINES["OpenVINO"], graph, files, count_cores(), WARM_UP).rate

    def in_notebook() -> float:
        arrow = {"spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_BATCH)}
        with start_session(options.scratch, options=arrow) as spark:
            broadcast = spark.sparkContext.broadcast(archive)
            run_notebook(spark, warm_up_folder, broadcast, options.scratch / "notebook")
            began = time.monotonic()
            run_notebook(spark, folder, broadcast, options.scratch / "notebook")
            return images / (time.monotonic() - began)

    def job(repeat: int) -> tuple[float, float]:
        run = run_whole(images, options.scratch, repeat)
        return float(run.summary["images_per_second"]), run.seconds

    rates: dict[str, list[float]] = {name: [] for name in (JOB, *RIVALS, NOTEBOOK, LOOPS)}
    seconds_by_side: dict[str, list[float]] = {name: [] for name in (JOB, *RIVALS)}
    for repeat in range(options.repeats):
        sides: dict[str, Callable[[], tuple[float, float]]] = {JOB: lambda repeat=repeat: job(repeat)}  # type: ignore[misc]
        for name, program in RIVALS.items():
            sides[name] = lambda program=program: run_rival(program, folder, options.scratch, graph, images)  # type: ignore[misc]
        for name, run in sides.items():
            rate, whole_seconds = run()
            rates[name].append(rate)
            seconds_by_side[name].append(whole_seconds)
            options.say(
                f"{repeat + 1}/{options.repeats}  {name}: {rate:.4g} images/s, {whole_seconds:.1f} s from start to end"
            )
        for name, warm in ((NOTEBOOK, in_notebook), (LOOPS, loops)):
            rates[name].append(warm())
            options.say(f"{repeat + 1}/{options.repeats}  {name}: {rates[name][-1]:.4g} images/s")
    featurizing = {name: Series("images/s", tuple(values)) for name, values in rates.items()}
    ends = {name: Series("s", tuple(values)) for name, values in seconds_by_side.items()}
    checks = [
        Check(
            f"faster than {name} while featurizing",
            compute_ratio(featurizing[JOB], featurizing[name]),
            "×",
            1.5,
            at_least=True,
        )
        for name in RIVALS
    ]
    checks += [
        Check(f"of {name}'s time from start to end", compute_ratio(ends[JOB], ends[name]), "×", 1, at_least=False)
        for name in RIVALS
    ]
    return BenchmarkResult(
        name="rivals",
        title=f"The job against pipelines of today's engines on {count_cores()} cores, {DEFAULT_MODEL}",
        method=METHOD,
        settings={"images": origin, "repeats": options.repeats},
        series={
            **{f"{name}, featurizing": series for name, series in featurizing.items()},
            **{f"{name}, start to end": series for name, series in ends.items()},
        },
        checks=tuple(checks),
    )
