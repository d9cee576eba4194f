"""How the images to do are cut into tasks and waves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fruits import featurize, planning
from fruits.manifests import State
from fruits.parts import Part, PartWriter, group_parts
from fruits.planning import MAX_IMAGES_PER_TASK, Sizing
from fruits.selection import EVERYTHING
from fruits.store import Store
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

images = st.integers(1, 200_000_000)
slots = st.integers(1, 5000)


@given(images, slots)
def test_every_image_has_a_place(images: int, slots: int) -> None:
    sizing = Sizing.choose(images, slots)
    assert sizing.tasks * sizing.images_per_task * sizing.waves >= images


@given(images, slots)
def test_no_task_is_longer_than_allowed_by_much(images: int, slots: int) -> None:
    assert Sizing.choose(images, slots).images_per_task <= 2 * MAX_IMAGES_PER_TASK


@given(images, slots)
def test_a_wave_is_a_whole_number_of_rounds(images: int, slots: int) -> None:
    assert Sizing.choose(images, slots).tasks % slots == 0


@given(st.integers(1, 5000), slots)
def test_a_task_is_never_mostly_its_own_start(images: int, slots: int) -> None:
    sizing = Sizing.choose(images, slots)
    tasks = min(sizing.tasks, -(-images // sizing.images_per_task))
    assert tasks == 1 or images // tasks >= 8


def write_features(output: Store, *paths: str) -> Part:
    writer = PartWriter(output.child("features"), featurize.FEATURES_SCHEMA)
    rest = {"label": "a", "size": 1, "mtime": 1, "model": "m", "preprocessing": 1, "features": [1.0]}
    rows = [{"path": path, **rest} for path in paths]
    writer.write(pa.RecordBatch.from_pylist(rows, schema=featurize.FEATURES_SCHEMA))
    part = writer.close()
    assert part is not None
    return part


def test_a_file_without_its_stale_rows_takes_the_place_of_the_one_that_holds_them(tmp_path: Path) -> None:
    output = Store(str(tmp_path))
    some, whole = write_features(output, "/x/1.jpg", "/x/2.jpg", "/x/3.jpg"), write_features(output, "/x/4.jpg")
    stale = [("/x/2.jpg", some.name), ("/x/4.jpg", whole.name)]
    rows = [{"path": path, "kind": "featurized", "part": name} for path, name in stale]
    batches = planning.rewrite_parts([pa.RecordBatch.from_pylist(rows)], output)
    answers = [(row["kind"], row["name"], row["rows"]) for batch in batches for row in batch.to_pylist()]
    (written,) = (name for kind, name, _ in answers if kind == "features")
    assert answers == [("replaced", some.name, 1), ("features", written, 2), ("replaced", whole.name, 1)]
    assert pq.read_table(tmp_path / "features" / written).column("path").to_pylist() == ["/x/1.jpg", "/x/3.jpg"]
    assert not {written} & {some.name, whole.name}


def test_a_stale_reject_leaves_the_rejects_whatever_its_kind(tmp_path: Path) -> None:
    """Also one whose features were not finite: its kind is called as the folder of the features."""
    output = Store(str(tmp_path))
    writer = PartWriter(output.child("rejects"), featurize.REJECTS_SCHEMA)
    rest = {"label": "a", "size": 1, "mtime": 1, "kind": "features", "reason": "not finite"}
    rows = [{"path": path, **rest} for path in ("/x/1.jpg", "/x/2.jpg")]
    writer.write(pa.RecordBatch.from_pylist(rows, schema=featurize.REJECTS_SCHEMA))
    part = writer.close()
    assert part is not None
    stale = pa.RecordBatch.from_pylist([{"path": "/x/1.jpg", "kind": "features", "part": part.name}])
    batches = planning.rewrite_parts([stale], output)
    answers = {row["kind"]: row["name"] for batch in batches for row in batch.to_pylist()}
    assert answers["replaced"] == part.name
    assert pq.read_table(tmp_path / "rejects" / answers["rejects"]).column("path").to_pylist() == ["/x/2.jpg"]


@pytest.mark.spark
def test_nothing_broadcasts_the_listing(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A table of all images is sorted and merged, however small Spark takes it for."""
    output = Store(str(tmp_path))
    part = write_features(output, "/x/a/1.jpg")
    listed = spark.createDataFrame([("/x/a/1.jpg", "a", 1, 1), ("/x/a/2.jpg", "a", 1, 1)], SCHEMA_DDL)
    state = State((), (part,), ())
    frame = planning._compare(spark, listed, EVERYTHING, output, state, 2)
    assert [(row["path"], row["todo"]) for row in frame.collect()] == [("/x/a/2.jpg", True)]
    frame.explain()
    plan = capfd.readouterr().out
    assert "SortMergeJoin" in plan
    assert "Broadcast" not in plan


SCHEMA_DDL = "path string, label string, size long, mtime long"


def test_files_stay_few_for_a_few_thousand_photographs() -> None:
    sizing = Sizing.choose(3000, 2)
    assert sizing.tasks * sizing.waves <= 32
    assert sizing.images_per_task >= 90


def test_a_hundred_million_images_do_not_make_a_million_files() -> None:
    sizing = Sizing.choose(100_000_000, 400)
    assert sizing.tasks * sizing.waves < 60_000


@given(st.lists(st.integers(1, 10_000), max_size=60), st.integers(1, 40))
def test_waves_hold_every_file_once(rows: list[int], wanted: int) -> None:
    parts = [Part(f"p{i}", n) for i, n in enumerate(rows)]
    groups = group_parts(parts, wanted)
    assert sorted(part.name for group in groups for part in group) == sorted(part.name for part in parts)
    assert all(groups)
    assert len(groups) <= wanted


@given(st.lists(st.integers(900, 1100), min_size=40, max_size=60), st.integers(1, 10))
def test_waves_are_about_equal(rows: list[int], wanted: int) -> None:
    groups = group_parts([Part(f"p{i}", n) for i, n in enumerate(rows)], wanted)
    sizes = [sum(part.rows for part in group) for group in groups]
    assert max(sizes) - min(sizes) <= 1100
