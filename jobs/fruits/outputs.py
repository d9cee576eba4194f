"""The results of a run, besides features and report: scores as CSV, the model for Spark; and what is swept away."""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from fruits.parts import Part, read_batches
from fruits.pca import Reduction, to_matrix
from fruits.store import TEMPORARY, Store

SCORES = "pca/scores"
SCORES_CSV = "pca/scores.csv"
MODEL = "pca/model.npz"
SPECTRUM = "pca/spectrum.npz"
SPARK_MODEL = "pca/spark"
REPORT = "report.html"
RUN = "run.json"
CSV_MAX_ROWS = 1_000_000
CSV_MAX_VALUES = 50_000_000
"""About 600 MB, and ten seconds of the driver during which the cluster is idle."""


def keep_only(store: Store, parts: Iterable[Part]) -> None:
    """Delete the Parquet files of a folder that are not among `parts`."""
    names = {part.name for part in parts}
    keys = (entry.key for entry in store.list() if entry.is_file and entry.key.endswith(".parquet"))
    store.delete_all(key for key in keys if key not in names)


def sweep_temporary(output: Store, before: float) -> None:
    """Delete the temporary files that a killed process left behind; only a local disk holds any.

    Parameters
    ----------
    before : float
        Seconds since 1970; a younger file may still be in use.
    """
    if not output.is_local:
        return
    for folder, _, names in os.walk(output.uri):
        for path in (Path(folder, name) for name in names if TEMPORARY.fullmatch(name)):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()


def write_scores_csv(output: Store, parts: list[Part], k: int) -> bool:
    """Write `pca/scores.csv`: path, label, pc1 … pck. Streamed, in the order of the files.

    A text that a spreadsheet would take for a formula gets an apostrophe before it; the Parquet files are exact.

    Returns
    -------
    bool
        False when there are more than `CSV_MAX_ROWS` rows or `CSV_MAX_VALUES` numbers; then nothing is written, and an
        older file is removed.

    Raises
    ------
    StorageError
        When it cannot be written; the older file is left as it was.
    """
    rows = sum(part.rows for part in parts)
    if rows > CSV_MAX_ROWS or rows * k > CSV_MAX_VALUES:
        output.delete(SCORES_CSV)
        return False
    scores = output.child(SCORES)
    header = ["path", "label", *(f"pc{i + 1}" for i in range(k))]
    schema = pa.schema([(name, pa.string() if i < 2 else pa.float32()) for i, name in enumerate(header)])
    options = pa_csv.WriteOptions(quoting_style="needed")
    with (
        output.replacing(SCORES_CSV) as sink,
        pa_csv.CSVWriter(sink, schema, write_options=options) as writer,
    ):
        for batch in read_batches(scores, [part.name for part in parts]):
            columns = to_matrix(batch.column("scores")).T
            values = [pa.array(np.ascontiguousarray(column)) for column in columns]
            arrays = [_escape_formulas(batch.column("path")), _escape_formulas(batch.column("label")), *values]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
    return True


def _escape_formulas(texts: pa.Array) -> pa.Array:
    """Put an apostrophe before a leading ``= + - @``, tab or line end: no spreadsheet then executes the text."""
    return pc.replace_substring_regex(texts, pattern=r"^(\s*[=+\-@\t\r\n])", replacement=r"'\1")


def write_spark_model(output: Store, reduction: Reduction, spark_version: str) -> None:
    """Write `pca/spark/`: the model in the layout that ``pyspark.ml.feature.PCAModel.load`` reads.

    Spark's transform does not centre: its scores differ from ours by one constant vector.
    """
    folder = output.child(SPARK_MODEL)
    metadata = {
        "class": "org.apache.spark.ml.feature.PCAModel",
        "timestamp": int(time.time() * 1000),
        "sparkVersion": spark_version,
        "uid": f"PCA_{uuid.uuid4().hex[:12]}",
        "paramMap": {"inputCol": "features", "outputCol": "scores", "k": reduction.k},
        "defaultParamMap": {"outputCol": "scores"},
    }
    buffer = io.BytesIO()
    pq.write_table(_tabulate_spark_model(reduction, spark_version), buffer, compression="snappy")
    folder.delete_all(entry.key for entry in folder.list(recursive=True) if entry.is_file)
    folder.write("metadata/part-00000", json.dumps(metadata).encode() + b"\n")
    folder.write("metadata/_SUCCESS", b"")
    folder.write("data/part-00000.snappy.parquet", buffer.getvalue())
    folder.write("data/_SUCCESS", b"")


def _tabulate_spark_model(reduction: Reduction, spark_version: str) -> pa.Table:
    """The one row of a PCAModel: its matrix of components and its vector of shares, in Spark's own types."""
    from pyspark.ml.linalg import MatrixUDT, VectorUDT
    from pyspark.sql.pandas.types import to_arrow_schema
    from pyspark.sql.types import StructType

    columns = StructType().add("pc", MatrixUDT()).add("explainedVariance", VectorUDT())
    schema = to_arrow_schema(columns).with_metadata(
        {
            "org.apache.spark.version": spark_version,
            "org.apache.spark.sql.parquet.row.metadata": columns.json(),
        }
    )
    matrix = {
        "type": 1,  # dense
        "numRows": reduction.spectrum.mean.size,
        "numCols": reduction.k,
        "values": reduction.components.reshape(-1),  # column-major (d, k) is row-major (k, d)
        "isTransposed": False,
    }
    shares = {"type": 1, "values": reduction.spectrum.ratio[: reduction.k]}
    return pa.Table.from_pylist([{"pc": matrix, "explainedVariance": shares}], schema=schema)
