"""The real job gives on local-cluster what `make run-local` gives (on YARN: test_yarn_step.py). Some two minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from localaws.java import find_java_home
from tests.diagnose.capture import staged
from tests.localaws.results import fetch_result, read_result, run_locally

pytestmark = [
    pytest.mark.slow,
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.tensorflow,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]


def test_local_cluster_and_run_local_give_the_same(tmp_path: Path) -> None:
    with staged() as stage:
        cluster = stage.steps(stage.job())
        assert stage.world.states(cluster) == ["COMPLETED"]
        result = fetch_result(stage.world, "out/results", tmp_path / "fetched")
        with run_locally(stage.sample, tmp_path / "local") as process:
            assert process.wait() == 0
    assert result.summary["images_ok"] == 40
    result.check_equal(read_result(tmp_path / "local"))
