"""What is to be done: images without features, and features without their image.

A row belongs to an image when path, size and modification time agree; the network and the preprocessing are the
manifest's. All of it is one join of two tables; the driver sees counts and file names.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fruits import versions
from fruits.featurize import FEATURES, REJECTS, SCHEMAS, open_table
from fruits.listing import COLUMNS, SCHEMA
from fruits.manifests import State
from fruits.parts import (
    PART_DDL,
    ROWS_PER_GROUP,
    Part,
    PartWriter,
    is_whole,
    map_parts,
    read_batches,
    read_frame,
    tabulate_parts,
)
from fruits.selection import Selection
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = ["path", "size", "mtime"]
_KEYS_DDL = "path string, label string, size long, mtime long, kind string, part string"
_KEYS_SCHEMA = pa.schema([*SCHEMA, ("kind", pa.string()), ("part", pa.string())])
REPLACED = "replaced"
_STALE = {"path": "string", "kind": "string", "part": "string"}
_STALE_SCHEMA = pa.schema([(name, pa.string()) for name in _STALE])

DAMAGED = "damaged"
FEATURIZED = "featurized"
"""The kind of a row of features among the kinds of rejects, one of which is called ``features``."""
MIN_IMAGES_PER_TASK = 512
MAX_IMAGES_PER_TASK = 4096
FEWEST_IMAGES_PER_TASK = 16
"""With fewer than four calls of the network a task is mostly its own start, and its file mostly its own footer."""
SMALL_ROWS = 256
SMALL_FILES = 16
"""More files than that, and than four per slot, with fewer than `SMALL_ROWS` rows are merged."""
LEAST_IMAGES_OF_LAST_TASKS = 64
MOST_HALVINGS = 3
TASKS_PER_SLOT = 8
TASKS_PER_SLOT_AND_WAVE = 2


def read_keys(
    spark: SparkSession, output: Store, folder: str, parts: tuple[Part, ...], tasks: int, *, prove: bool = False
) -> DataFrame:
    """Read the key columns of feature or reject files, with the file of each row; no feature is read.

    Parameters
    ----------
    prove : bool
        Read every byte and compare the digest: a file that is missing or damaged gives one row of the kind `DAMAGED`,
        without a path, whose ``part`` is ``<folder>/<name>``.
    """
    store = output.child(folder)
    columns = [*COLUMNS, *(["kind"] if folder == REJECTS else [])]
    by_name = {part.name: part for part in parts} if prove else {}

    def read(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        for name in names:
            if prove and not is_whole(store, by_name[name]):
                row = dict.fromkeys([*COLUMNS, "kind", "part"]) | {"kind": DAMAGED, "part": f"{folder}/{name}"}
                yield pa.RecordBatch.from_pylist([row], schema=_KEYS_SCHEMA)
                continue
            for batch in read_batches(store, [name], columns):
                n = batch.num_rows
                kind = batch.column("kind") if folder == REJECTS else pa.array([FEATURIZED] * n, pa.string())
                yield pa.RecordBatch.from_arrays(
                    [*(batch.column(c) for c in COLUMNS), kind, pa.array([name] * n, pa.string())],
                    schema=_KEYS_SCHEMA,
                )

    if not parts:  # a table made of Python rows would start workers of another kind
        nothing = (f"cast(null as {kind}) as {name}" for name, kind in map(str.split, _KEYS_DDL.split(", ")))
        return spark.range(0).selectExpr(*nothing).where("false")
    return map_parts(spark, parts, tasks, read, _KEYS_DDL)


@dataclass(frozen=True)
class Plan:
    """Counts of images and rows, and the images to do as files.

    Attributes
    ----------
    images : int
        How many images the result will cover.
    todo : list of Part
        Files of images to featurize, cut so that a few of them make a wave.
    todo_store : Store
        The folder of these files.
    stale : list of Part
        Files of rows to leave out: feature and reject rows whose image was removed or changed, and rejects that are
        tried again.
    damaged : list of str
        Files of features and rejects that are missing, or not as they were written: ``features/part-….parquet``.
    """

    images: int
    todo: list[Part]
    todo_store: Store
    stale: list[Part]
    damaged: list[str]

    @property
    def todo_images(self) -> int:
        return sum(part.rows for part in self.todo)

    @property
    def stale_rows(self) -> int:
        return sum(part.rows for part in self.stale)


@dataclass(frozen=True)
class Sizing:
    """How the images to featurize are divided.

    Attributes
    ----------
    tasks : int
        In a full wave.
    images_per_task : int
    waves : int
    """

    tasks: int
    images_per_task: int
    waves: int

    @classmethod
    def choose(cls, images: int, slots: int) -> Sizing:
        """Choose equal tasks, a multiple of the slots, and so large that there are few files."""
        ideal = min(max(images / (slots * TASKS_PER_SLOT), MIN_IMAGES_PER_TASK), MAX_IMAGES_PER_TASK)
        rounds = max(1, round(images / (slots * ideal)))
        per_task = max(FEWEST_IMAGES_PER_TASK, -(-images // (slots * rounds)))
        waves = max(1, -(-rounds // TASKS_PER_SLOT_AND_WAVE))
        return cls(max(1, min(slots * rounds, slots * TASKS_PER_SLOT_AND_WAVE)), per_task, waves)

    def take_turns(self, images: int, slots: int, *, is_last: bool) -> list[int]:
        """Deal the images of a wave to its tasks: the number of each image's task, which repeats after the last one.

        All tasks are equal except in the last wave: there a slot's tasks take a half, a quarter and two eighths of its
        share, so that a slot that is faster than the others does not wait long (guided self-scheduling:
        Polychronopoulos and Kuck, 1987).

        >>> Sizing(tasks=4, images_per_task=500, waves=2).take_turns(2_000, 2, is_last=False)
        [0, 1, 2, 3]
        >>> Sizing(tasks=4, images_per_task=500, waves=2).take_turns(600, 2, is_last=True)
        [0, 0, 1, 1, 2, 3, 4, 5]
        """
        share = images / (slots * LEAST_IMAGES_OF_LAST_TASKS)
        halvings = min(MOST_HALVINGS, int(math.log2(share))) if is_last and share >= 1 else 0
        if not halvings:
            return list(range(max(1, min(self.tasks, -(-images // self.images_per_task)))))
        weights = [*(2**n for n in reversed(range(halvings))), 1]
        tasks = enumerate(weight for weight in weights for _ in range(slots))
        return [number for number, weight in tasks for _ in range(weight)]


def make_plan(
    spark: SparkSession,
    listed: DataFrame,
    selection: Selection,
    images: int,
    output: Store,
    state: State,
    target: Store,
    slots: int,
) -> Plan:
    """Compare the images listed with what is there already, in one pass over both.

    Features of images that are there but not selected are neither to do nor stale: they stay. Rejects of such images,
    which cost nothing, are removed: the rejects are always those of the run.

    Parameters
    ----------
    listed : DataFrame
        All images, with the columns of `listing.COLUMNS`.
    images : int
        How many of them are selected.
    target : Store
        Where the files of images to do, and of stale rows, are written.
    """
    expected = versions.collect_versions()
    stale_store = target.child("stale")
    frame = _compare(spark, listed, selection, output, state, slots)

    def divide(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        todo = PartWriter(target, SCHEMA, plain=("path",))
        stale = PartWriter(stale_store, _STALE_SCHEMA, plain=("path",))
        for batch in batches:
            todo.write(batch.filter(batch.column("todo")).select(list(COLUMNS)).cast(SCHEMA))
            leaving = batch.filter(batch.column("stale"))
            is_damaged = pc.equal(leaving.column("kind"), DAMAGED)
            stale.write(leaving.filter(pc.invert(is_damaged)).select(list(_STALE)).cast(_STALE_SCHEMA))
            for name in leaving.filter(is_damaged).column("part").to_pylist():
                yield tabulate_parts({DAMAGED: Part(name, 0)})
        yield tabulate_parts({"todo": todo.close(), "stale": stale.close()})

    files = max(1, min(Sizing.choose(images, slots).waves * 2, 2000))
    rows = frame.repartition(files).mapInArrow(divide, PART_DDL).collect()
    parts_by_kind: dict[str, list[Part]] = {}
    for row in rows:
        parts_by_kind.setdefault(row["kind"], []).append(Part.from_row(row))
    damaged = sorted(part.name for part in parts_by_kind.get(DAMAGED, []))
    return Plan(images, parts_by_kind.get("todo", []), target, parts_by_kind.get("stale", []), damaged)


def plan_first_run(parts: list[Part], store: Store, selection: Selection, state: State, slots: int) -> Plan | None:
    """Plan a first run over all images: the files of the listing themselves, where they make equal waves.

    Returns
    -------
    Plan or None
        None where images must be compared, selected, or divided again.
    """
    images = sum(part.rows for part in parts)
    waves = Sizing.choose(images, slots).waves
    coarse = max(part.rows for part in parts) * waves > images
    if state.features or state.rejects or not selection.is_whole or coarse:
        return None
    return Plan(images, parts, store, [], [])


def _compare(
    spark: SparkSession, listed: DataFrame, selection: Selection, output: Store, state: State, slots: int
) -> DataFrame:
    """Images to do and rows that are stale. By a sort-merge join: a table of all images fits into no memory."""
    from pyspark.sql import functions as sf

    images = listed.select(*COLUMNS, selection.make_column().alias("wanted"))
    if not (state.features or state.rejects):
        nothing = "cast(null as string) as kind", "cast(null as string) as part"
        return images.where("wanted").selectExpr(*COLUMNS, *nothing, "true as todo", "false as stale")
    features = read_keys(spark, output, FEATURES, state.features, slots, prove=True)
    rejects = read_keys(spark, output, REJECTS, state.rejects, slots, prove=True)
    keys = features.unionByName(rejects).select(*KEY, "kind", "part")
    both = images.hint("merge").join(keys.hint("merge"), KEY, "full_outer")
    again = "(part is null or kind = 'read')"
    return both.select(
        *COLUMNS,
        "kind",
        "part",
        sf.expr(f"coalesce(wanted, false) and {again}").alias("todo"),
        sf.expr(
            f"part is not null and (wanted is null or kind = 'read' or not wanted and kind <> '{FEATURIZED}')"
        ).alias("stale"),
    ).where("todo or stale")


def rewrite_without(
    spark: SparkSession, plan: Plan, output: Store, state: State, target: Store, tasks: int
) -> tuple[list[Part], list[Part]]:
    """Rewrite the files that hold stale rows without these rows, and leave damaged files out; all others stay.

    Returns
    -------
    list of Part, list of Part
        All feature files and all reject files that then make the result.
    """
    expected = versions.collect_versions()

    def rewrite(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        yield from rewrite_parts(batches, output)

    stale = read_frame(spark, target.child("stale"), plan.stale, columns=_STALE, tasks=tasks)
    ordered = stale.repartition(tasks, "part").sortWithinPartitions("part")
    rows = ordered.mapInArrow(rewrite, PART_DDL).collect() if plan.stale else []
    replaced = {name.rpartition("/")[2] for name in plan.damaged}
    written: dict[str, list[Part]] = {FEATURES: [], REJECTS: []}
    for row in rows:
        if row["kind"] == REPLACED:
            replaced.add(row["name"])
        else:
            written[row["kind"]].append(Part.from_row(row))
    return (
        [part for part in state.features if part.name not in replaced] + written[FEATURES],
        [part for part in state.rejects if part.name not in replaced] + written[REJECTS],
    )


def rewrite_parts(stale: Iterable[pa.RecordBatch], output: Store) -> Iterator[pa.RecordBatch]:
    """Rewrite files without their stale rows: yields for each a row that names it, and one that names its replacement.

    Parameters
    ----------
    stale : rows with the columns of `_STALE`, those of one file together
    """
    rows = (row for batch in stale for row in batch.to_pylist())
    for name, group in groupby(rows, key=lambda row: str(row["part"])):
        members = list(group)
        folder = FEATURES if members[0]["kind"] == FEATURIZED else REJECTS
        gone = pa.array([row["path"] for row in members], pa.string())
        writer = open_table(output, folder)
        for batch in read_batches(output.child(folder), [name]):
            current = batch.filter(pc.invert(pc.is_in(batch.column("path"), value_set=gone)))
            writer.write(current.cast(SCHEMAS[folder]))
        yield tabulate_parts({REPLACED: Part(name, len(members)), folder: writer.close()})


def merge_small(spark: SparkSession, output: Store, state: State, slots: int) -> tuple[list[Part], list[Part]] | None:
    """Merge the small files that many small runs left; None where there are not many.

    Returns
    -------
    list of Part, list of Part
        All feature files and all reject files that then make the result.
    """
    features = _merge_folder(spark, output, FEATURES, state.features, slots)
    rejects = _merge_folder(spark, output, REJECTS, state.rejects, slots)
    if features is rejects is None:
        return None
    return features or list(state.features), rejects or list(state.rejects)


def _merge_folder(
    spark: SparkSession, output: Store, folder: str, parts: tuple[Part, ...], slots: int
) -> list[Part] | None:
    small = [part for part in parts if part.rows < SMALL_ROWS]
    if len(small) <= max(SMALL_FILES, 4 * slots):
        return None
    store = output.child(folder)

    def write(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        table = pa.Table.from_batches(read_batches(store, names)).cast(SCHEMAS[folder]).combine_chunks()
        writer = open_table(output, folder)
        for batch in table.to_batches(max_chunksize=ROWS_PER_GROUP):
            writer.write(batch)
        yield tabulate_parts({folder: writer.close()})

    files = -(-sum(part.rows for part in small) // MAX_IMAGES_PER_TASK)
    rows = map_parts(spark, small, files, write, PART_DDL).collect()
    return [part for part in parts if part.rows >= SMALL_ROWS] + [Part.from_row(row) for row in rows]
