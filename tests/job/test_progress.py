"""What a run says while it runs."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fruits import progress
from fruits.errors import StorageError
from fruits.progress import PHASES, Heartbeat, Progress, choose_heartbeat_interval
from fruits.store import Entry, Store


@pytest.fixture
def output(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "out"))


def said(output: Store) -> dict[str, Any]:
    return dict(json.loads(output.read("_run/progress.json")))


def until(condition: Any, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        threading.Event().wait(0.01)


def test_it_is_written_at_once_and_again_and_again(output: Store) -> None:
    report = Progress(output, "run-1", interval=0.02)
    report.start()
    first = said(output)
    assert (first["run_id"], first["phase"], first["images"], first["images_to_featurize"]) == (
        "run-1",
        "start",
        None,
        None,
    )
    with report.phase("list"):
        until(lambda: said(output)["phase"] == "list")
    report.plan(100, 40)
    until(lambda: said(output)["images"] == 100)
    assert said(output)["images_to_featurize"] == 40
    report.finish()
    last = said(output)
    assert (last["phase"], last["phase_number"], last["phases"]) == ("done", len(PHASES), len(PHASES))
    assert last["seconds"].keys() == {"list"}


def test_the_rest_of_an_earlier_run_is_cleared(output: Store) -> None:
    output.write("_run/error.json", b"{}")
    output.write("_run/workers/wave-00000.old.json", b'{"done": 5, "rejected": 0}')
    report = Progress(output, "run-2")
    report.start()
    report.finish()
    assert {e.key for e in output.list("_run", recursive=True) if e.is_file} == {"_run/progress.json"}


def test_workers_are_added_up_and_a_finished_wave_replaces_its_heartbeats(output: Store) -> None:
    report = Progress(output, "run", interval=60)
    report.plan(100, 60)
    with report.phase("featurize"):
        report.start_wave("wave-00000")
        report.start_wave("wave-00001")
        for name, done in (("wave-00000.a", 10), ("wave-00000.b", 5), ("wave-00001.c", 7), ("wave-00009.x", 1000)):
            Heartbeat(output, name, 0.0).beat(done, 1)
        output.write("_run/workers/wave-00000.half.json", b'{"done": ')
        until(lambda: len([e for e in output.list("_run/workers") if "/wave" in e.key]) == 5)
        report.add_up()
        now = report.snapshot()
        assert (now["images_done"], now["images_rejected"]) == (22, 3)
        assert now["images_per_second"] > 0
        assert (
            now["seconds_left"] == round((60 - 25) / (22 / (22 / now["images_per_second"]))) or now["seconds_left"] >= 0
        )
        report.end_wave("wave-00000", 20, 4)
        now = report.snapshot()
        assert (now["images_done"], now["images_rejected"]) == (27, 5)


def test_a_heartbeat_waits_for_its_interval(output: Store) -> None:
    beat = Heartbeat(output, "w.a", 3600.0)
    beat.beat(1, 0)
    assert output.list("_run/workers") == []


def test_a_heartbeat_that_cannot_be_written_ends_nothing_and_holds_nothing_up(
    output: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stalled(*_: Any) -> None:
        entered.set()
        leave.wait(20)
        raise StorageError("503. Fix: wait.")

    monkeypatch.setattr(Store, "write", stalled)
    beat = Heartbeat(output, "w.a", 0.0)
    for done in range(1000):
        beat.beat(done, 0)  # returns at once, and does not queue a thousand writings
    assert entered.wait(20)
    leave.set()
    assert beat._writing is not None
    assert beat._writing.result(20) is None


def test_a_heartbeat_for_which_there_is_no_thread_ends_nothing(output: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    beat = Heartbeat(output, "w.a", 0.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    beat.beat(1, 0)
    monkeypatch.undo()
    assert output.list("_run/workers") == []


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", "{}", '"x"', "[" * 100_000])
def test_a_report_that_is_none_is_no_report(output: Store, text: str) -> None:
    output.write("_run/progress.json", text.encode())
    assert progress.read_progress(output) is None


def test_reports_stay_fresh_beside_four_thousand_slow_heartbeats(
    output: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 4,000 tasks, each read in 25 ms, the sum takes six seconds; the report is rewritten meanwhile."""
    report = Progress(output, "run", interval=0.02)
    report.start_wave("wave-00000")
    read = Store.read

    def slow(self: Store, key: str) -> bytes:
        if "/workers/" in key:
            leave.wait(20)
            return b'{"done": 1, "rejected": 0}'
        return read(self, key)

    leave = threading.Event()
    names = [Entry(f"_run/workers/wave-00000.{i}.json", True, 1, 0) for i in range(40)]
    monkeypatch.setattr(Store, "list", lambda self, key, **_: names)
    monkeypatch.setattr(Store, "read", slow)
    report.start()
    try:
        with report.phase("featurize"):
            until(lambda: said(output)["phase"] == "featurize")
        with report.phase("tidy"):
            until(lambda: said(output)["phase"] == "tidy")
    finally:
        leave.set()
        report.finish()


def test_many_tasks_do_not_beat_the_store_to_death() -> None:
    assert choose_heartbeat_interval(2) == progress.INTERVAL
    assert choose_heartbeat_interval(5000) * 10 >= 5000


def test_phases_of_one_name_add_up_and_failures_are_timed_too(output: Store) -> None:
    report = Progress(output, "run")
    with report.phase("list"):
        pass
    with pytest.raises(RuntimeError), report.phase("list"):
        raise RuntimeError
    assert set(report.seconds) == {"list"}
    assert report.snapshot()["phase"] == "list"


def test_an_output_that_cannot_be_written_is_said_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Fix: "):
        Progress(Store(str(tmp_path / "file")), "run").start()


def test_a_report_that_fails_does_not_stop_the_reports(output: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    report = Progress(output, "run", interval=0.01)
    report.start()
    calls = []
    write = Store.write

    def failing(self: Store, key: str, data: bytes) -> None:
        calls.append(key)
        if len(calls) < 4:
            raise StorageError("503. Fix: wait.")
        write(self, key, data)

    monkeypatch.setattr(Store, "write", failing)
    output.delete("_run/progress.json")
    until(lambda: output.kind("_run/progress.json") == "file")
    monkeypatch.undo()
    report.finish()
    assert said(output)["phase"] == "done"


def test_a_failed_run_keeps_the_phase_it_failed_in(output: Store) -> None:
    report = Progress(output, "run", interval=0.01)
    report.start()
    with report.phase("reduce"):
        pass
    report.finish("reduce")
    assert said(output)["phase"] == "reduce"
