"""What the tutorial shows of a command is what the command prints today, but for the times. Below a second."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fruits.store import Store

from ops.job.local_spark import describe_run
from tools.paste_outputs import MARK

ROOT = Path(__file__).resolve().parents[2]
SHOWN = {found["command"]: found["output"] for found in MARK.finditer((ROOT / "docs" / "tutorial.md").read_text())}
SECONDS = re.compile(r"\d+(?:\.\d)? s\b")


def test_it_shows_two_runs() -> None:
    assert list(SHOWN) == ["make run-local", "make run-local K=10"]


@pytest.mark.parametrize(("command", "computed"), [("make run-local", 200), ("make run-local K=10", 0)])
def test_the_end_of_a_run_is_worded_as_today(command: str, computed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    end = SHOWN[command][SHOWN[command].index("done: ") :]
    k, statement = re.findall(r"^pca       k = (\d+): (.*)$", end, re.MULTILINE)[0]
    summary = {
        "images_featurized_now": computed,
        "images_ok": 200,
        "images_in": 200,
        "classes": dict.fromkeys("abcdefgh"),
        "seconds": {"featurize": 1.0},
        "seconds_total": 1.0,
        "rows_removed": 0,
        "features_of_others": 0,
        "repaired": [],
        "rejected": {},
        "model": "efficientnet_lite0",
        "dimension": 1280,
        "k": int(k),
        "variance_statement": statement,
    }
    today = describe_run(summary, Store("runs/sample-efficientnet_lite0")).plain.replace(f"{ROOT}/", "")
    assert SECONDS.sub("… s", end).strip() == SECONDS.sub("… s", today).strip()
