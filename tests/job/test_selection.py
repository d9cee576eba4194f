"""LIMIT= and CLASSES=: a condition that Spark and the tasks decide alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from fruits.selection import EVERYTHING, Selection, hash_key, select
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

NAMES = [f"{label}/{i}.jpg" for label in "abcde" for i in range(40)]


def frame(spark: SparkSession, names: list[str], base: str = "/x/") -> DataFrame:
    rows = [(f"{base}{name}", name.partition("/")[0], 1, 1) for name in names]
    return spark.createDataFrame(rows, "path string, label string, size long, mtime long")


def paths(found: DataFrame) -> list[str]:
    return [row["path"] for row in found.collect()]


def batch(names: list[str], base: str = "/x/") -> pa.RecordBatch:
    columns = [pa.array([f"{base}{name}" for name in names]), pa.array([name.partition("/")[0] for name in names])]
    return pa.RecordBatch.from_arrays(columns, names=["path", "label"])


@pytest.mark.spark
def test_a_limit_takes_the_same_images_whatever_else_there_is(spark: SparkSession) -> None:
    everything = frame(spark, NAMES)
    chosen = select(everything, (), 20)
    again = select(frame(spark, NAMES[::-1]).repartition(7), (), 20)
    assert chosen == again
    found = paths(everything.where(chosen.make_column()))
    assert len(found) == len(set(found)) == 20
    assert len({path[3] for path in found}) >= 4  # from all over the input
    more = paths(everything.where(select(everything, (), 30).make_column()))
    assert set(found) < set(more)
    assert len(more) == 30


@pytest.mark.spark
def test_tasks_and_spark_decide_alike(spark: SparkSession) -> None:
    odd = [*NAMES, "é/a b.jpg", "🍌/1.jpg", "e\u0301/#1 %20.png", "a/line\nbreak.jpg", "'; drop/x.jpg"]
    everything = frame(spark, odd, "s3://bücket/🍌/")
    for classes, limit in (((), 33), (("a", "🍌"), None), (("b", "é"), 7), ((), 1), ((), len(odd)), ((), 10_000)):
        chosen = select(everything, classes, limit, skip=len("s3://bücket/🍌/"))
        mine = chosen.filter(batch(odd, "s3://bücket/🍌/")).column("path").to_pylist()
        assert sorted(mine) == sorted(paths(everything.where(chosen.make_column())))
        wanted = [n for n in odd if not classes or n.partition("/")[0] in classes]
        assert len(mine) == min(limit or len(wanted), len(wanted))
        by_hand = sorted(wanted, key=hash_key)[: limit or None]
        assert sorted(path.removeprefix("s3://bücket/🍌/") for path in mine) == sorted(by_hand)


@pytest.mark.spark
def test_a_copy_elsewhere_gives_the_same_images(spark: SparkSession) -> None:
    here = select(frame(spark, NAMES, "/data/photos/"), (), 25, skip=len("/data/photos/"))
    there = select(frame(spark, NAMES, "s3://b/images/"), (), 25, skip=len("s3://b/images/"))
    assert here.last == there.last


@pytest.mark.spark
def test_a_limit_of_many_sorts_few(spark: SparkSession) -> None:
    """The driver gets counts by four digits and the images that share one of them: here some three of 200,000."""
    many = spark.range(200_000).selectExpr("concat('/x/', id, '.jpg') path", "'x' label")
    chosen = select(many, (), 65_432)
    assert many.where(chosen.make_column()).count() == 65_432


def test_a_class_in_another_unicode_form_is_the_same() -> None:
    assert select_nothing(("Citron presse\u0301",)) == ("Citron press\u00e9",)


def select_nothing(classes: tuple[str, ...]) -> Any:
    return select(None, classes, None).classes  # type: ignore[arg-type]


@given(st.lists(st.text(max_size=12), max_size=20))
def test_everything_is_everything(names: list[str]) -> None:
    rows = batch(names)
    assert EVERYTHING.is_whole
    assert EVERYTHING.filter(rows).num_rows == len(names)
    assert EVERYTHING.fingerprint == ""


def test_fingerprints_tell_selections_apart() -> None:
    chosen = [
        Selection(("a",)),
        Selection(("a", "b")),
        Selection(("a",), "ff"),
        Selection((), "ff"),
        Selection((), "fe"),
    ]
    assert len({one.fingerprint for one in chosen}) == 5
    assert Selection(("a", "b")).fingerprint == Selection(("b", "a")).fingerprint
