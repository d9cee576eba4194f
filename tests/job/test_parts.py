"""Files that tasks write themselves: only those whose names came back count."""

from __future__ import annotations

import contextlib
import csv
import errno
import gc
import hashlib
import os
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fruits import checks, outputs
from fruits.errors import CheckError, StorageError
from fruits.parts import PART_DDL, Part, PartWriter, is_whole, read_batches, read_frame, read_share, tabulate_parts
from fruits.store import NewFile, Store

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SCHEMA = pa.schema([("name", pa.string()), ("n", pa.int64())])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "a b" / "tablé"))


def batch(*names: str) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(names), pa.array(range(len(names)), pa.int64())], schema=SCHEMA)


def test_a_file_is_opened_with_its_first_row(store: Store, tmp_path: Path) -> None:
    writer = PartWriter(store, SCHEMA)
    writer.write(batch())
    assert writer.close() is None
    assert not (tmp_path / "a b").exists()


def test_rows_are_counted_and_come_back_in_order(store: Store) -> None:
    writer = PartWriter(store, SCHEMA, plain=("n",))
    writer.write(batch("x", "y"))
    writer.write(pa.Table.from_batches([batch("z")]))
    part = writer.close()
    assert part is not None
    assert part.rows == 3
    found = [row for b in read_batches(store, [part.name]) for row in b.to_pylist()]
    assert [row["name"] for row in found] == ["x", "y", "z"]
    only = next(read_batches(store, [part.name], ["n"]))
    assert only.schema.names == ["n"]


def test_two_writers_never_meet(store: Store) -> None:
    names = set()
    for _ in range(20):
        writer = PartWriter(store, SCHEMA)
        writer.write(batch("x"))
        part = writer.close()
        assert part is not None
        names.add(part.name)
    assert len(names) == 20


def test_what_a_task_reports() -> None:
    rows = tabulate_parts({"features": Part("a", 3, "ff"), "rejects": None}).to_pylist()
    assert rows == [{"kind": "features", "name": "a", "rows": 3, "sha256": "ff"}]
    assert Part.from_row(rows[0]) == Part("a", 3, "ff")
    assert Part("a", 3, "ff").as_json() == {"name": "a", "rows": 3, "sha256": "ff"}


# --- what a disk can do to a file ------------------------------------------------------------------------------


def wide(rows: int = 60) -> pa.RecordBatch:
    """Rows whose numbers take many pages."""
    values = np.random.default_rng(0).normal(size=(rows, 40)).astype(np.float32)
    return pa.RecordBatch.from_pylist(
        [{"path": f"{i}.jpg", "features": row.tolist()} for i, row in enumerate(values)], schema=WIDE
    )


WIDE = pa.schema([("path", pa.string()), ("features", pa.list_(pa.field("element", pa.float32(), nullable=False)))])


def written(store: Store) -> tuple[Part, Path]:
    writer = PartWriter(store, WIDE, plain=("path", "features.list.element"))
    writer.write(wide())
    part = writer.close()
    assert part is not None
    return part, Path(store.path(part.name))


def test_a_digest_is_of_the_bytes_on_the_disk(store: Store) -> None:
    part, path = written(store)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == part.sha256
    assert is_whole(store, part)


def test_damage_of_any_kind_is_seen(store: Store) -> None:
    part, path = written(store)
    data = path.read_bytes()
    rng = random.Random(0)
    for _ in range(300):
        flipped = bytearray(data)
        flipped[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(flipped))
        assert not is_whole(store, part)
    for rest in (b"", data[:100], data[:-1], data + b"\0"):
        path.write_bytes(rest)
        assert not is_whole(store, part)
    path.unlink()
    assert not is_whole(store, part)


def test_a_flipped_bit_in_a_page_is_an_error_that_names_the_file_and_never_a_number(store: Store) -> None:
    """Also between the proof and the reading, and for those who never ask for the proof."""
    part, path = written(store)
    data = path.read_bytes()
    rows = [row for b in read_batches(store, [part.name]) for row in b.to_pylist()]
    footer = int.from_bytes(data[-8:-4], "little") + 8
    rng = random.Random(1)
    said = []
    for _ in range(200):
        flipped = bytearray(data)
        flipped[rng.randrange(4, len(data) - footer)] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(flipped))
        try:
            found = [row for b in read_batches(store, [part.name]) for row in b.to_pylist()]
        except StorageError as error:
            said.append(str(error))
        else:
            assert found == rows  # a bit of a page's header that says nothing
    assert len(said) > 180
    assert all(text.startswith(f"{store.location(part.name)} cannot be read (") for text in said)
    assert all(text.endswith("). Fix: run it again; what is missing or damaged is made again.") for text in said)


@pytest.mark.parametrize("left", [0, 50, -1])
def test_a_cut_file_is_an_error_that_names_it(store: Store, left: int) -> None:
    part, path = written(store)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(StorageError, match=f"{part.name} cannot be read"):
        list(read_batches(store, [part.name]))
    path.unlink()
    with pytest.raises(StorageError, match=f"{part.name} cannot be read"):
        list(read_batches(store, [part.name]))


def test_a_file_is_on_the_disk_before_its_name_is_known(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    _, path = written(store)
    assert synced == [path.stat().st_ino, path.parent.stat().st_ino]
    synced.clear()
    store.write("manifest.json", b"{}")
    folder = path.parent.stat().st_ino
    assert synced == [Path(store.path("manifest.json")).stat().st_ino, folder, folder]  # its bytes, its names


@pytest.mark.parametrize("room", [0, 5_000])
def test_a_full_disk_is_named_and_nothing_half_stays(store: Store, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk with so many bytes of room, for every way of writing that there is."""
    fill(monkeypatch, room)
    ways: list[Callable[[], object]] = [
        lambda: pieces(PartWriter(store, WIDE), wide()),
        lambda: store.write("x.json", b"x" * 6000),
        lambda: pieces(store.create("y.csv"), b"y" * 1000),
    ]
    for write in ways:
        with pytest.raises(StorageError) as caught:
            write()
        assert "No space left on device" in str(caught.value)
        assert str(caught.value).endswith("Fix: free some disk, or choose another place.")
    assert [p for p in Path(store.uri).rglob("*") if p.is_file()] == []


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_a_disk_that_is_full_before_or_at_the_footer_leaves_nothing_and_nothing_to_say_later(
    store: Store, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", later.append)
    _, path = written(store)
    fill(monkeypatch, int(share * path.stat().st_size) - 1)
    path.unlink()
    with pytest.raises(StorageError, match="No space left on device"):
        written(store)
    assert list(path.parent.iterdir()) == []
    gc.collect()
    assert later == []


def pieces(target: Any, piece: Any) -> None:
    with target if isinstance(target, NewFile) else contextlib.nullcontext():
        for _ in range(9):
            target.write(piece)
        target.close()


def fill(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """Let `room` bytes more be written by `open` files, and then no more."""
    honest = Path.open
    left = [room]

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, data: Any) -> int:
            left[0] -= len(data)
            if left[0] < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return int(self._file.write(data))

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    def opened(self: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = honest(self, mode, *rest, **more)
        return Full(file) if "w" in mode else file

    monkeypatch.setattr(Path, "open", opened)


@pytest.mark.parametrize("turns", [(0, 1, 2), (0, 0, 1, 2), (0,)])
def test_tasks_take_turns_over_the_rows_of_all_parts(store: Store, turns: tuple[int, ...]) -> None:
    """Row groups of one and of many rows, parts that end within a round: each row goes to the task whose turn it is."""
    parts, n = [], 0
    for groups in ((5, 1), (7,), (1100, 3)):
        writer = PartWriter(store, SCHEMA)
        for rows in groups:
            writer.write(pa.RecordBatch.from_pydict({"name": [""] * rows, "n": range(n, n + rows)}, schema=SCHEMA))
            n += rows
        part = writer.close()
        assert part is not None
        parts.append(part)
    for task in set(turns):
        rows = [row for b in read_share(store, parts, ["n"], turns, task) for row in b.column("n").to_pylist()]
        assert rows == [row for row in range(n) if turns[row % len(turns)] == task]


@pytest.mark.spark
def test_what_a_lost_attempt_left_is_not_read(spark: SparkSession, store: Store) -> None:
    def write(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        writer = PartWriter(store, SCHEMA)
        for rows in batches:
            writer.write(rows.cast(SCHEMA))
        yield tabulate_parts({"part": writer.close()})

    frame = spark.range(50).selectExpr("cast(id as string) name", "id n").repartition(3)
    parts = [Part.from_row(row) for row in frame.mapInArrow(write, PART_DDL).collect()]
    assert sum(part.rows for part in parts) == 50
    lost = PartWriter(store, SCHEMA)
    lost.write(batch("from", "a", "lost", "attempt"))
    lost.close()
    back = read_frame(spark, store, parts, columns={"n": "long"}, tasks=2)
    assert sorted(row["n"] for row in back.collect()) == list(range(50))
    assert len(list(Path(store.uri).glob("*.parquet"))) == len(parts) + 1
    outputs.keep_only(store, parts)
    assert {p.name for p in Path(store.uri).glob("*.parquet")} == {part.name for part in parts}


# --- the CSV ------------------------------------------------------------------------------------------------


def scores(output: Store, rows: list[tuple[str, str, list[float]]]) -> list[Part]:
    from fruits.pca import SCORES_SCHEMA

    data = [{"path": p, "label": label, "scores": s} for p, label, s in rows]
    writer = PartWriter(output.child(outputs.SCORES), SCORES_SCHEMA)
    writer.write(pa.RecordBatch.from_pylist(data, schema=SCORES_SCHEMA))
    part = writer.close()
    assert part is not None
    return [part]


def test_names_with_everything_in_them_survive_the_csv(tmp_path: Path) -> None:
    names = ['a, "b"', "line\nbreak", "é e\u0301 🍌", "'; drop", " lead", "=1+1", ""]
    rows = [(f"/x/{name}/1.jpg", name, [0.1234567891, -2e-12]) for name in names]
    output = Store(str(tmp_path))
    assert outputs.write_scores_csv(output, scores(output, rows), 2)
    with (tmp_path / "pca" / "scores.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.reader(file))
    assert found[0] == ["path", "label", "pc1", "pc2"]
    shown = {"=1+1": "'=1+1"}  # which a spreadsheet would compute
    assert [(row[0], row[1]) for row in found[1:]] == [(path, shown.get(label, label)) for path, label, _ in rows]
    assert [float(v) for v in found[1][2:]] == pytest.approx([0.1234568, -2e-12], rel=1e-6)


def test_a_csv_of_too_many_rows_is_left_out_and_an_older_one_removed(tmp_path: Path, monkeypatch: Any) -> None:
    output = Store(str(tmp_path))
    parts = scores(output, [("/x/1.jpg", "x", [1.0])] * 3)
    assert outputs.write_scores_csv(output, parts, 1)
    monkeypatch.setattr(outputs, "CSV_MAX_ROWS", 2)
    assert not outputs.write_scores_csv(output, parts, 1)
    assert not (tmp_path / "pca" / "scores.csv").exists()


# --- the final check ----------------------------------------------------------------------------------------


def table(spark: SparkSession, rows: str) -> DataFrame:
    """``a1 a2 b1``: three images of classes a, a and b."""
    return spark.createDataFrame([(name[0], name) for name in rows.split()], "label string, path string")


def rejected(spark: SparkSession, rows: str, kind: str = "decode") -> DataFrame:
    return table(spark, rows).selectExpr("*", f"'{kind}' as kind")


@pytest.mark.spark
def test_counts_by_class(spark: SparkSession) -> None:
    found = checks.count_classes(table(spark, "a1 a2 b1"), table(spark, "a1 b1"), rejected(spark, "a2"))
    assert [(c.label, c.images, c.features, c.rejects) for c in found] == [("a", 2, 1, 1), ("b", 1, 1, 0)]
    assert [c.kinds for c in found] == [{"decode": 1}, {}]


@pytest.mark.spark
def test_rejects_are_counted_by_kind(spark: SparkSession) -> None:
    rejects = rejected(spark, "a2", "read").unionByName(rejected(spark, "a3 b1 b2"))
    found = checks.count_classes(table(spark, "a1 a2 a3 b1 b2"), table(spark, "a1"), rejects)
    assert [(c.label, c.images, c.features, c.rejects) for c in found] == [("a", 3, 1, 2), ("b", 2, 0, 2)]
    assert checks.count_kinds(found) == {"decode": 3, "read": 1}
    assert checks.describe_rejects(checks.count_kinds(found)) == (
        "4 rejected: 3 cannot be decoded, 1 cannot be read (gone, or without the right to read)"
    )
    assert checks.describe_rejects({}) == ""


@pytest.mark.spark
@pytest.mark.parametrize(
    ("features", "rejects", "sentence"),
    [
        (
            "a1 a2",
            "",
            "the counts of 1 class do not add up, first b: 1 image, but 0 features and 0 rejects. Fix: if images",
        ),
        ("a1 a2 b1", "a2", "the counts of 1 class do not add up, first a: 2 images, but 2 features and 1 reject."),
        ("a1 a1 b1", "", "1 image of class a counted more than once in features. Fix: delete the output's features"),
        ("a1 a2 b1 c9", "", "the counts of 1 class do not add up, first c: 0 images, but 1 feature and 0 rejects."),
        (
            "a1 a9 b1",
            "",
            "the images of 1 class are not those that were listed, first a. Fix: if images changed while the job",
        ),
    ],
)
def test_a_result_that_contradicts_its_input(spark: SparkSession, features: str, rejects: str, sentence: str) -> None:
    with pytest.raises(CheckError) as caught:
        checks.count_classes(table(spark, "a1 a2 b1"), table(spark, features), rejected(spark, rejects))
    assert str(caught.value).startswith(sentence)


def test_feature_files_are_read_by_anyone(drawn_columns: dict[str, str]) -> None:
    assert drawn_columns == {
        "path": "string",
        "label": "string",
        "size": "int64",
        "mtime": "int64",
        "model": "string",
        "preprocessing": "int32",
        "features": "list<element: float not null>",
    }


@pytest.fixture
def drawn_columns() -> dict[str, str]:
    from fruits.featurize import FEATURES_SCHEMA

    sink = pa.BufferOutputStream()
    pq.write_table(FEATURES_SCHEMA.empty_table(), sink)
    schema = pq.read_schema(pa.BufferReader(sink.getvalue()))
    return {field.name: str(field.type) for field in schema}


def test_no_text_of_the_csv_is_a_formula() -> None:
    texts = ["=1+1", "@SUM(1)", "-2+3", "+x", " =1", "\t=1", "Apple", "a=b", "Dit 'la belle'"]
    wanted = ["'=1+1", "'@SUM(1)", "'-2+3", "'+x", "' =1", "'\t=1", "Apple", "a=b", "Dit 'la belle'"]
    assert outputs._escape_formulas(pa.array(texts)).to_pylist() == wanted
