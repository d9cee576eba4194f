"""What a run of the job left, in a form in which two runs can be compared: features, PCA, manifests, counts."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.conftest import REPO
from tests.localaws.support import World
from tests.typed import as_typed

SAME = ("images_in", "images_ok", "classes", "model", "model_sha256", "dimension", "k", "features_made_with")
"""What of run.json does not depend on where and when a run was."""


@dataclass(frozen=True)
class Result:
    """A run's results.

    Attributes
    ----------
    features : paths below the input, labels and features, sorted by path
    model : the arrays of the PCA
    summary : run.json
    makers : of each manifest, what made its features: network, preprocessing, versions
    """

    features: pa.Table
    model: dict[str, Any]
    summary: dict[str, Any]
    makers: list[dict[str, Any]]

    def check_equal(self, other: Result) -> None:
        """Fail where two results over the same images differ: features bit for bit, PCA to float64's last digits."""
        assert self.features.equals(other.features)
        assert self.model.keys() == other.model.keys()
        for name, values in self.model.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(values, other.model[name], rtol=1e-9, atol=1e-12, err_msg=name)
        assert {name: self.summary[name] for name in SAME} == {name: other.summary[name] for name in SAME}
        makers = [*self.makers, *other.makers]
        assert makers
        assert all(maker == makers[0] for maker in makers)


def read_result(folder: Path) -> Result:
    """The result below a folder; fails when a manifest names a file that is not there as it says, or a file too few."""
    rows, makers = {}, []
    for path in sorted((folder / "features" / "_manifests").glob("*.json")):
        record = json.loads(path.read_text())
        makers.append({name: record[name] for name in ("model", "model_sha256", "preprocessing", "made_with")})
        for part in record["features"]:
            data = (folder / "features" / part["name"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == part["sha256"]
            rows[part["name"]] = part["rows"]
    assert sorted(rows) == sorted(path.name for path in (folder / "features").glob("*.parquet"))
    tables = {name: pq.read_table(folder / "features" / name, columns=["path", "label", "features"]) for name in rows}
    assert {name: table.num_rows for name, table in tables.items()} == rows
    features = pa.concat_tables(tables.values())
    names = ["/".join(str(path).split("/")[-2:]) for path in features.column("path").to_pylist()]
    features = features.set_column(0, "path", pa.array(names)).sort_by("path").combine_chunks()
    with np.load(folder / "pca" / "model.npz") as model:
        arrays = dict(model)
    return Result(features, arrays, json.loads((folder / "run.json").read_text()), makers)


def fetch_result(world: World, prefix: str, folder: Path) -> Result:
    """The result below a prefix of the code bucket, by way of a folder."""
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.code, Prefix=f"{prefix}/")
    keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
    for key in (key for key in keys if not key.endswith("/")):  # a folder
        target = folder / key.removeprefix(f"{prefix}/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(world.s3.get_object(Bucket=world.code, Key=key)["Body"].read())
    return read_result(folder)


@contextmanager
def run_locally(images: Path, output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`make run-local` beside whatever else is done in a block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
    environ = {**kept, **as_typed({"INPUT": str(images), "OUTPUT": str(output)})}
    command = [sys.executable, "-m", "ops.cli", "run-local"]
    with subprocess.Popen(command, cwd=REPO, env=environ, stdout=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
