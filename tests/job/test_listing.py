"""What counts as an image, how classes are called, and which images a limit takes; up to the tables and the CSV."""

from __future__ import annotations

import csv
import io
import os
import time
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from fruits import inputs, listing, planning
from fruits.errors import InputError
from fruits.inputs import LeftOut
from fruits.parts import read_batches
from fruits.store import Store

from tests.job.conftest import picture, read_rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

E_ACUTE = "é"
NFD = unicodedata.normalize("NFD", E_ACUTE)


@pytest.mark.parametrize(
    "key",
    ["a.jpg", "A.JPG", "x/y.jpeg", "x/y.PnG", "x.y/z.w.jpg", "x/ .jpg", "a.HEIC", "a.webp", "a.gif", "a.jfif", "a.TIF"],
)
def test_images(key: str) -> None:
    assert inputs.is_image(key)


@pytest.mark.parametrize(
    "key",
    [
        "a.svg",
        "jpg",
        "a.jpg.txt",
        "x/._a.jpg",
        ".a.png",
        "x/.jpg",
        ".ipynb_checkpoints/a.jpg",
        "x/.trash/a.jpg",
        "a.jp",
    ],
)
def test_what_is_no_image_or_hidden(key: str) -> None:
    assert not inputs.is_image(key)


def test_labels_are_the_folder_in_composed_form() -> None:
    assert listing.read_label(f"s3://b/x/P{NFD}che/1.jpg") == "Pêche".replace("ê", "é")
    assert listing.read_label("/a/Apple, red (1)/b.jpg") == "Apple, red (1)"
    assert listing.read_label("b.jpg") == ""


def listed(source: Path, target: Path) -> list[tuple[str, str, int, int]]:
    store = Store(str(target))
    parts = listing.walk_down(Store(str(source)), store).parts
    batches = list(read_batches(store, [part.name for part in parts]))
    assert sum(batch.num_rows for batch in batches) == sum(part.rows for part in parts)
    return sorted(tuple(row.values()) for batch in batches for row in batch.to_pylist())


@pytest.mark.parametrize("change", ["touched", "longer", "renamed"])
def test_a_file_that_was_changed_is_not_known_again(tmp_path: Path, change: str) -> None:
    """The listing of before and after, joined by pandas on the columns with which a run compares them in Spark."""
    source = tmp_path / "images"
    source.mkdir()
    for name in ("apple.jpg", "pear.jpg"):
        (source / name).write_bytes(b"1234")
    before = listed(source, tmp_path / "before")
    pear = source / "pear.jpg"
    if change == "touched":
        os.utime(pear, ns=(0, pear.stat().st_mtime_ns + 1_000_000_000))
    elif change == "longer":
        times = pear.stat()
        pear.write_bytes(b"12345")
        os.utime(pear, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        pear.rename(source / "plum.jpg")
    tables = [
        pd.DataFrame(rows, columns=list(listing.COLUMNS)) for rows in (before, listed(source, tmp_path / "after"))
    ]
    known = tables[0].merge(tables[1], on=planning.KEY)
    assert [Path(path).name for path in known["path"]] == ["apple.jpg"]


def test_every_image_at_any_depth_once(tmp_path: Path) -> None:
    source = tmp_path / "in put"
    wanted = []
    for i in range(70):  # more images than the first part takes
        for name in (f"c{i}/1.jpg", f"c{i}/deep/er/2.PNG"):
            wanted.append(name)
    wanted += ["root.jpg", "100%/a#b?.jpeg"]
    hidden = ["c0/._1.jpg", "c0/readme.txt", ".cache/x.jpg", "c1/.DS_Store", "c2/deep/.thumbs/t.jpg"]
    for i, name in enumerate(wanted + hidden):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (i + 1))
    (source / "empty").mkdir()
    assert len(wanted) > listing.choose_part_rows(0)
    (source / "folder.jpg").mkdir()
    found = listed(source, tmp_path / "out")
    assert [row[0] for row in found] == sorted(f"{source}/{name}" for name in wanted)
    for path, label, size, mtime in found:
        stat = Path(path).stat()
        assert (label, size, mtime) == (Path(path).parent.name, stat.st_size, stat.st_mtime_ns)


@pytest.mark.spark
def test_tasks_list_the_folders_that_the_driver_left(spark: SparkSession, tmp_path: Path) -> None:
    source, target = tmp_path / "in", Store(str(tmp_path / "out"))
    for name in ("a/1.jpg", "a/deep/2.png", "b/3.jpg", "b/notes.txt", "c/4.jpg", "c/.hidden.jpg", "5.jpg"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    by_driver = LeftOut()
    by_driver.add(".txt", "first.txt")
    (part,) = listing.walk_down(Store(str(source / "b")), target).parts  # any file of images will do
    walk = listing.Walk([part], ["a", "b", "c"], by_driver)
    parts, left = listing.list_folders(spark, Store(str(source)), target, walk, 2)
    assert parts[0] == part
    paths = [row for batch in read_batches(target, [p.name for p in parts[1:]]) for row in batch["path"].to_pylist()]
    assert sorted(paths) == [f"{source}/{name}" for name in ("a/1.jpg", "a/deep/2.png", "b/3.jpg", "c/4.jpg")]
    assert left.counts == {".txt": 2, inputs.HIDDEN: 1}
    assert left.first == {".txt": "b/notes.txt", inputs.HIDDEN: "c/.hidden.jpg"}


@pytest.mark.costly
def test_three_thousand_files_are_listed_in_two_seconds(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for label in range(30):
        (source / f"class {label}").mkdir(parents=True)
        for i in range(100):
            (source / f"class {label}" / f"{i}.jpg").touch()
    began = time.process_time()
    parts = listing.walk_down(Store(str(source)), Store(str(tmp_path / "out"))).parts
    assert time.process_time() - began < 2
    assert sum(part.rows for part in parts) == 3000


def test_an_input_that_is_a_file_or_missing(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    with pytest.raises(InputError) as caught:
        inputs.require_folder(Store(str(tmp_path / "x.jpg")))
    assert str(caught.value) == (f"the input {tmp_path}/x.jpg is a file. Fix: give the folder that holds the images.")
    with pytest.raises(InputError) as caught:
        inputs.require_folder(Store(str(tmp_path / "none")))
    assert str(caught.value) == f"there is nothing at the input {tmp_path}/none. Fix: check the address."
    inputs.require_folder(Store(str(tmp_path)))


CLASSES = [
    "Apple Golden 1",
    "Cerise (noire), griotte",
    "Citron press" + NFD,  # as macOS stores it
    'Dit "la belle"',
    "l'abricot",
    "#1 %20 100%",
    "🍌 plátano",
    "semi;colon\ttab",
    "new\nline",
    " spaces ",
    "[a-z]*?{x}",
]


@pytest.mark.spark
@pytest.mark.tensorflow
def test_class_names_survive_into_parquet_csv_and_report(job: Any, spark: SparkSession, tmp_path: Path) -> None:
    source = tmp_path / "Fruits à noyau (été), 100%"
    for i, name in enumerate(CLASSES):
        (source / name).mkdir(parents=True)
        for n in range(2):
            picture(10 * i + n).save(source / name / f'im{NFD}ge #{n}, "x".jpg')
    (source / ("Citron press" + E_ACUTE)).mkdir()  # the same class, as Linux writes it
    picture(999).save(source / ("Citron press" + E_ACUTE) / "1.jpg")
    out = tmp_path / "résultats #1, 100%"
    summary = job(source, out)
    labels = {unicodedata.normalize("NFC", name) for name in CLASSES}
    paths = {str(p): unicodedata.normalize("NFC", p.parent.name) for p in source.rglob("*.jpg")}
    assert set(summary["classes"]) == labels
    assert summary["classes"]["Citron pressé"]["ok"] == 3
    for table in ("features", "pca/scores"):
        found = read_rows(out, table)
        assert dict(zip(found.path, found.label, strict=True)) == paths
    read = list(csv.reader(io.StringIO((out / "pca" / "scores.csv").read_text(), newline="")))
    assert {row[0]: row[1] for row in read[1:]} == paths
    by_spark = spark.read.parquet(str(out / "features")).select("path", "label")
    assert {row["path"]: row["label"] for row in by_spark.collect()} == paths
    page = (out / "report.html").read_text()
    assert '<th scope="row">Dit &#34;la belle&#34;</th>' in page
    assert '<th scope="row">🍌 plátano</th>' in page
    one = job(source, tmp_path / "one", classes=("Citron press" + NFD, 'Dit "la belle"'))
    assert {c: n["ok"] for c, n in one["classes"].items()} == {"Citron pressé": 3, 'Dit "la belle"': 2}
