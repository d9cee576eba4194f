"""Files to S3 and back through one transfer manager. On moto in this process; seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops.aws import transfer
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.lifecycle.environment import FETCHED, empty_bucket, fetch_files

BUCKET = "fruits-data"
LARGE = 9 << 20
"""Bytes: more than one part."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        yield client


def _record_calls(s3: Any) -> list[str]:
    calls: list[str] = []
    s3.meta.events.register("before-call.s3.*", lambda model, **_: calls.append(model.name))
    return calls


def test_a_result_comes_whole_through_one_manager_and_nothing_is_asked_twice(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {name: os.urandom(LARGE if name.endswith("csv") else 1000 + len(name)) for name in FETCHED}
    for name, body in {**bodies, "features/part-1.parquet": b"not wanted", "pca/empty": b""}.items():
        s3.put_object(Bucket=BUCKET, Key=f"results/run/{name}", Body=body)
    made: list[Any] = []
    create = transfer.create_transfer_manager
    monkeypatch.setattr(transfer, "create_transfer_manager", lambda *a: made.append(create(*a)) or made[-1])  # type: ignore[func-returns-value]
    calls = _record_calls(s3)
    assert fetch_files(s3, BUCKET, "results/run", tmp_path / "here", Console(quiet=True))
    assert {str(p.relative_to(tmp_path / "here")): p.read_bytes() for p in (tmp_path / "here").rglob("*.*")} == bodies
    assert len(made) == 1
    assert calls[0] == "ListObjectsV2"
    assert set(calls[1:]) == {"GetObject"}, "sizes are known from the listing"


def put_result(s3: Any, *names: str, text: str) -> None:
    for name in names:
        s3.put_object(Bucket=BUCKET, Key=f"results/run/{name}", Body=f"{text} {name}".encode())


def list_texts(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_a_result_without_its_manifest_is_none_and_leaves_the_earlier_one_as_it_is(s3: Any, tmp_path: Path) -> None:
    """The job takes run.json away before it replaces anything else."""
    quiet = Console(quiet=True)
    put_result(s3, *FETCHED, text="first")
    assert fetch_files(s3, BUCKET, "results/run", tmp_path, quiet)
    first = list_texts(tmp_path)
    s3.delete_object(Bucket=BUCKET, Key="results/run/run.json")
    put_result(s3, "report.html", text="second")
    assert not fetch_files(s3, BUCKET, "results/run", tmp_path, quiet)
    assert list_texts(tmp_path) == first


def test_nothing_of_an_earlier_result_is_left_beside_a_newer_one(s3: Any, tmp_path: Path) -> None:
    """A run over many images writes no CSV file: that of a smaller run before would be taken for its."""
    put_result(s3, *FETCHED, text="first")
    assert fetch_files(s3, BUCKET, "results/run", tmp_path, Console(quiet=True))
    (tmp_path / "mine.txt").write_text("notes")
    s3.delete_object(Bucket=BUCKET, Key="results/run/pca/scores.csv")
    put_result(s3, "run.json", "report.html", "pca/model.npz", text="second")
    assert fetch_files(s3, BUCKET, "results/run", tmp_path, Console(quiet=True))
    names = ("run.json", "report.html", "pca/model.npz")
    assert list_texts(tmp_path) == {"mine.txt": "notes", **{name: f"second {name}" for name in names}}


def test_a_fetch_that_breaks_off_leaves_no_finished_result(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_result(s3, *FETCHED, text="first")
    assert fetch_files(s3, BUCKET, "results/run", tmp_path, Console(quiet=True))
    put_result(s3, *FETCHED, text="second")
    get = s3._make_api_call

    def lose(call: str, arguments: dict[str, Any]) -> Any:
        if call == "GetObject" and arguments["Key"].endswith("model.npz"):
            raise ConnectionError("lost")
        return get(call, arguments)

    monkeypatch.setattr(s3, "_make_api_call", lose)
    with pytest.raises(ConnectionError, match="lost"):
        fetch_files(s3, BUCKET, "results/run", tmp_path, Console(quiet=True))
    assert "run.json" not in list_texts(tmp_path)


def test_versions_that_s3_does_not_delete_are_said() -> None:
    """DeleteObjects answers 200 all the same, and the errors are in what it says."""
    error = {"Key": "images/a.jpg", "VersionId": "v", "Code": "AccessDenied", "Message": "Access Denied"}
    page = {"Versions": [{"Key": f"images/{name}.jpg", "VersionId": "v"} for name in "ab"]}
    s3 = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]),
        delete_objects=lambda **_: {"Errors": [error]},
    )
    with pytest.raises(OperatorError) as caught:
        empty_bucket(s3, BUCKET)
    assert str(caught.value) == (
        "1 object version was not deleted from fruits-data, first images/a.jpg (AccessDenied). Fix: look at the "
        "bucket's policy and locks, then run the command again."
    )


def test_progress_adds_up_to_the_bytes_fetched_and_the_files_sent(s3: Any, tmp_path: Path) -> None:
    sizes = {"a": 0, "b/c": 5, "d": LARGE}
    for name, size in sizes.items():
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_bytes(os.urandom(size))
    sent: list[int] = []
    transfer.send(s3, BUCKET, {tmp_path / "from" / name: f"x/{name}" for name in sizes}, sent.append)
    assert sent == [1, 1, 1]
    items = {tmp_path / "to" / item["Key"]: item for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    arrived: list[int] = []
    transfer.fetch(s3, BUCKET, items, arrived.append)
    assert sum(arrived) == sum(sizes.values())
    for name in sizes:
        assert (tmp_path / "to" / "x" / name).read_bytes() == (tmp_path / "from" / name).read_bytes()


def test_what_does_not_arrive_is_an_error(s3: Any, tmp_path: Path) -> None:
    gone = {"Key": "gone", "Size": 3, "ETag": '"0"'}
    with pytest.raises(Exception, match=r"NoSuchKey|Not Found"):
        transfer.fetch(s3, BUCKET, {tmp_path / "gone": gone}, lambda _: None)
    assert not (tmp_path / "gone").exists()
    with pytest.raises(FileNotFoundError):
        transfer.send(s3, BUCKET, {tmp_path / "none": "k"}, lambda _: None)


def test_what_fetches_and_sends_loads_neither_arrays_nor_the_tables_of_causes() -> None:
    """Half of what `make results` takes is its start."""
    program = (
        "import sys; from ops.lifecycle import environment, upload\n"
        "print(*(name for name in ('numpy', 'pyarrow', 'fruits.report', 'ops.diagnose') if name in sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "jobs"), str(ROOT)))}
    command = [sys.executable, "-c", program]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout == "\n"
