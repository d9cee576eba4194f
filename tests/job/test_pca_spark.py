"""The PCA as Spark computes it: any partitioning, Spark's own model, and kept features that are never read twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from fruits import outputs, pca
from fruits.errors import ReductionError
from fruits.failures import translate_error
from fruits.parts import PART_DDL, Part, PartWriter
from fruits.pca import Moments, reduce, solve
from fruits.store import Store

from tests.job.oracle import PCA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from tests.job.conftest import FinishedRun

pytestmark = pytest.mark.spark

D = 12


@pytest.fixture(scope="module")
def x() -> np.ndarray:
    rng = np.random.default_rng(5)
    return np.asarray(rng.normal(size=(600, D)) * 0.8 ** np.arange(D) + rng.uniform(0, 3, D))


@pytest.fixture(scope="module")
def frame(spark: SparkSession, x: np.ndarray) -> Iterator[DataFrame]:
    rows = [(i, [float(v) for v in row]) for i, row in enumerate(x)]
    cached = spark.createDataFrame(rows, "id long, features array<double>").repartition(3).cache()
    yield cached
    cached.unpersist()


def assert_same(found: Moments, x: np.ndarray) -> None:
    wanted = Moments.from_rows(x)
    assert found.n == wanted.n
    assert np.abs(found.mean - wanted.mean).max() <= 1e-9
    assert np.abs(found.scatter - wanted.scatter).max() <= 1e-9 * np.abs(wanted.scatter).max()


def sum_frame(frame: DataFrame, scratch: Store, column: str = "features") -> Moments:
    """Moments of an array column, by the job's own tasks: any partitioning that Spark can make."""

    def sums(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from pca._sum_partition(batches, scratch)

    rows = frame.select(frame[column].alias("features"))
    return pca._merge_partial(frame.sparkSession, rows.mapInArrow(sums, PART_DDL), scratch)


@pytest.fixture
def scratch(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "sums"))


def test_one_partition(frame: DataFrame, x: np.ndarray, scratch: Store) -> None:
    assert_same(sum_frame(frame.coalesce(1), scratch), x)


def test_many_partitions_are_merged_by_tasks_first(frame: DataFrame, x: np.ndarray, scratch: Store) -> None:
    assert_same(sum_frame(frame.repartition(70), scratch), x)
    assert len(scratch.list()) == 70 + 9 + 2  # and the driver reads two


def test_empty_partitions_add_nothing(spark: SparkSession, frame: DataFrame, x: np.ndarray, scratch: Store) -> None:
    few = frame.where("id < 3").repartition(8)
    assert few.rdd.getNumPartitions() == 8
    assert_same(sum_frame(few, scratch), x[:3])


def test_order_does_not_matter(frame: DataFrame, x: np.ndarray, scratch: Store) -> None:
    assert_same(sum_frame(frame.repartitionByRange(5, frame["features"][0].desc()), scratch), x)


def test_another_columns_name_and_float_values(frame: DataFrame, x: np.ndarray, scratch: Store) -> None:
    other = frame.selectExpr("cast(features as array<float>) as v")
    assert_same(sum_frame(other, scratch, "v"), x.astype(np.float32))


def test_no_row_and_no_number(frame: DataFrame, spark: SparkSession, scratch: Store) -> None:
    with pytest.raises(ReductionError, match="there is no row to reduce"):
        sum_frame(frame.where("id < 0"), scratch)
    rows = [([1.0, float("nan")],), ([2.0, 3.0],), ([2.0, 4.0],)]
    with pytest.raises(ReductionError, match="1 row with values that are not finite would"):
        solve(sum_frame(spark.createDataFrame(rows, "features array<double>"), scratch))


def test_a_workers_refusal_reaches_the_driver_as_it_was_meant(spark: SparkSession, scratch: Store) -> None:
    ragged = spark.createDataFrame([([1.0, 2.0],), ([1.0],)], "features array<double>").coalesce(1)
    with pytest.raises(Exception, match="the rows have different numbers of features") as caught:
        sum_frame(ragged, scratch)
    known = translate_error(caught.value)
    assert isinstance(known, ReductionError)
    assert str(known) == "the rows have different numbers of features. Fix: one network for all rows."


def wide_parts(store: Store, d: int, files: int, rows: int = 40) -> tuple[list[Part], np.ndarray]:
    """Feature files of d columns, and all their rows."""
    rng = np.random.default_rng(d)
    everything, parts = [], []
    for i in range(files):
        x = rng.normal(size=(rows, d)).astype(np.float32)
        everything.append(x)
        writer = PartWriter(
            store,
            pca_schema := pa.schema(
                [("path", pa.string()), ("label", pa.string()), ("features", pa.list_(pa.float32()))]
            ),
        )
        columns = [
            pa.array([f"{i}/{n}.jpg" for n in range(rows)]),
            pa.array(["x"] * rows),
            pa.ListArray.from_arrays(np.arange(0, (rows + 1) * d, d, dtype=np.int32), x.reshape(-1)),
        ]
        writer.write(pa.RecordBatch.from_arrays(columns, schema=pca_schema))
        part = writer.close()
        assert part is not None
        parts.append(part)
    return parts, np.concatenate(everything)


@pytest.mark.slow
def test_4096_features_on_eight_slots(spark: SparkSession, tmp_path: Path) -> None:
    """Eight sums of 134 MB are more than spark.driver.maxResultSize, 1 GB, lets through as rows. Some 20 seconds."""
    store = Store(str(tmp_path / "features"))
    parts, x = wide_parts(store, 4096, 8)
    found = pca.sum_parts(spark, store, parts, 8, Store(str(tmp_path / "sums")))
    assert found.n == 320
    wanted = np.cov(x[:, :200].astype(np.float64), rowvar=False) * 319
    assert np.abs(found.scatter[:200, :200] - wanted).max() <= 1e-9 * np.abs(wanted).max()


def test_only_names_of_sums_come_to_the_driver(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a task returns for d = 600, whose matrix has 2.9 MB, is smaller than a kilobyte."""
    store = Store(str(tmp_path / "features"))
    parts, x = wide_parts(store, 600, 3)
    returned = []
    of = Part.from_row
    monkeypatch.setattr(Part, "from_row", classmethod(lambda cls, row: (returned.append(row.asDict()), of(row))[1]))
    found = pca.sum_parts(spark, store, parts, 3, Store(str(tmp_path / "sums")))
    assert_same(found, x)
    assert len(returned) == 3
    assert all(len(str(row)) < 1000 for row in returned)


def test_spark_loads_the_model_and_agrees_once_centred(
    spark: SparkSession, frame: DataFrame, x: np.ndarray, tmp_path: Path
) -> None:
    from pyspark.ml.feature import PCAModel
    from pyspark.ml.functions import array_to_vector, vector_to_array

    reduction = reduce(solve(Moments.from_rows(x)), k=4)
    for _ in range(2):  # written over an older one, it still is one model
        outputs.write_spark_model(Store(str(tmp_path / "é out")), reduction, spark.version)
    model = PCAModel.load(str(tmp_path / "é out" / "pca" / "spark"))
    assert np.abs(model.pc.toArray() - reduction.components.T).max() == 0
    assert np.abs(model.explainedVariance.toArray() - reduction.spectrum.ratio[:4]).max() == 0
    assert (model.getInputCol(), model.getOutputCol(), model.getK()) == ("features", "scores", 4)
    vectors = frame.select("id", array_to_vector("features").alias("features"))
    rows = model.transform(vectors).select("id", vector_to_array("scores").alias("s")).orderBy("id").collect()
    theirs = np.array([row["s"] for row in rows])
    assert np.abs((theirs - theirs.mean(axis=0)) - reduction.scores(x)).max() < 1e-9
    model.write().overwrite().save(str(tmp_path / "again"))  # and Spark can write what it read
    assert PCAModel.load(str(tmp_path / "again")).pc == model.pc


# --- in a whole run -----------------------------------------------------------------------------------------

Job = Any


def test_another_k_or_share_reads_no_image(job: Job, corpus: Path, first_run: FinishedRun) -> None:
    from tests.job.conftest import read_rows

    out, first = first_run.output, first_run.summary
    x = read_rows(out, "features").values.astype(np.float64)
    spectrum = (out / "pca" / "spectrum.npz").read_bytes()
    for path in corpus.rglob("*.jpg"):  # same size, same time, other bytes: read, it would be rejected
        stat = path.stat()
        path.write_bytes(b"\0" * stat.st_size)
        import os

        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = job(corpus, out, k=6)
    assert (again["images_featurized_now"], again["images_ok"], again["k"]) == (0, first["images_ok"], 6)
    assert read_rows(out, "pca/scores").values.shape == (20, 6)
    share = job(corpus, out, variance=0.8)
    assert share["images_featurized_now"] == 0
    assert share["k"] == PCA(0.8).fit(x).n_components_
    assert (out / "pca" / "spectrum.npz").read_bytes() == spectrum
    assert read_rows(out, "features").values.astype(np.float64).tolist() == x.tolist()
    theirs = PCA(share["k"]).fit_transform(x)
    mine = read_rows(out, "pca/scores").values
    assert np.abs(np.abs(mine) - np.abs(theirs)).max() <= 1e-5 * np.abs(theirs).max()  # stored in float32


def test_a_share_that_cannot_be_reached_is_said_and_k_too_large_refused(job: Job, corpus: Path, tmp_path: Path) -> None:
    for path in sorted(corpus.rglob("*.jpg"))[1:]:
        path.write_bytes(sorted(corpus.rglob("*.jpg"))[0].read_bytes())
    summary = job(corpus, tmp_path / "out", variance=0.9)
    assert "90% of the variance cannot be reached" in summary["variance_statement"]
    assert summary["images_ok"] == 20
    with pytest.raises(ReductionError, match="k = 21 components were asked for, but 20 images with 24 features"):
        job(corpus, tmp_path / "out", k=21)
