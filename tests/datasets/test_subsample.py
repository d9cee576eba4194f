"""A seeded, balanced subsample of any image folder, and the refusals around it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fruits.errors import UsageError
from hypothesis import given
from hypothesis import strategies as st

from ops.cli.data import sample
from ops.data.images import FoundImage, find_images
from ops.data.subsample import SampleError, choose_images, cut_subsample
from tests.typed import as_typed


def make(root: Path, classes: dict[str, int], suffix: str = ".jpg") -> Path:
    for name, count in classes.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            (root / name / f"{i}_100{suffix}").write_bytes(f"{name}/{i}".encode())
    return root


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


ODD_NAMES = {
    "Apple Granny Smith": 4,
    "Pêche, jaune (mûre)": 4,
    'd\'Anjou "poire"': 4,
    "深圳 荔枝": 4,
    "Too Few": 1,
}


def test_takes_as_many_images_from_as_many_classes_as_asked(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {f"class {i}": 3 + i for i in range(8)})
    counts, _ = cut_subsample(source, tmp_path / "out", classes=5, images=3)
    assert len(counts) == 5
    assert set(counts.values()) == {3}
    out = files(tmp_path / "out")
    assert len(out) == 15
    assert all(files(source)[name] == data for name, data in out.items())


def test_keeps_names_with_spaces_accents_and_quotes_and_leaves_out_small_classes(tmp_path: Path) -> None:
    source = make(tmp_path / "in", ODD_NAMES)
    counts, _ = cut_subsample(source, tmp_path / "out", classes=4, images=2)
    assert set(counts) == set(ODD_NAMES) - {"Too Few"}


def test_the_class_is_the_parent_folder_at_any_depth(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {"Training/Kiwi": 1, "Test/Kiwi": 2, "a/b/c/Lime": 3})
    counts, _ = cut_subsample(source, tmp_path / "out", classes=2, images=3)
    assert counts == {"Kiwi": 3, "Lime": 3}
    assert "Training/Kiwi/0_100.jpg" in files(tmp_path / "out")


def test_images_right_in_the_source_are_of_the_class_that_the_source_names(tmp_path: Path) -> None:
    source = make(tmp_path, {"Banana": 2})
    assert cut_subsample(source / "Banana", tmp_path / "out", classes=1, images=2)[0] == {"Banana": 2}
    assert set(files(tmp_path / "out")) == {"Banana/0_100.jpg", "Banana/1_100.jpg"}


def test_takes_jpg_jpeg_and_png_in_any_case_and_nothing_hidden(tmp_path: Path) -> None:
    folder = tmp_path / "in" / "Fig"
    folder.mkdir(parents=True)
    for name in ("a.JPG", "b.jpeg", "c.Png", "notes.txt", "._d.jpg", ".e.png"):
        (folder / name).write_bytes(b"x")
    make(tmp_path / "in" / ".cache", {"Fig": 3})
    assert [str(image.path) for image in find_images(tmp_path / "in")[0]] == [
        "Fig/a.JPG",
        "Fig/b.jpeg",
        "Fig/c.Png",
    ]


def test_the_seed_decides_and_the_same_seed_decides_alike(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {f"c{i}": 20 for i in range(10)})
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        cut_subsample(source, tmp_path / name, seed=seed)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="/\0"), min_size=1, max_size=5)


@given(
    st.dictionaries(names, st.integers(1, 9), min_size=1, max_size=9),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 99),
    st.randoms(),
)
def test_balanced_nested_and_independent_of_the_order(
    sizes: dict[str, int], classes: int, images: int, seed: int, random: object
) -> None:
    from pathlib import PurePosixPath

    found = [FoundImage(label, PurePosixPath(label, str(i))) for label, n in sizes.items() for i in range(n)]
    if sum(n >= images for n in sizes.values()) < classes:
        with pytest.raises(SampleError, match="ask for fewer"):
            choose_images(found, classes=classes, images=images, seed=seed)
        return
    chosen = choose_images(found, classes=classes, images=images, seed=seed)
    per_class = {label: sum(i.label == label for i in chosen) for label in {i.label for i in chosen}}
    assert len(per_class) == classes
    assert set(per_class.values()) == {images}
    random.shuffle(found)  # type: ignore[attr-defined]
    assert choose_images(found, classes=classes, images=images, seed=seed) == chosen
    kept = [i for i in found if i.label in per_class]
    fewer = choose_images(kept, classes=classes, images=max(1, images - 1), seed=seed)
    assert set(fewer) <= set(chosen)


def test_cutting_the_same_sample_again_leaves_it_untouched(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {"a": 5, "b": 5})
    cut_subsample(source, tmp_path / "out", classes=2)
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    cut_subsample(source, tmp_path / "out", classes=2)
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == before


def test_nothing_is_left_behind_but_the_sample(tmp_path: Path) -> None:
    cut_subsample(make(tmp_path / "in", {"a": 2}), tmp_path / "new" / "out", classes=1, images=1)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["out"]


def test_a_destination_that_holds_something_else_is_refused_and_kept(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {"a": 5})
    dest = make(tmp_path / "out", {"precious": 1})
    with pytest.raises(
        SampleError, match=r"out already holds something else. Fix: remove it, or give another DEST=\.$"
    ):
        cut_subsample(source, dest, classes=1)
    assert set(files(dest)) == {"precious/0_100.jpg"}


@pytest.mark.parametrize("dest", ["in", "in/a", "."])
def test_a_destination_inside_or_around_the_source_is_refused(tmp_path: Path, dest: str) -> None:
    source = make(tmp_path / "in", {"a": 5})
    with pytest.raises(SampleError, match=r"lie one inside the other\. Fix: give a DEST outside the source"):
        cut_subsample(source, tmp_path / dest, classes=1)


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({"DEST": "x"}, "SOURCE is missing. Fix: make sample SOURCE="),
        ({"SOURCE": "{in}"}, "DEST is missing. Fix: make sample SOURCE="),
        ({"SOURCE": "{in}/none", "DEST": "x"}, "is not a folder. Fix: give the folder that holds the classes"),
        ({"SOURCE": "{in}/empty", "DEST": "x"}, r"there is no image below"),
        (
            {"SOURCE": "{in}", "DEST": "x", "CLASSES": "many"},
            "CLASSES=many is not a whole number from 1. Fix: for example",
        ),
        ({"SOURCE": "{in}", "DEST": "x", "IMAGES": "0"}, "IMAGES=0 is not a whole number from 1"),
        ({"SOURCE": "{in}", "DEST": "x", "SEED": "-1"}, "SEED=-1 is not a whole number from 0"),
        (
            {"SOURCE": "{in}", "DEST": "x", "CLASSES": "3"},
            r"^3 classes with 5 images each cannot be had: of 2 classes 1 class has that many"
            r" \(largest: a \(5\), b \(1\)\). Fix: ask for fewer with CLASSES= or IMAGES=\.$",
        ),
    ],
)
def test_refusals_say_cause_and_cure(tmp_path: Path, environ: dict[str, str], sentence: str) -> None:
    source = make(tmp_path / "in", {"a": 5, "b": 1})
    (source / "empty").mkdir()
    there = {k: v.replace("{in}", str(source)).replace("x", str(tmp_path / "x")) for k, v in environ.items()}
    if "CLASSES" in environ and not environ["CLASSES"].isdigit():
        there["CLASSES"] = environ["CLASSES"]
    with pytest.raises((SampleError, UsageError), match=sentence) as caught:
        sample(there)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "x").exists()


def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = make(tmp_path / "in", {"a": 5})
    for name in ("IMG_1.MOV", "IMG_2.mov", "list.csv", ".DS_Store"):
        (source / "a" / name).write_bytes(b"x")
    sample({"SOURCE": str(source), "DEST": str(tmp_path / "out"), "CLASSES": "1"})
    assert capsys.readouterr().out == (
        f"5 images of 1 class in {tmp_path / 'out'}: a\n"
        "4 files are left out: 2 .mov, 1 .csv, 1 hidden (first: a/IMG_1.MOV)\n"
    )
    (tmp_path / "videos").mkdir()
    (source / "a/IMG_1.MOV").rename(tmp_path / "videos/1.MOV")
    with pytest.raises(
        SampleError, match=r"no image below .*: 1 file is left out: 1 .mov \(first: 1.MOV\)\. Fix: give a folder of"
    ):
        sample({"SOURCE": str(tmp_path / "videos"), "DEST": str(tmp_path / "none")})


def test_the_command_reports_and_its_refusal_is_one_line_with_code_2(tmp_path: Path) -> None:
    source = make(tmp_path / "in", {"Pêche jaune": 5, "b c": 5})

    def command(**variables: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k not in ("SOURCE", "DEST", "SEED", "IMAGES")}
        return subprocess.run(
            [sys.executable, "-m", "ops.cli", "sample"],
            env=environment | as_typed({"CLASSES": "2", "PYTHONUTF8": "1"} | variables),
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )

    done = command(SOURCE=str(source), DEST=str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"10 images of 2 classes in {tmp_path / 'out'}: Pêche jaune, b c\n"
    refused = command(SOURCE=str(source))
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert refused.stderr.startswith("sample: DEST is missing")
