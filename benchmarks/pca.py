"""The job's PCA fit against `pyspark.ml.feature.PCA.fit` on the same matrix."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from fruits import pca
from fruits.parts import Part, PartWriter
from fruits.store import Store
from numpy.typing import NDArray

from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options, alternate, compute_ratio, count_cores
from benchmarks.spark import start_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ROWS = 20_000
COLUMNS = 1_280
COMPONENTS = 50
METHOD = (
    f"seconds of a fit with k = {COMPONENTS}; float32 rows in Parquet. The job's: distributed moments, reading the "
    "Parquet files included, then the whole spectrum on the driver. Spark's: spark.read.parquet, array_to_vector, fit. "
    "Both begin at the same files. JVM with default options and 4 GB; shares of variance must agree to 1e-6."
)
SCHEMA = pa.schema([("features", pa.list_(pa.field("element", pa.float32(), nullable=False)))])


def _draw_rows(rows: int, seed: int, mixing: NDArray[np.float32]) -> NDArray[np.float32]:
    """Like pooled activations: not negative, correlated, every direction of some variance."""
    rng = np.random.default_rng(seed)
    hidden = rng.standard_normal((rows, mixing.shape[0]), np.float32)
    noise = rng.standard_normal((rows, mixing.shape[1]), np.float32)
    return np.maximum(hidden @ mixing + 0.5 * noise, 0)


def write_matrix(store: Store, rows: int, files: int) -> list[Part]:
    """A seeded matrix as Parquet parts."""
    mixing = np.random.default_rng(0).standard_normal((64, COLUMNS), np.float32)
    mixing *= (np.arange(1, 65, dtype=np.float32) ** -0.5)[:, None]
    parts: list[Part] = []
    for number in range(files):
        n = rows // files + (number < rows % files)
        values = _draw_rows(n, 1 + number, mixing)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), COLUMNS).cast(SCHEMA.field(0).type)
        writer = PartWriter(store, SCHEMA, plain=("features.list.element",))
        writer.write(pa.RecordBatch.from_arrays([column], schema=SCHEMA))
        part = writer.close()
        if part is not None:
            parts.append(part)
    return parts


def measure(options: Options) -> BenchmarkResult:
    """Measure this PCA against Spark ML's; it should be ten times as fast."""
    rows = options.images or ROWS
    store = Store(str(options.scratch / f"matrix-{rows}"))
    parts = write_matrix(store, rows, 4 * count_cores())
    sums = Store(str(options.scratch / "sums"))
    shares: dict[str, NDArray[np.float64]] = {}
    with start_spark(options.scratch, options={"spark.driver.memory": "4g"}) as spark:
        from pyspark.ml.feature import PCA
        from pyspark.ml.functions import array_to_vector
        from pyspark.sql.functions import col

        def read_vectors() -> DataFrame:
            return spark.read.parquet(store.uri).select(array_to_vector(col("features")).alias("features"))

        def fit_ours() -> float:
            began = time.monotonic()
            spectrum = pca.solve(pca.sum_parts(spark, store, parts, count_cores(), sums))
            shares["ours"] = pca.reduce(spectrum, k=COMPONENTS).spectrum.ratio[:COMPONENTS]
            return time.monotonic() - began

        def fit_theirs() -> float:
            began = time.monotonic()
            model = PCA(k=COMPONENTS, inputCol="features", outputCol="scores").fit(read_vectors())
            shares["theirs"] = model.explainedVariance.toArray()
            return time.monotonic() - began

        series = alternate({"pyspark.ml.feature.PCA": fit_theirs, "the job's PCA": fit_ours}, options, unit="s")
    worst = float(np.abs(shares["ours"] - shares["theirs"]).max())
    if not worst <= 1e-6:
        raise BenchmarkError(
            f"the two fits differ by {worst:.2g} in a share of variance, so their speed says nothing. Fix: run the "
            "tests of fruits.pca."
        )
    faster = compute_ratio(series["pyspark.ml.feature.PCA"], series["the job's PCA"])
    return BenchmarkResult(
        name="pca",
        title=f"PCA fit, {rows:,} × {COLUMNS:,}, local[{count_cores()}]",
        method=METHOD,
        settings={"rows": rows, "columns": COLUMNS, "k": COMPONENTS, "repeats": options.repeats},
        series=series,
        checks=(Check("faster than Spark's", faster, "×", 10, at_least=True),),
    )
