"""Clusters of the shown images, by k-means on their scores: a colour that does not come from the folders' names.

Nodes do not install scikit-learn; for at most 1,500 images, this is all that is needed of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

STARTS = 8
"""Runs from different centres, of which the tightest counts."""
ROUNDS = 100


def find_clusters(scores: NDArray[np.floating], count: int) -> NDArray[np.intp]:
    """Find the cluster of each row, numbered by size from 0, the largest first.

    Parameters
    ----------
    scores : ndarray, shape (n, k)
    count : int
        Clusters; there are fewer where fewer rows differ.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    x = np.asarray(scores, np.float64)
    if not x.size:
        return np.zeros(len(x), np.intp)
    random = np.random.default_rng(0)
    _, cluster = min(
        (_run_lloyd(x, _choose_centres(x, count, random)) for _ in range(STARTS)), key=lambda pair: pair[0]
    )
    by_size = np.argsort(-np.bincount(cluster), kind="stable")
    return np.argsort(by_size, kind="stable")[cluster]


def _choose_centres(x: NDArray[np.float64], count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw rows to start from, by the squared distance to those before (k-means++, Arthur and Vassilvitskii)."""
    chosen = [int(random.integers(len(x)))]
    distances = ((x - x[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < count and distances.sum() > 0:
        chosen.append(int(random.choice(len(x), p=distances / distances.sum())))
        distances = np.minimum(distances, ((x - x[chosen[-1]]) ** 2).sum(axis=1))
    return x[chosen]


def _run_lloyd(x: NDArray[np.float64], centres: NDArray[np.float64]) -> tuple[float, NDArray[np.intp]]:
    """Move the centres until nothing changes; returns the sum of squared distances, and each row's cluster."""
    cluster = np.full(len(x), -1)
    for _ in range(ROUNDS):
        distances = (x * x).sum(axis=1)[:, None] - 2 * x @ centres.T + (centres * centres).sum(axis=1)
        nearest = distances.argmin(axis=1)
        if (nearest == cluster).all():
            break
        cluster = nearest
        for c in np.unique(cluster):
            centres[c] = x[cluster == c].mean(axis=0)
    return float(((x - centres[cluster]) ** 2).sum()), cluster
