"""A disk that is full wherever the driver writes, and heartbeats that cannot be written, in whole runs.

What tasks write goes through the same two classes (`PartWriter`, `NewFile`): see test_parts.py; `make accidents` fills
real disks.
"""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from fruits import pipeline
from fruits.errors import StorageError
from fruits.progress import Progress
from fruits.store import NewFile

from tests.job.conftest import read_rows

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]
PLACES = (
    "/_run/lease-",
    "/_run/progress.json",
    "/_run/listing/part-",
    "/features/_manifests/",
    "/pca/spectrum.npz",
    "/pca/model.npz",
    "/pca/spark/metadata/",
    "/pca/spark/data/",
    "/pca/scores.csv",
    "/report.html",
    "/run.json",
)


@pytest.mark.slow
def test_a_full_disk_is_said_wherever_it_is_met_and_nothing_half_stays(
    job: Any, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One run after the other at one output: each gets a little further, and the last one to its end."""
    out, place = tmp_path / "out", ""
    honest = NewFile.write

    def write(self: NewFile, data: Any) -> int:
        if place and place in f"{self._store.uri}/{self._name}":
            honest(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return honest(self, data)

    monkeypatch.setattr(NewFile, "write", write)
    for place in PLACES:
        with pytest.raises(StorageError) as caught:
            job(corpus, out)
        assert caught.value.exit_code == 17
        assert "No space left on device. Fix: free some" in str(caught.value), place
        assert place in str(caught.value)
        assert not (out / "run.json").exists()
        assert [
            p for p in out.rglob("*") if p.is_file() and (p.name.startswith((".", "lease-")) or place in str(p))
        ] == []
        if place != PLACES[0]:
            record = json.loads((out / "_run" / "error.json").read_text())
            assert (record["exit_code"], record["cause"]) == (17, "storage")
    place = ""
    assert job(corpus, out)["images_ok"] == 20
    job(corpus, tmp_path / "undisturbed")
    assert read_rows(out, "features").path == read_rows(tmp_path / "undisturbed", "features").path
    assert (read_rows(out, "features").values == read_rows(tmp_path / "undisturbed", "features").values).all()


@pytest.mark.parametrize("obstacle", ["none", "a file", "a file from the beginning"])
def test_heartbeats_that_cannot_be_written_end_nothing(
    job: Any, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    out = tmp_path / "out"
    workers = out / "_run" / "workers"
    start, finish, beats = Progress.start, Progress.finish, list[Path]()

    def put_in_the_way(self: Progress) -> None:
        start(self)
        if obstacle == "a file":
            workers.write_bytes(b"")

    def look(self: Progress, phase: str = "done") -> None:
        beats.extend(workers.glob("*.json"))
        finish(self, phase)

    monkeypatch.setattr(pipeline, "choose_heartbeat_interval", lambda _tasks: 0.0)
    monkeypatch.setattr(Progress, "start", put_in_the_way)
    monkeypatch.setattr(Progress, "finish", look)
    if obstacle == "a file from the beginning":
        workers.parent.mkdir(parents=True)
        workers.write_bytes(b"")
    assert job(corpus, out)["images_ok"] == 20
    assert bool(beats) == (obstacle == "none")  # without the obstacle the same run does write some
    assert json.loads((out / "_run" / "progress.json").read_text())["phase"] == "done"
