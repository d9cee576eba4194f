"""Parquet files that Spark tasks write themselves, and DataFrames that read them back.

A task writes one file under a name of its own and *returns the name as a row*. Only the names that reach the driver
count: what a killed, retried or speculative attempt left behind is never read, on any store, and needs no committer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from fruits import versions
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PART_DDL = "kind string, name string, rows long"
_PART_SCHEMA = pa.schema([("kind", pa.string()), ("name", pa.string()), ("rows", pa.int64())])
ROWS_PER_GROUP = 1024


@dataclass(frozen=True)
class Part:
    """One file: its name below the table's folder, and how many rows it holds."""

    name: str
    rows: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class PartWriter:
    """Writes one Parquet file of a table; the file is opened with the first row.

    Parameters
    ----------
    store : Store
        The table's folder.
    schema : pyarrow.Schema
        Columns.
    plain : tuple of str
        Columns not worth a dictionary (floats, unique strings).
    """

    def __init__(self, store: Store, schema: pa.Schema, *, plain: tuple[str, ...] = ()) -> None:
        self._store = store
        self._schema = schema
        self._dictionary = [name for name in schema.names if name not in plain]
        self._name = f"part-{uuid.uuid4().hex}.parquet"
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append rows as one row group."""
        if table.num_rows == 0:
            return
        if self._writer is None:
            path = self._store.path(self._name)
            if self._store.is_local:
                self._store.fs.create_dir(self._store.path(""), recursive=True)
            self._writer = pq.ParquetWriter(
                path,
                self._schema,
                filesystem=self._store.fs,
                compression="snappy",
                use_dictionary=self._dictionary,
                write_statistics=self._dictionary,
            )
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table], self._schema)
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        self.rows += table.num_rows

    def close(self) -> Part | None:
        """Finish the file; None when no row came."""
        if self._writer is None:
            return None
        self._writer.close()
        return Part(self._name, self.rows)


def part_rows(parts: dict[str, Part | None]) -> pa.RecordBatch:
    """What a task returns: one row per file it wrote, by kind of table."""
    there = [(kind, part) for kind, part in parts.items() if part is not None]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([kind for kind, _ in there], pa.string()),
            pa.array([part.name for _, part in there], pa.string()),
            pa.array([part.rows for _, part in there], pa.int64()),
        ],
        schema=_PART_SCHEMA,
    )


def read_batches(store: Store, names: Iterable[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of some parts, a row group at a time: memory does not grow with the file."""
    for name in names:
        with pq.ParquetFile(store.path(name), filesystem=store.fs, pre_buffer=True) as source:
            yield from source.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns, use_threads=False)


def names_in(batches: Iterable[pa.RecordBatch]) -> Iterator[str]:
    """The part names in the rows of `names_frame`."""
    for batch in batches:
        yield from batch.column(0).to_pylist()


def names_frame(spark: SparkSession, parts: Iterable[Part], tasks: int) -> DataFrame:
    """A DataFrame of part names, dealt to at most `tasks` tasks."""
    rows = [(part.name,) for part in parts]
    frame = spark.createDataFrame(rows, "name string")
    return frame.repartition(max(1, min(tasks, len(rows))))


def read_frame(
    spark: SparkSession,
    store: Store,
    parts: Iterable[Part],
    *,
    columns: dict[str, str],
    tasks: int,
) -> DataFrame:
    """A DataFrame of the rows of some parts, read in the Python workers.

    Parameters
    ----------
    columns : dict of str to str
        Column name to Spark type.
    tasks : int
        Upper bound on tasks; one task reads several files one after the other.
    """
    expected = versions.collect()
    wanted = list(columns)

    def read(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        for batch in read_batches(store, names_in(batches), wanted):
            yield batch.select(wanted)

    ddl = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    return names_frame(spark, parts, tasks).mapInArrow(read, ddl)


def write_frame(
    frame: DataFrame,
    store: Store,
    schema: pa.Schema,
    *,
    prepare: Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]] | None = None,
    plain: tuple[str, ...] = (),
) -> list[Part]:
    """Write a DataFrame as one file per task, and return the files of the attempts that counted."""
    expected = versions.collect()

    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        writer = PartWriter(store, schema, plain=plain)
        for batch in prepare(batches) if prepare else batches:
            writer.write(batch.cast(schema) if batch.schema != schema else batch)
        yield part_rows({"part": writer.close()})

    rows = frame.mapInArrow(write, PART_DDL).collect()
    return [Part(row["name"], row["rows"]) for row in rows]
