"""The day that `make record-calls` lives is made of what commands read today."""

from __future__ import annotations

from pathlib import Path

from fruits.store import Store

from ops.job.local_spark import describe
from tools.record_calls import RUN


def test_the_invented_run_can_be_described(tmp_path: Path) -> None:
    assert "images    1 of 1 classes, none rejected" in describe(dict(RUN), Store(str(tmp_path))).plain
