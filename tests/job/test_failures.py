"""Errors: codes of their own, found again in what Spark makes of them; and the refusal to mix versions."""

from __future__ import annotations

import errno
import pickle
from typing import Any, cast

import pytest
from fruits import errors, pipeline, versions
from fruits.errors import FruitsError, ModelError, StorageError, VersionMismatchError
from fruits.failures import translate_error


@pytest.mark.parametrize("kind", errors.ALL)
def test_errors_survive_the_way_back_from_a_worker(kind: type[FruitsError]) -> None:
    error = pickle.loads(pickle.dumps(kind("what. Fix: how.")))
    assert type(error) is kind
    assert str(error) == "what. Fix: how."


def test_every_error_has_an_exit_code_and_a_cause_of_its_own() -> None:
    codes = [kind.exit_code for kind in errors.ALL]
    assert len(set(codes)) == len(codes)
    assert len({kind.cause for kind in errors.ALL}) == len(codes)
    assert not {0, 1, 130} & set(codes)
    assert all(0 < code < 126 for code in codes)  # above are the shell's own
    assert set(errors.EXIT_CODES) == {0, 1, 130, *codes}
    assert set(errors.ALL) == set(FruitsError.__subclasses__())


SPARK_TEXT = """An exception was thrown from the Python worker. Please see the stack trace below.
Traceback (most recent call last):
  File "/tmp/fruits.zip/fruits/models.py", line 217, in _engine
    raise ModelError(f"the published network is damaged")
fruits.errors.ModelError: the published network s3://b/out/_model/ab.pb is damaged. Fix: delete it, run again.
"""


def test_a_workers_error_is_found_in_sparks_text() -> None:
    found = translate_error(RuntimeError(SPARK_TEXT))
    assert type(found) is ModelError
    assert str(found) == "the published network s3://b/out/_model/ab.pb is damaged. Fix: delete it, run again."


def test_an_error_is_found_among_the_causes() -> None:
    outer = RuntimeError("outer")
    outer.__cause__ = ModelError("inner. Fix: none.")
    assert str(translate_error(outer)) == "inner. Fix: none."
    during = RuntimeError("during")
    during.__context__ = outer
    assert str(translate_error(during)) == "inner. Fix: none."


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError(
            "An error occurred while calling o9.collectToPython.\n: org.apache.spark.SparkException: Job aborted\n"
            "Caused by: java.io.IOException: No space left on device\n\tat java.base/java.io.FileOutputStream.write"
        ),
        RuntimeError("pyarrow: OSError: [Errno 28] Error writing bytes to file. Detail: [errno 28] voller Datenträger"),
    ],
)
def test_a_full_disk_is_named_whoever_met_it(error: Exception) -> None:
    known = translate_error(error)
    assert isinstance(known, StorageError)
    assert str(known).startswith("a disk is full: ")
    assert str(known).endswith(
        ". Fix: free some, below the output and where Spark keeps its own files (spark.local.dir), then run it again; "
        "what is done is kept."
    )


@pytest.mark.parametrize(
    "text", ["", "boom", "fruits.errors.NoSuchError: x", "fruits.errors.EXIT_CODES: x", "fruits.errors.annotations: x"]
)
def test_what_is_unknown_stays_unknown(text: str) -> None:
    assert translate_error(RuntimeError(text)) is None


def test_same_versions_pass_and_others_are_each_named() -> None:
    mine = versions.collect_versions()
    versions.require_same(dict(mine))
    with pytest.raises(VersionMismatchError) as caught:
        versions.require_same({**mine, "numpy": "1.0", "fruits": "9"})
    assert str(caught.value) == (
        f"driver and workers do not run the same versions: fruits 9 on the driver, {mine['fruits']} on a worker; "
        f"numpy 1.0 on the driver, {mine['numpy']} on a worker. Fix: let spark.pyspark.python, "
        "spark.executorEnv.PYSPARK_PYTHON and (on YARN) spark.yarn.appMasterEnv.PYSPARK_PYTHON name the same "
        "environment on every node."
    )


def test_a_package_missing_on_one_side_is_a_difference() -> None:
    mine = dict(versions.collect_versions())
    del mine["openvino"]
    with pytest.raises(VersionMismatchError, match="openvino missing on the driver"):
        versions.require_same(mine)


def test_the_versions_that_decide_about_values_are_all_there() -> None:
    assert set(versions.collect_versions()) == {"python", "fruits", "numpy", "pyarrow", "pillow", "pi-heif", "openvino"}
    assert "missing" not in versions.collect_versions().values()


class EndedSpark:
    """A session whose context Spark has stopped, as after too many lost executors."""

    @property
    def sparkContext(self) -> EndedSpark:
        return self

    def cancelJobsWithTag(self, _: str) -> None:
        raise RuntimeError("Cannot call methods on a stopped SparkContext.")


def test_a_spark_that_has_ended_does_not_hide_why_the_run_ends(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        try:
            raise RuntimeError("Max number of executor failures (3) reached")
        except RuntimeError:
            pipeline.cancel_jobs(cast(Any, EndedSpark()), "a run")
            raise

    with pytest.raises(RuntimeError, match="Max number of executor failures"):
        fail()
    assert "could not be asked to stop its jobs" in capsys.readouterr().out
