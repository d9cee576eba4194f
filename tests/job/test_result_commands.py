"""`make neighbours` and `make classify`: what they answer, and the sentence for each thing that can be wrong."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fruits.models import PublishedModel
from PIL import Image

from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from ops.job import neighbours
from ops.job import results as result
from sample import draw
from tests.job.conftest import PHOTOS, FinishedRun
from tests.job.oracle import NearestNeighbors

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """Run a command: exit code, what it wrote, what it complained."""

    def run(command: str, **environ: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.run(COMMANDS[command], environ, {})
        wrote = capsys.readouterr()
        return code, wrote.out, wrote.err

    return run


@pytest.fixture
def fetched(drawn_run: FinishedRun, tmp_path: Path) -> Path:
    """What `make results` would bring: no Parquet files, no network."""
    folder = tmp_path / "fetched"
    for name in ("run.json", "report.html", "pca/scores.csv", "pca/model.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(drawn_run.output / name, folder / name)
    return folder


def change(folder: Path, **fields: Any) -> None:
    file = folder / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_an_image_of_the_run_is_not_its_own_neighbour(drawn_run: FinishedRun, said: Said) -> None:
    rows = drawn_run.scores
    i = rows.path.index(str(drawn_run.source / "Banana" / "7_100.jpg"))
    code, out, _ = said("neighbours", IMAGE=rows.path[i], OUTPUT=str(drawn_run.output), COUNT="6", JSON="1")
    assert code == 0
    answer = json.loads(out)
    far, near = NearestNeighbors(n_neighbors=7).fit(rows.values).kneighbors(rows.values[i : i + 1])
    assert near[0][0] == i
    assert [one["path"] for one in answer["neighbours"]] == [rows.path[j] for j in near[0][1:]]
    assert [one["distance"] for one in answer["neighbours"]] == pytest.approx(far[0][1:], abs=1e-3)
    assert (answer["label"], answer["votes"], answer["voters"]) == ("Banana", 5, 5)
    assert answer["model"] == "efficientnet_lite0"


def test_a_new_picture_finds_its_kind(
    drawn_run: FinishedRun, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ("Banana", "Orange")
    monkeypatch.setattr(draw, "FRUITS", {label: draw.FRUITS[label] for label in labels})
    draw.draw_sample(tmp_path / "new", views=1, seed=1)
    for label in labels:
        new = tmp_path / "new" / label / "0_100.jpg"
        code, out, err = said("neighbours", IMAGE=str(new), OUTPUT=str(drawn_run.output))
        assert (code, err) == (0, "")
        assert f"5 of the 5 nearest are {label}" in out
        assert out.count(f"{label}/") == 10


def test_a_fetched_result_is_as_good(
    drawn_run: FinishedRun,
    fetched: Path,
    default_model: tuple[PublishedModel, Path],
    said: Said,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(default_model[1] / "_model", tmp_path / "models" / "_model")
    monkeypatch.setattr(result, "MODELS", tmp_path / "models")
    image = str(drawn_run.source / "Lemon" / "3_100.jpg")
    answers = []
    for place in (drawn_run.output, fetched):
        code, out, _ = said("neighbours", IMAGE=image, OUTPUT=str(place), JSON="1")
        assert code == 0
        answers.append([one["path"] for one in json.loads(out)["neighbours"]])
    assert answers[0] == answers[1]

    change(fetched, model_sha256="0" * 64)
    code, _, err = said("neighbours", IMAGE=image, OUTPUT=str(fetched))
    assert code == 11
    assert err.startswith(f"neighbours: the result at {fetched} was made by another efficientnet_lite0 (file 0000")
    assert "features of two networks cannot be compared. Fix: OUTPUT= names the run's own output" in err


def test_what_is_wrong_with_the_picture_is_said(drawn_run: FinishedRun, said: Said, tmp_path: Path) -> None:
    out = str(drawn_run.output)
    assert said("neighbours", OUTPUT=out) == (
        2,
        "",
        "neighbours: no image was given. Fix: make neighbours IMAGE=path/of/a/photograph.jpg.\n",
    )
    missing = tmp_path / "no.jpg"
    assert said("neighbours", IMAGE=str(missing), OUTPUT=out) == (
        10,
        "",
        f"neighbours: there is no image {missing}. Fix: IMAGE= names a photograph's file.\n",
    )
    text = tmp_path / "text.jpg"
    text.write_bytes(b"a text file")
    assert said("neighbours", IMAGE=str(text), OUTPUT=out) == (
        10,
        "",
        f"neighbours: the image {text} cannot be used: not an image but a text file. Fix: IMAGE= names a photograph's "
        "file.\n",
    )
    assert said("neighbours", IMAGE=str(tmp_path), OUTPUT=out)[0] == 10
    code, _, err = said("neighbours", IMAGE=str(text), OUTPUT=out, COUNT="none")
    assert (code, err) == (2, "neighbours: COUNT=none is not a whole number from 1. Fix: for example COUNT=10.\n")


def test_what_is_wrong_with_the_result_is_said(
    drawn_run: FinishedRun, fetched: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = str(drawn_run.source / "Lemon" / "3_100.jpg")
    nowhere = tmp_path / "nowhere"
    for name in ("neighbours", "classify"):
        assert said(name, IMAGE=image, OUTPUT=str(nowhere)) == (
            10,
            "",
            f"{name}: there is no finished result at {nowhere} (no run.json). Fix: make run-local, or make run-step "
            "and make results; OUTPUT= names another folder.\n",
        )
        assert said(name, IMAGE=image, OUTPUT=str(fetched), MODEL="resnet50") == (
            13,
            "",
            f"{name}: the result at {fetched} was made by efficientnet_lite0, not by resnet50. Fix: leave MODEL= out, "
            "or OUTPUT= names the result of that network.\n",
        )
    monkeypatch.chdir(tmp_path)
    code, _, err = said("classify")
    assert code == 10
    assert "no finished result in runs/sample-efficientnet_lite0 or runs/local/efficientnet_lite0. Fix: make " in err

    whole = (fetched / "pca" / "model.npz").read_bytes()
    for damaged in (b"", b"damaged", whole[:1000]):
        (fetched / "pca" / "model.npz").write_bytes(damaged)
        code, _, err = said("neighbours", IMAGE=image, OUTPUT=str(fetched))
        assert code == 10
        assert f"{fetched}/pca/model.npz is missing or damaged. Fix: make results, or" in err
    mean = np.zeros(1280)
    np.savez(fetched / "pca" / "model.npz", mean=mean, components=np.zeros((3, 1280)))
    code, _, err = said("neighbours", IMAGE=image, OUTPUT=str(fetched))
    assert (code, "files of two runs are mixed" in err) == (10, True)

    lines = (fetched / "pca" / "scores.csv").read_text().splitlines()
    (fetched / "pca" / "scores.csv").write_text("\n".join(lines[:100]) + "\n")
    code, _, err = said("classify", OUTPUT=str(fetched))
    assert code == 10
    assert "holds scores of 99 images, but its run.json says 200" in err
    (fetched / "pca" / "scores.csv").write_text("")
    code, _, err = said("classify", OUTPUT=str(fetched))
    assert (code, f"the scores at {fetched} cannot be read (Empty CSV file)" in err) == (10, True)
    (fetched / "pca" / "scores.csv").unlink()
    code, _, err = said("classify", OUTPUT=str(fetched))
    assert (code, "holds no scores (pca/scores or pca/scores.csv)" in err) == (10, True)
    (fetched / "run.json").write_text("{}")
    code, _, err = said("classify", OUTPUT=str(fetched))
    assert (code, "is not the record of a run" in err) == (10, True)


def test_the_newer_of_the_default_places_is_taken(
    fetched: Path, said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place, finished in (
        ("runs/local/efficientnet_lite0", "2026-01-02T00:00:00Z"),
        ("runs/sample-efficientnet_lite0", "2026-01-01T00:00:00Z"),
    ):
        shutil.copytree(fetched, tmp_path / place)
        change(tmp_path / place, finished=finished)
    code, out, _ = said("classify", JSON="1")
    assert code == 0
    assert json.loads(out)["result"] == str(tmp_path / "runs/local/efficientnet_lite0")
    change(tmp_path / "runs/sample-efficientnet_lite0", finished="2026-01-03T00:00:00Z")
    code, out, _ = said("classify", JSON="1")
    assert json.loads(out)["result"] == str(tmp_path / "runs/sample-efficientnet_lite0")


def test_classify_says_it_and_writes_it_into_the_report(fetched: Path, said: Said) -> None:
    page = fetched / "report.html"
    code, out, err = said("classify", OUTPUT=str(fetched))
    assert (code, err) == (0, "")
    assert out.startswith("100.0% of 200 images of 8 classes are recognised from ")
    assert "8 classes cut in two by the order of the file names" in out
    assert f"the whole confusion matrix is in {page}" in out.replace("\n", "")
    before = page.read_text()

    file = fetched / "pca" / "scores.csv"  # ten bananas are called lemons
    lines = file.read_text().splitlines()
    wrong = [i for i, line in enumerate(lines) if ',"Banana",' in line][:10]
    for i in wrong:
        lines[i] = lines[i].replace(',"Banana",', ',"Lemon",')
    file.write_text("\n".join(lines) + "\n")
    code, out, _ = said("classify", OUTPUT=str(fetched), JSON="1")
    assert code == 0
    answer = json.loads(out)
    assert answer["accuracy"] < 1
    matrix = np.array(answer["confusion"])
    assert matrix.sum() == answer["images"] == 200
    sizes = Counter(line.split(",")[1].strip('"') for line in lines[1:])
    assert dict(zip(answer["labels"], matrix.sum(axis=1).tolist(), strict=True)) == dict(sizes)
    after = page.read_text()
    assert after != before
    assert f"{100 * answer['accuracy']:.1f}%</b> of 200 images" in after
    code, out, _ = said("classify", OUTPUT=str(fetched))
    assert "most frequent confusions" in out
    assert page.read_text() == after

    page.write_text("<p>an older version's page</p>")
    code, out, _ = said("classify", OUTPUT=str(fetched))
    assert code == 0
    assert "was left as it is: no place for it there" in out.replace("\n", "")


def test_one_class_cannot_be_told_from_another(fetched: Path, said: Said) -> None:
    file = fetched / "pca" / "scores.csv"
    lines = [line for line in file.read_text().splitlines() if ',"Banana",' in line or line.startswith('"path"')]
    file.write_text("\n".join(lines) + "\n")
    change(fetched, images_ok=len(lines) - 1)
    assert said("classify", OUTPUT=str(fetched)) == (
        10,
        "",
        f"classify: a classifier needs two classes of two images, and {fetched} has 25 images of 1 class. Fix: a run "
        "over more of them, without CLASSES= or LIMIT=.\n",
    )


@pytest.mark.photos
def test_photographs_that_the_run_never_saw_find_their_kind(photo_run: FinishedRun) -> None:
    found = result.Result.at(str(photo_run.output))
    right = []
    for new in sorted((PHOTOS.parents[1] / "sample").rglob("*.jpg")):
        nearest = neighbours.find_neighbours(found, neighbours.compute_scores(found, str(new)), 5)
        right.append(neighbours.vote(nearest)[0] == new.parent.name)
        with Image.open(new) as picture:
            assert picture.size == (100, 100)
    assert len(right) == 25
    assert sum(right) >= 24
