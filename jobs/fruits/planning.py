"""What is to be done: images without features, and features without their image.

A row belongs to an image when path, size and modification time agree; the network and the preprocessing are the
manifest's. All of it is joins of tables; the driver sees counts and file names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from fruits import versions
from fruits.featurize import FEATURES, FEATURES_SCHEMA, REJECTS, REJECTS_SCHEMA
from fruits.listing import COLUMNS, SCHEMA
from fruits.manifests import State
from fruits.parts import PART_DDL, Part, PartWriter, map_parts, part_rows, read_batches, write_frame
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KEY = ["path", "size", "mtime"]
_KEYS_DDL = "path string, label string, size long, mtime long, kind string, part string"
MIN_IMAGES_PER_TASK = 256
MAX_IMAGES_PER_TASK = 4096
TASKS_PER_SLOT = 8
TASKS_PER_SLOT_AND_WAVE = 2


def keys_frame(spark: SparkSession, output: Store, folder: str, parts: tuple[Part, ...], tasks: int) -> DataFrame:
    """Key columns of feature or reject files, with the file each row lies in; no feature is read."""
    store = output.child(folder)
    columns = [*COLUMNS, *(["kind"] if folder == REJECTS else [])]

    def read(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        for name in names:
            for batch in read_batches(store, [name], columns):
                n = batch.num_rows
                kind = batch.column("kind") if folder == REJECTS else pa.array([FEATURES] * n, pa.string())
                yield pa.RecordBatch.from_arrays(
                    [*(batch.column(c) for c in COLUMNS), kind, pa.array([name] * n, pa.string())],
                    names=[*COLUMNS, "kind", "part"],
                )

    if not parts:
        return spark.createDataFrame([], _KEYS_DDL)
    return map_parts(spark, parts, tasks, read, _KEYS_DDL)


@dataclass(frozen=True)
class Plan:
    """Counts of images and rows, and the images to do as files.

    Attributes
    ----------
    images : int
        That the result will cover.
    todo : list of Part
        Files of images to featurize, dealt so that a few of them make a wave.
    stale : int
        Feature and reject rows whose image was removed, changed, or is not selected.
    """

    images: int
    todo: list[Part]
    stale: int

    @property
    def todo_images(self) -> int:
        return sum(part.rows for part in self.todo)


@dataclass(frozen=True)
class Sizing:
    """How the images to do are cut.

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
    def of(cls, images: int, slots: int) -> Sizing:
        """Equal tasks, a multiple of the slots, so that no slot waits at the end; few enough that files stay few."""
        wanted = min(max(images / (slots * TASKS_PER_SLOT), MIN_IMAGES_PER_TASK), MAX_IMAGES_PER_TASK)
        rounds = max(1, round(images / (slots * wanted)))
        per_task = max(1, -(-images // (slots * rounds)))
        waves = max(1, -(-rounds // TASKS_PER_SLOT_AND_WAVE))
        return cls(max(1, min(slots * rounds, slots * TASKS_PER_SLOT_AND_WAVE)), per_task, waves)


def make_plan(
    spark: SparkSession, selected: DataFrame, images: int, output: Store, state: State, target: Store, slots: int
) -> Plan:
    """Compare the images selected with what is there already.

    Parameters
    ----------
    selected : DataFrame
        Columns of `listing.COLUMNS`.
    images : int
        Its rows.
    target : Store
        Where the files of images to do are written.
    """
    stale = 0
    todo = selected
    if state.features or state.rejects:
        features = keys_frame(spark, output, FEATURES, state.features, slots)
        rejects = keys_frame(spark, output, REJECTS, state.rejects, slots)
        lasting = rejects.where("kind <> 'read'")
        todo = selected.join(features.unionByName(lasting).select(*KEY), KEY, "left_anti")
        stale = stale_rows(spark, selected, output, state, slots).count()
    files = max(1, min(Sizing.of(images, slots).waves * 2, 2000))
    parts = write_frame(todo.select(*COLUMNS).repartition(files), target, SCHEMA, plain=("path",))
    return Plan(images, [part for part in parts if part.rows], stale)


def stale_rows(spark: SparkSession, selected: DataFrame, output: Store, state: State, slots: int) -> DataFrame:
    """Rows of `_KEYS_DDL`: features and rejects without their image, and rejects that are tried again."""
    features = keys_frame(spark, output, FEATURES, state.features, slots)
    rejects = keys_frame(spark, output, REJECTS, state.rejects, slots)
    keys = selected.select(*KEY)
    without_image = features.unionByName(rejects.where("kind <> 'read'")).join(keys, KEY, "left_anti")
    return without_image.unionByName(rejects.where("kind = 'read'"), allowMissingColumns=False)


def rewrite_without(stale: DataFrame, output: Store, state: State, tasks: int) -> tuple[list[Part], list[Part]]:
    """Write the files that hold stale rows again, without these; all others stay.

    Returns
    -------
    list of Part, list of Part
        All feature files and all reject files that then make the result.
    """
    expected = versions.collect()
    schemas = {FEATURES: FEATURES_SCHEMA, REJECTS: REJECTS_SCHEMA}
    plain = {
        FEATURES: ("path", "size", "mtime", "features.list.element"),
        REJECTS: ("path", "size", "mtime"),
    }

    def rewrite(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        versions.require_same(expected)
        rows = [row for batch in batches for row in batch.to_pylist()]
        rows.sort(key=lambda row: (row["part"], row["path"]))
        for name, group in groupby(rows, key=lambda row: str(row["part"])):
            members = list(group)
            folder = FEATURES if members[0]["kind"] == FEATURES else REJECTS
            gone = pa.array([row["path"] for row in members], pa.string())
            store = output.child(folder)
            writer = PartWriter(store, schemas[folder], plain=plain[folder])
            for batch in read_batches(store, [name]):
                kept = batch.filter(pc.invert(pc.is_in(batch.column("path"), value_set=gone)))
                writer.write(kept.cast(schemas[folder]))
            yield part_rows({f"{folder} was {name}": writer.close() or Part("", 0)})

    rows = stale.select("path", "kind", "part").repartition(tasks, "part").mapInArrow(rewrite, PART_DDL).collect()
    replaced: set[str] = set()
    written: dict[str, list[Part]] = {FEATURES: [], REJECTS: []}
    for row in rows:
        folder, _, old = row["kind"].partition(" was ")
        replaced.add(old)
        if row["rows"]:
            written[folder].append(Part(row["name"], int(row["rows"])))
    return (
        [part for part in state.features if part.name not in replaced] + written[FEATURES],
        [part for part in state.rejects if part.name not in replaced] + written[REJECTS],
    )
