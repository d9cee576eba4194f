"""The Python of docs/using-results.md, run from top to bottom on a finished run (one shared with the job's tests)."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.job.conftest import FinishedRun

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PAGE = Path(__file__).resolve().parents[2] / "docs" / "using-results.md"


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_page_has_code() -> None:
    assert len(snippets()) >= 7


@pytest.mark.spark
@pytest.mark.tensorflow
def test_every_snippet_runs(
    spark: SparkSession, drawn_run: FinishedRun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photograph = next(drawn_run.source.rglob("*.jpg"))
    names: dict[str, Any] = {"output": str(drawn_run.output), "photograph": str(photograph)}
    monkeypatch.setattr(sys, "argv", ["page"])
    for snippet in snippets():
        exec(compile(snippet, str(PAGE), "exec"), names)
    assert names["X"].shape == (200, 1280)
    assert names["Z"].shape == (200, drawn_run.summary["k"])
    nearest = names["scores"].iloc[names["nearest"]]
    assert nearest.path.iloc[0] == str(photograph)  # the photograph itself was in the run
    assert set(nearest.label) == {photograph.parent.name}
    assert names["accuracy"] > 0.9
    assert "label" in capsys.readouterr().out
