"""The step's entry point: what it asks of Spark, whatever a cluster's defaults say."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import featurize_pca
import pyspark.sql
import pytest
from fruits.errors import FruitsError


class Builder:
    """Spark's builder, which remembers what it was told."""

    def __init__(self) -> None:
        self.settings: dict[str, str] = {}

    def config(self, name: str, value: str) -> Builder:
        self.settings[name] = value
        return self

    def appName(self, _: str) -> Builder:
        return self

    def getOrCreate(self) -> Any:
        return SimpleNamespace(stop=lambda: None)


def test_no_task_is_run_twice_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second attempt beside a slow one may close its file after the last sweep: rows would stand twice."""
    builder = Builder()
    monkeypatch.setattr(pyspark.sql.SparkSession, "builder", builder)
    begun = nullcontext(SimpleNamespace(record_failures=nullcontext))
    monkeypatch.setattr(featurize_pca, "begin", lambda _: begun)
    summary = {"images_ok": 1, "images_rejected": 0, "variance_statement": "all"}
    monkeypatch.setattr(featurize_pca, "run", lambda *_: summary)
    assert featurize_pca.main(["--input", "i", "--output", "o"]) == 0
    assert builder.settings["spark.speculation"] == "false"
    assert builder.settings["spark.python.worker.faulthandler.enabled"] == "true"


def test_the_path_of_imports_is_shortened_before_any_thread_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    """A finder walks the path by position: one that loses an entry meanwhile makes it miss the folder of packages."""
    archive = Path(pyspark.__file__).parent / "python" / "lib" / "pyspark.zip"
    monkeypatch.setattr(sys, "path", [str(archive), *sys.path])
    seen: list[str] = []

    def begin(_: Any) -> Any:
        seen.extend(sys.path)
        raise FruitsError("enough")

    monkeypatch.setattr(featurize_pca, "begin", begin)
    assert featurize_pca.main(["--input", "i", "--output", "o"]) != 0
    assert seen
    assert str(archive) not in seen
