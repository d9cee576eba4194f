"""`make export`: each tool's files, read back as its documentation says."""

from __future__ import annotations

import ast
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from ops.job import export
from tests.job.reporting import clusters
from tests.job.results_on_disk import write_result

ROOT = Path(__file__).resolve().parents[2]
VIEWERS = ROOT / "build/viewers/bin/python"
LABELS = ["Apple"] * 12 + ["Pear, green"] * 6
NAMES = [f"{i}\t_100.jpg" for i in range(18)]


def colour(i: int) -> tuple[int, int, int]:
    return (14 * i, 255 - 14 * i, 90)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """A result over 18 pictures of one colour each; the last one is gone."""
    for i, (label, name) in enumerate(zip(LABELS, NAMES, strict=True)):
        (tmp_path / "photos" / label).mkdir(parents=True, exist_ok=True)
        if i < 17:
            Image.new("RGB", (40, 30), colour(i)).save(tmp_path / "photos" / label / name, "PNG")
    return write_result(tmp_path / "result", str(tmp_path / "photos"), LABELS, clusters(LABELS, width=4), NAMES)


def exports(result: Path, capsys: pytest.CaptureFixture[str], **environ: str) -> tuple[int, str]:
    given = {"OUTPUT": str(result), "DEST": str(result.parent / "out"), **environ}
    code = cli.run(COMMANDS["export"], given, {})
    wrote = capsys.readouterr()
    return code, wrote.out + wrote.err


def rows() -> dict[str, np.ndarray]:
    scores = clusters(LABELS, width=4)
    return {f"{label}/{name}": row for label, name, row in zip(LABELS, NAMES, scores, strict=True)}


def seen(picture: Image.Image) -> tuple[int, ...]:
    pixel = picture.convert("RGB").getpixel((picture.width // 2, picture.height // 2))
    assert isinstance(pixel, tuple)
    return pixel


def test_the_projector_gets_vectors_labels_and_a_sprite(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = exports(result, capsys, TO="projector")
    assert code == 0, printed
    assert "18 images with 4 scores each" in printed
    assert "1 image has no picture, and cannot be read any more. Fix: INPUT= names the folder of the images." in printed
    folder = result.parent / "out"
    vectors = np.array([line.split("\t") for line in (folder / "vectors.tsv").read_text().splitlines()], float)
    head, *named = [line.split("\t") for line in (folder / "metadata.tsv").read_text().splitlines()]
    assert head == ["label", "path"]
    by_path = {path.replace("\t", " "): row for path, row in rows().items()}
    assert [len(row) for row in named] == [2] * 18
    assert np.allclose(vectors, [by_path[path] for _, path in named], atol=1e-4)
    config = json.loads((folder / "projector_config.json").read_text())["embeddings"][0]
    assert config["tensorShape"] == [18, 4]
    side, other = config["sprite"]["singleImageDim"]
    sprite = Image.open(folder / "sprite.png")
    assert side == other == 96
    assert sprite.size == (5 * side, 5 * side)
    for i, (label, path) in enumerate(named):
        tile = sprite.crop((i % 5 * side, i // 5 * side, (i % 5 + 1) * side, (i // 5 + 1) * side))
        number = NAMES.index(path.split("/")[1].replace(" _", "\t_"))
        expected = colour(number) if number < 17 else (255, 255, 255)
        assert np.abs(np.subtract(seen(tile), expected)).max() < 8, (label, path)


@pytest.mark.parametrize("count", [1, 2, 7000, 7226, 10_000, 100_000])
def test_a_sprite_stays_within_what_browsers_draw(count: int) -> None:
    columns, side = export.sprite_grid(count)
    assert columns * side <= export.SPRITE
    assert columns * columns >= count > (columns - 1) ** 2
    assert 1 <= side <= 96


def test_fiftyone_gets_its_classification_format_and_the_scores(
    result: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, printed = exports(result, capsys, TO="fiftyone")
    assert code == 0, printed
    folder = result.parent / "out"
    labels = json.loads((folder / "labels.json").read_text())
    paths, scores = json.loads((folder / "paths.json").read_text()), np.load(folder / "scores.npy")
    files = {file.stem: file for file in (folder / "data").iterdir()}
    assert labels["classes"] == ["Apple", "Pear, green"]
    assert set(labels["labels"]) == set(files)
    assert len(files) == 17  # the one that is gone is no sample
    for name, file in files.items():
        path = paths[int(name)]
        assert labels["classes"][labels["labels"][name]] == path.split("/")[0]
        assert np.allclose(scores[int(name)], rows()[path], atol=1e-5)
        assert np.abs(np.subtract(seen(Image.open(file)), colour(NAMES.index(path.split("/")[1])))).max() < 8
    ast.parse((folder / "load.py").read_text())


LOADED = """
import sys, types, json
from pathlib import Path
class Sample(dict):
    def __init__(self, filepath): self.filepath = filepath
class Dataset:
    @classmethod
    def from_dir(cls, dataset_dir, dataset_type):
        assert dataset_type == "FiftyOneImageClassificationDataset"
        made = cls(); made.samples = [Sample(str(file)) for file in sorted(Path(dataset_dir, "data").iterdir())]
        return made
    def iter_samples(self, autosave): assert autosave; return iter(self.samples)
fake = types.ModuleType("fiftyone")
fake.Dataset = Dataset
fake.types = types.SimpleNamespace(FiftyOneImageClassificationDataset="FiftyOneImageClassificationDataset")
sys.modules["fiftyone"] = fake
sys.path.insert(0, sys.argv[1])
import load
print(json.dumps([[s.filepath, s["path"], s["scores"].tolist()] for s in load.dataset.samples]))
"""


def test_the_script_for_fiftyone_joins_scores_and_samples(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a stand-in for FiftyOne, which needs a database: what is called is what its documentation shows."""
    assert exports(result, capsys, TO="fiftyone")[0] == 0
    folder = result.parent / "out"
    done = subprocess.run([sys.executable, "-c", LOADED, folder], capture_output=True, text=True, check=True)
    samples = json.loads(done.stdout)
    assert len(samples) == 17
    for file, path, scores in samples:
        assert np.allclose(scores, rows()[path], atol=1e-5)
        assert np.abs(np.subtract(seen(Image.open(file)), colour(NAMES.index(path.split("/")[1])))).max() < 8


def test_spotlight_gets_one_parquet_file(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exports(result, capsys, TO="spotlight")[0] == 0
    frame = pd.read_parquet(result.parent / "out" / "images.parquet")
    assert list(frame.columns) == ["path", "label", "scores", "image"]
    for row in frame.itertuples():
        assert np.allclose(row.scores, rows()[str(row.path)], atol=1e-5)
        number = NAMES.index(str(row.path).split("/")[1])
        if number == 17:
            assert row.image is None
        else:
            assert np.abs(np.subtract(seen(Image.open(io.BytesIO(row.image))), colour(number))).max() < 8


def test_fewer_images_are_the_same_share_of_every_class(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, printed = exports(result, capsys, TO="spotlight", LIMIT="8")
    assert code == 0
    assert "8 images of 18, the same share of every class, with 4 scores each" in printed
    frame = pd.read_parquet(result.parent / "out" / "images.parquet")
    assert frame.label.value_counts().to_dict() == {"Apple": 4, "Pear, green": 4}


def test_images_that_have_moved_are_found_by_input(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (result.parent / "photos").rename(result.parent / "moved")
    _, printed = exports(result, capsys, TO="spotlight")
    assert "18 images have no picture" in printed
    _, printed = exports(
        result, capsys, TO="spotlight", INPUT=str(result.parent / "moved"), DEST=str(result.parent / "again")
    )
    assert "1 image has no picture" in printed


@pytest.mark.parametrize(
    ("environ", "code", "words"),
    [
        ({}, 2, "export: TO= was not given. Fix: TO=projector, TO=fiftyone or TO=spotlight."),
        ({"TO": "wandb"}, 2, "export: TO=wandb is not a known tool. Fix: TO=projector, TO=fiftyone"),
        ({"TO": "projector", "LIMIT": "all"}, 2, "LIMIT=all is not a whole number from 1."),
        ({"TO": "projector", "OUTPUT": "nowhere"}, 10, "there is no finished result at"),
        ({"TO": "projector", "DEST": "."}, 13, "is not empty, and nothing is overwritten. Fix: DEST= names another"),
    ],
)
def test_what_is_wrong_is_said(
    result: Path, capsys: pytest.CaptureFixture[str], environ: dict[str, str], code: int, words: str
) -> None:
    ended, printed = exports(result, capsys, **environ)
    assert (ended, words in printed) == (code, True), printed


@pytest.mark.slow
def test_the_tools_themselves_read_it(result: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not VIEWERS.exists():
        pytest.skip("needs build/viewers: make viewers sets it up (TensorBoard and Renumics Spotlight)")
    for tool in ("projector", "spotlight"):
        assert exports(result, capsys, TO=tool, DEST=str(result.parent / tool))[0] == 0
    done = subprocess.run(
        [
            VIEWERS,
            ROOT / "tests/job/viewers.py",
            result.parent / "projector",
            result.parent / "spotlight/images.parquet",
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    seen_by = json.loads(done.stdout.splitlines()[-1])
    assert seen_by["projector"] == {"shape": [18, 4], "metadata": 19, "sprite": [96, 96]}
    assert seen_by["spotlight"] == {
        "rows": 18,
        "types": {"path": "str", "label": "Category", "scores": "Embedding", "image": "Image"},
    }
    assert re.search("label\tpath", (result.parent / "projector/metadata.tsv").read_text())
