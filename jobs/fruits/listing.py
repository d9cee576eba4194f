"""Find the images below the input, as a table in files, never as a list on the driver.

A local folder is listed by the driver itself, while Spark starts: no request is waited for. In a store a first task
walks down from the input, a level at a time with many calls at once, until it has found enough folders or
the images; then each folder is listed by one task, with all below it. What an image is, `inputs` says. No object is
looked at by itself; one folder is one call, and its answer is held by one task (some 600 bytes a file).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
_LEAST, _SHARES, _MOST = 128, 10, 4096
"""Rows of a part of a local listing: at least, what share of those before it, and at most."""
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

    The folders of that level are dealt out, each to be listed with all below it. A store that cannot list one level by
    itself is listed whole, here, in pages.
    """
    if not store.lists_folders:
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


def write_local(source: Store, target: Store) -> tuple[list[Part], LeftOut]:
    """List every image below a local folder into Parquet parts below `target`, here and without Spark.

    The parts grow with the listing, so that they can be dealt into waves of equal size and stay few.

    Returns
    -------
    list of Part, LeftOut
        As of `write_listing`.

    Raises
    ------
    StorageError
        When a folder cannot be read.
    """
    left = LeftOut()
    images = walk(source, left)
    parts: list[Part] = []
    listed = 0
    while page := list(islice(images, rows_of_part(listed))):
        writer = PartWriter(target, SCHEMA, plain=("path",))
        keys, sizes, times = zip(*((image.key, image.size, image.mtime) for image in page), strict=True)
        writer.write(_rows(source.uri, keys, pa.array(sizes, pa.int64()), pa.array(times, pa.int64())))
        part = writer.close()
        assert part is not None
        parts.append(part)
        listed += part.rows
    return parts, left


def rows_of_part(listed: int) -> int:
    """How many rows the next part of a local listing takes, after so many in the parts before it."""
    return max(_LEAST, min(listed // _SHARES, _MOST))


def _rows(base: str, keys: Sequence[str], sizes: pa.Array, times: pa.Array) -> pa.RecordBatch:
    """Images as rows of `SCHEMA`."""
    paths = [f"{base}/{key}" for key in keys]
    labels = [label_of(path) for path in paths]
    columns = [pa.array(paths, pa.string()), pa.array(labels, pa.string()), sizes, times]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


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
    if source.is_local:
        return write_local(source, target)
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
                        writer.write(_rows_of(page))
            files = batch.filter(folders.is_null())
            if files.num_rows:
                writer.write(_rows_of(files))
        counts = {_LEFT + kind: Part(left.first[kind], count, "") for kind, count in left.counts.items()}
        yield part_rows({"part": writer.close(), **counts})

    def _rows_of(found: pa.RecordBatch) -> pa.RecordBatch:
        return _rows(base, found.column("key").to_pylist(), found.column("size"), found.column("mtime"))

    start = spark.range(0, 1, 1, 1)  # a table of Python's rows would start workers of another kind
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
