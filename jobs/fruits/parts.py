"""Parquet files that Spark tasks write themselves, and DataFrames that read them back.

A task writes one file under a name of its own and *returns the name as a row*. Only the names that reach the driver
count: what a killed, retried or speculative attempt left behind is never read, on any store, and needs no committer.
The name comes with the SHA-256 of the bytes, so that damage is seen later; every page has a checksum of its own.
"""

from __future__ import annotations

import hashlib
import heapq
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fruits import versions
from fruits.errors import StorageError
from fruits.store import NewFile, Store, explain_error
from fruits.wording import read_first_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

PART_DDL = "kind string, name string, rows long, sha256 string"
_PART_SCHEMA = pa.schema([("kind", pa.string()), ("name", pa.string()), ("rows", pa.int64()), ("sha256", pa.string())])
ROWS_PER_GROUP = 1024
_CHUNK = 8 << 20
_PARTS_AT_ONCE = 16


@dataclass(frozen=True)
class Part:
    """One file: its name below the table's folder, how many rows it holds, and the SHA-256 of its bytes."""

    name: str
    rows: int
    sha256: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_row(cls, row: Any) -> Part:
        """The part that a row with the columns of `PART_DDL` describes."""
        return cls(row["name"], int(row["rows"]), row["sha256"])


class PartWriter:
    """Writes one Parquet file of a table; the file is opened with the first row.

    Parameters
    ----------
    store : Store
        The table's folder.
    schema : pyarrow.Schema
        Columns.
    plain : tuple of str
        Columns for which a dictionary does not pay (floats, unique strings).
    """

    def __init__(self, store: Store, schema: pa.Schema, *, plain: tuple[str, ...] = ()) -> None:
        self._store = store
        self._schema = schema
        self._dictionary = [name for name in schema.names if name not in plain]
        self._name = f"part-{uuid.uuid4().hex}.parquet"
        self._sink: NewFile | None = None
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def write(self, table: pa.Table | pa.RecordBatch) -> None:
        """Append rows as one row group.

        Raises
        ------
        StorageError
            When they cannot be written; of the file nothing is left.
        """
        if table.num_rows == 0:
            return
        if isinstance(table, pa.RecordBatch):
            table = pa.Table.from_batches([table], self._schema)
        try:
            if self._writer is None:
                self._open()
            assert self._writer is not None
            self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        except OSError as error:
            raise self._abandon(error) from error
        self.rows += table.num_rows

    def _open(self) -> None:
        self._sink = self._store.create(self._name)
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="snappy",
            use_dictionary=self._dictionary,
            write_statistics=self._dictionary,
            write_page_checksum=True,
        )

    def close(self) -> Part | None:
        """Finish the file; None when no row came.

        Raises
        ------
        StorageError
            When it cannot be written; of the file nothing is left.
        """
        if self._writer is None or self._sink is None:
            return None
        try:
            self._writer.close()
            self._sink.close()
        except OSError as error:
            raise self._abandon(error) from error
        return Part(self._name, self.rows, self._sink.sha256)

    def _abandon(self, error: OSError) -> StorageError:
        """Delete half a file, which would keep a full disk full, and explain the error."""
        if self._sink is not None:
            self._sink.abandon()
        return explain_error(error, f"cannot write {self._store.location(self._name)}")


def tabulate_parts(parts: Mapping[str, Part | None]) -> pa.RecordBatch:
    """What a task returns: one row per file it wrote, by kind of table."""
    written = [(kind, part) for kind, part in parts.items() if part is not None]
    return pa.RecordBatch.from_arrays(
        [
            pa.array([kind for kind, _ in written], pa.string()),
            pa.array([part.name for _, part in written], pa.string()),
            pa.array([part.rows for _, part in written], pa.int64()),
            pa.array([part.sha256 for _, part in written], pa.string()),
        ],
        schema=_PART_SCHEMA,
    )


def read_batches(store: Store, names: Iterable[str], columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Read the rows of some parts, one row group at a time: memory does not grow with the file.

    Raises
    ------
    StorageError
        Naming the file that is missing, damaged, or not delivered.
    """
    for name in names:
        try:
            with (
                store.open(name) as file,
                pq.ParquetFile(
                    file,
                    pre_buffer=True,
                    page_checksum_verification=True,
                ) as source,
            ):
                missing = source.metadata.num_rows
                for batch in source.iter_batches(batch_size=ROWS_PER_GROUP, columns=columns, use_threads=False):
                    missing -= batch.num_rows
                    yield batch
                if missing:  # a page of a kind that the reader does not know is skipped without a word
                    raise ValueError(f"{missing} rows are missing")
        except (OSError, pa.ArrowException, ValueError, KeyError) as error:
            reason = read_first_line(error)
            raise StorageError(
                f"{store.location(name)} cannot be read ({reason[:200]}). Fix: run it again; what is missing or "
                "damaged is made again."
            ) from error


def read_share(
    store: Store, parts: Sequence[Part], columns: list[str], turns: Sequence[int], number: int
) -> Iterator[pa.RecordBatch]:
    """Read one task's rows of some parts; several parts are read at once.

    Parameters
    ----------
    turns : sequence of int
        The task of each row: row ``i`` goes to task ``turns[i % len(turns)]``.
    number : int
        The task.

    Raises
    ------
    StorageError
        Naming the file that is missing, damaged, or not delivered.
    """
    tasks = np.asarray(turns)

    def read(part: Part, row: int) -> list[pa.RecordBatch]:
        batches = []
        for batch in read_batches(store, [part.name], columns):
            is_mine = tasks[(row + np.arange(batch.num_rows)) % len(tasks)] == number
            batches.append(batch.filter(pa.array(is_mine)))
            row += batch.num_rows
        return batches

    starts = accumulate((part.rows for part in parts), initial=0)
    with ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="share") as pool:
        for batches in pool.map(read, parts, starts):
            yield from batches


def is_whole(store: Store, part: Part) -> bool:
    """Whether a file exists and holds the bytes that were written.

    Raises
    ------
    OSError
        When the store does not deliver it.
    """
    digest = hashlib.sha256()
    try:
        with store.open(part.name) as source:
            while chunk := source.read(_CHUNK):
                digest.update(chunk)
    except FileNotFoundError:
        return False
    return part.sha256 in ("", digest.hexdigest())


def group_parts(parts: Iterable[Part], count: int) -> list[list[Part]]:
    """Split parts into at most `count` groups of about equally many rows.

    The largest part goes first, each to the group with the fewest rows so far.

    >>> parts = [Part("a", 9), Part("b", 5), Part("c", 5), Part("d", 1)]
    >>> [[part.name for part in group] for group in group_parts(parts, 2)]
    [['a', 'd'], ['b', 'c']]
    """
    ordered = sorted(parts, key=lambda part: (-part.rows, part.name))
    groups: list[list[Part]] = [[] for _ in range(min(count, len(ordered)))]
    least = [(0, number) for number in range(len(groups))]
    for part in ordered:
        rows, number = heapq.heappop(least)
        groups[number].append(part)
        heapq.heappush(least, (rows + part.rows, number))
    return groups


def map_tasks(spark: SparkSession, tasks: int, work: Callable[[int], Iterator[pa.RecordBatch]], ddl: str) -> DataFrame:
    """A DataFrame of what `work` yields for each number below `tasks`, a task each.

    What a task needs travels with the function, which picks it by the task's number: a table of names would cost a
    shuffle, and so one more stage.
    """
    expected = versions.collect_versions()

    def run(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from work(number)

    return spark.range(0, tasks, 1, max(1, tasks)).mapInArrow(run, ddl)


def map_parts(
    spark: SparkSession,
    parts: Iterable[Part],
    tasks: int,
    work: Callable[[Iterator[str]], Iterator[pa.RecordBatch]],
    ddl: str,
) -> DataFrame:
    """A DataFrame of what `work` yields for the names of some parts, in at most `tasks` tasks."""
    groups = [[part.name for part in group] for group in group_parts(parts, tasks)]
    return map_tasks(spark, len(groups), lambda number: work(iter(groups[number])), ddl)


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
    names_wanted = list(columns)

    def read(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        for batch in read_batches(store, names, names_wanted):
            yield batch.select(names_wanted)

    return map_parts(spark, parts, tasks, read, ", ".join(f"`{name}` {kind}" for name, kind in columns.items()))
