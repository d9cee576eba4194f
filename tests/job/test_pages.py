"""A store's keys by pages: every key once, whatever the names; ranges for many tasks, never more than a page held."""

from __future__ import annotations

import bisect
import datetime
import random
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

import boto3
import psutil
import pytest
from fruits import listing, pages
from fruits.errors import StorageError
from fruits.inputs import NOT_EXPRESSIBLE, LeftOut, filter_images
from fruits.pages import Page, Range, cut_ranges, find_between, read_range
from fruits.store import Entry, Store
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

NOW = datetime.datetime(2026, 11, 27, 18, 0, 0, 123_000, tzinfo=datetime.UTC)


class Numbered(Sequence[str]):
    """Keys in order that are made where they are looked at: ten million take no memory."""

    def __init__(self, count: int, name: Callable[[int], str]) -> None:
        self._count, self._name = count, name

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: Any) -> Any:
        return self._name(at)


class Simulated:
    """Keys in order, as S3 gives them; counts its calls."""

    cuts = True

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys if isinstance(keys, Numbered) else sorted(keys)
        self.calls = 0

    def page(self, prefix: str, after: str = "", *, level: bool = False, limit: int = pages.PAGE) -> Page:
        self.calls += 1
        assert not re.search(r"[\x00-\x1f\ud800-\udfff\ufffe\uffff]", after), "no answer in XML may repeat it"
        at = bisect.bisect_left(self.keys, prefix)
        at = max(at, bisect.bisect_right(self.keys, after)) if after else at
        end = bisect.bisect_right(self.keys, prefix + chr(0x10FFFF))
        entries: list[Entry] = []
        folders: list[str] = []
        while at < end and len(entries) + len(folders) < limit:
            key = self.keys[at]
            name, slash, _ = key.removeprefix(prefix).partition("/") if level else (key, "", "")
            if slash:
                folders.append(f"{prefix}{name}/")
                at = bisect.bisect_left(self.keys, f"{prefix}{name}0")  # the character after the slash
            else:
                entries.append(Entry(key, True, 9, 0))
                at += 1
        return Page(entries, folders, more=at < end)


@cache
def names() -> dict[str, list[str]]:
    rng = random.Random(0)
    return {
        "numbers": [f"IMG_{i:07d}.jpg" for i in range(100_000)],
        "numbers of any length": [f"{i}.jpg" for i in range(60_000)],
        "hashes": [f"{rng.getrandbits(64):016x}.jpg" for _ in range(60_000)],
        "dates": [f"2024-{m:02d}-{d:02d}T{n:04d}.jpg" for m in range(1, 13) for d in range(1, 29) for n in range(150)],
        "one long beginning": [f"{'x' * 60}{i:06d}.jpg" for i in range(20_000)],
        "other letters": [f"{'éж🍎'[i % 3]}{i:06d}.png" for i in range(20_000)],
        "folders below": [f"Apple {i % 131}/{i}_100.jpg" for i in range(60_000)],
    }


@pytest.mark.parametrize("what", names())
@pytest.mark.parametrize("wanted", [2, 16, pytest.param(256, marks=pytest.mark.costly)])
def test_ranges_hold_every_key_once(what: str, wanted: int) -> None:
    """Of ten million keys in one folder a task of 256 lists some forty pages instead of ten thousand."""
    keys = names()[what]
    store = Simulated(keys)
    with ThreadPoolExecutor(8) as pool:
        ranges = cut_ranges(store, [""], wanted, pool)
    assert store.calls <= 20 * wanted + 600
    sizes, found = [], []
    for where in ranges:
        inside = [entry.key for entry in read_range(store, where)]
        sizes.append(len(inside))
        found += inside
    assert sorted(found) == store.keys
    assert len(ranges) >= min(wanted, len(keys) // pages.PAGE // 4)
    assert max(sizes) < len(keys) * {2: 0.999, 16: 0.5, 256: 0.1}[wanted]


@pytest.mark.parametrize("wanted", [1, 64])
def test_pages_that_begin_only_where_one_ended_are_a_task_for_each_folder(wanted: int) -> None:
    """As Azure's: the mark of a page is no key."""

    class Marked(Simulated):
        cuts = False

        def page(self, prefix: str, after: str = "", **more: Any) -> Page:
            assert not after or after.startswith("mark:")
            page = super().page(prefix, after.removeprefix("mark:"), **more)
            return replace(page, mark=f"mark:{page.entries[-1].key}" if page.more and page.entries else "")

    keys = [f"{fruit}/{n:05d}.jpg" for fruit in ("Apple", "Fig") for n in range(3500)] + ["top.jpg"]
    found, folders = listed(Marked(keys), wanted)
    assert found == sorted(keys)
    assert all(not (where.after or where.until) for where in folders)
    assert len(folders) == (1 if wanted == 1 else 2)


def test_what_fits_a_page_is_not_cut() -> None:
    for keys in ([], ["a"], [f"{i}" for i in range(1000)]):
        store = Simulated(keys)
        with ThreadPoolExecutor(2) as pool:
            assert cut_ranges(store, [""], 256, pool) == [Range("")]
        assert store.calls == 1


@given(st.text(max_size=6), st.text(max_size=6))
def test_between_two_texts_there_is_one(one: str, other: str) -> None:
    low, high = sorted((one, other))
    if low < high and not re.search(r"[\x00-\x20]", high):
        assert low < find_between(low, high) < high


def listed(store: Simulated, wanted: int) -> tuple[list[str], list[Any]]:
    left: LeftOut = LeftOut()
    folders: list[Any] = []
    keys = [entry.key for entry in listing._walk_pages(store, wanted, left, folders)]
    for where in folders:
        keys += [entry.key for entry in filter_images(read_range(store, where), left)]
    return sorted(keys), folders


@pytest.mark.parametrize("wanted", [1, 2, 8, 64, 1000])
def test_folders_of_any_size_and_odd_keys_are_there_once(wanted: int) -> None:
    keys = [f"{fruit}/{n}.jpg" for fruit in ("Apple", "Banana", "Fig") for n in range(5)]
    keys += ["Banana//again.jpg", "/lead.jpg", "//two.jpg", "Fig/./dot.jpg", "Fig.jpg", "Fig/deep/er/1.jpg"]
    keys += [f"Grape/{n:05d}.jpg" for n in range(4321)]
    assert listed(Simulated(keys), wanted)[0] == sorted(keys)


@pytest.mark.parametrize("wanted", [1, 2, 1000])
def test_objects_that_stand_for_folders_count_alike_however_they_are_listed(wanted: int) -> None:
    class Marked(Simulated):
        def page(self, *arguments: Any, **more: Any) -> Page:
            page = super().page(*arguments, **more)
            empty = [
                replace(e, size=0) if e.key.rpartition("/")[2] in ("", "Fig", "dir.jpg") else e for e in page.entries
            ]
            return replace(page, entries=empty)

    left, folders = LeftOut(), list[Any]()
    store = Marked(
        ["Apple/", "Apple/1.jpg", "Fig", "Fig/1.jpg", "dir.jpg", "dir.jpg/", "dir.jpg/a.jpg", "Pear/deep/1.jpg"]
    )
    found = {e.key: e.size for e in listing._walk_pages(store, wanted, left, folders)}
    for where in folders:
        found |= {entry.key: entry.size for entry in filter_images(read_range(store, where), left)}
    assert found == {"Apple/1.jpg": 9, "Fig/1.jpg": 9, "dir.jpg": 0, "dir.jpg/a.jpg": 9, "Pear/deep/1.jpg": 9}
    assert left.counts == {"no ending": 1}


@pytest.mark.costly
def test_one_flat_folder_is_dealt_out_and_few_classes_too() -> None:
    flat = Simulated([f"IMG_{i:07d}.jpg" for i in range(80_000)])
    keys, folders = listed(flat, listing.FOLDERS)
    assert keys == flat.keys
    assert len(folders) >= 64
    few = Simulated([f"{fruit}/{i:06d}.jpg" for fruit in ("Apple", "Pear", "Plum") for i in range(20_000)])
    keys, folders = listed(few, listing.FOLDERS)
    assert keys == few.keys
    assert len(folders) >= 64
    many = Simulated([f"Class {c:04d}/{i:04d}.jpg" for c in range(300) for i in range(1001)])
    keys, folders = listed(many, listing.FOLDERS)
    assert keys == many.keys
    assert len(folders) == 300
    assert many.calls <= 300 * 4


@pytest.mark.slow
@pytest.mark.no_cover  # which would take ten times as long
@pytest.mark.parametrize(
    "name",
    [lambda i: f"IMG_{i:08d}.jpg", lambda i: f"class {i // 1000:05d}/{i % 1000:03d}.jpg"],
    ids=["one flat folder", "10,000 folders"],
)
def test_ten_million_keys_are_listed_in_ranges_of_like_size_and_the_memory_of_a_page(
    name: Callable[[int], str],
) -> None:
    store = Simulated(Numbered(10_000_000, name))
    left, ranges = LeftOut(), list[Any]()
    before = psutil.Process().memory_info().rss
    assert not list(listing._walk_pages(store, listing.FOLDERS, left, ranges))
    assert len(ranges) >= listing._RANGES
    assert store.calls < 3_000
    cutting, longest, last, most = store.calls, 0, "", 0
    for where in sorted(ranges, key=lambda where: where.after):
        assert where.after == last  # one begins where the one before ends: none is left out, none is there twice
        last, calls = where.until, store.calls
        most += sum(1 for _ in filter_images(read_range(store, where), left))
        longest = max(longest, store.calls - calls)
    assert most == 10_000_000
    assert not last or last > store.keys[most - 1]
    assert psutil.Process().memory_info().rss - before < 32 << 20
    # of 0.1 s a page: at most 25 s on 256 slots, where one task would take a quarter of an hour
    assert longest < 250
    assert store.calls - cutting < 10_000 + 2 * len(ranges)


def test_large_folders_behind_many_small_ones_are_cut_too() -> None:
    """Forty classes, of which the driver looks at 32 at once; the two large ones come last."""
    keys = [f"class {c:02d}/{i}.jpg" for c in range(38) for i in range(3)]
    keys += [f"{c}/x{i:05d}.jpg" for c in ("class 00", "z", "zz") for i in range(8_000)]
    store = Simulated(keys)
    found, folders = listed(store, 1000)
    assert found == store.keys
    sizes = [sum(1 for _ in read_range(store, where)) for where in folders]
    assert max(sizes) < 4_000


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="fruits")
        pages._make_client.cache_clear()
        yield client
        pages._make_client.cache_clear()


@pytest.mark.parametrize("base", ["s3://fruits", "s3a://fruits/in put/é"])
def test_the_objects_of_a_bucket(bucket: Any, base: str) -> None:
    names = ["Apple/1.jpg", "Apple/100% ü+#?.JPG", "Apple/deep/2.png", "/lead.jpg", "Pear//x.jpg", "root.webp"]
    prefix = base.partition("://")[2].removeprefix("fruits").lstrip("/")
    for name in [*names, "Apple/", "Apple/x.mov", "Empty/"]:
        body = b"" if name.endswith("/") else b"x" * len(name)
        bucket.put_object(Bucket="fruits", Key=f"{prefix}/{name}".lstrip("/") if prefix else name, Body=body)
    for wanted in (1, 3, 100):
        left, folders = LeftOut(), list[Any]()
        found = {e.key: e for e in listing._walk_down(Store(base), wanted, left, folders)}
        for where in folders:
            found |= {e.key: e for e in filter_images(listing._list_below(Store(base), where), left)}
        assert sorted(found) == sorted(names)
        assert left.counts == {".mov": 1}
        assert found["Apple/1.jpg"].size == len("Apple/1.jpg")
        assert found["Pear//x.jpg"].size == NOT_EXPRESSIBLE
        assert found["root.webp"].mtime % 1_000_000 == 0
        assert abs(found["root.webp"].mtime / 1e9 - datetime.datetime.now(datetime.UTC).timestamp()) < 60


def test_a_time_is_pyarrows_to_the_millisecond() -> None:
    later = NOW + datetime.timedelta(microseconds=999)
    assert pages._make_entry("a.jpg", 3, later) == Entry("a.jpg", True, 3, 1_795_802_400_123_000_000)


def test_a_bucket_that_is_not_there_is_a_sentence(bucket: Any) -> None:
    with pytest.raises(StorageError, match=r"cannot list s3://none/x: .*Fix: check the spelling of the bucket\."):
        list(listing._walk_down(Store("s3://none/x"), 8, LeftOut(), []))


def test_without_botocore_a_range_is_listed_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "open_pages", lambda _: None)

    class Whole:
        def list(self, key: str, *, recursive: bool) -> list[Entry]:
            assert (key, recursive) == ("Apple", True)
            return [Entry(f"Apple/{n}.jpg", True, 1, 0) for n in range(5)]

    store: Any = Whole()
    found = listing._list_below(store, Range("Apple/", "Apple/1.jpg", "Apple/3.jpg"))
    assert [entry.key for entry in found] == ["Apple/2.jpg", "Apple/3.jpg"]
