"""Exact PCA of a distributed matrix from one pass over it.

Each task sums the count, the mean and the centred scatter of its rows in float64; partial sums merge pairwise (Chan,
Golub, LeVeque 1979) in a second distributed stage, so that the driver receives a handful of d×d matrices however many
tasks there were; then it takes the eigenvalues of one. Conventions are scikit-learn's: covariance with n - 1, scores
are centred, the largest loading of each component is positive.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.errors import ReductionError
from fruits.parts import PART_DDL, Part, PartWriter, map_parts, part_rows, read_batches
from fruits.store import Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Float = NDArray[np.float64]

BLOCK_ROWS = 2048
"""Tall enough for BLAS; at d = 1280 small enough (21 MB) for malloc to keep the memory from block to block."""
MERGED_ON_DRIVER = 8
"""Partial sums that may come to the driver: 8 of 13 MB at d = 1280, far below spark.driver.maxResultSize."""

_MOMENTS_DDL = "n long, mean binary, scatter binary, bad long"
_MOMENTS_SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("mean", pa.binary()),
        ("scatter", pa.binary()),
        ("bad", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Moments:
    """Sums over some rows of a matrix with d columns.

    Attributes
    ----------
    n : int
        Rows.
    mean : ndarray, shape (d,)
    scatter : ndarray, shape (d, d)
        Sum over rows of (x - mean)(x - mean)ᵀ.
    bad : int
        Rows left out because a value is not finite.
    """

    n: int
    mean: Float
    scatter: Float
    bad: int = 0

    @classmethod
    def of(cls, x: NDArray[np.floating]) -> Moments:
        """Of a block of rows, shape (n, d)."""
        x = np.array(x, np.float64)  # one copy, centred in place below
        if x.shape[0] == 0:
            return cls(0, np.zeros(x.shape[1]), np.zeros((x.shape[1], x.shape[1])))
        mean = x.mean(axis=0)
        bad = 0
        if not np.isfinite(mean).all():  # one value that is not finite spoils the mean of its column
            finite = np.isfinite(x).all(axis=1)
            bad = int(x.shape[0] - finite.sum())
            if bad:
                rest = cls.of(x[finite])
                return cls(rest.n, rest.mean, rest.scatter, bad)
        x -= mean
        return cls(x.shape[0], mean, x.T @ x, bad)

    def merge(self, other: Moments) -> Moments:
        """Of both sets of rows together."""
        if other.n == 0 or self.n == 0:
            full = self if other.n == 0 else other
            return Moments(full.n, full.mean, full.scatter, self.bad + other.bad)
        n = self.n + other.n
        delta = other.mean - self.mean
        mean = self.mean + delta * (other.n / n)
        scatter = self.scatter + other.scatter
        scatter += np.outer(delta * (self.n * other.n / n), delta)
        return Moments(n, mean, scatter, self.bad + other.bad)


def merge_all(parts: Iterable[Moments]) -> Moments | None:
    """Pairwise, like a binary counter: log2(n) matrices in memory, and errors grow with log2(n)."""
    stack: list[tuple[int, Moments]] = []
    for part in parts:
        level = 0
        while stack and stack[-1][0] == level:
            part = stack.pop()[1].merge(part)
            level += 1
        stack.append((level, part))
    merged: Moments | None = None
    for _, part in reversed(stack):
        merged = part if merged is None else part.merge(merged)
    return merged


def matrix(column: pa.Array) -> NDArray[np.floating]:
    """An Arrow list column as an (n, d) view.

    Raises
    ------
    ReductionError
        When rows are missing or of different lengths.
    """
    if column.null_count:
        raise ReductionError("a row has no features (null). Fix: filter such rows out first.")
    flat = column.flatten()
    n = len(column)
    if n == 0:
        return np.empty((0, 0))
    d = len(flat) // n
    lengths = np.diff(np.asarray(column.offsets))
    if d == 0 or (lengths != d).any():
        raise ReductionError("the rows have different numbers of features. Fix: one network for all rows.")
    values: NDArray[np.floating] = flat.to_numpy(zero_copy_only=False).reshape(n, d)
    return values


def _blocks(batches: Iterable[pa.RecordBatch], column: str) -> Iterator[NDArray[np.floating]]:
    """Blocks of `BLOCK_ROWS`: BLAS wants tall blocks, and d×d updates are paid per block."""
    held: list[NDArray[np.floating]] = []
    rows = 0
    for batch in batches:
        x = matrix(batch.column(column))
        for start in range(0, x.shape[0], BLOCK_ROWS):
            piece = x[start : start + BLOCK_ROWS]
            if rows + piece.shape[0] > BLOCK_ROWS:
                yield np.concatenate(held)
                held, rows = [], 0
            held.append(piece)
            rows += piece.shape[0]
    if held:
        yield np.concatenate(held) if len(held) > 1 else held[0]


def _pack(moments: Moments) -> pa.RecordBatch:
    """One row. The whole scatter travels: cutting the symmetric half out costs more time than its bytes."""
    return pa.RecordBatch.from_arrays(
        [
            pa.array([moments.n], pa.int64()),
            pa.array([moments.mean.tobytes()], pa.binary()),
            pa.array([moments.scatter.tobytes()], pa.binary()),
            pa.array([moments.bad], pa.int64()),
        ],
        schema=_MOMENTS_SCHEMA,
    )


def _unpack(n: int, mean: bytes, scatter: bytes, bad: int) -> Moments:
    centre = np.frombuffer(mean, np.float64)
    return Moments(n, centre, np.frombuffer(scatter, np.float64).reshape(centre.size, centre.size), bad)


def _sum_partition(batches: Iterable[pa.RecordBatch], column: str) -> Iterator[pa.RecordBatch]:
    merged = merge_all(Moments.of(block) for block in _blocks(batches, column))
    if merged is not None:
        yield _pack(merged)


def _merge_partition(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    def each() -> Iterator[Moments]:
        for batch in batches:
            for row in batch.to_pylist():
                yield _unpack(row["n"], row["mean"], row["scatter"], row["bad"])

    merged = merge_all(each())
    if merged is not None:
        yield _pack(merged)


def _rows(partial: DataFrame) -> Iterator[tuple[int, bytes, bytes, int]]:
    """To the driver by Arrow: `collect` pickles bytes in the JVM, which took half a second for two 13 MB matrices."""
    setting = "spark.sql.execution.arrow.pyspark.enabled"
    conf = partial.sparkSession.conf
    before = str(conf.get(setting))
    conf.set(setting, "true")
    try:
        frame: Any = partial.toPandas()
    finally:
        conf.set(setting, before)
    yield from frame.itertuples(index=False, name=None)


def _collect(partial: DataFrame, tasks: int) -> Moments:
    if tasks > MERGED_ON_DRIVER:
        partial = partial.repartition(max(MERGED_ON_DRIVER, math.isqrt(tasks))).mapInArrow(
            _merge_partition, _MOMENTS_DDL
        )
    merged = merge_all(_unpack(*row) for row in _rows(partial))
    if merged is None:
        raise ReductionError("there is no row to reduce. Fix: check the input, and the rejects.")
    return merged


def moments_of_frame(frame: DataFrame, column: str = "features", tasks: int | None = None) -> Moments:
    """One pass over an array column of any DataFrame.

    Parameters
    ----------
    tasks : int, optional
        How many partial sums to expect; more than `MERGED_ON_DRIVER` are merged by Spark first. Unknown: merged by
        Spark.
    """

    def sums(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from _sum_partition(batches, column)

    partial = frame.select(column).mapInArrow(sums, _MOMENTS_DDL)
    return _collect(partial, tasks if tasks is not None else MERGED_ON_DRIVER + 1)


def moments_of_parts(spark: SparkSession, store: Store, parts: Iterable[Part], tasks: int) -> Moments:
    """One pass over feature files, read by the tasks themselves: rows never visit the JVM."""
    parts = list(parts)

    def sums(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        yield from _sum_partition(read_batches(store, names, ["features"]), "features")

    return _collect(map_parts(spark, parts, tasks, sums, _MOMENTS_DDL), min(tasks, len(parts)))


@dataclass(frozen=True)
class Spectrum:
    """All components of a matrix.

    Attributes
    ----------
    n : int
        Rows the fit saw.
    mean : ndarray, shape (d,)
    explained_variance : ndarray, shape (d,)
        Eigenvalues of the covariance, falling, none negative.
    components : ndarray, shape (m, d)
        Orthonormal rows, m = min(n, d); the largest loading of each is positive.
    """

    n: int
    mean: Float
    explained_variance: Float
    components: Float

    @property
    def ratio(self) -> Float:
        """Share of the variance, shape (d,); all zero where there is no variance."""
        total = self.explained_variance.sum()
        return self.explained_variance / total if total > 0 else np.zeros_like(self.explained_variance)

    def to_bytes(self, fingerprint: str) -> bytes:
        """As an ``.npz`` that says which feature files it belongs to."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            n=np.int64(self.n),
            mean=self.mean,
            explained_variance=self.explained_variance,
            components=self.components,
            fingerprint=np.array(json.dumps(fingerprint)),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, fingerprint: str) -> Spectrum | None:
        """Back from `to_bytes`; None when it belongs to other files."""
        with np.load(io.BytesIO(data)) as saved:
            if json.loads(str(saved["fingerprint"])) != fingerprint:
                return None
            return cls(int(saved["n"]), saved["mean"], saved["explained_variance"], saved["components"])


def memory_needed(d: int) -> int:
    """Bytes the driver needs for `solve`, about: the scatter, its copy, the vectors and LAPACK's work."""
    return 5 * 8 * d * d


def solve(moments: Moments) -> Spectrum:
    """Eigenvalues and eigenvectors of the covariance.

    Raises
    ------
    ReductionError
        When no row is left, or a row holds values that are not finite.
    """
    if moments.bad:
        raise ReductionError(
            f"{moments.bad} rows hold values that are not finite, and one of them spoils every component. Fix: remove "
            "the features and featurize again."
        )
    if moments.n == 0:
        raise ReductionError("there is no row to reduce. Fix: check the input, and the rejects.")
    values, vectors = np.linalg.eigh(moments.scatter)
    variance = np.clip(values[::-1], 0.0, None) / max(moments.n - 1, 1)
    # equal rows differ from their mean by its rounding, and shares of that would read like a result
    rounding = 16 * np.finfo(np.float64).eps * np.abs(moments.mean).max()
    if variance.sum() <= variance.size * rounding**2:
        variance = np.zeros_like(variance)
    components = np.ascontiguousarray(vectors[:, ::-1].T[: min(moments.n, moments.mean.size)])
    return Spectrum(moments.n, moments.mean, variance, fix_signs(components))


def fix_signs(components: Float) -> Float:
    """Turn each row so that its largest value in absolute terms is positive."""
    largest = np.abs(components).argmax(axis=1)
    signs = np.sign(components[np.arange(components.shape[0]), largest])
    turned: Float = components * np.where(signs == 0, 1.0, signs)[:, None]
    return turned


@dataclass(frozen=True)
class Reduction:
    """A spectrum cut to k components, and what was said about k."""

    spectrum: Spectrum
    k: int
    target: float | None

    @property
    def components(self) -> Float:
        """Shape (k, d)."""
        return self.spectrum.components[: self.k]

    @property
    def reached(self) -> float:
        """Share of the variance that the k components explain."""
        return float(self.spectrum.ratio[: self.k].sum())

    @property
    def statement(self) -> str:
        """One sentence for a reader."""
        share = f"{100 * self.reached:.2f} % of the variance"
        if self.target is None:
            return f"{self.k} components, as asked, explain {share}"
        if self.reached + 1e-12 < self.target:
            return (
                f"{100 * self.target:g} % of the variance cannot be reached: all {self.k} components that there are "
                f"explain {share}"
            )
        return f"{self.k} components explain {share} ({100 * self.target:g} % asked)"

    def scores(self, x: NDArray[np.floating]) -> Float:
        """Centred scores of rows, (n, d) to (n, k)."""
        return (np.asarray(x, np.float64) - self.spectrum.mean) @ self.components.T

    def to_bytes(self) -> bytes:
        """`pca/model.npz`."""
        buffer = io.BytesIO()
        np.savez(
            buffer,
            mean=self.spectrum.mean,
            components=self.components,
            explained_variance=self.spectrum.explained_variance,
            explained_variance_ratio=self.spectrum.ratio,
            n=np.int64(self.spectrum.n),
        )
        return buffer.getvalue()


def reduce(spectrum: Spectrum, *, k: int | None = None, target: float | None = None) -> Reduction:
    """Choose the number of components.

    Parameters
    ----------
    k : int, optional
        As many.
    target : float, optional
        Or the fewest whose shares reach this.

    Raises
    ------
    ReductionError
        When k is more than there are rows or columns.
    """
    most = spectrum.components.shape[0]
    if k is not None:
        if k > most:
            d = spectrum.mean.size
            raise ReductionError(
                f"k = {k} components were asked for, but {spectrum.n} images with {d} features have at most {most}. "
                f"Fix: --k {most} or less, or --variance."
            )
        return Reduction(spectrum, k, None)
    assert target is not None
    cumulated = np.cumsum(spectrum.ratio[:most])
    reaching = np.flatnonzero(cumulated + 1e-12 >= target)
    return Reduction(spectrum, int(reaching[0]) + 1 if reaching.size else most, target)


SCORES_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("label", pa.string()),
        ("scores", pa.list_(pa.field("element", pa.float32(), nullable=False))),
    ]
)


def write_scores(
    spark: SparkSession,
    features: Store,
    parts: Iterable[Part],
    target: Store,
    reduction: Reduction,
    tasks: int,
    publish: Callable[[bytes], str],
) -> list[Part]:
    """Project feature files into `target`; one pass, nothing comes to the driver but file names.

    Parameters
    ----------
    publish : callable
        Puts the projection (13 MB at most for d = 1280) where every worker reads it once, and returns its address: in
        the closure, every task would carry it.
    """
    address = publish(reduction.to_bytes())

    def project(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        folder, _, name = address.rpartition("/")
        with np.load(io.BytesIO(Store(folder).read(name))) as model:
            mean, components = model["mean"], model["components"]
        writer = PartWriter(target, SCORES_SCHEMA, plain=("path", "scores.list.element"))
        for batch in read_batches(features, names, ["path", "label", "features"]):
            scores = (matrix(batch.column("features")).astype(np.float64) - mean) @ components.T
            n, k = scores.shape
            offsets = pa.array(np.arange(0, (n + 1) * k, k, dtype=np.int32))
            values = pa.array(scores.astype(np.float32).reshape(-1))
            column = pa.ListArray.from_arrays(offsets, values, type=SCORES_SCHEMA.field("scores").type)
            writer.write(
                pa.RecordBatch.from_arrays([batch.column("path"), batch.column("label"), column], schema=SCORES_SCHEMA)
            )
        yield part_rows({"scores": writer.close()})

    rows = map_parts(spark, parts, tasks, project, PART_DDL).collect()
    return [Part(row["name"], int(row["rows"])) for row in rows]
