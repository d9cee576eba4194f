"""Executors that never come end the run; executors that are only not needed do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from fruits import pipeline
from fruits.errors import ExecutorsError
from fruits.executors import Watch, describe_wait, limit_wait

ROOT = Path(__file__).resolve().parents[2]


class Asked:
    """A cluster that answers from lists, a look each: executors, and whether there is work."""

    def __init__(self, executors: Sequence[int], work: Sequence[bool]) -> None:
        self.executors, self.work, self.cancelled = list(executors), list(work), 0

    def count_executors(self) -> int:
        return self.executors.pop(0)

    def has_work(self) -> bool:
        return self.work.pop(0)

    def cancel(self) -> None:
        self.cancelled += 1


@pytest.mark.parametrize(
    ("executors", "work", "ends_at"),
    [
        ([0, 0, 0, 0], [True] * 4, 3),  # none ever came: 0, 10, 20, 30 s
        ([0, 0, 2, 0, 0, 0, 0], [True] * 6, 6),  # all went, and none came back: counted anew
        ([0] * 5, [True, True, False, True, True], None),  # the driver computes: nobody is needed
        ([1, 1, 1, 1, 1], [], None),
    ],
)
def test_only_work_without_anybody_counts(executors: list[int], work: list[bool], ends_at: int | None) -> None:
    asked = Asked(executors, work)
    watch = Watch(asked, 30)
    looks = [watch.look(10.0 * turn) for turn in range(len(executors))]
    assert (looks.index(True) if True in looks else None) == ends_at
    assert asked.cancelled == (ends_at is not None)


def test_the_sentence_says_how_long_and_what_to_do() -> None:
    assert describe_wait(900).startswith("there was work, and no executor came in 15 minutes: ")
    assert "Fix: run it again when there is capacity" in describe_wait(5)
    assert ExecutorsError(describe_wait(5)).exit_code == 18


PROGRAM = """
from pyspark.sql import SparkSession
from fruits.executors import limit_wait
spark = SparkSession.builder.config("spark.fruits.executors.wait", "2").getOrCreate()
try:
    with limit_wait(spark):
        spark.sparkContext.parallelize([1, 2]).count()
except Exception as error:
    print(type(error).__name__, error)
finally:
    spark.stop()
"""


@pytest.mark.slow
@pytest.mark.spark
def test_a_real_spark_without_a_worker_ends(tmp_path: Path) -> None:
    """A standalone master of Spark's own with no worker: the job is taken, and nobody ever runs it."""
    program = tmp_path / "waits.py"
    program.write_text(PROGRAM)
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "jobs"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
    }
    submit = [sys.executable, "-m", "pyspark.find_spark_home"]
    home = subprocess.run(submit, capture_output=True, text=True, check=True, env=environ).stdout.strip()
    done = subprocess.run(
        [f"{home}/bin/spark-submit", "--master", "local-cluster[0,1,1024]", str(program)],
        capture_output=True, text=True, check=False, env=environ, timeout=120,
    )  # fmt: skip
    assert "ExecutorsError there was work, and no executor came in 2 s" in done.stdout, (
        done.stdout + done.stderr[-3000:]
    )


def test_a_local_master_is_never_watched() -> None:
    class Session:
        class conf:
            @staticmethod
            def get(name: str, default: str) -> str:
                return default

        class sparkContext:
            master = "local[2]"

    with limit_wait(Session()):  # type: ignore[arg-type]
        pass


def test_the_record_of_a_failure_is_of_the_wait_and_not_of_the_cancelled_job(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded: list[BaseException] = []

    class Begun(nullcontext[Any]):
        def __enter__(self) -> Any:
            return self

        @contextmanager
        def record_failures(self) -> Iterator[None]:
            try:
                yield
            except BaseException as error:
                recorded.append(error)
                raise

        def execute(self, _: object) -> None:
            raise RuntimeError("Job 0 cancelled as part of cancellation of all jobs")

    @contextmanager
    def waited_in_vain(_: object) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            raise ExecutorsError(describe_wait(900)) from error

    monkeypatch.setattr(pipeline, "limit_wait", waited_in_vain)
    with pytest.raises(ExecutorsError):
        pipeline.run(None, None, Begun())  # type: ignore[arg-type]
    assert [type(error) for error in recorded] == [ExecutorsError]
