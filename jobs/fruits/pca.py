"""Exact PCA of a distributed matrix from one pass over it.

Each task sums the count, the mean and the centred scatter of its rows in float64 (Chan, Golub, LeVeque 1979). A sum
travels as a file, and only its name as a row: a d×d matrix is large for a row, and eight of them for the driver. Stages
merge the files until few are left; the driver reads these one after the other and takes the eigenvalues. Conventions
are scikit-learn's: covariance with n - 1, scores are centred, the largest loading of each component is positive.
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fruits.errors import ReductionError, StorageError
from fruits.parts import PART_DDL, Part, PartWriter, map_parts, read_batches, tabulate_parts
from fruits.selection import EVERYTHING, Selection
from fruits.store import Store
from fruits.wording import format_count

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

Float = NDArray[np.float64]

MAX_FEATURES = 16_383
"""With more features the covariance alone takes over 2 GB, and LAPACK ten."""
BLOCK_ROWS = 2048
"""Tall enough for BLAS; at d = 1280 small enough (21 MB) for malloc to keep the memory from block to block."""
BLOCK_BYTES = 32 << 20
"""Fewer rows make a block where they are wider."""
STRIP = 256
"""Rows of a scatter that are computed, written and read at once: a task never holds a second matrix."""
MERGED_BY_ONE = 8
"""Partial sums that one task, or the driver, adds up."""


class Moments:
    """Sums over some rows of a matrix with d columns, to which more rows and other sums can be added.

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

    def __init__(self, d: int) -> None:
        self.n = 0
        self.mean = np.zeros(d)
        self.scatter = np.zeros((d, d))
        self.bad = 0

    @classmethod
    def from_rows(cls, x: NDArray[np.floating]) -> Moments:
        """The sums of a block of rows, shape (n, d)."""
        moments = cls(x.shape[1])
        moments.add(x)
        return moments

    def add(self, x: NDArray[np.floating]) -> None:
        """Add a block of rows, shape (n, d)."""
        x = np.array(x, np.float64)  # one copy, centred in place below
        if x.shape[0] == 0:
            return
        mean = x.mean(axis=0)
        if not np.isfinite(mean).all():  # one value that is not finite spoils the mean of its column
            finite = np.isfinite(x).all(axis=1)
            if not finite.all():
                self.bad += int(x.shape[0] - finite.sum())
                self.add(x[finite])
                return
        rows = x.shape[0]
        x -= mean
        for strip in self._cut_strips():
            upper = x[:, strip].T @ x[:, strip.start :]
            self.scatter[strip, strip.start :] += upper
            self.scatter[strip.stop :, strip] += upper[:, strip.stop - strip.start :].T
        self._shift(rows, mean)

    def merge(self, n: int, mean: Float, bad: int, strips: Iterable[Float]) -> None:
        """Add the sums of other rows; their scatter comes `STRIP` rows at a time."""
        for strip, rows in zip(self._cut_strips(), strips, strict=True):
            self.scatter[strip] += rows
        self.bad += bad
        self._shift(n, mean)

    def _shift(self, n: int, mean: Float) -> None:
        """Add what the distance of two means adds to the scatter around their common one."""
        if n == 0:
            return
        total = self.n + n
        delta = mean - self.mean
        if self.n:
            weighted = delta * (self.n * n / total)
            for strip in self._cut_strips():
                self.scatter[strip] += np.outer(weighted[strip], delta)
        self.mean = self.mean + delta * (n / total)
        self.n = total

    def _cut_strips(self) -> Iterator[slice]:
        d = self.mean.size
        return (slice(start, min(start + STRIP, d)) for start in range(0, d, STRIP))

    def write(self, store: Store) -> str:
        """Put the sums into a new file; returns its name.

        Raises
        ------
        StorageError
            When it cannot be written.
        """
        name = f"{uuid.uuid4().hex}.moments"
        head = np.array([self.n, self.bad, self.mean.size], np.int64)
        with store.create(name) as sink:
            for values in (head, self.mean, *(self.scatter[strip] for strip in self._cut_strips())):
                sink.write(values.tobytes())
        return name

    @classmethod
    def load_total(cls, store: Store, names: Iterable[str]) -> Moments | None:
        """Add up files that `write` made, one after the other in memory; None where there is none.

        Raises
        ------
        StorageError
            When a file is missing or was cut.
        """
        total: Moments | None = None
        for name in names:
            try:
                with store.open(name) as source:
                    n, bad, d = (int(v) for v in _read_floats(source, 3).view(np.int64))
                    mean = _read_floats(source, d)
                    total = cls(d) if total is None else total
                    rows = (strip.stop - strip.start for strip in total._cut_strips())
                    total.merge(n, mean, bad, (_read_floats(source, count * d).reshape(count, d) for count in rows))
            except (OSError, ValueError) as error:
                raise StorageError(f"{store.location(name)} cannot be read ({error}). Fix: run it again.") from error
        return total


def _read_floats(source: Any, count: int) -> Float:
    data = source.read(8 * count)
    if len(data) != 8 * count:
        raise ValueError("it ends early")
    return np.frombuffer(data, np.float64)


def to_matrix(column: pa.Array) -> NDArray[np.floating]:
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


def _make_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[NDArray[np.floating]]:
    """Blocks of `BLOCK_ROWS`: BLAS wants tall blocks, and d×d updates are paid per block."""
    pieces: list[NDArray[np.floating]] = []
    rows = 0
    for batch in batches:
        x = to_matrix(batch.column("features"))
        height = max(256, min(BLOCK_ROWS, BLOCK_BYTES // (8 * max(x.shape[1], 1))))
        for start in range(0, x.shape[0], height):
            piece = x[start : start + height]
            if rows + piece.shape[0] > height:
                yield np.concatenate(pieces)
                pieces, rows = [], 0
            pieces.append(piece)
            rows += piece.shape[0]
    if pieces:
        yield np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _sum_partition(batches: Iterable[pa.RecordBatch], scratch: Store) -> Iterator[pa.RecordBatch]:
    moments: Moments | None = None
    for block in _make_blocks(batches):
        if moments is None:
            moments = Moments(block.shape[1])
        moments.add(block)
    if moments is not None:
        yield tabulate_parts({"moments": Part(moments.write(scratch), moments.n)})


def _merge_partial(spark: SparkSession, partial: DataFrame, scratch: Store) -> Moments:
    """Merge by stages of tasks until the driver has few files to read."""
    parts = [Part.from_row(row) for row in partial.collect()]

    def merge(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        moments = Moments.load_total(scratch, names)
        if moments is not None:
            yield tabulate_parts({"moments": Part(moments.write(scratch), moments.n)})

    while len(parts) > MERGED_BY_ONE:
        tasks = -(-len(parts) // MERGED_BY_ONE)
        parts = [Part.from_row(row) for row in map_parts(spark, parts, tasks, merge, PART_DDL).collect()]
    moments = Moments.load_total(scratch, [part.name for part in parts])
    if moments is None:
        raise ReductionError("there is no row to reduce. Fix: check the input, and the rejects.")
    return moments


def sum_parts(
    spark: SparkSession,
    store: Store,
    parts: Iterable[Part],
    tasks: int,
    scratch: Store,
    selection: Selection = EVERYTHING,
) -> Moments:
    """Sum feature files in one pass; tasks read them themselves, so that rows never visit the JVM.

    Parameters
    ----------
    scratch : Store
        Where each task puts its sum as a file; the caller removes it.
    selection : Selection
        Rows of other images are left out.
    """
    columns = ["features"] if selection.is_whole else ["path", "label", "features"]

    def sum_up(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        yield from _sum_partition(_select_rows(store, names, selection, columns), scratch)

    return _merge_partial(spark, map_parts(spark, parts, tasks, sum_up, PART_DDL), scratch)


def _select_rows(
    store: Store, names: Iterator[str], selection: Selection, columns: list[str]
) -> Iterator[pa.RecordBatch]:
    for batch in read_batches(store, names, columns):
        selected = selection.filter(batch)
        if selected.num_rows:
            yield selected


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
        """The spectrum as an ``.npz`` that says which feature files it belongs to."""
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
        """Read what `to_bytes` wrote; None when it belongs to other files."""
        with np.load(io.BytesIO(data)) as saved:
            if json.loads(str(saved["fingerprint"])) != fingerprint:
                return None
            return cls(int(saved["n"]), saved["mean"], saved["explained_variance"], saved["components"])


def estimate_driver_memory(d: int) -> int:
    """Bytes the driver needs for `solve`, about: the scatter, its copy, the vectors and LAPACK's work."""
    return 5 * 8 * d * d


def estimate_worker_memory(d: int) -> int:
    """Bytes a task needs beside its interpreter, about: one matrix (scatter or components), its block and copies."""
    return 8 * d * d + 2 * max(BLOCK_BYTES, 256 * 8 * d)


def solve(moments: Moments) -> Spectrum:
    """Eigenvalues and eigenvectors of the covariance.

    Raises
    ------
    ReductionError
        When no row is left, or a row holds values that are not finite.
    """
    if moments.bad:
        raise ReductionError(
            f"{format_count(moments.bad, 'row')} with values that are not finite would spoil every component. Fix: "
            "remove the features and featurize again."
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
    """A spectrum cut to k components, and the share of the variance that was asked for, if any."""

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
        """What the components explain, in one sentence."""
        share = f"{100 * self.reached:.2f}% of the variance"
        components, explain = ("1 component", "explains") if self.k == 1 else (f"{self.k} components", "explain")
        if self.target is None:
            return f"{components}, as asked, {explain} {share}"
        if self.reached + 1e-12 < self.target:
            which = "the only component" if self.k == 1 else f"all {components}"
            return f"{100 * self.target:g}% of the variance cannot be reached: {which} {explain} {share}"
        return f"{components} {explain} {share} ({100 * self.target:g}% asked)"

    def scores(self, x: NDArray[np.floating]) -> Float:
        """Centred scores of rows, (n, d) to (n, k)."""
        return (np.asarray(x, np.float64) - self.spectrum.mean) @ self.components.T

    def to_bytes(self) -> bytes:
        """The bytes of `pca/model.npz`."""
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


def require_components(k: int, n: int, d: int) -> None:
    """Refuse more components than n images with d features have.

    Raises
    ------
    ReductionError
        When k is more than n or d.
    """
    available = min(n, d)
    if k > available:
        raise ReductionError(
            f"k = {k} components were asked for, but {n} images with {d} features have at most {available}. "
            f"Fix: K={available} or less (--k {available}), or VARIANCE= (--variance)."
        )


def reduce(spectrum: Spectrum, *, k: int | None = None, target: float | None = None) -> Reduction:
    """Choose the number of components.

    Parameters
    ----------
    k : int, optional
        This number.
    target : float, optional
        Or the smallest number whose shares of the variance add up to this.

    Raises
    ------
    ReductionError
        When k is more than there are rows or columns.
    """
    if k is not None:
        require_components(k, spectrum.n, spectrum.mean.size)
        return Reduction(spectrum, k, None)
    assert target is not None
    available = spectrum.components.shape[0]
    cumulated = np.cumsum(spectrum.ratio[:available])
    reaching = np.flatnonzero(cumulated + 1e-12 >= target)
    return Reduction(spectrum, int(reaching[0]) + 1 if reaching.size else available, target)


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
    model: str,
    tasks: int,
    selection: Selection,
) -> list[Part]:
    """Project feature files into `target`; one pass, nothing comes to the driver but file names.

    Parameters
    ----------
    model : str
        Address of the projection (13 MB at most for d = 1280), which every worker reads once: in the closure, every
        task would carry it.
    selection : Selection
        Rows of other images are left out.
    """

    def project(names: Iterator[str]) -> Iterator[pa.RecordBatch]:
        folder, _, name = model.rpartition("/")
        with Store(folder).open(name) as source, np.load(source) as saved:
            mean, components = saved["mean"], saved["components"]
        writer = PartWriter(target, SCORES_SCHEMA, plain=("path", "scores.list.element"))
        for batch in _select_rows(features, names, selection, ["path", "label", "features"]):
            scores = (to_matrix(batch.column("features")).astype(np.float64) - mean) @ components.T
            values = pa.array(scores.astype(np.float32).reshape(-1))
            column = pa.FixedSizeListArray.from_arrays(values, scores.shape[1]).cast(SCORES_SCHEMA.field("scores").type)
            writer.write(
                pa.RecordBatch.from_arrays([batch.column("path"), batch.column("label"), column], schema=SCORES_SCHEMA)
            )
        yield tabulate_parts({"scores": writer.close()})

    rows = map_parts(spark, parts, tasks, project, PART_DDL).collect()
    return [Part.from_row(row) for row in rows]
