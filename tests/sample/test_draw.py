"""The embedded sample: the right files, the same bytes every time, pictures that look like their class."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sample import draw
from sample.draw import DrawError, draw_sample
from tests.drawn import draw_once

pytestmark = pytest.mark.costly
VIEWS = 6


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("sample")
    assert draw_once(dest, views=VIEWS) == dict.fromkeys(draw.FRUITS, VIEWS)  # by this very program, perhaps earlier
    return dest


@pytest.fixture
def only_lemons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the pictures of one fruit show as much: each specimen takes a second to grow."""
    monkeypatch.setattr(draw, "FRUITS", {"Lemon": draw.FRUITS["Lemon"]})


@pytest.fixture
def quick_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only the files matter: noise of the picture's own seed stands for two fruits' pictures."""

    def noise(model: object, turn: object, rng: np.random.Generator) -> Image.Image:
        return Image.fromarray(rng.integers(0, 256, (draw.SIZE, draw.SIZE, 3), np.uint8))

    ungrown = {name: replace(draw.FRUITS[name], grow=lambda rng: None) for name in ("Lemon", "Orange")}
    monkeypatch.setattr(draw, "FRUITS", ungrown)
    monkeypatch.setattr(draw, "Model", lambda cloud: cloud)
    monkeypatch.setattr(draw, "take_photograph", noise)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.jpg")}


def pictures(folder: Path) -> list[Path]:
    """Every picture below a folder; there are some."""
    found = sorted(folder.rglob("*.jpg"))
    assert found, f"nothing is drawn below {folder}"
    return found


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


def test_has_eight_fruits_and_one_name_with_a_space(sample: Path) -> None:
    folders = {p.name for p in sample.iterdir() if p.is_dir()}
    assert len(folders) == 8
    assert any(" " in name for name in folders)


def test_every_picture_is_a_100x100_rgb_jpeg_on_white(sample: Path) -> None:
    for path in pictures(sample):
        with Image.open(path) as image:
            assert (image.format, image.size, image.mode) == ("JPEG", (100, 100), "RGB")
        picture = pixels(path)
        assert picture[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 245, f"{path} has a corner that is not white"
        assert 0.08 < (picture.min(axis=2) < 200).mean() < 0.95, f"{path} is empty or too close"


def test_the_fruit_fills_the_frame_and_is_not_cut_off(sample: Path) -> None:
    for path in pictures(sample):
        rows, columns = np.nonzero(pixels(path).min(axis=2) < 180)
        assert min(rows.min(), columns.min()) >= 1, path
        assert max(rows.max(), columns.max()) <= 98, path
        assert max(np.ptp(rows), np.ptp(columns)) > 50, path


def test_pictures_are_shaded_and_textured(sample: Path) -> None:
    for path in pictures(sample):
        grey = pixels(path).mean(axis=2)
        fruit = grey < 235
        assert grey[fruit].std() > 12, f"{path} is flat"
        steps = np.abs(np.diff(grey, axis=1))[fruit[:, 1:] & fruit[:, :-1]]
        assert np.median(steps) > 0.5, f"{path} has no texture"


@pytest.mark.parametrize("label", ["Orange", "Strawberry"])  # convex, the calyx aside
def test_no_ground_shows_through_the_fruit(sample: Path, label: str) -> None:
    for path in pictures(sample / label):
        fruit = pixels(path).min(axis=2) < 225
        if label == "Strawberry":  # between its leaves it does
            fruit = fruit[60:]
        for row in fruit[fruit.any(axis=1)]:
            across = np.flatnonzero(row)
            assert row[across[0] : across[-1]].all(), path


def test_the_fruit_is_turned_between_views(sample: Path) -> None:
    for label in draw.FRUITS:
        views = [pixels(sample / label / f"{n}_100.jpg") for n in range(VIEWS)]
        for i, one in enumerate(views):
            for other in views[:i]:
                assert np.abs(one - other).mean() > 2, f"two views of {label} are alike"


def test_the_colours_are_those_of_the_fruit(sample: Path) -> None:
    def mean(label: str) -> np.ndarray:
        views = [pixels(sample / label / f"{n}_100.jpg").reshape(-1, 3) for n in range(VIEWS)]
        every = np.concatenate(views)
        return every[every.min(axis=1) < 200].mean(axis=0)

    red, green, blue = mean("Orange")
    assert red > green > blue
    red, green, blue = mean("Strawberry")
    assert red > 1.8 * green
    red, green, blue = mean("Green Apple")
    assert green > red > blue
    for yellow in ("Banana", "Lemon"):
        red, green, blue = mean(yellow)
        assert min(red, green) > 1.8 * blue


def test_colour_and_shape_alone_separate_the_classes(sample: Path) -> None:
    """Leave-one-out with the nearest neighbour on 10×10 thumbnails: far below a CNN, and yet enough."""
    paths = pictures(sample)
    labels = np.array([p.parent.name for p in paths])
    thumbs = np.stack([pixels(p).reshape(10, 10, 10, 10, 3).mean(axis=(1, 3)).ravel() for p in paths])
    distance = np.linalg.norm(thumbs[:, None] - thumbs[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(axis=1)] == labels).mean() > 0.95


ANOTHER_PROCESS = """
import sys
from sample import draw
draw.FRUITS = {label: draw.FRUITS[label] for label in sys.argv[2:]}
sys.exit(draw.main([sys.argv[1], "--views", "1"]))
"""


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(["Strawberry", "Orange"], id="two"),
        pytest.param([*draw.FRUITS], id="all", marks=pytest.mark.slow),
    ],
)
def test_the_same_seed_gives_the_same_bytes_in_another_process(sample: Path, tmp_path: Path, labels: list[str]) -> None:
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROCESS, tmp_path, *labels],
        check=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{len(labels)} pictures of {len(labels)} fruits in {tmp_path}\n"
    before = contents(sample)
    assert contents(tmp_path) == {name: before[name] for name in (f"{label}/0_100.jpg" for label in labels)}


@pytest.mark.usefixtures("only_lemons")
def test_another_seed_gives_other_pictures(sample: Path, tmp_path: Path) -> None:
    draw_sample(tmp_path, views=1, seed=1)
    before = contents(sample)
    assert all(before[name] != data for name, data in contents(tmp_path).items())


@pytest.mark.usefixtures("only_lemons")
def test_a_picture_does_not_depend_on_the_number_of_views(sample: Path, tmp_path: Path) -> None:
    draw_sample(tmp_path, views=2)
    before = contents(sample)
    assert all(before[name] == data for name, data in contents(tmp_path).items())


@pytest.mark.usefixtures("quick_pictures")
def test_drawing_again_touches_nothing(tmp_path: Path) -> None:
    draw_sample(tmp_path, views=1)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    draw_sample(tmp_path, views=1)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.usefixtures("quick_pictures")
def test_damaged_and_missing_pictures_are_drawn_again_and_the_others_left(tmp_path: Path) -> None:
    draw_sample(tmp_path, views=2)
    right = contents(tmp_path)
    damaged, missing, kept = (tmp_path / "Lemon" / n for n in ("0_100.jpg", "1_100.jpg", "../Orange/0_100.jpg"))
    damaged.write_bytes(b"not a picture")
    missing.unlink()
    written = kept.stat().st_mtime_ns
    draw_sample(tmp_path, views=2)
    assert contents(tmp_path) == right
    assert kept.stat().st_mtime_ns == written


@pytest.mark.usefixtures("quick_pictures")
def test_fewer_views_remove_the_pictures_drawn_before_but_no_foreign_file(tmp_path: Path) -> None:
    draw_sample(tmp_path, views=2)
    mine = tmp_path / "Lemon" / "mine.jpg"
    mine.write_bytes(b"mine")
    retouched = tmp_path / "Lemon" / "1_100.jpg"
    retouched.write_bytes(b"retouched by hand")
    draw_sample(tmp_path, views=1)
    assert mine.exists()
    assert retouched.exists()
    assert not (tmp_path / "Orange" / "1_100.jpg").exists()


@pytest.mark.usefixtures("quick_pictures")
@pytest.mark.parametrize("manifest", ["", "[]", '{"": 3', "null", json.dumps({"": "other recipe"})])
def test_an_unreadable_manifest_only_costs_time(tmp_path: Path, manifest: str) -> None:
    draw_sample(tmp_path, views=1)
    right = contents(tmp_path)
    (tmp_path / draw.MANIFEST).write_text(manifest)
    draw_sample(tmp_path, views=1)
    assert contents(tmp_path) == right


def test_refuses_no_views_and_a_destination_that_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(DrawError, match="ask for at least 1 view"):
        draw_sample(tmp_path, views=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(DrawError, match="cannot be written to"):
        draw_sample(tmp_path / "file", views=1)


@pytest.mark.usefixtures("quick_pictures")
def test_the_command_says_what_it_drew_and_writes_a_contact_sheet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    assert draw.main([str(tmp_path / "s"), "--views", "1", "--sheet", str(sheet)]) == 0
    assert capsys.readouterr().out == f"2 pictures of 2 fruits in {tmp_path / 's'}\n"
    with Image.open(sheet) as image:
        assert image.size == (8 * 104, 2 * 104)
    assert draw.main([str(tmp_path / "s"), "--views", "0"]) == 2
    assert capsys.readouterr().err == "draw: 0 views cannot be drawn. Fix: ask for at least 1 view per fruit.\n"
