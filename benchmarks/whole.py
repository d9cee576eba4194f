"""Whole runs, as `make run-local` starts them: a process of their own, watched from outside."""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from fruits.request import Request

from benchmarks.photographs import link_photographs
from benchmarks.results import BenchmarkError, Options, count_cores
from ops.core.paths import ROOT
from ops.core.programs import end_group
from ops.job.local_spark import MODELS, make_command, make_spark_environment
from ops.job.package import write_job_zip

SAMPLE_EVERY = 0.2
ROLES = ("driver's JVM", "driver's Python", "largest worker")


@dataclass(frozen=True)
class WholeRun:
    """A whole run of the job, from starting spark-submit to its end.

    Attributes
    ----------
    seconds : float
        From starting spark-submit to its end.
    summary : dict
        Its ``run.json``.
    peak : dict of str to float
        By role, the largest resident set seen, MiB.
    origin : str
        What the images were.
    """

    seconds: float
    summary: dict[str, Any]
    peak: dict[str, float]
    origin: str

    @property
    def other_seconds(self) -> float:
        """Everything but featurization."""
        return float(self.seconds - self.summary["seconds"]["featurize"])


def find_role(command_line: list[str]) -> str | None:
    """What a process of the run is, by its command line; None for helpers.

    >>> find_role(["/opt/python3", "-m", "fruits.daemon"])
    'largest worker'
    >>> find_role(["/usr/lib/jvm/bin/java", "-cp", "…", "org.apache.spark.deploy.SparkSubmit"])
    "driver's JVM"
    """
    if not command_line:
        return None
    program = Path(command_line[0]).name
    if program == "java":
        return "driver's JVM"
    if program.startswith("python"):
        return "largest worker" if any(word.endswith(".daemon") for word in command_line) else "driver's Python"
    return None


def _sample_memory(root: psutil.Process, peak: dict[str, float]) -> None:
    try:
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        try:
            role, size = find_role(process.cmdline()), process.memory_info().rss / 2**20
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # ended between the two looks
        if role is not None:
            peak[role] = max(peak.get(role, 0.0), size)


def prepare_request(images: int, scratch: Path, name: str) -> tuple[Request, str]:
    """A request over that many images with results of its own, and what the images are."""
    folder, origin = link_photographs(images, scratch)
    place = scratch / f"whole-{images}-{name}-{uuid.uuid4().hex[:8]}"
    place.mkdir()
    return Request(input=str(folder), output=str(place / "output"), networks=str(MODELS)), origin


@cache
def run_whole(images: int, scratch: Path, repeat: int, precision: str = "f32") -> WholeRun:
    """Run the job over that many images; the same arguments give the same run again, not another one.

    Raises
    ------
    BenchmarkError
        When it fails.
    """
    request, origin = prepare_request(images, scratch, f"{precision}-{repeat}")
    return run_request(replace(request, precision=precision), origin)


def run_request(request: Request, origin: str) -> WholeRun:
    """Run a request of `prepare_request` as `make run-local` does, and watch it.

    Raises
    ------
    BenchmarkError
        When it fails.
    """
    place = Path(request.output).parent
    request_file, log = place / "request.json", place / "log"
    request_file.write_text(json.dumps(request.as_json()))
    arguments = make_command(
        write_job_zip(ROOT / "build" / "jobs"), request_file, f"local[{count_cores()}]", str(place)
    )
    peak: dict[str, float] = {}
    began = time.monotonic()
    with log.open("wb") as sink:
        process = subprocess.Popen(
            arguments,
            stdout=sink,
            stderr=subprocess.STDOUT,
            env=make_spark_environment(os.environ),
            start_new_session=True,
        )
        try:
            root = psutil.Process(process.pid)
            while True:
                _sample_memory(root, peak)
                try:
                    process.wait(SAMPLE_EVERY)
                except subprocess.TimeoutExpired:
                    continue
                break
            seconds = time.monotonic() - began
        finally:
            end_group(process)
    if process.returncode != 0:
        last = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise BenchmarkError(f"the job failed over {origin} with exit code {process.returncode}: {last}")
    return WholeRun(seconds, json.loads((place / "output" / "run.json").read_text()), peak, origin)


def run_all(
    counts: Iterable[int], options: Options, describe: Callable[[WholeRun], str], precision: str = "f32"
) -> dict[int, list[WholeRun]]:
    """Whole runs by number of images: one of each, then one of each again, …"""
    runs: dict[int, list[WholeRun]] = {count: [] for count in counts}
    for repeat in range(options.repeats):
        for count, runs_of_size in runs.items():
            runs_of_size.append(run_whole(count, options.scratch, repeat, precision))
            options.say(f"{repeat + 1}/{options.repeats}  {count:,} images: {describe(runs_of_size[-1])}")
    return runs


def choose_sizes(full: int) -> tuple[int, int, int]:
    """A handful of images, a tenth, all.

    >>> choose_sizes(30_000)
    (25, 3000, 30000)
    """
    tenth = max(full // 10, 2)
    return min(25, tenth), tenth, full
