"""Find the images below the input: in parallel by folder, as a table, never as a list on the driver.

A first task walks down from the input, a level at a time with many calls at once, until it has found enough folders or
the images; then each folder is listed by one task, with all below it. What an image is, `inputs` says. No object is
looked at by itself; one folder is one call, and its answer is held by one task (some 600 bytes a file).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fruits import versions
from fruits.inputs import LeftOut, images_in, label_of, walk
from fruits.parts import PART_DDL, Part, PartWriter, part_rows, read_frame
from fruits.store import Entry, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {"path": "string", "label": "string", "size": "long", "mtime": "long"}
SCHEMA = pa.schema([("path", pa.string()), ("label", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])
"""``path`` as a user would write it; ``label`` the folder it lies in; ``size`` in bytes; ``mtime`` in nanoseconds."""

_FOUND_DDL = "folder string, key string, size long, mtime long"
_FOUND = pa.schema([("folder", pa.string()), ("key", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])
_PAGE = 10_000
_LISTED_AT_ONCE = 32
_LEFT = "\0left out "
"""Begins what is no folder in a table of folders; no store has such a name."""


def _found(folders: list[str], files: list[Entry]) -> Iterator[pa.RecordBatch]:
    """Rows: a folder still to list, or an image."""
    nothing: list[None] = [None]
    yield pa.RecordBatch.from_arrays(
        [
            pa.array(folders + nothing * len(files), pa.string()),
            pa.array(nothing * len(folders) + [f.key for f in files], pa.string()),
            pa.array(nothing * len(folders) + [f.size for f in files], pa.int64()),
            pa.array(nothing * len(folders) + [f.mtime for f in files], pa.int64()),
        ],
        schema=_FOUND,
    )


def _paged(images: Iterable[Entry]) -> Iterator[pa.RecordBatch]:
    rest = iter(images)
    while page := list(islice(rest, _PAGE)):
        yield from _found([], page)


def _is_child(entry: Entry, folder: str) -> bool:
    """Whether an entry lies in a folder under a name of its own.

    pyarrow answers ``a//b.jpg`` with a folder in ``a`` that has the name of ``a`` itself (apache/arrow#38821).
    """
    start = f"{folder}/" if folder else ""
    name = entry.key.removeprefix(start)
    return entry.key.startswith(start) and name not in ("", ".", "..") and not entry.key.endswith("/")


def _walk_down(store: Store, wanted: int, left: LeftOut) -> Iterator[pa.RecordBatch]:
    """List level by level, many folders at once, until a level has as many folders as wanted or holds the images.

    The folders of that level are dealt out, each to be listed with all below it. A local folder, and a store that
    cannot list one level by itself, is listed whole, here, in pages.
    """
    if store.is_local or not store.lists_folders:
        yield from _paged(walk(store, left))
        return
    level = [""]
    with ThreadPoolExecutor(_LISTED_AT_ONCE, thread_name_prefix="list") as pool:
        while level and len(level) < wanted:
            below: list[str] = []
            for start in range(0, len(level), _LISTED_AT_ONCE):
                some = level[start : start + _LISTED_AT_ONCE]
                for folder, entries in zip(some, pool.map(store.list, some), strict=True):
                    if not all(_is_child(entry, folder) for entry in entries):
                        yield from _found([folder], [])  # listed whole, where its keys come as they are
                        continue
                    folders = {entry.key for entry in entries if not entry.is_file}
                    below += folders
                    files = [e for e in entries if e.is_file and not (e.size == 0 and e.key in folders)]
                    yield from _paged(images_in(files, left))
                if not below and start + len(some) < len(level):
                    # the images lie here: one task each lists the others
                    below = level[start + len(some) :]
                    break
            else:
                level = below
                continue
            level = below
            break
    if level:
        yield from _found(level, [])


def _listed(store: Store, folder: str) -> list[Entry]:
    """All files below a folder; not the empty objects that stand for folders."""
    entries = store.list(folder, recursive=True)
    folders = {entry.key for entry in entries if not entry.is_file}
    return [e for e in entries if e.is_file and not (e.size == 0 and e.key in folders)]


def write_listing(spark: SparkSession, source: Store, target: Store, tasks: int) -> tuple[list[Part], LeftOut]:
    """List every image below `source` into Parquet parts below `target`.

    Returns
    -------
    list of Part
        With the columns of `SCHEMA`.
    LeftOut
        What else was found.

    Raises
    ------
    StorageError
        When the store refuses.
    """
    expected = versions.collect()
    base = source.uri

    def expand(_batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        left = LeftOut()
        for _batch in _batches:
            yield from _walk_down(source, tasks, left)
        yield _left_rows(left)

    def descend(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        writer, left = PartWriter(target, SCHEMA, plain=("path",)), LeftOut()
        for batch in batches:
            folders = batch.column("folder")
            for folder, key, count in zip(*(batch.column(i).to_pylist() for i in (0, 1, 2)), strict=True):
                if folder is not None and folder.startswith(_LEFT):
                    left.add(folder.removeprefix(_LEFT), key, count)
                elif folder is not None:
                    for page in _paged(images_in(_listed(source, folder), left)):
                        writer.write(_rows(page))
            files = batch.filter(folders.is_null())
            if files.num_rows:
                writer.write(_rows(files))
        counts = {_LEFT + kind: Part(left.first[kind], count, "") for kind, count in left.counts.items()}
        yield part_rows({"part": writer.close(), **counts})

    def _rows(found: pa.RecordBatch) -> pa.RecordBatch:
        paths = [f"{base}/{key}" for key in found.column("key").to_pylist()]
        labels = [label_of(path) for path in paths]
        return pa.RecordBatch.from_arrays(
            [pa.array(paths, pa.string()), pa.array(labels, pa.string()), found.column("size"), found.column("mtime")],
            schema=SCHEMA,
        )

    start = spark.createDataFrame([("",)], "folder string").repartition(1)
    found = start.mapInArrow(expand, _FOUND_DDL).repartition(tasks).mapInArrow(descend, PART_DDL).collect()
    left = LeftOut()
    for row in found:
        if row["kind"].startswith(_LEFT):
            left.add(row["kind"].removeprefix(_LEFT), row["name"], int(row["rows"]))
    return [Part.of(row) for row in found if row["kind"] == "part"], left


def _left_rows(left: LeftOut) -> pa.RecordBatch:
    """What was left out, on its way through the same table: the kind as a folder, the first file, the number."""
    kinds = list(left.counts)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([_LEFT + kind for kind in kinds], pa.string()),
            pa.array([left.first[kind] for kind in kinds], pa.string()),
            pa.array([left.counts[kind] for kind in kinds], pa.int64()),
            pa.array([0] * len(kinds), pa.int64()),
        ],
        schema=_FOUND,
    )


def read_listing(spark: SparkSession, target: Store, parts: list[Part], tasks: int) -> DataFrame:
    """The listing as a DataFrame of `COLUMNS`."""
    return read_frame(spark, target, parts, columns=COLUMNS, tasks=tasks)


def counts_by_label(frame: DataFrame) -> dict[str, int]:
    """Images per label; one small row a class comes to the driver."""
    rows: list[Any] = frame.groupBy("label").count().collect()
    return {row["label"]: int(row["count"]) for row in sorted(rows, key=lambda row: str(row["label"]))}
