"""scikit-learn, against which results are held; imported when the first of these is made.

With it comes SciPy's whole statistics, for which no process that only collects the tests should wait.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

HOMES = {
    "PCA": "sklearn.decomposition",
    "RidgeClassifier": "sklearn.linear_model",
    "LogisticRegression": "sklearn.linear_model",
    "StratifiedKFold": "sklearn.model_selection",
    "cross_val_score": "sklearn.model_selection",
    "KNeighborsClassifier": "sklearn.neighbors",
    "NearestNeighbors": "sklearn.neighbors",
}


class Later:
    """A name of scikit-learn, looked up when it is called."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return getattr(import_module(HOMES[self._name]), self._name)(*arguments, **options)


PCA, RidgeClassifier, LogisticRegression = Later("PCA"), Later("RidgeClassifier"), Later("LogisticRegression")
StratifiedKFold, cross_val_score = Later("StratifiedKFold"), Later("cross_val_score")
KNeighborsClassifier, NearestNeighbors = Later("KNeighborsClassifier"), Later("NearestNeighbors")
