"""Find the images below the input, as a table in files, never as a list on the driver.

The driver walks down from the input while Spark starts: a local folder whole; in a store a level at a time with many
calls at once, until it has found enough folders, or the images. Each folder that is left is listed by one task, with
all below it. What an image is, `inputs` says. There is no request per object.

S3 is listed by `pages`: memory holds one page of a folder, and a folder of many pages is cut into ranges, one per task.
So are Google's store and Azure's where their own packages are installed. Elsewhere one folder is one call, and its
answer is held by one process (about 600 bytes per file).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fruits.inputs import LeftOut, filter_images, read_label, walk
from fruits.pages import Pages, Range, cut_ranges, is_marker, open_pages, read_range
from fruits.parts import PART_DDL, Part, PartWriter, map_tasks, read_frame, tabulate_parts
from fruits.store import Entry, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

COLUMNS = {"path": "string", "label": "string", "size": "long", "mtime": "long"}
SCHEMA = pa.schema([("path", pa.string()), ("label", pa.string()), ("size", pa.int64()), ("mtime", pa.int64())])
"""``path`` as a user would write it; ``label`` the folder it lies in; ``size`` in bytes; ``mtime`` in nanoseconds."""

FOLDERS = 1000
"""Folders that the driver finds before it spreads them over tasks: more than most clusters have slots."""
_PAGE = 10_000
_LEAST, _SHARES, _MOST = 128, 10, 4096
"""Rows of a part of the driver's listing: at least so many, one tenth of the rows before it, at most so many."""
_LISTED_AT_ONCE = 32
_RANGES = 256
"""Ranges into which all large folders together are cut: one per task."""
_LEFT = "left out "


@dataclass(frozen=True)
class Walk:
    """What the driver listed itself.

    Attributes
    ----------
    parts : list of Part
        Files of images.
    folders : list of (str or Range)
        Keys of folders, or ranges of keys, that are still to be listed, each with all below it.
    left_out : LeftOut
    """

    parts: list[Part]
    folders: list[str | Range]
    left_out: LeftOut


def _is_child(entry: Entry, folder: str) -> bool:
    """Whether an entry lies in a folder under a proper name.

    pyarrow answers ``a//b.jpg`` with a folder in ``a`` that has the name of ``a`` itself (apache/arrow#38821).
    """
    start = f"{folder}/" if folder else ""
    name = entry.key.removeprefix(start)
    return entry.key.startswith(start) and name not in ("", ".", "..") and not entry.key.endswith("/")


@dataclass(frozen=True)
class _Level:
    """What lies in one folder: its files, and the folders below it."""

    files: list[Entry]
    folders: list[str]


def _list_level(store: Store, folder: str) -> _Level | None:
    """List one folder of a store; None where pyarrow's answer does not tell what is in it."""
    entries = store.list(folder)
    if not all(_is_child(entry, folder) for entry in entries):
        return None
    folders = {entry.key for entry in entries if not entry.is_file}
    return _Level([e for e in entries if e.is_file and not (e.size == 0 and e.key in folders)], sorted(folders))


def _list_small_level(pages: Pages, prefix: str) -> _Level | None:
    """List one folder of a store that is listed by pages; None where it holds more than a page."""
    page = pages.page(prefix, level=True)
    if page.more:
        return None
    return _Level([entry for entry in page.entries if not is_marker(entry)], page.folders)


def _walk_levels(
    list_level: Callable[[str], _Level | None], most: int, left_out: LeftOut, pool: Executor
) -> Generator[Entry, None, tuple[list[str], list[str]]]:
    """The images found level by level, many folders at once, until a level has as many as wanted or holds the images.

    Returns the folders of that level, and those that gave no answer: tasks are to list them, with all below.
    """
    level, unanswered = [""], list[str]()
    while level and len(level) < most:
        below: list[str] = []
        for start in range(0, len(level), _LISTED_AT_ONCE):
            batch, remaining = level[start : start + _LISTED_AT_ONCE], level[start + _LISTED_AT_ONCE :]
            for folder, content in zip(batch, pool.map(list_level, batch), strict=True):
                if content is None:
                    unanswered.append(folder)
                    continue
                below += content.folders
                yield from filter_images(content.files, left_out)
            if remaining and not below:
                return remaining, unanswered
        level = below
    return level, unanswered


def _walk_pages(pages: Pages, most: int, left_out: LeftOut, folders: list[str | Range]) -> Iterator[Entry]:
    """`_walk_down` for a store that is listed by pages: a folder of more than one page is cut into ranges."""
    with ThreadPoolExecutor(_LISTED_AT_ONCE, thread_name_prefix="list") as pool:
        level, large = yield from _walk_levels(partial(_list_small_level, pages), most, left_out, pool)
        # where some are large, those of the same level that were not listed yet may be large too
        cut = large and pages.cuts
        folders += cut_ranges(pages, large + level, _RANGES, pool) if cut else map(Range, large + level)


def _walk_down(store: Store, most: int, left_out: LeftOut, folders: list[str | Range]) -> Iterator[Entry]:
    """The images that the driver finds; folders that tasks are to list, with all below them, are added to `folders`.

    A local folder is listed whole, and so is a store that cannot list one level alone.
    """
    if (pages := open_pages(store)) is not None:
        yield from _walk_pages(pages, most, left_out, folders)
    elif store.is_local or not store.lists_folders:
        yield from walk(store, left_out)
    else:
        with ThreadPoolExecutor(_LISTED_AT_ONCE, thread_name_prefix="list") as pool:
            level, unanswered = yield from _walk_levels(partial(_list_level, store), most, left_out, pool)
        folders += unanswered + level


def _list_below(store: Store, folder: str | Range) -> Iterable[Entry]:
    """List all files below a folder, or of a range; not the empty objects that stand for folders."""
    if isinstance(folder, Range):
        if (pages := open_pages(store)) is not None:
            return read_range(pages, folder)
        entries = _list_below(store, folder.prefix.rstrip("/"))  # without botocore memory holds the whole folder
        return [e for e in entries if folder.after < e.key and (not folder.until or e.key <= folder.until)]
    entries = store.list(folder, recursive=True)
    folders = {entry.key for entry in entries if not entry.is_file}
    return [e for e in entries if e.is_file and not (e.size == 0 and e.key in folders)]


def choose_part_rows(listed: int) -> int:
    """How many rows the next part of the driver's listing takes, after so many in the parts before it."""
    return max(_LEAST, min(listed // _SHARES, _MOST))


def _make_rows(base: str, images: Sequence[Entry]) -> pa.RecordBatch:
    """Images as rows of `SCHEMA`."""
    paths = [f"{base}/{image.key}" for image in images]
    columns = (paths, map(read_label, paths), (i.size for i in images), (i.mtime for i in images))
    arrays = [pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def walk_down(source: Store, target: Store, most: int = FOLDERS) -> Walk:
    """Find images, and folders that hold the others, here and without Spark; the images go to files below `target`.

    The parts grow with the listing, so that they can be grouped into waves of equal size and stay few.

    Raises
    ------
    StorageError
        When the store refuses.
    """
    left_out, folders = LeftOut(), list[str | Range]()
    images = _walk_down(source, most, left_out, folders)
    parts: list[Part] = []
    listed = 0
    while page := list(islice(images, choose_part_rows(listed))):
        writer = PartWriter(target, SCHEMA, plain=("path",))
        writer.write(_make_rows(source.uri, page))
        part = writer.close()
        assert part is not None
        parts.append(part)
        listed += part.rows
    return Walk(parts, folders, left_out)


def list_folders(
    spark: SparkSession, source: Store, target: Store, walk: Walk, tasks: int
) -> tuple[list[Part], LeftOut]:
    """List the folders that the driver left, in at most `tasks` tasks.

    Returns
    -------
    list of Part
        Files of all images, the driver's too, with the columns of `SCHEMA`.
    LeftOut
        The files that are no images.

    Raises
    ------
    StorageError
        When the store refuses.
    """
    if not walk.folders:
        return walk.parts, walk.left_out
    shares = [share for share in (walk.folders[start::tasks] for start in range(tasks)) if share]

    def descend(number: int) -> Iterator[pa.RecordBatch]:
        writer, left_out = PartWriter(target, SCHEMA, plain=("path",)), LeftOut()
        for folder in shares[number]:
            images = filter_images(_list_below(source, folder), left_out)
            while page := list(islice(images, _PAGE)):
                writer.write(_make_rows(source.uri, page))
        counts = {_LEFT + kind: Part(left_out.first[kind], count, "") for kind, count in left_out.counts.items()}
        yield tabulate_parts({"part": writer.close(), **counts})

    parts, left_out = list(walk.parts), walk.left_out
    for row in map_tasks(spark, len(shares), descend, PART_DDL).collect():
        if row["kind"] == "part":
            parts.append(Part.from_row(row))
        else:
            left_out.add(row["kind"].removeprefix(_LEFT), row["name"], int(row["rows"]))
    return parts, left_out


def write_listing(spark: SparkSession, source: Store, target: Store, tasks: int) -> tuple[list[Part], LeftOut]:
    """List every image below `source` into Parquet files below `target`: `walk_down`, then `list_folders`."""
    return list_folders(spark, source, target, walk_down(source, target, tasks), tasks)


def read_listing(spark: SparkSession, target: Store, parts: list[Part], tasks: int) -> DataFrame:
    """The listing as a DataFrame of `COLUMNS`."""
    return read_frame(spark, target, parts, columns=COLUMNS, tasks=tasks)


def count_by_label(frame: DataFrame) -> dict[str, int]:
    """Images per label; one small row per class comes to the driver."""
    rows: list[Any] = frame.groupBy("label").count().collect()
    return {row["label"]: int(row["count"]) for row in sorted(rows, key=lambda row: str(row["label"]))}
