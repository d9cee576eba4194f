"""Stores: one URI, keys as they are, and sentences instead of a library's exceptions."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import fruits.store
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fruits import featurize
from fruits.errors import DiskFullError, StorageError, UsageError
from fruits.parts import Part, is_whole, read_batches
from fruits.store import Store, explain_error, make_s3_options, split_uri

from ops.cost.estimate import price_reads
from tests.job.refusing_s3 import EXPIRED, SLOW_DOWN, RefusingS3, refusing_s3

REPO = Path(__file__).resolve().parents[2]
NAMES = [
    "plain.jpg",
    "Apple Golden 1/3_100.jpg",
    "Citron pressé/été.jpg",
    "Citron presse\u0301/e\u0301te\u0301.jpg",
    "100%/50%20off.jpg",
    "a#b/c#d.jpg",
    "q?/x=1&y=2.jpg",
    "comma, (paren) 'quote'/\"double\".jpg",
    "🍌/🍎.jpg",
    "plus+/semi;colon.jpg",
]


@pytest.mark.parametrize("key", NAMES)
def test_keys_are_taken_as_they_are(tmp_path: Path, key: str) -> None:
    store = Store(str(tmp_path))
    store.write(key, b"x" + key.encode())
    assert (tmp_path / key).read_bytes() == b"x" + key.encode()
    assert store.read(key) == b"x" + key.encode()
    assert [e.key for e in store.list(recursive=True) if e.is_file] == [key]
    assert store.location(key) == f"{tmp_path}/{key}"


@pytest.mark.parametrize("name", ["with space", "é", "100%", "a#b", "q?x", "🍌"])
def test_the_base_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "x").write_bytes(b"1")
    assert Store(f"{tmp_path}/{name}").read("x") == b"1"
    assert Store(f"file://{tmp_path}/{name}").read("x") == b"1"
    assert Store(str(tmp_path)).child(name).read("x") == b"1"


def test_what_an_entry_says(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f.bin").write_bytes(b"12345")
    os.utime(tmp_path / "folder" / "f.bin", ns=(10**18, 10**18 + 789))
    flat, deep = Store(str(tmp_path)).list(), Store(str(tmp_path)).list(recursive=True)
    assert [(e.key, e.is_file) for e in flat] == [("folder", False)]
    file = next(e for e in deep if e.is_file)
    assert (file.key, file.size, file.mtime) == ("folder/f.bin", 5, 10**18 + 789)
    assert [e.key for e in Store(str(tmp_path)).list("folder")] == ["folder/f.bin"]


def test_nothing_there_is_an_empty_list_and_missing(tmp_path: Path) -> None:
    store = Store(f"{tmp_path}/nowhere")
    assert store.list() == []
    assert store.kind() == "missing"
    assert Store(str(tmp_path)).kind() == "folder"
    (tmp_path / "f").touch()
    assert Store(str(tmp_path)).kind("f") == "file"
    with pytest.raises(FileNotFoundError):
        store.read("x")


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    versions = [bytes([i]) * 300_000 for i in range(6)]
    store.write("f", versions[0])
    torn: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            data = store.read("f")
            if data not in versions:
                torn.append(len(data))

    reader = threading.Thread(target=watch)
    reader.start()
    for _ in range(20):
        for version in versions:
            store.write("f", version)
    done.set()
    reader.join()
    assert not torn
    assert [p.name for p in tmp_path.iterdir()] == ["f"]  # no temporary left


def test_delete_is_the_same_twice(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("a/b", b"1")
    store.write("a/c/d", b"1")
    store.delete("a/b")
    store.delete("a/b")
    assert not (tmp_path / "a/b").exists()
    store.delete_folder("a")
    store.delete_folder("a")
    assert not (tmp_path / "a").exists()


def test_home_and_trailing_slashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store("~/x/").uri == f"{tmp_path}/x"
    assert Store("s3://bucket/a b/").uri == "s3://bucket/a b"
    monkeypatch.chdir(tmp_path)
    assert Store("relative").uri == f"{tmp_path}/relative"


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("s3://bucket/a b/é#%", "bucket/a b/é#%/k"),
        ("s3a://bucket", "bucket/k"),
        ("abfss://container@account.dfs.core.windows.net/x", "container/x/k"),
        ("hdfs://namenode:8020/data", "/data/k"),
        ("gs://bucket/x", "bucket/x/k"),
    ],
)
def test_the_path_that_each_file_system_wants(uri: str, path: str) -> None:
    assert Store(uri).path("k") == path


def test_addresses_split_without_decoding() -> None:
    assert split_uri("S3://b/%20") == ("s3", "b/%20")
    assert split_uri("C d/e") == ("file", "C d/e")


def test_an_empty_address_is_refused() -> None:
    with pytest.raises(UsageError, match=r"an empty address was given\. Fix: "):
        Store("  ")


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Store("ftp://host/x").list()
    known = "a plain path, file://, s3://, gs://, abfss:// or hdfs://"
    assert str(caught.value) == f"no store is known for ftp://. Fix: {known}."


TESTED_BY = {
    "file": "tests/job/test_store.py",
    "s3": "tests/job/refusing_s3.py",
    "gs": "tests/elsewhere/conftest.py",
    "abfss": "tests/elsewhere/conftest.py",
    "hdfs": None,  # written down as not tested
}


def test_every_store_is_tested_and_in_the_documents() -> None:
    assert {schemes[0] for schemes in fruits.store.STORES} == set(TESTED_BY), "name its tests here, or say it has none"
    documents = [*(REPO / "docs").rglob("*.md"), REPO / "README.md"]
    text = "\n".join(path.read_text() for path in documents)
    schemes = [scheme for schemes in fruits.store.STORES for scheme in schemes if scheme != "file"]
    unnamed = [scheme for scheme in schemes if f"`{scheme}://" not in text]
    assert unnamed == [], "docs/elsewhere/object-stores.md names the schemes of each store"
    assert all((REPO / path).is_file() for path in TESTED_BY.values() if path)


def test_a_file_where_a_folder_is_needed_is_said(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"")
    with pytest.raises(StorageError, match=r"cannot write .*/f/x: .* Fix: "):
        Store(str(tmp_path / "f")).write("x", b"1")


def test_it_travels_to_workers_without_its_connection(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write("x", b"1")
    assert pickle.loads(pickle.dumps(store)).read("x") == b"1"
    assert repr(store) == f"Store('{tmp_path}')"


def test_s3_takes_endpoint_and_region_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")
    options = make_s3_options("b")
    assert (options["endpoint_override"], options["scheme"], options["region"]) == (
        "127.0.0.1:5000",
        "http",
        "us-east-1",
    )
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-3")
    assert make_s3_options("b")["region"] == "eu-west-3"
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert make_s3_options("b")["region"] == "eu-central-1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.test")
    assert (make_s3_options("b")["endpoint_override"], make_s3_options("b")["scheme"]) == ("s3.example.test", "https")
    assert make_s3_options("b")["connect_timeout"] <= 10  # never the minutes of a hanging route


@pytest.mark.costly
def test_a_store_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.socket() as taken:  # bound, never listening: refused at once
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StorageError, match=r"cannot (list|open) s3://no-such-bucket.*Fix: check the address"):
            Store("s3://no-such-bucket-refused/x").list()


# --- a store in trouble -----------------------------------------------------------------------------------------------


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[RefusingS3]:
    with refusing_s3() as (store, address):
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_REGION": "eu-west-3",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
        }.items():
            monkeypatch.setenv(name, value)
        real = fruits.store.make_s3_options
        monkeypatch.setattr(fruits.store, "make_s3_options", lambda bucket: {**real(bucket), "request_timeout": 0.5})
        monkeypatch.setattr(fruits.store.Insistent, "PAUSES", (0.01,) * 7)
        fruits.store._open_file_system.cache_clear()
        yield store
        fruits.store._open_file_system.cache_clear()


@pytest.mark.costly
def test_an_image_is_read_by_the_requests_that_make_cost_prices(s3: RefusingS3) -> None:
    s3.objects = {"b/in/a.jpg": bytes(50_000)}
    assert len(Store("s3://b/in").read("a.jpg")) == 50_000
    assert s3.calls == {"HEAD": 1, "GET": 1}
    assert price_reads(Decimal(1), Decimal(1000)) == s3.calls.total()


@pytest.mark.parametrize("size", [0, 1, 8, 24, 60, 100, 101, 102, 500, 5000])
@pytest.mark.costly
def test_a_refusal_longer_than_what_was_asked_for_ends_no_reading(s3: RefusingS3, size: int) -> None:
    """pyarrow's client fails at once where the words of the refusal do not fit where the bytes should go."""
    data = bytes(range(256)) * 20
    s3.objects = {"b/in/a.bin": data, "b/in/short": data[:size]}
    s3.trouble = lambda number: SLOW_DOWN if number % 3 else None
    place = Store("s3://b/in")
    assert place.read("short") == data[:size]
    with place.open("a.bin") as source:
        source.seek(77)
        assert source.read(size) == data[77 : 77 + size]
        assert source.tell() == 77 + min(size, len(data) - 77)
        assert source.size() == len(data)


@pytest.mark.costly
def test_archives_and_tables_are_read_in_trouble(s3: RefusingS3) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.arange(5.0), components=np.eye(5))
    table = pa.table({"path": ["a", "b"], "size": [1, 2]})
    sink = io.BytesIO()
    pq.write_table(table, sink, write_page_checksum=True)
    s3.objects = {"b/model.npz": buffer.getvalue(), "b/part-0.parquet": sink.getvalue()}
    s3.trouble = lambda number: SLOW_DOWN if number % 2 else None
    with Store("s3://b").open("model.npz") as source, np.load(source) as model:
        assert (model["components"] == np.eye(5)).all()
    rows = pa.Table.from_batches(read_batches(Store("s3://b"), ["part-0.parquet"]))
    assert rows.equals(table)
    assert is_whole(Store("s3://b"), Part("part-0.parquet", 2, hashlib.sha256(sink.getvalue()).hexdigest()))


@pytest.mark.parametrize("trouble", [SLOW_DOWN, EXPIRED, "reset", 0.8], ids=["503", "expired", "reset", "silence"])
@pytest.mark.costly
def test_every_image_is_delivered_whatever_happens_on_the_way(s3: RefusingS3, trouble: Any) -> None:
    """Every seventh call; an expired session for forty calls on end, as long as it takes to be renewed."""
    images = {f"b/in/Apple/{i}.jpg": bytes([i]) * (3000 + i) for i in range(60)}
    s3.objects = dict(images)
    wrong = range(20, 60) if trouble is EXPIRED else range(7, 10_000, 7)
    s3.trouble = lambda number: trouble if number in wrong else None
    rows = [featurize._Image(f"s3://{key}", "Apple", len(data), 0) for key, data in images.items()]
    read = featurize._read_patiently(Store("s3://b/in"), rows, 8, pause=lambda _seconds: None)
    assert {image.path.removeprefix("s3://"): data for image, data in read} == images


@pytest.mark.parametrize(
    ("error", "kind", "fix"),
    [
        (OSError("When reading: AWS Error ACCESS_DENIED"), StorageError, "the identity in use lacks the right"),
        (PermissionError(13, "no"), StorageError, "the identity in use lacks the right"),
        (OSError("AWS Error NO_SUCH_BUCKET: The specified bucket does not exist"), StorageError, "check the spelling"),
        (OSError("HTTP status 301: PermanentRedirect"), StorageError, "the bucket is in another region"),
        (OSError(28, "No space left on device"), DiskFullError, "free some disk, or choose another place"),
        (OSError(122, "Disk quota exceeded"), DiskFullError, "free some disk, or choose another place"),
        (OSError("curlCode: 6, Couldn't resolve host name\nmore"), StorageError, "check the address and the network"),
        (OSError("no OAuth2 access token: Could not resolve hostname"), StorageError, "check the address and the net"),
        (OSError("UNAUTHENTICATED: no OAuth2 access token"), StorageError, "log in (gcloud auth application-default"),
    ],
)
def test_each_kind_of_error_has_its_own_fix(error: OSError, kind: type[StorageError], fix: str) -> None:
    failure = explain_error(error, "cannot write x")
    assert type(failure) is kind
    assert str(failure).startswith(f"cannot write x: {str(error).splitlines()[0]}. Fix: {fix}")
