"""Runs after runs: what is there stays, what changed is done again, what is gone goes; what cannot be is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from fruits import featurize, listing, manifests, pipeline, versions
from fruits.errors import (
    FruitsError,
    InputError,
    ModelError,
    OutputError,
    RejectRateError,
    VersionMismatchError,
)
from fruits.featurize import FeaturizeTask, featurize_partition
from fruits.formats import ENDINGS_TEXT
from fruits.lease import Lease
from fruits.models import PublishedModel, publish
from fruits.parts import Part, PartWriter, read_batches
from fruits.request import Request
from fruits.store import Store

from tests.job.conftest import FinishedRun, picture, read_rejects, read_rows
from tests.job.oracle import PCA

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]

Job = Any


def files(output: Path, table: str = "features") -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in (output / table).glob("*.parquet")}


def assert_same_result(one: Path, other: Path) -> None:
    """The same rows, features bit by bit; scores to rounding (sums run in another order)."""
    a, b = read_rows(one, "features"), read_rows(other, "features")
    assert a.path == b.path
    assert a.label == b.label
    assert (a.values == b.values).all()
    x, y = read_rows(one, "pca/scores"), read_rows(other, "pca/scores")
    assert x.path == y.path == a.path
    assert np.abs(x.values - y.values).max() <= 1e-5 * np.abs(y.values).max()


def error_of(output: Path) -> dict[str, Any]:
    return dict(json.loads((output / "_run" / "error.json").read_text()))


def published(job_model: Path, output: Path) -> PublishedModel:
    return publish(Request(input="x", output=str(output), model=str(job_model)), Store(str(output)))


# --- what a second run does ---------------------------------------------------------------------------------


def test_added_changed_removed_and_renamed_images(
    job: Job, corpus: Path, first_run: FinishedRun, tmp_path: Path
) -> None:
    out, first = first_run.output, first_run.summary
    assert (first["images_ok"], first["images_featurized_now"]) == (20, 20)
    kept = files(out)

    again = job(corpus, out)
    assert (again["images_ok"], again["images_featurized_now"], again["rows_removed"]) == (20, 0, 0)
    assert again["images_per_second"] is None
    assert files(out) == kept  # not even rewritten

    (corpus / "Pear" / "0_100.jpg").unlink()
    (corpus / "Pear" / "1_100.jpg").rename(corpus / "Pear" / "renamed.jpg")
    picture(555).save(corpus / "Pear" / "2_100.jpg")
    os.utime(corpus / "Pear" / "3_100.jpg", ns=(1, 1))  # touched: done again, and the same
    (corpus / "Kiwi").mkdir()
    for i in range(2):
        picture(700 + i).save(corpus / "Kiwi" / f"{i}.png")
    changed = job(corpus, out)
    assert changed["images_featurized_now"] == 5  # two new, one changed, one touched, one under another name
    assert changed["rows_removed"] == 4  # removed, changed, touched, and the old name
    assert changed["images_ok"] == 21
    assert {c: n["ok"] for c, n in changed["classes"].items()} == {"Apple Red 1": 10, "Kiwi": 2, "Pear": 9}

    job(corpus, tmp_path / "fresh")
    assert_same_result(out, tmp_path / "fresh")
    assert len(files(out)) == changed["feature_files"] == len(manifests.load(Store(str(out)), model_of(out)).features)


def model_of(output: Path) -> PublishedModel:
    record = json.loads(next((output / "_model").glob("recipe-*.json")).read_text())
    record.pop("recipe")
    return PublishedModel(**record)


def test_a_smaller_selection_throws_no_feature_away(job: Job, corpus: Path, tmp_path: Path) -> None:
    """Scores, counts, report and PCA are of what was selected; features stay for the next run that wants them."""
    out, bad = tmp_path / "out", corpus / "Pear" / "bad.jpg"
    bad.write_bytes(b"a text file")
    whole = job(corpus, out, max_reject_rate=0.1, k=3)
    kept, everything = files(out), read_rows(out, "features")
    few = job(corpus, out, limit=6, max_reject_rate=0.2)
    assert (few["images_in"], few["images_ok"] + few["images_rejected"], few["images_featurized_now"]) == (6, 6, 0)
    assert few["features_of_others"] == 20 - few["images_ok"]
    keys = [path.relative_to(corpus).as_posix() for path in corpus.rglob("*.jpg")]
    first_six = sorted(keys, key=lambda key: hashlib.sha256(key.encode()).digest())[:6]
    assert read_rows(out, "pca/scores").path == sorted(str(corpus / key) for key in first_six if key != "Pear/bad.jpg")
    assert few["images_ok"] < 20
    assert files(out) == kept
    pears = job(corpus, out, classes=("Pear",), max_reject_rate=0.1)
    assert (pears["images_in"], pears["images_ok"], pears["images_rejected"]) == (11, 10, 1)
    assert {Path(path).parent.name for path in read_rows(out, "pca/scores").path} == {"Pear"}
    assert read_rejects(out).keys() == {str(bad)}
    assert files(out) == kept
    of_pears = everything.values[[label == "Pear" for label in everything.label]].astype(np.float64)
    mine, theirs = read_rows(out, "pca/scores").values, PCA(2).fit_transform(of_pears)  # nothing of the others is in it
    assert np.abs(np.abs(mine) - np.abs(theirs)).max() <= 1e-5 * np.abs(theirs).max()
    again = job(corpus, out, max_reject_rate=0.1, k=3)
    assert (again["images_ok"], again["features_of_others"]) == (20, 0)
    assert again["images_featurized_now"] <= 1  # the reject is tried again, where a run without it came between
    assert files(out) == kept
    assert read_rows(out, "features").path == everything.path
    assert again["explained_variance"] == pytest.approx(whole["explained_variance"], rel=1e-12)


def test_a_larger_selection_adds_to_a_smaller_one(
    job: Job, corpus: Path, corpus_run: FinishedRun, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    few = job(corpus, out, limit=6)
    assert (few["images_in"], few["images_ok"], few["images_featurized_now"]) == (6, 6, 6)
    everything = job(corpus, out)
    assert (everything["images_ok"], everything["images_featurized_now"]) == (20, 14)
    assert_same_result(out, corpus_run.output)


def test_a_removed_image_leaves_also_where_it_is_not_selected(job: Job, corpus: Path, first_run: FinishedRun) -> None:
    out = first_run.output
    (corpus / "Apple Red 1" / "3_100.jpg").unlink()
    pears = job(corpus, out, classes=("Pear",))
    assert (pears["rows_removed"], pears["images_ok"], pears["features_of_others"]) == (1, 10, 9)


def test_files_of_many_small_runs_are_written_together(job: Job, corpus: Path, first_run: FinishedRun) -> None:
    """Files as eighteen runs of one new image each leave them."""
    out = first_run.output
    store, model = Store(str(out)), model_of(out)
    state = manifests.load(store, model)
    before = read_rows(out, "features")
    rows = [b for part in state.features for b in read_batches(store.child("features"), [part.name])]
    table = pa.Table.from_batches(rows)
    singles = []
    for i in range(table.num_rows):
        writer = PartWriter(store.child("features"), featurize.FEATURES_SCHEMA)
        writer.write(table.slice(i, 1).cast(featurize.FEATURES_SCHEMA))
        singles.append(writer.close())
    first, *others = singles
    manifests.write(store, model, [first], [], supersedes=state.manifests)  # type: ignore[list-item]
    for single in others:
        manifests.write(store, model, [single], [])  # type: ignore[list-item]
    summary = job(corpus, out)
    assert (summary["images_featurized_now"], summary["feature_files"]) == (0, 1)
    assert len(files(out)) == len(list((out / "features" / "_manifests").glob("*.json"))) == 1
    after = read_rows(out, "features")
    assert after.path == before.path
    assert (after.values == before.values).all()


def test_copies_of_an_image_have_the_same_features_wherever_they_fall(job: Job, corpus: Path, tmp_path: Path) -> None:
    source = corpus / "Pear" / "0_100.jpg"
    for i in range(12):
        shutil.copy(source, corpus / ("Pear", "Apple Red 1")[i % 2] / f"copy{i}.jpg")
    job(corpus, tmp_path / "out", parallelism=3)
    found = read_rows(tmp_path / "out", "features").by_path()
    copies = [values for path, values in found.items() if "copy" in path]
    assert len(copies) == 12
    assert all((values == found[str(source)]).all() for values in copies)


# --- rejects ------------------------------------------------------------------------------------------------


def test_bad_images_are_rows_of_rejects_and_too_many_end_the_run(job: Job, corpus: Path, tmp_path: Path) -> None:
    out, bad = tmp_path / "out", corpus / "Pear" / "bad, file.jpg"
    bad.write_bytes(b"a text file")
    with pytest.raises(RejectRateError) as caught:
        job(corpus, out, max_reject_rate=0.01)
    assert str(caught.value) == (
        f"1 of 21 images rejected, but at most 1.00% may be. First: {bad}: not an image but a text file. Fix: "
        f"repair or remove them (all are named in {out}/rejects), or allow more with "
        "MAX_REJECT_RATE= (--max-reject-rate); what is featurized is kept."
    )
    left = error_of(out)
    assert (left["cause"], left["exit_code"], left["phase"]) == ("rejects", 15, "tidy")
    assert left["message"] == str(caught.value)
    assert "RejectRateError" in left["traceback"]
    assert not (out / "run.json").exists()

    allowed = job(corpus, out, max_reject_rate=0.1)
    assert (allowed["images_ok"], allowed["images_rejected"], allowed["images_featurized_now"]) == (20, 1, 0)
    assert read_rejects(out) == {str(bad): ("decode", "not an image but a text file")}
    assert allowed["classes"]["Pear"] == {"images": 11, "ok": 10, "rejected": 1}
    assert not (out / "_run" / "error.json").exists()
    assert "not an image but a text file" in (out / "report.html").read_text()

    picture(5).save(bad)
    repaired = job(corpus, out)
    assert (repaired["images_ok"], repaired["images_rejected"], repaired["images_featurized_now"]) == (21, 0, 1)
    assert read_rejects(out) == {}


def test_a_file_that_could_not_be_read_is_tried_again(
    job: Job, corpus: Path, first_run: FinishedRun, tmp_path: Path, monkeypatch: Any
) -> None:
    out, late = first_run.output, corpus / "Pear" / "late.jpg"
    model = model_of(out)
    picture(77).save(late)
    row = {"path": str(late), "label": "Pear", "size": late.stat().st_size, "mtime": late.stat().st_mtime_ns}
    late.rename(tmp_path / "away")  # the store does not deliver it just now

    class NoEngine:
        def embed(self, images: Any) -> Any:
            raise AssertionError("there is no image")

    monkeypatch.setattr(featurize, "load_engine", lambda *_: NoEngine())
    task = FeaturizeTask(source=Store(str(corpus)), output=Store(str(out)), model=model, wave="w", heartbeat=9)
    batch = pa.RecordBatch.from_pylist([row], schema=listing.SCHEMA)
    reported = [r for b in featurize_partition(iter([batch]), task) for r in b.to_pylist()]
    manifests.write(Store(str(out)), model, [], [Part(reported[0]["name"], 1)])
    assert read_rejects(out)[str(late)][0] == "read"
    (tmp_path / "away").rename(late)

    summary = job(corpus, out)
    assert (summary["images_ok"], summary["images_rejected"], summary["images_featurized_now"]) == (21, 0, 1)
    assert read_rejects(out) == {}


# --- what killed runs leave ---------------------------------------------------------------------------------


def test_what_killed_runs_left_is_swept_and_counts_for_nothing(job: Job, corpus: Path, first_run: FinishedRun) -> None:
    """Files that no manifest names; halves of what was being written; a manifest beside those that it supersedes."""
    out = first_run.output
    before = read_rows(out, "features")
    store, model = Store(str(out)), model_of(out)
    state = manifests.load(store, model)
    manifests.write(store, model, list(state.features), list(state.rejects), supersedes=state.manifests)
    some = next((out / "features").glob("*.parquet"))
    for table in ("features", "rejects", "pca/scores"):
        (out / table).mkdir(exist_ok=True)
        shutil.copy(some, out / table / "part-orphan.parquet")
    (out / "features" / "part-half.parquet").write_bytes(some.read_bytes()[:100])
    for name in ("listing/part-x.parquet", "todo/part-x.parquet", "workers/wave-00000.x.json"):
        (out / "_run" / name).parent.mkdir(parents=True, exist_ok=True)
        (out / "_run" / name).write_bytes(b"half")
    for name in ("report.html", "pca/spectrum.npz", "_run/progress.json", "features/_manifests/a.json", "pca/x.csv"):
        half = (out / name).with_name(f".{Path(name).name}.{'0123456789abcdef' * 2}")
        half.write_bytes(b"half")
        os.utime(half, (1, 1))
    mine = out / ".my notes.txt"
    mine.write_text("of the user")
    summary = job(corpus, out)
    assert (summary["images_ok"], summary["images_featurized_now"]) == (20, 0)
    assert read_rejects(out) == {}
    after = read_rows(out, "features")
    assert after.path == before.path
    assert (after.values == before.values).all()
    assert len(read_rows(out, "pca/scores").path) == 20
    assert {p.name for p in (out / "_run").iterdir()} == {"progress.json"}
    assert [p for p in out.rglob(".*") if p.is_file()] == [mine]


RESULTS = (
    "features/part-*.parquet",
    "rejects/part-*.parquet",
    "features/_manifests/*.json",
    "pca/scores/part-*.parquet",
    "pca/scores.csv",
    "pca/model.npz",
    "pca/spectrum.npz",
    "pca/spark/data/*.parquet",
    "pca/spark/metadata/part-00000",
    "report.html",
    "run.json",
    "_run/progress.json",
    "_model/*.pb",
    "_model/recipe-*.json",
)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(bytes(data))


DAMAGES = {"truncated": cut, "emptied": lambda path: path.write_bytes(b""), "removed": Path.unlink, "a bit": flip}
one_kind = [pytest.param(kind, marks=pytest.mark.slow) for kind in DAMAGES]


@pytest.fixture(scope="module")
def with_a_reject(
    spark: SparkSession, small_model: Path, small_published: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A corpus of which one file is no image, and the output of a run over it."""
    corpus, out = tmp_path_factory.mktemp("damaged") / "images", tmp_path_factory.mktemp("damaged") / "out"
    for number, label in enumerate(("Apple", "Pear")):
        (corpus / label).mkdir(parents=True)
        for i in range(20):
            picture(100 * number + i).save(corpus / label / f"{i}_100.jpg", quality=90)
    (corpus / "Pear" / "bad.jpg").write_bytes(b"a text file")
    shutil.copytree(small_published / "_model", out / "_model")
    pipeline.run(spark, Request(input=str(corpus), output=str(out), model=str(small_model), max_reject_rate=0.2, k=2))
    return corpus, out


@pytest.mark.parametrize("damage", ["each another", *one_kind])
def test_damaged_results_are_named_and_made_anew(
    job: Job, with_a_reject: tuple[Path, Path], tmp_path: Path, damage: str
) -> None:
    """Every file that a run leaves, all at once: the next run ends well, and its result is what it was."""
    corpus, whole = with_a_reject
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    names = {}
    for number, pattern in enumerate(RESULTS, 1):
        found = list(out.glob(pattern))
        assert found, pattern
        names[pattern] = [str(path.relative_to(out)) for path in found]
        harm = DAMAGES.get(damage) or [*DAMAGES.values()][number % len(DAMAGES)]  # a bit of the manifest is flipped
        for path in found:
            harm(path)
    summary = job(corpus, out, max_reject_rate=0.2)
    assert (summary["images_ok"], summary["images_rejected"], summary["images_in"]) == (40, 1, 41)
    assert_same_result(out, whole)
    assert read_rejects(out) == read_rejects(whole)
    assert {p.relative_to(out).parts[0] for p in out.rglob("*")} == {
        p.relative_to(whole).parts[0] for p in whole.rglob("*")
    }
    assert not [p for p in out.rglob(".*") if p.is_file()]
    if damage != "removed":
        assert set(names["features/_manifests/*.json"]) <= set(summary["repaired"])


@pytest.mark.parametrize("damage", ["a bit", *one_kind[:-1]])
def test_only_the_images_of_a_damaged_file_are_featurized_again(
    job: Job, with_a_reject: tuple[Path, Path], tmp_path: Path, damage: str
) -> None:
    corpus, whole = with_a_reject
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    store = Store(str(out))
    parts = manifests.load(store, model_of(out)).features
    assert len(parts) > 1
    DAMAGES[damage](out / "features" / parts[0].name)
    (rejects,) = (out / "rejects").glob("*.parquet")
    DAMAGES[damage](rejects)
    summary = job(corpus, out, max_reject_rate=0.2)
    assert summary["images_featurized_now"] == parts[0].rows + 1
    assert summary["repaired"] == [f"features/{parts[0].name}", f"rejects/{rejects.name}"]
    assert_same_result(out, whole)
    assert read_rejects(out) == read_rejects(whole)
    assert job(corpus, out, max_reject_rate=0.2)["repaired"] == []


def test_what_a_given_up_attempt_finishes_late_is_in_no_result(
    job: Job, corpus: Path, first_run: FinishedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark kills the slower of two attempts, which may still close its file: while the report is drawn, say."""
    out = first_run.output
    honest = pipeline.report.build_page

    def late(*arguments: Any) -> str:
        for table in ("features", "pca/scores"):
            some = next((out / table).glob("*.parquet"))
            shutil.copy(some, out / table / "part-late.parquet")
        return honest(*arguments)

    monkeypatch.setattr(pipeline.report, "build_page", late)
    job(corpus, out)
    assert len(read_rows(out, "features").path) == len(read_rows(out, "pca/scores").path) == 20


# --- refusals -----------------------------------------------------------------------------------------------


def test_another_model_at_the_same_output_is_refused_and_loses_nothing(
    job: Job, corpus: Path, first_run: FinishedRun, tmp_path: Path
) -> None:
    from tests.job.conftest import small_network

    out = first_run.output
    before = files(out), (out / "run.json").read_bytes()
    small_network(seed=9).save(tmp_path / "other.keras")
    with pytest.raises(OutputError) as caught:
        job(corpus, out, model=str(tmp_path / "other.keras"))
    assert str(caught.value) == (
        f"the output {out} holds features made by small.keras, and this run uses other.keras. Fix: another output, or "
        f"delete {out}/features."
    )
    shutil.copy(tmp_path / "other.keras", tmp_path / "small.keras")
    with pytest.raises(OutputError, match=r"made by another small\.keras \(file "):
        job(corpus, out, model=str(tmp_path / "small.keras"))
    assert (files(out), (out / "run.json").read_bytes()) == before


def refused(kind: type[FruitsError], job: Job, source: Path | str, output: Path, **fields: Any) -> str:
    with pytest.raises(kind) as caught:
        job(source, output, **fields)
    assert type(caught.value) is kind
    return str(caught.value)


def test_inputs_that_cannot_be_used(job: Job, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert refused(InputError, job, tmp_path / "none", out) == (
        f"there is nothing at the input {tmp_path}/none. Fix: check the address."
    )
    left = error_of(out)
    assert (left["exit_code"], left["phase"], left["arguments"]["input"]) == (10, "start", f"{tmp_path}/none")
    assert "the input" in refused(InputError, job, corpus / "Pear" / "0_100.jpg", out)
    (tmp_path / "empty" / "class").mkdir(parents=True)
    (tmp_path / "empty" / "class" / "notes.txt").write_text("x")
    assert refused(InputError, job, tmp_path / "empty", out) == (
        f"there is no image below {tmp_path}/empty: no file ends in {ENDINGS_TEXT}. 1 file is left out: 1 .txt (first: "
        "class/notes.txt). Fix: check the address; images lie in <class>/<name>.jpg."
    )
    assert refused(InputError, job, corpus, out, classes=("Plum", "Pear")) == (
        "no image is of class Plum. Fix: one of Apple Red 1, Pear."
    )


def test_models_that_cannot_be_used(job: Job, corpus: Path, tmp_path: Path) -> None:
    assert refused(ModelError, job, corpus, tmp_path / "out", model="vgg99").startswith("the model 'vgg99' is unknown.")
    assert error_of(tmp_path / "out")["exit_code"] == 11


def test_an_output_that_cannot_be_written(job: Job, corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    sentence = refused(OutputError, job, corpus, tmp_path / "file")
    assert sentence.startswith(f"the results cannot be written. cannot write {tmp_path}/file/_run/lease-")
    assert "Fix: " in sentence


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_photographs_are_no_output_however_the_place_is_written(
    spark: SparkSession, small_model: Path, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(corpus)
    before = everything(corpus)
    for output in (corpus, f"{corpus}/", corpus / "x" / "..", tmp_path / "link", f"file://{corpus}"):
        with pytest.raises(OutputError) as caught:
            pipeline.run(spark, Request(input=str(corpus), output=str(output), model=str(small_model)))
        assert str(caught.value) == (
            f"input and output are the same place, {corpus}. Fix: give the results a folder of their own."
        )
        assert everything(corpus) == before


def test_a_run_refused_beside_one_at_work_touches_nothing_and_opens_no_door(
    job: Job, corpus: Path, first_run: FinishedRun
) -> None:
    """Refused, and typed again: what the first run has under way stays whole."""
    out = first_run.output
    at_work = Lease(Store(str(out)), "20260101T000000Z-1-a", interval=0.1)
    at_work.acquire()
    for name in ("_run/todo/part-x.parquet", "features/part-not-yet-counted.parquet", "_run/workers/wave-00000.x.json"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(b"of the run at work")
    at_work.keep()
    before = everything(out)
    try:
        for _ in range(2):
            sentence = refused(OutputError, job, corpus, out)
            assert sentence.startswith(f"another run (20260101T000000Z-1-a, phase start) is writing to {out}.")
        lease = "_run/lease-20260101T000000Z-1-a.json"
        assert {**everything(out), lease: b""} == {**before, lease: b""}
    finally:
        at_work.release()
    assert job(corpus, out)["images_featurized_now"] == 0
    assert not list(out.glob("_run/lease-*"))


def test_a_run_whose_place_was_taken_writes_nothing_more(
    job: Job, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held up for so long that another run began: no manifest, no sweep and no error of it reaches the output."""
    out = tmp_path / "out"
    honest = pipeline.run_wave

    def held_up(*arguments: Any) -> Any:
        written = honest(*arguments)
        (lease,) = out.glob("_run/lease-*")
        lease.unlink()
        other = Lease(Store(str(out)), "20990101T000000Z-1-a")
        other.acquire()
        (run,) = [r for r in held if r.lease.is_held]
        run.lease._renewed -= 1000
        run.lease.renew()
        return written

    held: list[pipeline.Run] = []
    hold = pipeline.Run.hold
    monkeypatch.setattr(pipeline.Run, "hold", lambda self: (hold(self), held.append(self))[0])
    monkeypatch.setattr(pipeline, "run_wave", held_up)
    assert "another run has taken its place" in refused(OutputError, job, corpus, out)
    assert not list(out.glob("features/_manifests/*"))
    assert not (out / "_run" / "error.json").exists()
    assert [p.name for p in out.glob("_run/lease-*")] == ["lease-20990101T000000Z-1-a.json"]


def test_workers_with_other_versions(job: Job, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = versions.collect_versions()
    monkeypatch.setattr(versions, "collect_versions", lambda: {**mine, "pillow": "1.0"})
    sentence = refused(VersionMismatchError, job, corpus, tmp_path / "out")
    assert f"pillow 1.0 on the driver, {mine['pillow']} on a worker" in sentence
    assert (error_of(tmp_path / "out")["exit_code"], error_of(tmp_path / "out")["phase"]) == (14, "featurize")


def test_a_network_that_a_worker_finds_damaged(
    job: Job, corpus: Path, small_published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Published rightly, then spoilt on its way to the workers: their own sentence reaches the user."""
    honest = pipeline.publish

    def spoilt(request: Request, output: Store) -> PublishedModel:
        model = replace(honest(request, output), sha256="0" * 64)
        output.write(model.key, b"spoilt")
        return model

    monkeypatch.setattr(pipeline, "publish", spoilt)
    sentence = refused(ModelError, job, corpus, tmp_path / "out")
    assert sentence == (
        f"the published network {tmp_path}/out/_model/{'0' * 64}.pb is damaged. Fix: delete it, run again."
    )
    assert error_of(tmp_path / "out")["phase"] == "featurize"


def test_an_unexpected_error_leaves_its_traceback(
    job: Job, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> str:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("fruits.report.build_page", broken)
    with pytest.raises(ZeroDivisionError):
        job(corpus, tmp_path / "out")
    left = error_of(tmp_path / "out")
    assert (left["cause"], left["exit_code"], left["phase"], left["message"]) == (
        "ZeroDivisionError",
        1,
        "report",
        "a bug",
    )
    assert "in broken" in left["traceback"]
    assert json.loads((tmp_path / "out" / "_run" / "progress.json").read_text())["phase"] == "report"
