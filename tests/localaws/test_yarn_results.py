"""The real job on YARN gives what it gives on local-cluster: features bit for bit, PCA, counts. Some three minutes."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from localaws.java import find_java_home
from ops.diagnose import gather
from ops.diagnose.causes import judge
from ops.diagnose.render import as_text
from tests.conftest import SHARED
from tests.diagnose.capture import Accident, Stage, keep, on_yarn, staged
from tests.localaws.support import World

JARS = SHARED / "yarn" / "jars"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
    pytest.mark.skipif(not JARS.is_dir(), reason="needs YARN's jars: ../shared/yarn/jars is not beside this checkout"),
]
HEALTHY = Accident("nothing-failed")


@dataclass
class Result:
    """What a run left."""

    features: pa.Table
    model: dict[str, Any]
    summary: dict[str, Any]
    manifests: int


def read(world: World, output: str) -> Result:
    s3, code = world.s3, world.code
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=code, Prefix=f"{output}/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]

    def body(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=code, Key=key)["Body"].read())

    parts = [key for key in keys if key.startswith(f"{output}/features/") and key.endswith(".parquet")]
    tables = [pyarrow.parquet.read_table(io.BytesIO(body(key)), columns=["path", "label", "features"]) for key in parts]
    features = pa.concat_tables(tables)
    names = [str(path).rpartition("/images/")[2] for path in features.column("path").to_pylist()]
    features = features.set_column(0, "path", pa.array(names)).sort_by("path")
    model = dict(np.load(io.BytesIO(body(f"{output}/pca/model.npz"))))
    return Result(features, model, json.loads(body(f"{output}/run.json")), sum("manifest" in key for key in keys))


def run(stage: Stage) -> Result:
    """The job over the drawn sample; a run that failed says why."""
    cluster = on_yarn(stage, HEALTHY, "none")
    if (states := stage.world.states(cluster)) != ["COMPLETED"]:
        tree = keep(stage, "healthy", cluster, HEALTHY.cause, stage.home.parent)
        evidence = gather.gather_tree(tree)
        pytest.fail(f"{states}: {as_text(evidence, judge(evidence))}")
    stage.world.end(cluster)
    return read(stage.world, "out/none")


def test_yarn_and_local_cluster_give_the_same() -> None:
    with staged(yarn=True, yarn_jars=JARS) as stage:
        on = run(stage)
    with staged() as stage:
        off = run(stage)
    assert on.features.equals(off.features)
    assert on.features.num_rows == on.summary["images_ok"] == off.summary["images_ok"] == 40
    assert on.model["n"] == off.model["n"]
    for name in ("mean", "components", "explained_variance"):
        np.testing.assert_allclose(on.model[name], off.model[name], rtol=1e-9, atol=1e-12)
    assert min(on.manifests, off.manifests) > 0
