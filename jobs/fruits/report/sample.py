"""Which images the page shows, however many there are: the same share of every class, and the ends of components.

One pass over the scores, without a shuffle: each task returns a bounded number of candidates, the driver chooses.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.parts import Part, map_parts, read_batches
from fruits.pca import to_matrix
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAX_POINTS = 1500
LEARNED, MAX_LEARNED = 8, 12_000
"""Images per class, and of all classes, that the classifier gets where the map shows fewer of a class: 12 MB."""
COMPONENTS = 6
"""Components that the page names: axes of the map, pictures at their ends."""
WIDTH = 256
"""Components for distances and the classifier; far more than they need (PCA(50) keeps the accuracy of 5-NN)."""
ENDS = 6
"""Pictures at each end of a component."""

_DDL = "path string, label string, order long, scores binary"
_SCHEMA = pa.schema([("path", pa.string()), ("label", pa.string()), ("order", pa.int64()), ("scores", pa.binary())])
_HASHES = 1 << 63


def compute_shares(sizes: Mapping[str, int], points: int = MAX_POINTS) -> dict[str, int]:
    """How many images of each class to take: all of a small class, equally many of every other one.

    With more classes than points, one image each of as many classes, which are chosen by a hash of their names.

    >>> compute_shares({"a": 2, "b": 100, "c": 100}, points=12)
    {'a': 2, 'b': 5, 'c': 5}
    """
    sizes = {label: n for label, n in sizes.items() if n > 0}
    if len(sizes) > points:
        return dict.fromkeys(sorted(sizes, key=lambda label: (hash_order(label), label))[:points], 1)
    remaining, share = points, 0
    for rank, n in enumerate(ordered := sorted(sizes.values())):
        share = remaining // (len(ordered) - rank)
        if n > share:
            break
        remaining -= n
    else:
        return dict(sizes)
    return {label: min(n, share) for label, n in sizes.items()}


def compute_learned_shares(sizes: Mapping[str, int]) -> dict[str, int]:
    """How many images of each class the classifier gets: those of the map, and more where there are many classes.

    >>> sum(compute_learned_shares({f"class {i}": 100 for i in range(1000)}).values())
    8000
    """
    return compute_shares(sizes, max(MAX_POINTS, min(LEARNED * len(sizes), MAX_LEARNED)))


def hash_order(text: str) -> int:
    """A number below 2**63 that depends only on the text: the same result always shows the same images."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _compute_limits(sizes: Mapping[str, int], shares: Mapping[str, int]) -> dict[str, int]:
    """Hashes below which a class almost certainly has its share: with a margin of five standard deviations."""
    limits = {}
    for label, share in shares.items():
        needed = share + 5 * math.sqrt(share) + 9
        limits[label] = _HASHES if needed >= sizes[label] else int(_HASHES * needed / sizes[label])
    return limits


def _find_ends(scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """Rows with the smallest and largest values of the first components."""
    chosen: set[int] = set()
    for column in scores[:, :COMPONENTS].T:
        order = np.argsort(column, kind="stable")
        chosen.update(order[:ENDS].tolist(), order[-ENDS:].tolist())
    return np.array(sorted(chosen), np.intp)


def select_candidates(batches: Iterable[pa.RecordBatch], limits: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
    """Select the rows of a task that the page may show; memory is bounded by `limits`, not by the number of rows.

    Yields
    ------
    pyarrow.RecordBatch
        path, label, order, scores (float32, the first `WIDTH`); order is -1 for a row that is there for its place at
        an end only.
    """
    rows: list[tuple[str, str, int, bytes]] = []
    ends: list[tuple[str, str, NDArray[np.floating]]] = []
    for batch in batches:
        scores = np.asarray(to_matrix(batch.column("scores"))[:, :WIDTH], np.float32)
        paths, labels = batch.column("path").to_pylist(), batch.column("label").to_pylist()
        for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
            if (order := hash_order(path)) < limits.get(label, 0):
                rows.append((path, label, order, scores[i].tobytes()))
        for i in _find_ends(scores):
            ends.append((paths[i], labels[i], scores[i].copy()))
        ends = [ends[i] for i in _find_ends(np.stack([row for _, _, row in ends]))] if ends else []
    rows += [(path, label, -1, row.tobytes()) for path, label, row in ends]
    if rows:
        columns = zip(*rows, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(list(values), field.type) for values, field in zip(columns, _SCHEMA, strict=True)],
            schema=_SCHEMA,
        )


@dataclass(frozen=True)
class ShownImages:
    """Some images of a result.

    Attributes
    ----------
    paths, labels : list of str
        Ordered by label, then path.
    scores : ndarray of float32, shape (n, min(k, `WIDTH`))
    """

    paths: list[str]
    labels: list[str]
    scores: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.paths)


@dataclass(frozen=True)
class ComponentEnd:
    """The images at an end of a component, the outermost first."""

    paths: list[str]
    labels: list[str]
    values: list[float]


@dataclass(frozen=True)
class ReportSample:
    """What the page shows.

    Attributes
    ----------
    shown : ShownImages
        A fair sample.
    ends : list of (ComponentEnd, ComponentEnd)
        For each of the first components, its low and its high end among *all* images.
    learned : ShownImages
        Images for the classifier; the same where there are few classes.
    """

    shown: ShownImages
    ends: list[tuple[ComponentEnd, ComponentEnd]]
    learned: ShownImages


def choose(rows: Iterable[Any], shares: Mapping[str, int], learned: Mapping[str, int] | None = None) -> ReportSample:
    """Choose the images of the page among the candidates of all tasks."""
    images: dict[str, tuple[str, int, NDArray[np.float32]]] = {}
    for path, label, order, scores in rows:
        before = images.get(path)
        if before is None or before[1] < order:
            images[path] = (label, int(order), np.frombuffer(scores, np.float32))
    by_label: dict[str, list[tuple[int, str]]] = {}
    for path, (label, order, _) in images.items():
        if order >= 0:
            by_label.setdefault(label, []).append((order, path))
    width = next(iter(images.values()))[2].size if images else 0

    def take_shares(counts: Mapping[str, int]) -> ShownImages:
        chosen = [
            path
            for label, members in sorted(by_label.items())
            for path in sorted(path for _, path in sorted(members)[: counts.get(label, 0)])
        ]
        scores = np.array([images[path][2] for path in chosen], np.float32).reshape(len(chosen), width)
        return ShownImages(chosen, [images[path][0] for path in chosen], scores)

    ends = []
    for j in range(min(COMPONENTS, width)):
        ordered = sorted(images, key=lambda path, j=j: (float(images[path][2][j]), path))  # type: ignore[misc]
        low, high = ordered[:ENDS], ordered[::-1][:ENDS]
        ends.append((_make_end(low, images, j), _make_end(high, images, j)))
    return ReportSample(take_shares(shares), ends, take_shares(learned or shares))


def _make_end(paths: list[str], images: Mapping[str, tuple[str, int, NDArray[np.float32]]], j: int) -> ComponentEnd:
    return ComponentEnd(paths, [images[path][0] for path in paths], [float(images[path][2][j]) for path in paths])


def choose_sample(
    spark: SparkSession, store: Store, parts: Iterable[Part], sizes: Mapping[str, int], tasks: int
) -> ReportSample:
    """Choose among the rows of the score files.

    Parameters
    ----------
    sizes : mapping of str to int
        Images with scores, by class.
    tasks : int
        Upper bound on tasks.
    """
    learned = compute_learned_shares(sizes)
    limits = _compute_limits(sizes, learned)

    def select(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        yield from select_candidates(read_batches(store, names, ["path", "label", "scores"]), limits)

    return choose(map_parts(spark, parts, tasks, select, _DDL).collect(), compute_shares(sizes), learned)


def compute_squared_distances(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Squared Euclidean distances between all rows of an (n, k) array, shape (n, n); infinite from a row to itself.

    The distance of equal rows may differ from 0 by a rounding error of either sign.
    """
    x = np.asarray(scores, np.float64)
    squares = (x * x).sum(axis=1)
    distances: NDArray[np.float64] = squares[:, None] + squares[None, :] - 2 * (x @ x.T)
    np.fill_diagonal(distances, np.inf)
    return distances


def find_nearest(scores: NDArray[np.floating], count: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For each row the other rows nearest to it, the nearest first, and how far they are.

    Both have the shape (n, min(count, n - 1)).
    """
    n = scores.shape[0]
    count = max(0, min(count, n - 1))
    if count == 0:
        return np.empty((n, 0), np.intp), np.empty((n, 0))
    distances = compute_squared_distances(scores)
    candidates = np.argpartition(distances, count - 1, axis=1)[:, :count]
    order = np.take_along_axis(distances, candidates, axis=1).argsort(axis=1, kind="stable")
    rows = np.take_along_axis(candidates, order, axis=1)
    return rows, np.sqrt(np.maximum(np.take_along_axis(distances, rows, axis=1), 0.0))
