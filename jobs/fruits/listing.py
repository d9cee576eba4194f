"""Find the images below the input: in parallel by folder, as a table, never as a list on the driver.

A first task walks down from the input until it has found enough folders; then each folder is listed by one task,
recursively, in pages of a thousand objects where the store has pages. No file is looked at by itself.
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fruits import versions
from fruits.errors import InputError
from fruits.formats import ENDINGS
from fruits.parts import Part, read_frame, write_frame
from fruits.store import Entry, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {"path": "string", "label": "string", "size": "long", "mtime": "long"}
SCHEMA = pa.schema([("path", pa.string()), ("label", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])
"""``path`` as a user would write it; ``label`` the folder it lies in; ``size`` in bytes; ``mtime`` in nanoseconds."""

_FOUND_DDL = "folder string, key string, size long, mtime long"
_FOUND = pa.schema([("folder", pa.string()), ("key", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])
_PAGE = 10_000


def is_image(key: str) -> bool:
    """Whether a key names an image: by its extension, and neither it nor a folder on its way is hidden.

    ``._x.jpg`` is a by-product of macOS, ``.ipynb_checkpoints/x.jpg`` one of notebooks.
    """
    return key.lower().endswith(ENDINGS) and not any(name.startswith(".") for name in key.split("/"))


def label_of(path: str) -> str:
    """The folder a file lies in, in Unicode's composed form (macOS stores accents decomposed).

    >>> label_of("s3://b/Training/Apple Golden 1/3_100.jpg")
    'Apple Golden 1'
    """
    folder = path.rpartition("/")[0]
    return unicodedata.normalize("NFC", folder.rpartition("/")[2])


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


def _paged(entries: list[Entry]) -> Iterator[pa.RecordBatch]:
    images = [entry for entry in entries if entry.is_file and is_image(entry.key)]
    for start in range(0, len(images), _PAGE):
        yield from _found([], images[start : start + _PAGE])


def _walk_down(store: Store, wanted: int) -> Iterator[pa.RecordBatch]:
    """List folders breadth first until at least `wanted` are known, or all are listed.

    A store that cannot list one level by itself is listed whole, here, in its pages of a thousand.
    """
    if not store.lists_folders:
        yield from _paged(store.list(recursive=True))
        return
    folders = deque([""])
    while folders and len(folders) < wanted:
        entries = store.list(folders.popleft())
        folders.extend(entry.key for entry in entries if not entry.is_file)
        yield from _paged(entries)
    if folders:
        yield from _found(list(folders), [])


def write_listing(spark: SparkSession, source: Store, target: Store, tasks: int) -> list[Part]:
    """List every image below `source` into Parquet parts below `target`.

    Returns
    -------
    list of Part
        With the columns of `SCHEMA`.

    Raises
    ------
    StorageError
        When the store refuses.
    """
    expected = versions.collect()
    base = source.uri
    wanted = 4 * tasks

    def expand(_batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        for _batch in _batches:
            yield from _walk_down(source, wanted)

    def descend(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            folders = batch.column("folder")
            for folder in folders.drop_null().to_pylist():
                for page in _paged(source.list(folder, recursive=True)):
                    yield _rows(page)
            files = batch.filter(folders.is_null())
            if files.num_rows:
                yield _rows(files)

    def _rows(found: pa.RecordBatch) -> pa.RecordBatch:
        paths = [f"{base}/{key}" for key in found.column("key").to_pylist()]
        labels = [label_of(path) for path in paths]
        return pa.RecordBatch.from_arrays(
            [pa.array(paths, pa.string()), pa.array(labels, pa.string()), found.column("size"), found.column("mtime")],
            schema=SCHEMA,
        )

    start = spark.createDataFrame([("",)], "folder string").repartition(1)
    found = start.mapInArrow(expand, _FOUND_DDL).repartition(tasks)
    return write_frame(found, target, SCHEMA, prepare=descend, plain=("path",))


def read_listing(spark: SparkSession, target: Store, parts: list[Part], tasks: int) -> DataFrame:
    """The listing as a DataFrame of `COLUMNS`."""
    return read_frame(spark, target, parts, columns=COLUMNS, tasks=tasks)


def require_folder(source: Store) -> None:
    """Refuse an input that is not there.

    Raises
    ------
    InputError
        Saying what was found instead.
    """
    kind = source.kind()
    if kind == "file":
        raise InputError(f"the input {source.uri} is a file. Fix: give the folder that holds the images.")
    if kind == "missing" and not source.list():
        raise InputError(f"there is nothing at the input {source.uri}. Fix: check the address.")


def counts_by_label(frame: DataFrame) -> dict[str, int]:
    """Images per label; one small row a class comes to the driver."""
    rows: list[Any] = frame.groupBy("label").count().collect()
    return {row["label"]: int(row["count"]) for row in sorted(rows, key=lambda row: str(row["label"]))}
