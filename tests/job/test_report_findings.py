"""What the report points at: planted duplicates, wrong labels and outliers are listed, and nothing else is."""

from __future__ import annotations

import itertools
import math

import numpy as np
from fruits.report import findings
from numpy.typing import NDArray

from tests.job.reporting import clusters

LABELS = ["Apple"] * 30 + ["Lemon"] * 30 + ["Pear"] * 30


def found(kind: str, scores: NDArray[np.float32], labels: list[str]) -> list[tuple[int, ...]]:
    listed = {one.title: one for one in findings.find_all(scores, labels)}[kind]
    assert listed.total >= len(listed.findings) <= findings.ROWS
    return [finding.images for finding in listed.findings]


def test_distances_are_euclids() -> None:
    scores = clusters(LABELS)[::9]
    distances = findings.compute_distances(scores)
    for (i, one), (j, other) in itertools.combinations(enumerate(scores.tolist()), 2):
        assert math.isclose(distances[i, j], math.dist(one, other), rel_tol=1e-5)
        assert distances[i, j] == distances[j, i]
    assert np.isinf(np.diag(distances)).all()


def test_clean_classes_have_no_findings() -> None:
    kinds = findings.find_all(clusters(LABELS), LABELS)
    assert [kind.title for kind in kinds] == [
        "Near-duplicates",
        "Labels to check",
        "Outliers of their class",
        "Classes that touch",
    ]
    assert [kind.total for kind in kinds] == [0, 0, 0, 0]


def test_the_same_photograph_twice_is_listed_whatever_its_labels() -> None:
    scores = clusters(LABELS)
    scores[7] = scores[3]
    scores[70] = scores[40] + np.float32(1e-3)
    assert found("Near-duplicates", scores, LABELS) == [(3, 7), (40, 70)]


def test_a_wrong_label_is_doubted() -> None:
    labels = LABELS.copy()
    labels[4], labels[77] = "Pear", "Lemon"
    kinds = {kind.title: kind for kind in findings.find_all(clusters(LABELS), labels)}
    doubted = kinds["Labels to check"].findings
    assert {finding.images[0] for finding in doubted} == {4, 77}
    assert {labels[finding.images[1]] for finding in doubted} == {"Apple", "Pear"}
    assert doubted[0].text.startswith("labelled ")
    assert "8 of its 8 nearest neighbours are" in doubted[0].text


def test_an_image_far_from_its_class_is_an_outlier() -> None:
    scores = clusters(LABELS)
    scores[12] += 100 * np.eye(scores.shape[1], dtype=np.float32)[2]
    assert found("Outliers of their class", scores, LABELS) == [(12,)]


def test_classes_that_touch_are_named_by_their_nearest_images() -> None:
    scores = clusters(LABELS)
    scores[59] = scores[60] + np.float32(0.5)  # a Lemon that looks like a Pear
    listed = {kind.title: kind for kind in findings.find_all(scores, LABELS)}["Classes that touch"]
    assert listed.total == 1
    assert listed.findings[0].images == (59, 60)
    assert listed.findings[0].text.startswith("Lemon and Pear: ")


def test_more_than_fit_are_counted() -> None:
    scores = np.zeros((40, 3), np.float32)
    listed = findings.find_all(scores, ["a"] * 40)[0]
    assert (listed.total, len(listed.findings)) == (40 * 39 // 2, findings.ROWS)


def test_one_image_or_none_has_no_findings() -> None:
    assert findings.find_all(np.zeros((1, 2), np.float32), ["a"]) == []
    assert findings.find_all(np.zeros((0, 2), np.float32), []) == []
