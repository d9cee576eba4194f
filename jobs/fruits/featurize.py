"""Images to features: each one read once, decoded once, through the network once.

A task has one core. While the network computes on it, threads wait for the store: many reads are in flight, so a slow
store costs no time until it cannot deliver that many. Features go straight into the task's own Parquet file; only the
file's name returns to the driver.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from fruits import engines, versions
from fruits.images import PREPROCESSING_VERSION, ImageError, decode
from fruits.models import PublishedModel, engine_for
from fruits.parts import PART_DDL, ROWS_PER_GROUP, Part, PartWriter, part_rows
from fruits.progress import Heartbeat
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEATURES = "features"
REJECTS = "rejects"

_KEY_FIELDS = [
    ("path", pa.string()),
    ("label", pa.string()),
    ("size", pa.int64()),
    ("mtime", pa.int64()),
    ("model", pa.string()),
    ("preprocessing", pa.int32()),
]
FEATURES_SCHEMA = pa.schema([*_KEY_FIELDS, ("features", pa.list_(pa.field("element", pa.float32(), nullable=False)))])
REJECTS_SCHEMA = pa.schema([*_KEY_FIELDS, ("kind", pa.string()), ("reason", pa.string())])
KEY_COLUMNS = {"path": "string", "label": "string", "size": "long", "mtime": "long"}

READS_IN_FLIGHT = 32
BYTES_IN_FLIGHT = 64 << 20


class ReadError(Exception):
    """The store did not deliver a file; unlike a bad image, it is tried again in the next run."""


@dataclass(frozen=True, kw_only=True)
class FeaturizeTask:
    """What every task of a wave is told.

    Attributes
    ----------
    source, output : Store
        Images; results.
    wave : str
        Name of the wave, for heartbeats.
    heartbeat : float
        Seconds between two reports of one task.
    reads_in_flight : int
        Files a task asks for at once.
    """

    source: Store
    output: Store
    model: PublishedModel
    wave: str
    heartbeat: float
    reads_in_flight: int = READS_IN_FLIGHT
    expected: dict[str, str] = field(default_factory=versions.collect)


@dataclass(frozen=True)
class _Image:
    path: str
    label: str
    size: int
    mtime: int


def _images_in(batches: Iterable[pa.RecordBatch]) -> Iterator[_Image]:
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in KEY_COLUMNS]
        for row in zip(*columns, strict=True):
            yield _Image(*row)


def _read_ahead(store: Store, images: Iterator[_Image], in_flight: int) -> Iterator[tuple[_Image, bytes | Exception]]:
    """Images with their bytes, in order; at most `in_flight` files, and some 64 MB, are on their way."""
    skip = len(store.uri) + 1

    def read(image: _Image) -> bytes | Exception:
        try:
            return store.read(image.path[skip:])
        except OSError as error:
            return error

    waiting: deque[tuple[_Image, Future[bytes | Exception]]] = deque()
    size = 0
    with ThreadPoolExecutor(in_flight, thread_name_prefix="read") as pool:
        try:
            for image in images:
                waiting.append((image, pool.submit(read, image)))
                size += image.size
                while len(waiting) >= in_flight or (size > BYTES_IN_FLIGHT and len(waiting) > 1):
                    first, future = waiting.popleft()
                    size -= first.size
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


class _Table:
    """Collects the rows of one table of a wave, and writes them in row groups."""

    def __init__(self, task: FeaturizeTask, folder: str, schema: pa.Schema, plain: tuple[str, ...]) -> None:
        self._writer = PartWriter(task.output.child(folder), schema, plain=plain)
        self._schema = schema
        self._model = task.model.identity
        self._images: list[_Image] = []

    def keys(self) -> list[pa.Array]:
        n = len(self._images)
        return [
            pa.array([i.path for i in self._images], pa.string()),
            pa.array([i.label for i in self._images], pa.string()),
            pa.array([i.size for i in self._images], pa.int64()),
            pa.array([i.mtime for i in self._images], pa.int64()),
            pa.array([self._model] * n, pa.string()),
            pa.array([PREPROCESSING_VERSION] * n, pa.int32()),
        ]

    @property
    def rows(self) -> int:
        return self._writer.rows + len(self._images)

    def _flush(self, values: list[pa.Array]) -> None:
        self._writer.write(pa.RecordBatch.from_arrays([*self.keys(), *values], schema=self._schema))
        self._images.clear()

    def close(self) -> Part | None:
        return self._writer.close()


class _Features(_Table):
    def __init__(self, task: FeaturizeTask) -> None:
        super().__init__(task, FEATURES, FEATURES_SCHEMA, ("path", "size", "mtime", "features.list.element"))
        self._values = np.empty((ROWS_PER_GROUP, task.model.dimension), np.float32)

    def add(self, images: list[_Image], values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        for image, row in zip(images, values, strict=True):
            self._values[len(self._images)] = row
            self._images.append(image)
            if len(self._images) == ROWS_PER_GROUP:
                self.flush()

    def flush(self) -> None:
        n, d = len(self._images), self._values.shape[1]
        if n:
            offsets = pa.array(np.arange(0, (n + 1) * d, d, dtype=np.int32))
            flat = pa.array(self._values[:n].reshape(-1).copy())
            kind = FEATURES_SCHEMA.field("features").type
            self._flush([pa.ListArray.from_arrays(offsets, flat, type=kind)])


class _Rejects(_Table):
    def __init__(self, task: FeaturizeTask) -> None:
        super().__init__(task, REJECTS, REJECTS_SCHEMA, ("path", "size", "mtime"))
        self._why: list[tuple[str, str]] = []

    def add(self, image: _Image, kind: str, reason: str) -> None:
        self._images.append(image)
        self._why.append((kind, reason))
        if len(self._images) == ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._images:
            kinds, reasons = zip(*self._why, strict=True)
            self._why.clear()
            self._flush([pa.array(kinds, pa.string()), pa.array(reasons, pa.string())])


def featurize_partition(batches: Iterable[pa.RecordBatch], task: FeaturizeTask) -> Iterator[pa.RecordBatch]:
    """Featurize the images in the rows of a partition.

    Yields
    ------
    pyarrow.RecordBatch
        One row per file written, as `parts.PART_DDL` says: kind ``features`` or ``rejects``, name, rows.

    Raises
    ------
    VersionMismatchError
        When this worker runs other versions than the driver.
    ModelError
        When the published network is damaged.
    """
    versions.require_same(task.expected)
    pa.set_cpu_count(1)
    engine = engine_for(task.model, task.output)
    size = task.model.image_size
    features, rejects = _Features(task), _Rejects(task)
    heartbeat = Heartbeat(task.output, f"{task.wave}.{uuid.uuid4().hex[:8]}", task.heartbeat)
    pixels = np.zeros((engines.BATCH, size, size, 3), np.uint8)
    pending: list[_Image] = []

    def compute() -> None:
        pixels[len(pending) :] = 0
        values = engine.embed(pixels)[: len(pending)]
        finite = np.asarray(np.isfinite(values).all(axis=1))
        if not finite.all():
            for image in compress(pending, ~finite):
                rejects.add(image, "features", "the network gives values that are not finite")
        features.add(list(compress(pending, finite)), values[finite])
        pending.clear()
        heartbeat.beat(features.rows, rejects.rows)

    for image, data in _read_ahead(task.source, _images_in(batches), task.reads_in_flight):
        if isinstance(data, Exception):
            rejects.add(image, "read", f"cannot be read: {str(data).splitlines()[0][:300]}")
            continue
        try:
            pixels[len(pending)] = decode(data, size)
        except ImageError as error:
            rejects.add(image, "decode", str(error)[:300])
            continue
        pending.append(image)
        if len(pending) == engines.BATCH:
            compute()
    if pending:
        compute()
    features.flush()
    rejects.flush()
    yield part_rows({FEATURES: features.close(), REJECTS: rejects.close()})


def run_wave(frame: DataFrame, task: FeaturizeTask, tasks: int) -> dict[str, list[Part]]:
    """Featurize the images of a DataFrame with the columns of `listing.COLUMNS`.

    The repartition stands last before the network: adaptive execution may not fold it, and no shuffle follows that a
    lost node would make to be computed again.

    Returns
    -------
    dict of str to list of Part
        The files of the tasks that counted, below ``features`` and ``rejects``.
    """

    def featurize(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return featurize_partition(batches, task)

    columns = list(KEY_COLUMNS)
    rows = frame.select(*columns).repartition(tasks).mapInArrow(featurize, PART_DDL).collect()
    found: dict[str, list[Part]] = {FEATURES: [], REJECTS: []}
    for row in rows:
        found[row["kind"]].append(Part(row["name"], int(row["rows"])))
    return found
