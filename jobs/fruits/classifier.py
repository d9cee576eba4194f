"""What the features are worth: a linear classifier on the scores, tested on sides of the fruit that it never saw.

Neighbouring frames of one rotation look alike, so folds drawn at random let even random features reach 0.9
(Fruits-360). The two folds here are therefore the *series* that file names tell apart (``12_100.jpg``: the main axis;
``r_12_100.jpg``, ``r2_12_100.jpg``: other axes); a class with one series is cut into its first and second half.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.wording import format_count

Float = NDArray[np.float64]

MAX_CLASSES = 3000
"""Two confusion matrices of so many classes take 150 MB."""
PENALTY = 0.1
"""Ridge penalty, in units of the mean sum of squares of a score. On 3,000 photographs 0.001, 0.1 and 10 give 0.83, 0.88
and 0.81; logistic regression gives 0.885 in sixty times the time."""
# r2_12_100.jpg, 12_100.jpg, r0_12.png
_NAME = re.compile(r"^(?P<series>r\d*_)?(?P<frame>\d+)")


def _parse_name(path: str) -> tuple[str, tuple[int, str]]:
    """Read series and position from a file's name; other names are one series, ordered by number or letters.

    >>> _parse_name("Banana/r2_12_100.jpg")
    ('r2_', (12, 'r2_12_100.jpg'))
    """
    name = path.rpartition("/")[2]
    if match := _NAME.match(name):
        return match["series"] or "", (int(match["frame"]), name)
    number = re.search(r"\d+", name)
    return "", (int(number[0]) if number else 0, name)


@dataclass(frozen=True)
class Split:
    """Two folds.

    Attributes
    ----------
    fold : ndarray of int8, shape (n,)
        0 or 1; -1 for an image that is the only one of its class, which cannot be tested.
    by_series, by_halves : int
        Classes that were split one way or the other.
    left_out : tuple of str
        Classes with one image.
    """

    fold: NDArray[np.int8]
    by_series: int
    by_halves: int
    left_out: tuple[str, ...]

    @property
    def statement(self) -> str:
        """How the classes were split, in one sentence."""
        ways = []
        if self.by_series:
            ways.append(f"{format_count(self.by_series, 'class')} split by the series that the file names tell apart")
        if self.by_halves:
            ways.append(
                f"{format_count(self.by_halves, 'class')} cut in two by the order of the file names (where "
                "neighbouring files show the same object, the true figure is lower)"
            )
        if self.left_out:
            ways.append(f"{format_count(len(self.left_out), 'class')} with a single image left out")
        return "; ".join(ways)


def split(paths: Sequence[str], labels: Sequence[str]) -> Split:
    """Split images into two folds that are as different as the file names allow."""
    members: dict[str, dict[str, list[tuple[tuple[int, str], int]]]] = {}
    for i, (path, label) in enumerate(zip(paths, labels, strict=True)):
        series, frame = _parse_name(path)
        members.setdefault(label, {}).setdefault(series, []).append((frame, i))
    fold = np.full(len(paths), -1, np.int8)
    by_series = by_halves = 0
    left_out = []
    for label, by_series_name in sorted(members.items()):
        if len(by_series_name) > 1:
            by_series += 1
            first = min(by_series_name)  # the main series, whose prefix is empty, where there is one
            for series, frames_and_rows in by_series_name.items():
                fold[[i for _, i in frames_and_rows]] = 0 if series == first else 1
            continue
        (frames,) = by_series_name.values()
        if len(frames) == 1:
            left_out.append(label)
            continue
        by_halves += 1
        order = [i for _, i in sorted(frames)]
        fold[order[: len(order) // 2]] = 0
        fold[order[len(order) // 2 :]] = 1
    return Split(fold, by_series, by_halves, tuple(left_out))


@dataclass
class Sums:
    """Sums that are enough for a linear fit, over any number of rows.

    Attributes
    ----------
    gram : ndarray, shape (k + 1, k + 1)
        XᵀX of the rows with a 1 appended.
    cross : ndarray, shape (k + 1, classes)
        XᵀY, Y one-hot.
    """

    gram: Float
    cross: Float

    @classmethod
    def make_empty(cls, width: int, classes: int) -> Sums:
        return cls(np.zeros((width + 1, width + 1)), np.zeros((width + 1, classes)))

    def add(self, x: NDArray[np.floating], y: NDArray[np.integer]) -> None:
        """Add rows, shape (n, k), with the numbers of their classes."""
        rows = np.column_stack([np.asarray(x, np.float64), np.ones(len(x))])
        one_hot = np.zeros((len(x), self.cross.shape[1]))
        one_hot[np.arange(len(x)), y] = 1.0
        self.gram += rows.T @ rows
        self.cross += rows.T @ one_hot

    def fit(self) -> Float:
        """Ridge regression on the one-hot classes, the intercept free; shape (k + 1, classes).

        With targets ±1 it is scikit-learn's ``RidgeClassifier``, whose decisions it shares.
        """
        n = self.gram[-1, -1]
        mean, share = self.gram[-1, :-1] / n, self.cross[-1] / n
        centred = self.gram[:-1, :-1] - n * np.outer(mean, mean)
        penalty = PENALTY * max(float(np.trace(centred)) / max(len(centred), 1), 1e-300)
        centred[np.diag_indices_from(centred)] += penalty
        weights = np.linalg.solve(centred, self.cross[:-1] - n * np.outer(mean, share))
        return np.vstack([weights, share - mean @ weights])


@dataclass(frozen=True)
class CrossValidation:
    """The result of a cross-validation.

    Attributes
    ----------
    labels : tuple of str
    confusion : ndarray of int64, shape (classes, classes)
        Row: true class; column: predicted class. Both folds together.
    by_fold : tuple of float
        Accuracy tested on fold 0, and on fold 1.
    images : int
        How many were tested.
    population : int
        Images of the run's result; more than `images` where a sample was tested.
    predicted : ndarray of int32, shape (n,)
        For each image, the number in `labels` of the predicted class; -1 where it was not tested.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    by_fold: tuple[float, float]
    images: int
    population: int
    split: Split
    predicted: NDArray[np.int32]

    @property
    def accuracy(self) -> float:
        """Share of the images whose predicted class is the true one."""
        return float(np.trace(self.confusion) / max(self.images, 1))

    @property
    def chance(self) -> float:
        """Accuracy of always predicting the largest class."""
        return float(self.confusion.sum(axis=1).max(initial=0) / max(self.images, 1))

    def list_top_confusions(self, count: int) -> list[tuple[str, str, int]]:
        """List true class, predicted class and number of the most frequent confusions."""
        wrong = self.confusion.copy()
        np.fill_diagonal(wrong, 0)
        pairs = [(int(wrong[i, j]), self.labels[i], self.labels[j]) for i, j in np.argwhere(wrong > 0)]
        return [(a, b, n) for n, a, b in sorted(pairs, key=lambda p: (-p[0], p[1], p[2]))[:count]]

    def compute_recall(self) -> dict[str, float]:
        """Share of each class that was recognised; without classes of which no image was tested."""
        tested = self.confusion.sum(axis=1)
        return {label: float(self.confusion[i, i] / tested[i]) for i, label in enumerate(self.labels) if tested[i]}

    def as_json(self) -> dict[str, Any]:
        """The result as JSON keeps it, without the predictions."""
        return {
            "accuracy": round(self.accuracy, 4),
            "accuracy_by_fold": [round(value, 4) for value in self.by_fold],
            "chance": round(self.chance, 4),
            "images": self.images,
            "images_of_result": self.population,
            "split": self.split.statement,
            "labels": list(self.labels),
            "confusion": self.confusion.tolist(),
        }


def cross_validate(
    paths: Sequence[str], labels: Sequence[str], scores: NDArray[np.floating], *, population: int | None = None
) -> CrossValidation | None:
    """Learn on each fold and test on the other one.

    The PCA saw all images, without their classes: the folds share its axes, nothing else.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    population : int, optional
        Images of the run's result, where these are a sample of it.

    Returns
    -------
    CrossValidation or None
        None when fewer than two classes have two images.
    """
    return cross_validate_blocks(paths, labels, lambda: iter([np.asarray(scores)]), population=population)


def cross_validate_blocks(
    paths: Sequence[str], labels: Sequence[str], blocks: Any, *, population: int | None = None
) -> CrossValidation | None:
    """`cross_validate` over blocks of rows, read twice: memory does not grow with the scores.

    Parameters
    ----------
    blocks : callable
        Gives an iterator of (m, k) arrays, the rows of `paths` in order.
    """
    folds = split(paths, labels)
    names = tuple(sorted({label for label, fold in zip(labels, folds.fold, strict=True) if fold >= 0}))
    if len(names) < 2:
        return None
    number = {label: i for i, label in enumerate(names)}
    y = np.array([number.get(label, -1) for label in labels], np.int64)
    sums: list[Sums] | None = None
    for rows, x in _number_rows(blocks()):
        if sums is None:
            sums = [Sums.make_empty(x.shape[1], len(names)) for _ in range(2)]
        for side in (0, 1):
            mine = folds.fold[rows] == side
            if mine.any():
                sums[side].add(x[mine], y[rows][mine])
    assert sums is not None
    fits = [fitted.fit() for fitted in sums]
    confusion = np.zeros((2, len(names), len(names)), np.int64)
    predicted = np.full(len(paths), -1, np.int32)
    for rows, x in _number_rows(blocks()):
        for side in (0, 1):
            mine = folds.fold[rows] == side
            if mine.any():
                weights = fits[1 - side]
                answer = (np.asarray(x[mine], np.float64) @ weights[:-1] + weights[-1]).argmax(axis=1)
                np.add.at(confusion[side], (y[rows][mine], answer), 1)
                predicted[rows][mine] = answer
    right = [float(np.trace(c) / max(c.sum(), 1)) for c in confusion]
    tested = int(confusion.sum())
    return CrossValidation(
        labels=names,
        confusion=confusion.sum(axis=0),
        by_fold=(right[0], right[1]),
        images=tested,
        population=len(paths) if population is None else population,
        split=folds,
        predicted=predicted,
    )


def _number_rows(blocks: Iterable[NDArray[np.floating]]) -> Iterator[tuple[slice, NDArray[np.floating]]]:
    start = 0
    for block in blocks:
        yield slice(start, start + len(block)), block
        start += len(block)
