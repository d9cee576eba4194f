"""What counts as an image, how classes are called, and which images a limit takes; up to the tables and the CSV."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fruits import inputs, listing
from fruits.errors import InputError
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
    assert listing.label_of(f"s3://b/x/P{NFD}che/1.jpg") == "Pêche".replace("ê", "é")
    assert listing.label_of("/a/Apple, red (1)/b.jpg") == "Apple, red (1)"
    assert listing.label_of("b.jpg") == ""


def listed(spark: SparkSession, source: Path, target: Path, tasks: int = 2) -> list[tuple[str, str, int, int]]:
    store = Store(str(target))
    parts, _ = listing.write_listing(spark, Store(str(source)), store, tasks)
    batches = list(read_batches(store, [part.name for part in parts]))
    assert sum(batch.num_rows for batch in batches) == sum(part.rows for part in parts)
    return sorted(tuple(row.values()) for batch in batches for row in batch.to_pylist())


@pytest.mark.spark
def test_every_image_at_any_depth_once(spark: SparkSession, tmp_path: Path) -> None:
    source = tmp_path / "in put"
    wanted = []
    for i in range(13):  # more folders than the first task walks down by itself
        for name in (f"c{i}/1.jpg", f"c{i}/deep/er/2.PNG"):
            wanted.append(name)
    wanted += ["root.jpg", "100%/a#b?.jpeg"]
    hidden = ["c0/._1.jpg", "c0/readme.txt", ".cache/x.jpg", "c1/.DS_Store", "c2/deep/.thumbs/t.jpg"]
    for i, name in enumerate(wanted + hidden):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * (i + 1))
    (source / "empty").mkdir()
    (source / "folder.jpg").mkdir()
    found = listed(spark, source, tmp_path / "out")
    assert [row[0] for row in found] == sorted(f"{source}/{name}" for name in wanted)
    for path, label, size, mtime in found:
        stat = Path(path).stat()
        assert (label, size, mtime) == (Path(path).parent.name, stat.st_size, stat.st_mtime_ns)


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
