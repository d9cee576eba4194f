"""Whole runs: on photographs, as good as research measured; on the drawn sample, good enough to try."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fruits import pipeline
from fruits.request import Request
from numpy.typing import NDArray

from tests.job.browsing import Opened, numbers
from tests.job.conftest import ALL_PHOTOS, PINS, FinishedRun, needs_bf16, read_rejects, read_rows
from tests.job.oracle import PCA, KNeighborsClassifier, LogisticRegression, NearestNeighbors

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


def near_one_another(scores: NDArray[Any], labels: list[str]) -> float:
    """5-NN, leave-one-out."""
    names = np.array(labels)
    neighbours = names[NearestNeighbors(n_neighbors=5).fit(scores).kneighbors(return_distance=False)]  # never itself
    voted = [max(sorted(set(row)), key=list(row).count) for row in neighbours]
    return float((np.array(voted) == names).mean())


def assert_whole(run: FinishedRun, classes: int, images: int) -> None:
    """Every image once in features and scores, and what run.json says about it."""
    found = {str(p): p.parent.name for p in run.source.rglob("*.jpg")}
    features, scores = run.features, run.scores
    assert len(found) == images
    assert dict(zip(features.path, features.label, strict=True)) == found
    assert features.path == scores.path
    assert features.label == scores.label
    assert np.isfinite(features.values).all()
    assert read_rejects(run.output) == {}
    said = run.summary
    assert said == json.loads((run.output / "run.json").read_text())
    assert (said["images_in"], said["images_ok"], said["images_rejected"]) == (images, images, 0)
    assert said["images_featurized_now"] == images
    assert set(said["classes"]) == set(found.values())
    assert len(said["classes"]) == classes
    assert sum(c["ok"] for c in said["classes"].values()) == images
    assert said["feature_files"] == len(list((run.output / "features").glob("*.parquet"))) <= 40
    assert (said["dimension"], features.values.shape[1]) == (1280, 1280)
    assert said["images_per_second"] > 0
    assert {"list", "plan", "featurize", "reduce", "check", "report"} <= said["seconds"].keys()
    left = {p.name for p in (run.output / "_run").iterdir()}
    assert left == {"progress.json"}
    assert json.loads((run.output / "_run" / "progress.json").read_text())["phase"] == "done"


def assert_pca_like_sklearn(run: FinishedRun) -> None:
    """The run's k and scores, against scikit-learn's on the run's own features."""
    x = run.features.values.astype(np.float64)
    theirs = PCA(0.95, svd_solver="full").fit(x)
    said = run.summary
    assert said["k"] == theirs.n_components_
    assert said["explained_variance"] == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-9)
    assert said["variance_statement"].endswith("of the variance (95% asked)")
    model = np.load(run.output / "pca" / "model.npz")
    most = theirs.explained_variance_[0]
    assert np.abs(model["explained_variance"][: said["k"]] - theirs.explained_variance_).max() <= 1e-9 * most
    signs = np.sign((model["components"] * theirs.components_).sum(axis=1))
    assert np.abs(model["components"] - signs[:, None] * theirs.components_).max() <= 1e-6
    scores = run.scores.values
    wanted = theirs.transform(x) * signs
    assert np.abs(scores - wanted).max() <= 1e-6 * np.abs(wanted).max()  # stored in float32


def test_the_drawn_sample(drawn_run: FinishedRun) -> None:
    assert_whole(drawn_run, classes=8, images=200)
    assert_pca_like_sklearn(drawn_run)
    assert near_one_another(drawn_run.features.values, drawn_run.features.label) > 0.95
    assert near_one_another(drawn_run.scores.values, drawn_run.scores.label) > 0.95


@pytest.mark.slow
def test_keras_itself_in_the_workers_gives_the_same_features(
    spark: SparkSession, drawn_run: FinishedRun, tmp_path: Path
) -> None:
    request = Request(input=str(drawn_run.source), output=str(tmp_path / "out"), engine="tensorflow", limit=40, k=5)
    summary = pipeline.run(spark, request)
    assert (summary["engine"], summary["images_ok"]) == ("tensorflow", 40)
    fast = drawn_run.features.by_path()
    for path, values in read_rows(tmp_path / "out", "features").by_path().items():
        assert np.abs(values - fast[path]).max() <= 1e-3


@pytest.mark.photos
def test_every_photograph_is_there(photo_run: FinishedRun) -> None:
    assert_whole(photo_run, classes=30, images=PINS.images)


@pytest.mark.photos
def test_k_for_the_photographs_is_scikit_learns(photo_run: FinishedRun) -> None:
    assert_pca_like_sklearn(photo_run)
    assert photo_run.summary["k"] == pytest.approx(PINS.k, rel=0.1)


@pytest.mark.photos
def test_scores_tell_fruits_apart_from_a_side_never_seen(photo_run: FinishedRun) -> None:
    """Trained on one turning of each fruit, tested on others: neighbouring frames cannot help."""
    scores = photo_run.scores
    main = np.array([not Path(path).name.startswith("r") for path in scores.path])
    labels = np.array(scores.label)
    assert (main.sum(), (~main).sum()) == (PINS.main, PINS.images - PINS.main)
    nearest = KNeighborsClassifier(5).fit(scores.values[main], labels[main])
    assert nearest.score(scores.values[~main], labels[~main]) == pytest.approx(PINS.nearest, abs=0.02)


@pytest.mark.slow
@pytest.mark.photos
@needs_bf16
@pytest.mark.skipif(not ALL_PHOTOS, reason="half a point of 295 photographs is one and a half. Fix: EVERYTHING=1")
def test_in_bf16_classes_are_told_apart_as_well(
    spark: SparkSession, photographs: Path, photo_run: FinishedRun, tmp_path: Path
) -> None:
    """5-NN and a linear classifier, trained on one side of each fruit and tested on others: within half a point."""
    summary = pipeline.run(spark, Request(input=str(photographs), output=str(tmp_path), precision="bf16"))
    assert (summary["precision"], summary["images_ok"]) == ("bf16", PINS.images)
    accuracies = []
    for scores in (photo_run.scores, read_rows(tmp_path, "pca/scores")):
        main = np.array([not Path(path).name.startswith("r") for path in scores.path])
        labels = np.array(scores.label)
        linear = LogisticRegression(C=1.0, max_iter=1000)
        fitted = [c.fit(scores.values[main], labels[main]) for c in (KNeighborsClassifier(5), linear)]
        accuracies.append([c.score(scores.values[~main], labels[~main]) for c in fitted])
    assert (np.array(accuracies[1]) >= np.array(accuracies[0]) - 0.005).all()


@pytest.mark.photos
def test_ten_components_already_show_the_classes(photo_run: FinishedRun) -> None:
    scores = photo_run.scores
    pick = np.arange(0, PINS.images, 3 if ALL_PHOTOS else 1)
    assert near_one_another(scores.values[pick, :10], [scores.label[i] for i in pick]) > PINS.ten


@pytest.mark.slow
def test_the_report_of_a_run_opens_in_a_browser(drawn_run: FinishedRun, opened: Opened) -> None:
    """The pages of test_report_browser.py are composed in the same way, but without a run."""
    found = numbers(opened(drawn_run.output / "report.html"))
    assert found["points"] == found["shown"] == 200


def test_the_csv_holds_the_scores(drawn_run: FinishedRun) -> None:
    text = (drawn_run.output / "pca" / "scores.csv").read_text()
    rows = list(csv.reader(io.StringIO(text)))
    k = drawn_run.summary["k"]
    assert rows[0] == ["path", "label", *(f"pc{i}" for i in range(1, k + 1))]
    wanted = drawn_run.scores.by_path()
    assert len(rows) == 1 + len(wanted)
    for path, label, *values in rows[1:]:
        assert label == Path(path).parent.name
        assert np.allclose(np.array(values, float), wanted[path], rtol=1e-6, atol=1e-6)
