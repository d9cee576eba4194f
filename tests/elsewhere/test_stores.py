"""Google's and Azure's object stores behind `fruits.store`, by URI and the variables of their own tools."""

from __future__ import annotations

import subprocess
import sys
import uuid
from functools import partial
from pathlib import Path

import pytest
from fruits.errors import StorageError, UsageError
from fruits.inputs import LeftOut, filter_images
from fruits.listing import _list_below, _walk_down
from fruits.pages import Range, open_pages, read_range
from fruits.store import Entry, Store, _keep_first_level, make_azure_options, make_gcs_options

from tests.elsewhere.conftest import ROOT, VARIABLES, Cloud

JOBS = ROOT / "jobs"
KEYS = ["Pomme d'été (1)/r_0_100.jpg", "a#b/c 100%.jpg", "q?x=1/plus+&.jpg", "deep/er/x.png", "top.jpg"]


@pytest.fixture
def store(cloud: Cloud) -> Store:
    return Store(f"{cloud.uri}/{uuid.uuid4().hex}/base é")


def test_keys_are_taken_as_they_are(store: Store) -> None:
    for key in KEYS:
        store.write(key, key.encode())
    assert {key: store.read(key).decode() for key in KEYS} == {key: key for key in KEYS}
    entries = store.list(recursive=True)
    assert sorted(e.key for e in entries if e.is_file) == sorted(KEYS)
    assert {e.key: e.size for e in entries if e.is_file} == {key: len(key.encode()) for key in KEYS}
    assert all(e.mtime > 10**18 for e in entries if e.is_file)


def test_one_level_holds_files_and_folders(store: Store) -> None:
    for key in KEYS:
        store.write(key, b"1")
    assert sorted((e.key, e.is_file) for e in store.list()) == [
        ("Pomme d'été (1)", False),
        ("a#b", False),
        ("deep", False),
        ("q?x=1", False),
        ("top.jpg", True),
    ]
    assert [(e.key, e.is_file) for e in store.list("deep")] == [("deep/er", False)]
    assert [(e.key, e.is_file) for e in store.list("deep/er")] == [("deep/er/x.png", True)]


def test_the_walk_finds_every_image_in_folders_or_at_once(store: Store) -> None:
    for key in KEYS:
        store.write(key, b"1")
    folders: list[str | Range] = []
    images = [entry.key for entry in _walk_down(store, 3, LeftOut(), folders)]
    for folder in folders:
        images += [entry.key for entry in _list_below(store, folder)]
    assert sorted(images) == sorted(KEYS)


def test_what_is_there_and_what_is_not(store: Store) -> None:
    assert store.kind() == "missing"
    assert store.list() == []
    store.write("a/b.jpg", b"")
    assert (store.kind(), store.kind("a"), store.kind("a/b.jpg"), store.kind("c")) == (
        "folder",
        "folder",
        "file",
        "missing",
    )
    assert store.read("a/b.jpg") == b""
    with pytest.raises(FileNotFoundError):
        store.read("c")


def test_written_again_is_replaced_and_deleted_twice_is_no_error(store: Store) -> None:
    store.write("a/x", b"1" * 300_000)
    store.write("a/x", b"22")
    assert store.read("a/x") == b"22"
    store.write("a/y/z", b"3")
    store.delete("a/x")
    store.delete("a/x")
    assert store.kind("a/x") == "missing"
    store.delete_folder("a")
    store.delete_folder("a")
    assert [e.key for e in store.list(recursive=True) if e.is_file] == []


def break_off(store: Store, key: str) -> None:
    with store.replacing(key) as file:
        file.write(b"ha")
        raise RuntimeError


def test_a_file_is_replaced_when_the_new_one_is_whole(store: Store) -> None:
    store.write("a é/x#.csv", b"old")
    with pytest.raises(RuntimeError):
        break_off(store, "a é/x#.csv")
    assert store.read("a é/x#.csv") == b"old"
    with store.replacing("a é/x#.csv") as file:
        file.write(b"new" * 1000)
    assert store.read("a é/x#.csv") == b"new" * 1000
    assert [entry.key for entry in store.list(recursive=True) if entry.is_file] == ["a é/x#.csv"]


@pytest.mark.costly
def test_a_large_file_comes_back_whole(store: Store) -> None:
    data = bytes(range(256)) * 4096 * 20  # 20 MiB: more than one block of either client
    store.write("large", data)
    assert store.read("large") == data


def test_a_bucket_that_is_not_there_is_a_sentence(cloud: Cloud) -> None:
    other = Store(cloud.uri.replace("fruits", "no-such-bucket", 1))
    with pytest.raises(StorageError, match=r"cannot write .*no-such-bucket.*/x: .*Fix: check the spelling of the"):
        other.write("x", b"1")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_google_without_variables_is_google_with_its_default_credentials(bare: pytest.MonkeyPatch) -> None:
    options = make_gcs_options("bucket")
    assert options.keys() == {"retry_time_limit"}
    assert options["retry_time_limit"].total_seconds() <= 60
    assert make_gcs_options("anonymous@bucket")["anonymous"] is True
    assert Store("gs://anonymous@bucket/a b").path("k") == "bucket/a b/k"


@pytest.mark.parametrize(
    ("host", "wanted"),
    [
        ("http://127.0.0.1:9023", {"endpoint_override": "127.0.0.1:9023", "scheme": "http", "anonymous": True}),
        ("127.0.0.1:9023", {"endpoint_override": "127.0.0.1:9023", "scheme": "http", "anonymous": True}),
        ("https://storage.example.test/", {"endpoint_override": "storage.example.test", "scheme": "https"}),
    ],
)
def test_google_at_another_endpoint(bare: pytest.MonkeyPatch, host: str, wanted: dict[str, object]) -> None:
    bare.setenv("STORAGE_EMULATOR_HOST", host)
    options = make_gcs_options("bucket")
    del options["retry_time_limit"]
    assert options == wanted


def test_azure_takes_the_account_from_the_address(bare: pytest.MonkeyPatch) -> None:
    assert make_azure_options("c@acc.dfs.core.windows.net") == {"account_name": "acc"}
    assert make_azure_options("c@acc.blob.core.chinacloudapi.cn") == {
        "account_name": "acc",
        "blob_storage_authority": ".blob.core.chinacloudapi.cn",
        "dfs_storage_authority": ".dfs.core.chinacloudapi.cn",
    }
    bare.setenv("AZURE_STORAGE_ACCOUNT", "mine")
    assert make_azure_options("c") == {"account_name": "mine"}
    assert Store("wasbs://c@acc.blob.core.windows.net/x").path("k") == "c/x/k"


def test_azure_keys_count_for_the_account_that_they_belong_to(bare: pytest.MonkeyPatch) -> None:
    bare.setenv("AZURE_STORAGE_KEY", "a2V5")
    assert make_azure_options("c@acc.dfs.core.windows.net")["account_key"] == "a2V5"
    bare.setenv("AZURE_STORAGE_ACCOUNT", "acc")
    assert make_azure_options("c@acc.dfs.core.windows.net")["account_key"] == "a2V5"
    assert make_azure_options("c@other.dfs.core.windows.net") == {"account_name": "other"}
    bare.delenv("AZURE_STORAGE_KEY")
    bare.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=x")
    assert make_azure_options("c@acc.dfs.core.windows.net")["sas_token"] == "?sv=1&sig=x"
    bare.setenv("AZURE_STORAGE_CONNECTION_STRING", "AccountName=third;AccountKey=a==;EndpointSuffix=core.windows.net")
    assert make_azure_options("c@third.dfs.core.windows.net") == {"account_name": "third", "account_key": "a=="}
    assert make_azure_options("c@acc.dfs.core.windows.net") == {"account_name": "acc"}


def test_azure_without_an_account_is_refused(bare: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"names no storage account\. Fix: abfss://container@account"):
        Store("abfss://container/x").list()
    bare.setenv("AZURE_STORAGE_CONNECTION_STRING", "DefaultEndpointsProtocol")  # what an unquoted one becomes
    with pytest.raises(UsageError, match=r"is not a connection string.*in quotes"):
        Store("abfss://c@acc.dfs.core.windows.net/x").list()


def test_the_first_level_of_a_deep_listing() -> None:
    def file(key: str) -> Entry:
        return Entry(key, True, 1, 2)

    below = [file("a/b/c/d"), file("a/b/e"), file("a/f"), Entry("a/g", False, 0, 0), file("a/g/h")]
    assert _keep_first_level(below, "a") == [Entry("a/b", False, 0, 0), file("a/f"), Entry("a/g", False, 0, 0)]
    assert _keep_first_level(below, "") == [Entry("a", False, 0, 0)]
    assert _keep_first_level([], "") == []


def test_a_local_store_lists_folders(tmp_path: Path) -> None:
    assert Store(str(tmp_path)).lists_folders
    assert Store("s3://b/x").lists_folders
    assert not Store("gs://b/x").lists_folders


def test_pages_hold_what_the_store_lists(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """By Google's and Azure's own packages: every key once, with the size and the time that pyarrow says."""
    pages = open_pages(store)
    if pages is None:
        pytest.skip("needs azure-storage-blob or google-cloud-storage")
    for key in (*KEYS, *(f"flat/{n:03d}.jpg" for n in range(25))):
        store.write(key, key.encode())
    wanted = sorted((e for e in store.list(recursive=True) if e.is_file), key=lambda entry: entry.key)
    assert sorted(read_range(pages, Range("")), key=lambda entry: entry.key) == wanted
    first = pages.page("", level=True)
    assert [entry.key for entry in first.entries] == ["top.jpg"]
    assert first.folders == ["Pomme d'été (1)/", "a#b/", "deep/", "flat/", "q?x=1/"]
    if not pages.cuts:  # the emulator of Google's gives all at once
        page = pages.page("flat/", limit=7)
        assert (len(page.entries), page.more) == (7, True)
        assert next(e.key for e in pages.page("flat/", page.mark, limit=7).entries) == "flat/007.jpg"
        monkeypatch.setattr(pages, "page", partial(pages.page, limit=7))
    for count in (1, 1000):
        left, folders = LeftOut(), list[str | Range]()
        images = list(_walk_down(store, count, left, folders))
        for folder in folders:
            images += filter_images(_list_below(store, folder), left)
        assert sorted(images, key=lambda entry: entry.key) == wanted
        assert not left


def test_credentials_that_are_not_there_are_a_sentence(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("google.cloud.storage", reason="needs google-cloud-storage")
    bare.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(StorageError, match=r"cannot list gs://bucket/x: File .*none\.json was not found\..* Fix: "):
        open_pages(Store("gs://bucket/x"))


def test_no_credentials_for_azure_are_a_sentence_and_not_the_end_of_the_process() -> None:
    """Azure's client ends the process when a file is opened without a credential; hence a process of its own."""
    read = "from fruits.store import Store; Store('abfss://c@fruits-nowhere.dfs.core.windows.net/a').read('run.json')"
    # proxies that nobody listens at: no call leaves the machine
    closed = {
        "https_proxy": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "PATH": "",
        "PYTHONPATH": str(JOBS),
    }
    done = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, env=closed, check=False)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith("fruits.errors.StorageError: cannot open abfss://c@fruits-nowhere.dfs.core.windows.net/a: ")
    assert last.endswith(
        "Fix: log in (gcloud auth application-default login, az login), or set the variables of the store."
    )


def test_what_refuses_a_page_is_a_sentence(cloud: Cloud) -> None:
    pages = open_pages(Store(cloud.uri.replace("fruits", "no-such-bucket", 1)))
    if pages is None:
        pytest.skip("needs azure-storage-blob or google-cloud-storage")
    with pytest.raises(StorageError, match=r"cannot list .*no-such-bucket.*Fix: check the spelling of the bucket"):
        pages.page("")
