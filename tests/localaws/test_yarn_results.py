"""The real job on YARN gives what it gives on local-cluster: features bit for bit, PCA, counts, rejects by name.

Among the photographs lie four that crash their decoder, run for ever or take all memory. Some six
minutes, more on a busy machine."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
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
# a decoder that really dies: a library of HEIC's name, sent with the job, that finds its end in some files
DECODER = """
import ctypes, os
from PIL import Image

class options:
    pass

def register_heif_opener():
    Image.register_open("HEIF", die)

def die(file, name):
    how, held = file.read(), []
    if b"SIGSEGV" in how: ctypes.string_at(0)
    if b"SIGABRT" in how: os.abort()
    while True:
        if b"memory" in how: held.append(b"x" * (8 << 20))
"""
POISON = {
    "SIGSEGV": "the HEIC image crashes its decoder (SIGSEGV)",
    "SIGABRT": "the HEIC image crashes its decoder (SIGABRT)",
    "endless": "the HEIC image takes more than 30 s to decode",
    "memory": "the HEIC image takes more memory than one image may",
}
POISONED = Accident("nothing-failed", request={"max_reject_rate": 0.2})


class PoisonedStage(Stage):
    """A stage among whose photographs lie those of `POISON`."""

    def job(self, **fields: Any) -> tuple[str, ...]:
        library = self.script("jobs/pi_heif.py", DECODER)
        for how in POISON:
            head, data = b"ftypheic" + bytes(4) + b"mif1heic", b"mdat" + how.encode()
            body = b"".join(struct.pack(">I", len(box) + 4) + box for box in (head, data))
            self.world.s3.put_object(Bucket=self.world.code, Key=f"images/Poison/{how}.heic", Body=body)
        return tuple(f"{word},{library}" if word.endswith("/fruits.zip") else word for word in super().job(**fields))


@contextmanager
def poisoned(**more: Any) -> Iterator[PoisonedStage]:
    with staged(**more) as stage:
        yield PoisonedStage(stage.world, stage.sample, stage.home)


@dataclass
class Result:
    """What a run left."""

    features: pa.Table
    rejects: dict[str, tuple[str, str]]
    model: dict[str, Any]
    summary: dict[str, Any]
    manifests: int


def read(world: World, output: str) -> Result:
    s3, code = world.s3, world.code
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=code, Prefix=f"{output}/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]

    def body(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=code, Key=key)["Body"].read())

    def table(folder: str, *columns: str) -> pa.Table:
        parts = [key for key in keys if key.startswith(f"{output}/{folder}/") and key.endswith(".parquet")]
        return pa.concat_tables(
            pyarrow.parquet.read_table(io.BytesIO(body(key)), columns=list(columns)) for key in parts
        )

    features = table("features", "path", "label", "features")
    rejects = {
        row["path"].rpartition("/")[2].removesuffix(".heic"): (row["kind"], row["reason"])
        for row in table("rejects", "path", "kind", "reason").to_pylist()
    }
    names = [str(path).rpartition("/images/")[2] for path in features.column("path").to_pylist()]
    features = features.set_column(0, "path", pa.array(names)).sort_by("path")
    model = dict(np.load(io.BytesIO(body(f"{output}/pca/model.npz"))))
    summary = json.loads(body(f"{output}/run.json"))
    return Result(features, rejects, model, summary, sum("manifest" in key for key in keys))


def run(stage: Stage) -> Result:
    """The job over the drawn sample; a run that failed says why."""
    cluster = on_yarn(stage, POISONED, "none")
    if (states := stage.world.states(cluster)) != ["COMPLETED"]:
        tree = keep(stage, "healthy", cluster, POISONED.cause, stage.home.parent)
        evidence = gather.gather_tree(tree)
        pytest.fail(f"{states}: {as_text(evidence, judge(evidence))}")
    stage.world.end(cluster)
    return read(stage.world, "out/none")


def test_yarn_and_local_cluster_give_the_same() -> None:
    with poisoned(yarn=True, yarn_jars=JARS) as stage:
        on = run(stage)
    with poisoned() as stage:
        off = run(stage)
    assert on.features.equals(off.features)
    assert on.features.num_rows == on.summary["images_ok"] == off.summary["images_ok"] == 40
    assert on.model["n"] == off.model["n"]
    for name in ("mean", "components", "explained_variance"):
        np.testing.assert_allclose(on.model[name], off.model[name], rtol=1e-9, atol=1e-12)
    assert min(on.manifests, off.manifests) > 0
    for result in (on, off):
        assert result.rejects == {how: ("decode", reason) for how, reason in POISON.items()}
        assert result.summary["classes"]["Poison"] == {"images": 4, "ok": 0, "rejected": 4}
