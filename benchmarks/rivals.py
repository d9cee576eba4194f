"""The job against pipelines of today's engines, the fair notebook and bare loops: same photographs, same network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fruits.backbones import build_network
from fruits.engines import write_archive
from fruits.models import freeze
from fruits.request import DEFAULT_MODEL

from benchmarks.loops import ENGINES, run_loops
from benchmarks.notebook import ARROW_BATCH, run_notebook
from benchmarks.photographs import ROOT, link_photographs
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, collect, compute_ratio, count_cores
from benchmarks.spark import WARM_UP, start_spark
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


def _make_environment() -> dict[str, str]:
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
        env=_make_environment(),
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
        raise BenchmarkError(f"{name} wrote {rows} of {images} rows, so its speed says nothing. Fix: see rival.py.")
    return images / seconds, whole_seconds


Sides = dict[str, Callable[[int], tuple[float, float | None]]]
"""What runs once, by name: from the number of the repeat to images per second, and seconds from start to end."""


def make_sides(options: Options, images: int, folder: Path) -> Sides:
    """The job, its rivals, the notebook and the bare loops, over a folder of that many photographs."""
    warm_up_folder, _ = link_photographs(WARM_UP * count_cores(), options.scratch)
    network = build_network(DEFAULT_MODEL, 224, None)
    graph = options.scratch / "network.pb"
    graph.write_bytes(freeze(network))
    archive = write_archive(network)
    files = sorted(folder.rglob("*.jpg"))

    def time_job(repeat: int) -> tuple[float, float]:
        run = run_whole(images, options.scratch, repeat)
        return float(run.summary["images_per_second"]), run.seconds

    def time_rival(program: str, _repeat: int) -> tuple[float, float]:
        return run_rival(program, folder, options.scratch, graph, images)

    def time_notebook(_repeat: int) -> tuple[float, None]:
        arrow = {"spark.sql.execution.arrow.maxRecordsPerBatch": str(ARROW_BATCH)}
        with start_spark(options.scratch, options=arrow) as spark:
            broadcast = spark.sparkContext.broadcast(archive)
            run_notebook(spark, warm_up_folder, broadcast, options.scratch / "notebook")
            began = time.monotonic()
            run_notebook(spark, folder, broadcast, options.scratch / "notebook")
            return images / (time.monotonic() - began), None

    def time_loops(_repeat: int) -> tuple[float, None]:
        return run_loops(ENGINES["OpenVINO"], graph, files, count_cores(), WARM_UP).rate, None

    rivals = {name: partial(time_rival, program) for name, program in RIVALS.items()}
    return {JOB: time_job, **rivals, NOTEBOOK: time_notebook, LOOPS: time_loops}


def measure(options: Options) -> BenchmarkResult:
    """Measure the job against its rivals; it should featurize 1.5 times as fast, and be ahead from start to end."""
    images = options.images or FULL
    folder, origin = link_photographs(images, options.scratch)
    rates: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    sides = make_sides(options, images, folder)
    for repeat in range(options.repeats):
        for name, run in sides.items():
            rate, whole_seconds = run(repeat)
            rates.setdefault(name, []).append(rate)
            line = f"{repeat + 1}/{options.repeats}  {name}: {rate:.4g} images/s"
            if whole_seconds is not None:
                seconds.setdefault(name, []).append(whole_seconds)
                line += f", {whole_seconds:.1f} s from start to end"
            options.say(line)
    featurizing, ends = collect("images/s", rates), collect("s", seconds)
    faster = [
        Check(
            f"faster than {name} while featurizing",
            compute_ratio(featurizing[JOB], featurizing[name]),
            "×",
            1.5,
            at_least=True,
        )
        for name in RIVALS
    ]
    ahead = [
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
        checks=(*faster, *ahead),
    )
