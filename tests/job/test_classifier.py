"""The classifier behind `make classify`: which images are learned from, and that it is scikit-learn's ridge."""

from __future__ import annotations

import numpy as np
import pytest
from fruits import classifier
from fruits.classifier import CrossValidation, Sums, cross_validate, cross_validate_blocks, split
from numpy.typing import NDArray

from tests.job.conftest import ALL_PHOTOS, PINS, FinishedRun
from tests.job.oracle import RidgeClassifier, StratifiedKFold, cross_val_score


def test_series_of_file_names_make_the_folds() -> None:
    paths = ["a/0_100.jpg", "a/1_100.jpg", "a/r_0_100.jpg", "a/r2_1_100.jpg", "a/r0_7.jpg"]
    folds = split(paths, ["a"] * 5)
    assert folds.fold.tolist() == [0, 0, 1, 1, 1]
    assert (folds.by_series, folds.by_halves, folds.left_out) == (1, 0, ())
    assert folds.statement == "1 class split by the series that the file names tell apart"


def test_a_class_without_series_is_cut_in_two_by_the_number_in_the_name() -> None:
    paths = ["b/10_100.jpg", "b/2_100.jpg", "b/1_100.jpg", "b/9_100.jpg", "c/IMG 9.png", "c/IMG 10.png", "d/only.jpg"]
    folds = split(paths, list("bbbb") + list("ccd"))
    assert folds.fold.tolist() == [1, 0, 0, 1, 0, 1, -1]
    assert (folds.by_series, folds.by_halves, folds.left_out) == (0, 2, ("d",))
    assert folds.statement == (
        "2 classes cut in two by the order of the file names (where neighbouring files show the same object, the true "
        "figure is lower); 1 class with a single image left out"
    )


def test_classes_are_named_in_their_order_whatever_that_of_the_files() -> None:
    paths = ["d/1.jpg", "b/1.jpg", "c/1.jpg", "c/2.jpg", "a/1.jpg"]
    folds = split(paths, list("dbcca"))
    assert (folds.fold.tolist(), folds.left_out, folds.by_halves) == ([-1, -1, 0, 1, -1], ("a", "b", "d"), 1)


def test_one_feature_is_fitted_as_the_normal_equations_say() -> None:
    x, y = np.array([[1.0], [2.0], [4.0], [9.0]]), np.array([0, 1, 1, 0])
    sums = Sums.make_empty(1, 2)
    sums.add(x[:3], y[:3])
    sums.add(x[3:], y[3:])
    one_hot = np.eye(2)[y]
    assert (sums.cross == np.vstack([x.T @ one_hot, one_hot.sum(axis=0)])).all()
    centred = x - x.mean()
    penalty = classifier.PENALTY * (centred**2).sum()
    weights = centred.T @ (one_hot - 0.5) / ((centred**2).sum() + penalty)
    assert sums.fit() == pytest.approx(np.vstack([weights, 0.5 - 4 * weights]))


@pytest.mark.parametrize(("confusion", "accuracy", "chance"), [([[1, 0], [0, 0]], 1, 1), ([[0, 0], [0, 0]], 0, 0)])
def test_of_one_image_or_none_there_is_a_share_too(confusion: list[list[int]], accuracy: float, chance: float) -> None:
    counts = np.array(confusion)
    images = int(counts.sum())
    tested = CrossValidation(("a", "b"), counts, (0, 0), images, images, split([], []), np.zeros(0, np.int32))
    assert (tested.accuracy, tested.chance) == (accuracy, chance)


def data(classes: int = 7, each: int = 30, width: int = 12) -> tuple[list[str], list[str], NDArray[np.float64]]:
    """Series of unequal sizes, scores that do not separate wholly."""
    rng = np.random.default_rng(3)
    paths, labels = [], []
    for c in range(classes):
        for i in range(each + 5 * c):
            labels.append(f"class {c}")
            paths.append(f"class {c}/{'r_' if i % 3 == 0 else ''}{i}_100.jpg")
    centres = rng.normal(size=(classes, width))
    numbers = np.array([int(label[-1]) for label in labels])
    return paths, labels, 3 + centres[numbers] + 1.2 * rng.normal(size=(len(labels), width))


def test_it_decides_as_scikit_learns_ridge_classifier() -> None:
    paths, labels, x = data()
    validation = cross_validate(paths, labels, x)
    assert validation is not None
    y, fold = np.array(labels), validation.split.fold
    wanted = np.zeros_like(validation.confusion)
    for side in (0, 1):
        learn, test = fold == 1 - side, fold == side
        centred = x[learn] - x[learn].mean(axis=0)
        penalty = classifier.PENALTY * (centred**2).sum() / x.shape[1]
        theirs = RidgeClassifier(alpha=penalty).fit(x[learn], y[learn]).predict(x[test])
        assert validation.by_fold[side] == pytest.approx((theirs == y[test]).mean())
        for is_, taken in zip(y[test], theirs, strict=True):
            wanted[validation.labels.index(is_), validation.labels.index(taken)] += 1
    assert (validation.confusion == wanted).all()
    assert 0.5 < validation.accuracy < 1
    assert validation.images == validation.population == len(labels)
    assert validation.chance == pytest.approx(max(labels.count(label) for label in labels) / len(labels))


def test_blocks_of_any_size_give_the_same() -> None:
    paths, labels, x = data()
    whole = cross_validate(paths, labels, x)
    assert whole is not None
    for size in (1, 7, 100):
        cut = cross_validate_blocks(paths, labels, lambda size=size: (x[i : i + size] for i in range(0, len(x), size)))
        assert cut is not None
        assert (cut.confusion == whole.confusion).all()


def test_frames_of_one_turn_do_not_pass_for_knowledge() -> None:
    """Features that say which turn a frame is of, and nothing of the class: folds drawn at random are fooled."""
    rng = np.random.default_rng(0)
    paths, labels, rows = [], [], []
    for label in "abcdefgh":
        for series in ("", "r_"):
            turn = rng.normal(size=20)
            for i in range(40):
                paths.append(f"{label}/{series}{i}_100.jpg")
                labels.append(label)
                rows.append(turn + 0.1 * rng.normal(size=20))
    x = np.array(rows)
    fooled = cross_val_score(RidgeClassifier(), x, labels, cv=StratifiedKFold(5, shuffle=True, random_state=0)).mean()
    validation = cross_validate(paths, labels, x)
    assert validation is not None
    assert fooled > 0.9
    assert validation.accuracy < 0.4


def test_what_cannot_be_tested_is_not() -> None:
    assert cross_validate(["a/1.jpg", "a/2.jpg", "b/1.jpg"], ["a", "a", "b"], np.zeros((3, 2))) is None
    assert cross_validate([], [], np.zeros((0, 2))) is None
    same = cross_validate(["a/1.jpg", "a/2.jpg", "b/1.jpg", "b/2.jpg"], list("aabb"), np.zeros((4, 2)))
    assert same is not None  # no variance: it guesses, and does not fail
    assert same.accuracy == 0.5


def test_confusions_are_named_from_the_most_frequent_on() -> None:
    confusion = np.array([[8, 2, 0], [3, 7, 0], [0, 2, 9]])
    validation = classifier.CrossValidation(
        ("a", "b", "c"), confusion, (0.7, 0.8), 31, 40, split([], []), np.zeros(0, np.int32)
    )
    assert validation.list_top_confusions(2) == [("b", "a", 3), ("a", "b", 2)]
    assert validation.list_top_confusions(9)[2:] == [("c", "b", 2)]
    assert validation.compute_recall() == {"a": 0.8, "b": 0.7, "c": 9 / 11}
    assert validation.accuracy == 24 / 31
    assert validation.chance == 11 / 31
    record = validation.as_json()
    assert (record["accuracy"], record["images"], record["images_of_result"]) == (0.7742, 31, 40)
    assert record["confusion"] == confusion.tolist()


@pytest.mark.photos
@pytest.mark.spark
@pytest.mark.tensorflow
def test_photographs_are_recognised_on_sides_never_seen(photo_run: FinishedRun) -> None:
    """Of all photographs, 5-NN reaches 0.83 on this split (test_quality), logistic regression 0.885."""
    rows = photo_run.scores
    validation = cross_validate(rows.path, rows.label, rows.values)
    assert validation is not None
    assert (validation.split.by_series, validation.split.by_halves) == (30, 0)
    assert int((validation.split.fold == 0).sum()) == PINS.main
    assert validation.accuracy == pytest.approx(PINS.ridge, abs=0.02)
    shown = (photo_run.output / "report.html").read_text()
    if ALL_PHOTOS:
        assert "1,500 of 3,000 images, the same share of every class" in shown
        assert "(a sample of 3,000, the same share of every class)" in shown
    else:
        assert "all 600 images" in shown


def test_what_is_kept_of_it_counts_the_result_that_it_is_a_sample_of() -> None:
    paths, labels = ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg"], list("aaabb")
    scores = np.array([[1.0], [1.1], [1.2], [9.0], [9.1]])
    whole, sample = (cross_validate(paths, labels, scores, population=number) for number in (None, 1000))
    assert whole is not None
    assert sample is not None
    record = {
        "accuracy": 1.0,
        "accuracy_by_fold": [1.0, 1.0],
        "chance": 0.6,
        "images": 5,
        "images_of_result": 5,
        "split": "2 classes cut in two by the order of the file names (where neighbouring files show the same object, "
        "the true figure is lower)",
        "labels": ["a", "b"],
        "confusion": [[3, 0], [0, 2]],
    }
    assert whole.as_json() == record
    assert sample.as_json() == record | {"images_of_result": 1000}
