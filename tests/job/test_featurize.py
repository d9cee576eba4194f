"""One task, in this process: reads ahead, keeps images apart from their neighbours, and accounts for every one."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fruits import engines, featurize, listing
from fruits.errors import StorageError, VersionMismatchError
from fruits.featurize import FeaturizeTask, featurize_partition
from fruits.images import decode
from fruits.models import PublishedModel
from fruits.store import Store
from numpy.typing import NDArray

from tests.job.conftest import picture, read_rejects, read_rows

SIZE = 32
MODEL = PublishedModel("fake", "fast", "00" * 32, SIZE, 3, "11" * 32)


class Means:
    """Three features: an image's mean colour. An image of one dark blue breaks it."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        assert images.shape == (engines.BATCH, SIZE, SIZE, 3)
        self.batches.append(len(images))
        values = images.mean(axis=(1, 2)).astype(np.float32)
        values[(images == (0, 0, 40)).all(axis=(1, 2, 3))] = np.nan
        return values


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Means:
    fake = Means()
    monkeypatch.setattr(featurize, "load_engine", lambda _model, _output: fake)
    return fake


def rows(paths: Iterable[Path], size: int | None = None) -> pa.RecordBatch:
    data = [
        {"path": str(p), "label": p.parent.name, "size": size if size is not None else p.stat().st_size, "mtime": 7}
        for p in paths
    ]
    return pa.RecordBatch.from_pylist(data, schema=listing.SCHEMA)


def run(source: Path, output: Path, batches: list[pa.RecordBatch], **options: Any) -> dict[str, int]:
    """Kind of table to rows, as the task reports them."""
    task = FeaturizeTask(
        source=Store(str(source)), output=Store(str(output)), model=MODEL, wave="wave-00000", heartbeat=0.0, **options
    )
    found: dict[str, int] = {}
    for reported in featurize_partition(iter(batches), task):
        for row in reported.to_pylist():
            assert pq.read_metadata(output / row["kind"] / row["name"]).num_rows == row["rows"]
            found[row["kind"]] = row["rows"]
    return found


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "images" / "Poire d'été"
    folder.mkdir(parents=True)
    paths = [folder / f"{i}.png" for i in range(11)]
    for i, path in enumerate(paths):
        picture(i).save(path)
    return paths


def test_every_image_has_its_own_row(engine: Means, images: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(tmp_path / "images", out, [rows(images[:5]), rows([]), rows(images[5:])]) == {"features": 11}
    found = read_rows(out, "features").by_path()
    assert found.keys() == {str(p) for p in images}
    for path in images:
        assert np.abs(found[str(path)] - decode(path.read_bytes(), SIZE).mean(axis=(0, 1))).max() < 1e-3
    assert len(engine.batches) == 3
    table = pq.read_table(next((out / "features").glob("*.parquet")))
    assert set(table["label"].to_pylist()) == {"Poire d'été"}
    assert set(table["model"].to_pylist()) == {MODEL.sha256}
    assert set(table["mtime"].to_pylist()) == {7}
    assert table["size"].to_pylist() == [Path(p).stat().st_size for p in table["path"].to_pylist()]


def test_rejects_stand_apart_with_kind_and_reason(engine: Means, images: list[Path], tmp_path: Path) -> None:
    images[2].write_bytes(b"")
    images[4].write_bytes(b"no image")
    images[6].unlink()
    from PIL import Image

    Image.new("RGB", (9, 9), (0, 0, 40)).save(images[9])
    out = tmp_path / "out"
    assert run(tmp_path / "images", out, [rows(images, size=1)]) == {"features": 7, "rejects": 4}
    found = read_rejects(out)
    assert found[str(images[2])] == ("decode", "the file is empty")
    assert found[str(images[4])] == ("decode", "not an image but a text file")
    assert found[str(images[9])] == ("features", "the network gives values that are not finite")
    kind, reason = found[str(images[6])]
    assert kind == "read"
    assert reason.startswith("cannot be read: ")
    good = read_rows(out, "features")
    assert set(good.path) == {str(p) for i, p in enumerate(images) if i not in (2, 4, 6, 9)}
    for path, values in good.by_path().items():
        assert np.abs(values - decode(Path(path).read_bytes(), SIZE).mean(axis=(0, 1))).max() < 1e-3


def test_nothing_to_do_leaves_nothing(engine: Means, tmp_path: Path) -> None:
    assert run(tmp_path, tmp_path / "out", [rows([])]) == {}
    assert run(tmp_path, tmp_path / "out", []) == {}
    assert not (tmp_path / "out").exists()
    assert engine.batches == []


def test_only_rejects_make_no_feature_file(engine: Means, images: list[Path], tmp_path: Path) -> None:
    for path in images:
        path.write_bytes(b"x")
    assert run(tmp_path / "images", tmp_path / "out", [rows(images)]) == {"rejects": 11}
    assert not (tmp_path / "out" / "features").exists()


def test_more_rows_than_a_row_group(engine: Means, images: list[Path], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(featurize, "ROWS_PER_GROUP", 4)
    out = tmp_path / "out"
    run(tmp_path / "images", out, [rows(images)])
    part = next((out / "features").glob("*.parquet"))
    assert pq.ParquetFile(part).num_row_groups == 3
    assert set(read_rows(out, "features").path) == {str(p) for p in images}


def test_another_version_on_the_worker_is_refused(engine: Means, images: list[Path], tmp_path: Path) -> None:
    old = {**featurize.versions.collect_versions(), "numpy": "0.1"}
    with pytest.raises(VersionMismatchError, match=r"numpy 0\.1 on the driver"):
        run(
            tmp_path / "images",
            tmp_path / "out",
            [rows(images)],
            expected=old,
        )
    assert not (tmp_path / "out" / "features").exists()


class Gate:
    """A store whose reads wait until enough of them are on their way, and which counts them."""

    uri = "/images"

    def __init__(self, wanted: int) -> None:
        self._barrier = threading.Barrier(wanted, timeout=300)
        self._lock = threading.Lock()
        self.under_way, self.most = 0, 0
        self.free = threading.Event()

    def read(self, key: str) -> bytes:
        with self._lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        if not self.free.is_set():
            self._barrier.wait()
            self.free.set()
        with self._lock:
            self.under_way -= 1
        return key.encode()


def read_ahead(store: Any, sizes: list[int], in_flight: int) -> Iterator[tuple[str, Any]]:
    found = (featurize._Image(f"/images/{i:03d}", "x", size, 0) for i, size in enumerate(sizes))
    for image, data in featurize._read_ahead(store, found, in_flight):
        yield image.path[8:], data


def test_many_reads_are_under_way_at_once_and_come_back_in_order() -> None:
    gate = Gate(8)
    got = list(read_ahead(gate, [10] * 50, 8))
    assert got == [(f"{i:03d}", f"{i:03d}".encode()) for i in range(50)]
    assert gate.most == 8


def test_large_files_are_not_all_held_at_once() -> None:
    gate = Gate(1)
    reader = read_ahead(gate, [40 << 20] * 6, 32)
    assert next(reader)[0] == "000"
    assert gate.most <= 3
    assert [name for name, _ in reader] == ["001", "002", "003", "004", "005"]


def test_a_file_that_cannot_be_read_is_an_answer_not_an_end() -> None:
    class Half:
        uri = "/images"

        def read(self, key: str) -> bytes:
            if key == "001":
                raise OSError("503 slow down")
            return b"x"

    got = dict(read_ahead(Half(), [1] * 3, 2))
    assert (got["000"], got["002"]) == (b"x", b"x")
    assert isinstance(got["001"], OSError)


class Trouble:
    """A store that refuses each file so often before it delivers it, and that answers or does not."""

    uri = "/images"

    def __init__(self, refusals: dict[str, int], error: Exception, *, answering: bool = True) -> None:
        self.left, self.error, self.answering = dict(refusals), error, answering

    def read(self, key: str) -> bytes:
        if self.left.get(key, 0):
            self.left[key] -= 1
            raise self.error
        return key.encode()

    def answers(self) -> bool:
        return self.answering


def read_patiently(store: Any, count: int = 5) -> tuple[dict[str, Any], list[float]]:
    pauses: list[float] = []
    found = (featurize._Image(f"/images/{i:03d}", "x", 1, 0) for i in range(count))
    read = featurize._read_patiently(store, found, 3, pauses.append)
    return {image.path[8:]: data for image, data in read}, pauses


@pytest.mark.parametrize("said", ["AWS Error SLOW_DOWN", "AWS Error ACCESS_DENIED (the session expired)", "timed out"])
def test_what_a_store_in_trouble_refuses_is_asked_for_again(said: str) -> None:
    got, pauses = read_patiently(Trouble({"001": 1, "003": len(featurize.PAUSES)}, OSError(said)))
    assert got == {f"{i:03d}": f"{i:03d}".encode() for i in range(5)}
    assert pauses == list(featurize.PAUSES)


def test_a_store_that_answers_no_more_fails_the_task_and_makes_no_reject() -> None:
    with pytest.raises(StorageError, match=r"did not deliver /images/001 in 5 attempts: expired\. Fix: "):
        read_patiently(Trouble({"001": 99}, OSError("expired"), answering=False))


def test_a_file_that_alone_cannot_be_read_is_an_answer_in_the_end() -> None:
    got, _ = read_patiently(Trouble({"001": 99}, OSError("bad sector")))
    assert str(got.pop("001")) == "bad sector"
    assert len(got) == 4


@pytest.mark.parametrize(
    "error", [FileNotFoundError("gone"), PermissionError("mode 000"), ValueError("Empty path component")]
)
def test_what_would_fail_again_is_not_asked_for_again(error: Exception) -> None:
    got, pauses = read_patiently(Trouble({"001": 1}, error))
    assert got["001"] is error
    assert pauses == []


def test_a_file_of_any_size_and_an_address_of_no_kind_are_rejected_unread(
    engine: Means, images: list[Path], tmp_path: Path
) -> None:
    batch = rows(images[:3]).to_pylist()
    batch[0]["size"], batch[1]["size"] = 2 << 30, -1
    out = tmp_path / "out"
    table = pa.RecordBatch.from_pylist(batch, schema=listing.SCHEMA)
    assert run(tmp_path / "images", out, [table]) == {"features": 1, "rejects": 2}
    assert read_rejects(out) == {
        str(images[0]): ("decode", "2,147,483,648 bytes are more than the 268,435,456 a file may have"),
        str(images[1]): ("address", "its address cannot be expressed: an empty name, dots, or no UTF-8 in it"),
    }
