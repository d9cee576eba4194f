"""Which of the shown images deserve a look: near-duplicates, outliers, labels that look wrong, classes that touch.

Everything is computed from distances between scores. It lists images and decides nothing: that is for a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fruits.report.sample import compute_squared_distances

ROWS = 12
"""Findings listed per kind."""
DUPLICATE = 0.2
"""Near-duplicates are nearer than this share of the usual distance to a nearest neighbour."""
TOUCHING = 2.0
"""Classes touch when two of their images are nearer than this many times the usual distance."""
OUTLIER = 3.5
"""Robust z-score from which an image counts as an outlier of its class (Iglewicz and Hoaglin, 1993) …"""
FAR = 2.0
"""… if it is also this many times farther from the centre than usual: in many dimensions all are about as far."""
NEIGHBOURS = 8
AGREEING = 6
"""Of the `NEIGHBOURS`, how many must be of one other class to doubt a label."""


@dataclass(frozen=True)
class ImageFinding:
    """An image, or a pair of images, that deserves a look.

    Attributes
    ----------
    images : tuple of int
        Positions among the shown images; the first is the one to look at.
    text : str
        Why it is listed.
    """

    images: tuple[int, ...]
    text: str


@dataclass(frozen=True)
class FindingKind:
    """A list of findings of one kind.

    Attributes
    ----------
    total : int
        Findings of this kind; at most `ROWS` of them are in `findings`.
    """

    title: str
    meaning: str
    findings: list[ImageFinding]
    total: int


def compute_distances(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Euclidean distances between all rows of an (n, k) array, shape (n, n); infinite from a row to itself."""
    distances: NDArray[np.float64] = np.sqrt(np.maximum(compute_squared_distances(scores), 0.0))
    return distances


def find_duplicates(distances: NDArray[np.float64], usual: float) -> list[ImageFinding]:
    """List pairs that are much nearer than neighbours usually are, the nearest first."""
    first, second = np.nonzero(np.triu(distances <= DUPLICATE * usual, 1))
    order = np.argsort(distances[first, second], kind="stable")
    return [
        ImageFinding((int(i), int(j)), f"{_format_times(distances[i, j], usual)} the usual distance between neighbours")
        for i, j in zip(first[order], second[order], strict=True)
    ]


def find_outliers(scores: NDArray[np.floating], labels: list[str]) -> list[ImageFinding]:
    """List images far from the centre of their class, measured by the spread of the class, the farthest first."""
    names = np.asarray(labels)
    ranked: list[tuple[float, int]] = []
    for label in sorted(set(labels)):
        members = np.flatnonzero(names == label)
        if members.size < 5:
            continue  # too few to say what is usual
        x = np.asarray(scores[members], np.float64)
        radii = np.linalg.norm(x - np.median(x, axis=0), axis=1)
        spread = 1.4826 * float(np.median(np.abs(radii - np.median(radii))))
        if spread > 0:
            z = (radii - np.median(radii)) / spread
            ranked += [
                (float(z[i]), int(members[i])) for i in np.flatnonzero((z > OUTLIER) & (radii > FAR * np.median(radii)))
            ]
    return [
        ImageFinding((i,), f"{z:.1f} spreads farther from the centre of {labels[i]} than its images usually are")
        for z, i in sorted(ranked, key=lambda pair: (-pair[0], pair[1]))
    ]


def find_doubtful_labels(distances: NDArray[np.float64], labels: list[str]) -> list[ImageFinding]:
    """List images whose nearest neighbours are nearly all of one other class."""
    names = np.asarray(labels)
    count = min(NEIGHBOURS, len(labels) - 1)
    if count < NEIGHBOURS:
        return []
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :count]
    doubtful: list[tuple[int, float, int, str]] = []
    for i, neighbours in enumerate(nearest):
        neighbour_labels, votes = np.unique(names[neighbours], return_counts=True)
        winner = int(votes.argmax())
        if neighbour_labels[winner] != labels[i] and votes[winner] >= AGREEING:
            doubtful.append((-int(votes[winner]), float(distances[i, neighbours[0]]), i, str(neighbour_labels[winner])))
    return [
        ImageFinding(
            (i, next(int(j) for j in nearest[i] if labels[j] == label)),
            f"labelled {labels[i]}; {-votes} of its {count} nearest neighbours are {label}",
        )
        for votes, _, i, label in sorted(doubtful)
    ]


def find_touching_classes(distances: NDArray[np.float64], labels: list[str], usual: float) -> list[ImageFinding]:
    """List, for each two classes that touch, their nearest pair of images; the nearest classes first."""
    codes = np.unique(labels, return_inverse=True)[1]
    touching = (codes[:, None] != codes[None, :]) & (distances <= TOUCHING * usual)
    nearest: dict[tuple[str, ...], tuple[float, int, int]] = {}
    for i, j in zip(*np.nonzero(np.triu(touching, 1)), strict=True):
        pair = (float(distances[i, j]), int(i), int(j))
        classes = tuple(sorted((labels[i], labels[j])))
        nearest[classes] = min(pair, nearest.get(classes, pair))
    return [
        ImageFinding(
            (i, j),
            f"{labels[i]} and {labels[j]}: {_format_times(distance, usual)} the usual distance between neighbours",
        )
        for distance, i, j in sorted(nearest.values())
    ]


def _format_times(distance: float, usual: float) -> str:
    return f"{distance / usual:.2f} ×" if usual > 0 else "0 ×"


def find_all(scores: NDArray[np.floating], labels: list[str]) -> list[FindingKind]:
    """Look at all shown images.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    labels : list of str, length n
    """
    if len(labels) < 2:
        return []
    distances = compute_distances(scores)
    usual = float(np.median(distances.min(axis=1)))
    kinds = [
        (
            "Near-duplicates",
            "The same photograph twice, or two frames that hardly differ.",
            find_duplicates(distances, usual),
        ),
        ("Labels to check", "The neighbours are of another class.", find_doubtful_labels(distances, labels)),
        ("Outliers of their class", "Far from the other images of the class.", find_outliers(scores, labels)),
        (
            "Classes that touch",
            "The most similar images of two classes.",
            find_touching_classes(distances, labels, usual),
        ),
    ]
    return [FindingKind(title, meaning, findings[:ROWS], len(findings)) for title, meaning, findings in kinds]
