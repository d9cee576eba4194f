"""Images to features: each one read once, decoded once, through the network once.

A task has one core. While the network computes on it, threads wait for the store: many reads are in flight, so a slow
store costs no time until it cannot deliver that many. Pictures are decoded by a child process (see `guard`), four at a
time, straight into the memory that the network reads, while it computes the four before. Features go straight into the
task's own Parquet file; only the file's name returns to the driver.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import compress, cycle
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from fruits import engines, versions
from fruits.errors import StorageError
from fruits.guard import Guard, get_guard
from fruits.images import PREPROCESSING_VERSION
from fruits.inputs import NOT_EXPRESSIBLE
from fruits.listing import COLUMNS, SCHEMA
from fruits.models import PublishedModel, load_engine
from fruits.parts import PART_DDL, ROWS_PER_GROUP, Part, PartWriter, map_tasks, read_share, tabulate_parts
from fruits.progress import Heartbeat
from fruits.store import Store, is_final
from fruits.wording import read_first_line

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FEATURES = "features"
REJECTS = "rejects"

_KEYS = [*SCHEMA, pa.field("model", pa.string()), pa.field("preprocessing", pa.int32())]
FEATURES_SCHEMA = pa.schema([*_KEYS, ("features", pa.list_(pa.field("element", pa.float32(), nullable=False)))])
REJECTS_SCHEMA = pa.schema([*_KEYS, ("kind", pa.string()), ("reason", pa.string())])
SCHEMAS = {FEATURES: FEATURES_SCHEMA, REJECTS: REJECTS_SCHEMA}

READS_IN_FLIGHT = 32
BYTES_IN_FLIGHT = 64 << 20
PLACES = 2 * engines.BATCH
"""Pictures in the guard's memory: those of one call are decoded while the network reads those of the call before."""
BYTES_AT_ONCE = 32 << 20
"""Bytes of the files that are decoded in one exchange with the guard."""
MAX_FILE = 256 << 20
"""Bytes of a file; a larger one is rejected by its listed size, unread. 100 megapixels need less in every format."""
PAUSES = (1.0, 5.0, 15.0, 30.0)
"""Seconds before each further attempt to read what the store did not deliver."""


@dataclass(frozen=True, kw_only=True)
class FeaturizeTask:
    """What every task of a wave needs to know.

    Attributes
    ----------
    source, output : Store
        Images; results.
    wave : str
        Name of the wave, for heartbeats.
    heartbeat : float
        Seconds between two reports of one task.
    """

    source: Store
    output: Store
    model: PublishedModel
    wave: str
    heartbeat: float
    expected: dict[str, str] = field(default_factory=versions.collect_versions)


@dataclass(frozen=True)
class _Image:
    path: str
    label: str
    size: int
    mtime: int


class _Reject(NamedTuple):
    """An image without features: the kind (a key of `checks.REJECTED`), and the reason in words."""

    image: _Image
    kind: str
    reason: str


def _list_images(batches: Iterable[pa.RecordBatch]) -> Iterator[_Image]:
    for batch in batches:
        columns = [batch.column(name).to_pylist() for name in COLUMNS]
        for row in zip(*columns, strict=True):
            yield _Image(*row)


def _read_ahead(store: Store, images: Iterable[_Image], in_flight: int) -> Iterator[tuple[_Image, bytes | Exception]]:
    """Images with their bytes, in order; at most `in_flight` files and about 64 MB are on their way."""
    skip = len(store.uri) + 1

    def read(image: _Image) -> bytes | Exception:
        try:
            return store.read(image.path[skip:])
        except (OSError, ValueError) as error:  # ValueError: pyarrow's, of an address that it cannot express
            return error

    waiting: deque[tuple[_Image, Future[bytes | Exception]]] = deque()
    size = 0
    with ThreadPoolExecutor(in_flight, thread_name_prefix="read") as pool:
        try:
            for image in images:
                waiting.append((image, pool.submit(read, image)))
                size += image.size
                while len(waiting) >= in_flight or (size > BYTES_IN_FLIGHT and len(waiting) > 1):
                    image_read, future = waiting.popleft()
                    size -= image_read.size
                    yield image_read, future.result()
            while waiting:
                image_read, future = waiting.popleft()
                yield image_read, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def _read_patiently(
    store: Store, images: Iterable[_Image], in_flight: int, pause: Callable[[float], None] = time.sleep
) -> Iterator[tuple[_Image, bytes | Exception]]:
    """Images with their bytes; what a store in trouble does not deliver is read again after the others, with pauses.

    Yields
    ------
    _Image, bytes or Exception
        An exception only where another attempt would not help: the file is gone, or it alone cannot be read.

    Raises
    ------
    StorageError
        When the store does not even answer after all pauses. The task then fails and Spark runs it again: a store in
        trouble never turns good images into rejects.
    """
    later: list[_Image] = []
    for wait in (*PAUSES, None):
        failed: list[_Image] = []
        for image, data in _read_ahead(store, later or images, in_flight):
            if not isinstance(data, Exception) or is_final(data) or (wait is None and store.answers()):
                yield image, data
            elif wait is None:
                raise StorageError(
                    f"{store.uri} did not deliver {image.path} in {len(PAUSES) + 1} attempts: "
                    f"{read_first_line(data)[:300]}. "
                    "Fix: check whether the credentials have expired, and run it again; what is done is kept."
                )
            else:
                failed.append(image)
        if not failed:
            return
        later = failed
        pause(wait or 0.0)


def open_table(output: Store, folder: str) -> PartWriter:
    """Begin a file of features or of rejects."""
    return PartWriter(output.child(folder), SCHEMAS[folder], plain=("path", "size", "mtime", "features.list.element"))


class _Table:
    """Collects the rows of one table of a wave, and writes them in row groups."""

    def __init__(self, task: FeaturizeTask, folder: str) -> None:
        self._writer = open_table(task.output, folder)
        self._schema = SCHEMAS[folder]
        self._identity = task.model.identity, PREPROCESSING_VERSION
        self._images: list[_Image] = []

    @property
    def rows(self) -> int:
        return self._writer.rows + len(self._images)

    def _flush(self, values: list[pa.Array]) -> None:
        keys = zip(*((i.path, i.label, i.size, i.mtime, *self._identity) for i in self._images), strict=True)
        columns = [pa.array(column, field.type) for column, field in zip(keys, _KEYS, strict=True)]
        self._writer.write(pa.RecordBatch.from_arrays([*columns, *values], schema=self._schema))
        self._images.clear()

    def close(self) -> Part | None:
        return self._writer.close()


class _Features(_Table):
    def __init__(self, task: FeaturizeTask) -> None:
        super().__init__(task, FEATURES)
        self._values = np.empty((ROWS_PER_GROUP, task.model.dimension), np.float32)

    def add(self, images: list[_Image], values: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        for image, row in zip(images, values, strict=True):
            self._values[len(self._images)] = row
            self._images.append(image)
            if len(self._images) == ROWS_PER_GROUP:
                self.flush()

    def flush(self) -> None:
        if self._images:
            values = self._values[: len(self._images)].copy()
            column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
            self._flush([column.cast(FEATURES_SCHEMA.field("features").type)])


class _Rejects(_Table):
    def __init__(self, task: FeaturizeTask) -> None:
        super().__init__(task, REJECTS)
        self._reasons: list[tuple[str, str]] = []

    def add(self, reject: _Reject) -> None:
        self._images.append(reject.image)
        self._reasons.append((reject.kind, reject.reason))
        if len(self._images) == ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        if self._images:
            kinds, reasons = zip(*self._reasons, strict=True)
            self._reasons.clear()
            self._flush([pa.array(kinds, pa.string()), pa.array(reasons, pa.string())])


class _Decoder:
    """Reads a task's images and decodes them into the guard's pixels, as many at a time as the network takes per call.

    Attributes
    ----------
    rejected : list of _Reject
        Images that gave no picture; to be taken out between two calls of `fill`.
    """

    def __init__(self, task: FeaturizeTask, guard: Guard, images: Iterable[_Image]) -> None:
        self.rejected: list[_Reject] = []
        self._guard = guard
        self._files = _read_patiently(task.source, self._select_readable(images), READS_IN_FLIGHT)

    def fill(self, first: int) -> list[_Image]:
        """Put pictures into the places of one call, from `first` on; returns their images, at the end an empty list."""
        images: list[_Image] = []
        undecoded: list[tuple[_Image, bytes]] = []
        for image, data in self._files:
            if isinstance(data, Exception):
                self.rejected.append(_Reject(image, "read", f"cannot be read: {read_first_line(data)[:300]}"))
                continue
            undecoded.append((image, data))
            is_full = sum(len(data) for _, data in undecoded) > BYTES_AT_ONCE
            if is_full or len(images) + len(undecoded) == engines.BATCH:
                images += self._decode(undecoded, first + len(images))
                undecoded.clear()
            if len(images) == engines.BATCH:
                break
        images += self._decode(undecoded, first + len(images))
        self._guard.pixels[first + len(images) : first + engines.BATCH] = 0
        return images

    def _decode(self, undecoded: list[tuple[_Image, bytes]], first: int) -> list[_Image]:
        """Decode files into the places from `first` on and close the gaps that rejects leave; returns their images."""
        images: list[_Image] = []
        pixels = self._guard.pixels
        reasons = self._guard.decode([data for _, data in undecoded], first)
        for place, ((image, _), reason) in enumerate(zip(undecoded, reasons, strict=True), first):
            if reason is not None:
                self.rejected.append(_Reject(image, "decode", reason[:300]))
                continue
            if place != first + len(images):
                pixels[first + len(images)] = pixels[place]
            images.append(image)
        return images

    def _select_readable(self, images: Iterable[_Image]) -> Iterator[_Image]:
        """The images that are worth a request; the others are rejected unread."""
        for image in images:
            if image.size == NOT_EXPRESSIBLE:
                reason = "its address cannot be expressed: an empty name, dots, or no UTF-8 in it"
                self.rejected.append(_Reject(image, "address", reason))
            elif image.size > MAX_FILE:
                reason = f"{image.size:,} bytes are more than the {MAX_FILE:,} a file may have"
                self.rejected.append(_Reject(image, "decode", reason))
            else:
                yield image


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
    StorageError
        When the store does not deliver, however often it is asked.
    """
    versions.require_same(task.expected)
    pa.set_cpu_count(1)
    guard = get_guard(task.model.image_size, PLACES)  # first: it starts while the network is compiled
    engine = load_engine(task.model, task.output)
    features, rejects = _Features(task), _Rejects(task)
    heartbeat = Heartbeat(task.output, f"{task.wave}.{uuid.uuid4().hex[:8]}", task.heartbeat)
    decoder = _Decoder(task, guard, _list_images(batches))
    # task and child in turn would leave a core idle whenever the system wakes one of them on another task's core
    with ThreadPoolExecutor(1, thread_name_prefix="decode") as pool:
        filling = pool.submit(decoder.fill, 0)
        for first in cycle((0, engines.BATCH)):
            images = filling.result()
            for reject in decoder.rejected:
                rejects.add(reject)
            decoder.rejected.clear()
            if not images:
                break
            filling = pool.submit(decoder.fill, engines.BATCH - first)
            values = engine.embed(guard.pixels[first : first + engines.BATCH])[: len(images)]
            _add_finite(images, values, features, rejects)
            heartbeat.beat(features.rows, rejects.rows)
    features.flush()
    rejects.flush()
    yield tabulate_parts({FEATURES: features.close(), REJECTS: rejects.close()})


def _add_finite(
    images: list[_Image], values: np.ndarray[Any, np.dtype[np.float32]], features: _Features, rejects: _Rejects
) -> None:
    """Add images to `features`, or to `rejects` where a value is not finite; `values` has the shape (n, d)."""
    finite = np.asarray(np.isfinite(values).all(axis=1))
    for image in compress(images, ~finite):
        rejects.add(_Reject(image, "features", "the network gives values that are not finite"))
    features.add(list(compress(images, finite)), values[finite])


def run_wave(
    spark: SparkSession, task: FeaturizeTask, listing: Store, parts: Sequence[Part], turns: Sequence[int]
) -> dict[str, list[Part]]:
    """Featurize the images in some parts of a listing.

    Each task takes its rows from the listing itself: one stage, and no shuffle, whose files would be lost with a node.
    Neighbours in a listing are of one class, and often of one size, so they go to different tasks.

    Parameters
    ----------
    turns : sequence of int
        Number of the task that takes each row, from 0 on (see `parts.read_share`).

    Returns
    -------
    dict of str to list of Part
        The files that the tasks wrote, below ``features`` and ``rejects``.
    """

    def featurize(number: int) -> Iterator[pa.RecordBatch]:
        return featurize_partition(read_share(listing, parts, list(COLUMNS), turns, number), task)

    parts_by_kind: dict[str, list[Part]] = {FEATURES: [], REJECTS: []}
    for row in map_tasks(spark, max(turns) + 1, featurize, PART_DDL).collect():
        parts_by_kind[row["kind"]].append(Part.from_row(row))
    return parts_by_kind
