"""`make upload-dataset` and fetching results against `aws s3 sync`, on the embedded AWS."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from benchmarks.photographs import ROOT, link_photographs
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, collect, compute_ratio
from localaws import server
from localaws.settings import Settings
from localaws.state import Record

FULL = 30_000
REGION = "eu-west-3"
OURS, SYNC = "make upload-dataset", "aws s3 sync"
FETCHED, FETCHED_BY_SYNC = "make results", "aws s3 sync of results"
RESULT = {"run.json": 4 << 10, "report.html": 8 << 20, "pca/scores.csv": 60 << 20, "pca/model.npz": 2 << 20}
"""Bytes of the result of about 30,000 images."""
METHOD = (
    "seconds of a process of its own, from its start to its end: the photographs to an empty bucket, and the four "
    "files of a result back to an empty folder; the two sides alternate, on one embedded AWS with its steps turned off"
)


def _make_client(record: Record) -> Any:
    return boto3.client("s3", endpoint_url=record.endpoint, region_name=REGION, **record.keys.arguments())


def _make_bucket(record: Record, name: str) -> str:
    _make_client(record).create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


def _time_command(arguments: list[str], record: Record) -> float:
    """Seconds of a command.

    Raises
    ------
    BenchmarkError
        When it fails.
    """
    environment = {
        **os.environ,
        **server.make_client_environment(record, REGION),
        "PYTHONPATH": os.pathsep.join((str(ROOT / "jobs"), str(ROOT))),
    }
    began = time.monotonic()
    answer = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise BenchmarkError(f"{' '.join(arguments[:4])} failed: {answer.stderr[-800:]}")
    return time.monotonic() - began


def _make_sync_command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).parent / "aws"), "s3", "sync", "--only-show-errors", *arguments]


def _count_objects(record: Record, bucket: str) -> int:
    pages = _make_client(record).get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return sum(page["KeyCount"] for page in pages)


def measure(options: Options) -> BenchmarkResult:
    """Measure uploads and downloads; each should take at most 1.2 times as long as `aws s3 sync`."""
    images = options.images or FULL
    folder, origin = link_photographs(images, options.scratch)
    result = options.scratch / "result"
    for name, size in RESULT.items():
        (result / name).parent.mkdir(parents=True, exist_ok=True)
        (result / name).write_bytes(os.urandom(size))
    seconds: dict[str, list[float]] = {name: [] for name in (OURS, SYNC, FETCHED, FETCHED_BY_SYNC)}
    for repeat in range(options.repeats):
        home = options.scratch / f"aws-{repeat}"
        settings = Settings(home=home, execute=False, api_delay_seconds=0)
        with server.running(settings) as record:
            _make_bucket(record, "results")
            for name in RESULT:
                _make_client(record).upload_file(str(result / name), "results", f"run/{name}")
            transfer = [sys.executable, "-m", "benchmarks.transfer"]
            sides = {
                OURS: [*transfer, "send", str(folder), _make_bucket(record, "ours")],
                SYNC: _make_sync_command(str(folder), f"s3://{_make_bucket(record, 'theirs')}/images"),
                FETCHED: [*transfer, "fetch", "results", str(options.scratch / f"ours-{repeat}")],
                FETCHED_BY_SYNC: _make_sync_command("s3://results/run", str(options.scratch / f"theirs-{repeat}")),
            }
            names = list(sides) if repeat % 2 == 0 else [SYNC, OURS, FETCHED_BY_SYNC, FETCHED]
            for name in names:
                seconds[name].append(_time_command(sides[name], record))
                options.say(f"{repeat + 1}/{options.repeats}  {name}: {seconds[name][-1]:.1f} s")
            for bucket in ("ours", "theirs"):
                if (count := _count_objects(record, bucket)) != images:
                    raise BenchmarkError(f"the bucket {bucket} has {count:,} of {images:,} photographs.")
    series = collect("s", seconds)
    compared = ((OURS, SYNC), (FETCHED, FETCHED_BY_SYNC))
    ratios = {ours: compute_ratio(series[ours], series[theirs]) for ours, theirs in compared}
    return BenchmarkResult(
        name="uploads",
        title="Photographs to S3 and results back, on the embedded AWS",
        method=METHOD,
        settings={"images": origin, "repeats": options.repeats, "result_bytes": sum(RESULT.values())},
        series=series,
        checks=tuple(
            Check(f"{name} of the time of {SYNC}", ratio, "×", 1.2, at_least=False) for name, ratio in ratios.items()
        ),
    )
