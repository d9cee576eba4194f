"""The step's entry point: what it asks of Spark, whatever a cluster's defaults say."""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import featurize_pca
import pyspark.sql
import pytest


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
    begun = nullcontext(SimpleNamespace(recorded=nullcontext))
    monkeypatch.setattr(featurize_pca, "begin", lambda _: begun)
    summary = {"images_ok": 1, "images_rejected": 0, "variance_statement": "all"}
    monkeypatch.setattr(featurize_pca, "run", lambda *_: summary)
    assert featurize_pca.main(["--input", "i", "--output", "o"]) == 0
    assert builder.settings["spark.speculation"] == "false"
    assert builder.settings["spark.python.worker.faulthandler.enabled"] == "true"
