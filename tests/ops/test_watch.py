"""What is shown of a running job: one line for each phase, with its counts; an earlier run's report is none."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from fruits.errors import StorageError
from fruits.store import Store

from ops.core.console import Console
from ops.job import watch
from ops.job.watch import Watcher, describe_progress, show_progress

COUNTS = {"images_to_featurize": 12_000, "images_done": 1_500, "images_rejected": 0}
FEATURIZE: dict[str, Any] = {"phase": "featurize", **COUNTS, "images_per_second": 0, "seconds_left": 0}


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (None, "starting Spark"),
        ({"phase": "reduce"}, "principal components"),
        ({"phase": "a new one"}, "a new one"),
        (FEATURIZE, "featurizing: 1,500 of 12,000 images"),
        ({**FEATURIZE, "images_to_featurize": 0}, "featurizing"),
        ({**FEATURIZE, "images_rejected": 1_001}, "featurizing: 1,500 of 12,000 images, 1,001 rejected"),
        (
            {**FEATURIZE, "images_per_second": 82.6, "seconds_left": 127},
            "featurizing: 1,500 of 12,000 images, 83/s, 127 s left",
        ),
        ({**FEATURIZE, "images_to_featurize": 20, "images_per_second": 82.6}, "featurizing: 1,500 of 20 images"),
    ],
)
def test_a_report_in_one_line(report: dict[str, Any] | None, said: str) -> None:
    assert describe_progress(report) == said


def put(folder: Path, **report: Any) -> None:
    (folder / "_run").mkdir(exist_ok=True)
    (folder / "_run" / "progress.json").write_text(json.dumps(report))


def test_an_earlier_runs_report_is_none_and_a_silent_store_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, run_id="earlier", phase="done")
    watcher = Watcher(Store(str(tmp_path)))
    assert watcher.report() is None
    put(tmp_path, run_id="this", phase="list")
    assert watcher.report() == {"run_id": "this", "phase": "list"}

    def silent(_: Store) -> None:
        raise StorageError("no answer")

    monkeypatch.setattr(watch, "read_progress", silent)
    assert watcher.report() == {"run_id": "this", "phase": "list"}


def test_away_from_a_terminal_each_phase_has_a_line_and_a_long_one_another_every_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phases = iter([None, *[{"phase": "list"}] * 3, {"phase": "reduce"}])
    ends, now = iter([None] * 5 + [7]), iter([0.0, 1.0, 5.0, 11.0, 12.0])

    class Reports:
        def report(self) -> dict[str, Any] | None:
            return next(phases)

    slept: list[float] = []

    class Clock:
        monotonic = staticmethod(lambda: next(now))
        sleep = staticmethod(slept.append)

    monkeypatch.setattr(watch, "time", Clock)
    monkeypatch.setattr(watch, "stamp", lambda: "12:00:00")
    out = io.StringIO()
    assert show_progress(Reports(), lambda: next(ends), Console(file=out, width=200)) == 7  # type: ignore[arg-type]
    wanted = ["starting Spark", "listing the images", "listing the images", "principal components"]
    assert out.getvalue().splitlines() == [f"12:00:00 {line}" for line in wanted]
    assert slept == [0.5] * 5


def test_at_a_terminal_a_bar_counts_what_is_done_and_rejected_together(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = iter([None, {"phase": "list", **COUNTS}, {**FEATURIZE, "images_rejected": 20}])
    ends, slept, updates = iter([None] * 3 + [0]), [], []

    class Bar:
        def __init__(self, *_: Any, console: Console, transient: bool) -> None:
            assert transient, "it goes when the job has ended"

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def add_task(self, text: str, total: int | None) -> str:
            updates.append((text, total, 0))
            return "task"

        def update(self, task: str, *, description: str, total: int | None, completed: int) -> None:
            assert task == "task"
            updates.append((description, total, completed))

    class Reports:
        def report(self) -> dict[str, Any] | None:
            return next(reports)

    monkeypatch.setattr(watch, "Progress", Bar)
    monkeypatch.setattr(watch.time, "sleep", slept.append)
    console = Console(file=io.StringIO(), force_terminal=True)
    assert show_progress(Reports(), lambda: next(ends), console) == 0  # type: ignore[arg-type]
    assert updates == [
        ("starting Spark", None, 0),
        ("starting Spark", None, 0),
        ("listing the images", None, 0),
        ("featurizing: 1,500 of 12,000 images, 20 rejected", 12_000, 1_520),
    ]
    assert slept == [0.5] * 3
