"""Each accident that only a real YARN has, run once with the real job to its end in `make diagnose`.

Some ten minutes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws import faults
from ops.diagnose import gather
from ops.diagnose.causes import judge
from ops.diagnose.render import as_text
from tests.diagnose.capture import ON_YARN, YARN, Stage, keep, on_yarn, staged
from tests.localaws.on_yarn import JARS, needs_jars

pytestmark = [pytest.mark.slow, pytest.mark.aws, pytest.mark.spark, *needs_jars]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged(yarn=True, yarn_jars=JARS) as made:
        yield made


@pytest.mark.parametrize("name", sorted(ON_YARN))
def test_an_accident_on_yarn_ends_with_its_cause(stage: Stage, tmp_path: Path, name: str) -> None:
    cluster = on_yarn(stage, ON_YARN[name])
    tree = keep(stage, name, cluster, ON_YARN[name].cause, tmp_path, YARN)
    stage.world.end(cluster)
    evidence = gather.gather_tree(tree)
    verdict = judge(evidence)
    assert verdict.cause == ON_YARN[name].cause, as_text(evidence, verdict)


def test_every_fault_that_only_yarn_has_is_among_them() -> None:
    assert {accident.fault for accident in ON_YARN.values()} >= set(faults.ON_YARN)
