"""One definition of the input: what counts, what is left out and how it is said, and that every command agrees."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fruits import inputs, listing
from fruits.inputs import NOT_EXPRESSIBLE, LeftOut, filter_images, find_exclusion, walk, walk_folder
from fruits.store import Entry, Store

from ops.data.images import find_images
from ops.doctor.images import check_store
from ops.lifecycle.upload import list_images


def put(folder: Path, *keys: str | bytes) -> None:
    for key in keys:
        path = folder / os.fsdecode(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" + os.fsencode(key))


def found(folder: Path) -> tuple[list[str], dict[str, int]]:
    left = LeftOut()
    return sorted(entry.key for entry in walk(Store(str(folder)), left)), dict(left.counts)


ODD = {
    "Apple/1.jpg": None,
    "Apple/2.HEIC": None,
    "Apple/3.WebP": None,
    "dir.jpg/x.jfif": None,
    "Apple/IMG_1.MOV": ".mov",
    "Apple/.DS_Store": "hidden",
    "Apple/._1.jpg": "hidden",
    ".ipynb_checkpoints/1-checkpoint.jpg": "hidden",
    "Apple/Thumbs.db": inputs.BESIDE,
    "Apple/@eaDir/1.jpg/SYNOPHOTO_THUMB_M.jpg": inputs.BESIDE,
    "__MACOSX/Apple/1.jpg": inputs.BESIDE,
    "Apple/README": "no ending",
    "Apple/1.jpg~": ".jpg~",
    "Apple/2.jpg.part": ".part",
}


@pytest.mark.parametrize("key", ODD)
def test_what_a_key_is(key: str) -> None:
    assert find_exclusion(key) == ODD[key]


def test_every_command_takes_the_same_images(tmp_path: Path) -> None:
    put(tmp_path, *ODD)
    wanted = sorted(key for key, kind in ODD.items() if kind is None)
    keys, left = found(tmp_path)
    assert keys == wanted
    assert sum(left.values()) == len(ODD) - len(wanted)
    assert sorted(str(image.path) for image in find_images(tmp_path)[0]) == wanted
    paths, others = list_images(tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == wanted
    said = check_store(str(tmp_path)).line
    assert others.sentence() in said
    assert "10 files are left out: 3 hidden, 3 left by a NAS or a desktop" in said


def test_a_link_upwards_is_named_and_not_followed(tmp_path: Path) -> None:
    put(tmp_path / "x", *[f"Apple/{n}.jpg" for n in range(10)])
    (tmp_path / "x" / "Apple" / "all").symlink_to("..")
    (tmp_path / "x" / "Apple" / "self").symlink_to(".")
    (tmp_path / "x" / "Apple" / "above").symlink_to("../..")
    (tmp_path / "x" / "Again").symlink_to("Apple")
    keys, left = found(tmp_path / "x")
    assert keys == [f"Apple/{n}.jpg" for n in range(10)]
    assert left == {inputs.LINK: 4}


def test_links_that_lead_out_are_followed_once(tmp_path: Path) -> None:
    put(tmp_path, "in/Apple/1.jpg", "out/Pear/2.jpg", "out/Pear/3.jpg")
    (tmp_path / "in" / "Pear").symlink_to("../out/Pear")
    (tmp_path / "in" / "Pear again").symlink_to("../out/Pear")
    (tmp_path / "out" / "Pear" / "back").symlink_to("../../in")
    (tmp_path / "in" / "Apple" / "link.jpg").symlink_to("1.jpg")
    (tmp_path / "in" / "Apple" / "dangling.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "in" / "Apple" / "pipe.jpg")
    keys, left = found(tmp_path / "in")
    assert keys == ["Apple/1.jpg", "Apple/link.jpg", "Pear/2.jpg", "Pear/3.jpg"]
    assert left == {inputs.LINK: 2, inputs.SPECIAL: 2}


def test_a_link_that_leads_nowhere_ends_no_listing(tmp_path: Path) -> None:
    """To itself, in a circle, below a file, or to a name that is too long: the system says so by an error."""
    put(tmp_path, "Apple/1.jpg")
    for name, target in {"self.jpg": "self.jpg", "a": "b", "b": "a", "below": "1.jpg/x", "long.jpg": "x" * 300}.items():
        (tmp_path / "Apple" / name).symlink_to(target)
    keys, left = found(tmp_path)
    assert keys == ["Apple/1.jpg"]
    assert left == {inputs.SPECIAL: 5}


def test_names_that_are_not_utf8_are_images_that_cannot_be_expressed(tmp_path: Path) -> None:
    put(tmp_path, "Apple/1.jpg", b"Apple/caf\xe9.jpg", b"Apple/caf\xe9.txt", b"d\xe9j\xe0/2.jpg")
    left = LeftOut()
    entries = {entry.key: entry.size for entry in walk(Store(str(tmp_path)), left)}
    assert entries == {"Apple/1.jpg": 12, r"Apple/caf\xe9.jpg": NOT_EXPRESSIBLE, r"d\xe9j\xe0/2.jpg": NOT_EXPRESSIBLE}
    assert left.sentence() == r"1 file is left out: 1 .txt (first: Apple/caf\xe9.txt)"
    assert "".join(entries).encode()


def test_the_sentence_is_bounded() -> None:
    left = LeftOut()
    for n in range(1000):
        left.add(f".{n}", f"a/x.{n}")
    assert left.total == 1000
    assert len(left.sentence()) < 300
    assert len(left.counts) <= 101
    assert LeftOut.from_json(left.as_json()).counts == left.counts


def test_memory_does_not_grow_with_a_flat_folder(tmp_path: Path) -> None:
    """A folder is read as it comes: the first image is there before the last name was."""
    put(tmp_path, *[f"{n}.jpg" for n in range(50)])
    walking = walk_folder(tmp_path)
    assert next(walking).key.endswith(".jpg")
    walking.close()


# --- object stores: a level at a time, whatever their keys ------------------------------------------------------


class Keys:
    """A store that lists as pyarrow lists S3: an empty name on a key's way becomes a folder of its parent's name."""

    is_local, lists_folders, uri = False, True, "s3://bucket/images"

    def __init__(self, *keys: str) -> None:
        self.keys, self.calls = keys, 0

    def list(self, key: str = "", *, recursive: bool = False) -> list[Entry]:
        self.calls += 1
        start = f"{key}/" if key else ""
        below = [k.removeprefix(start) for k in self.keys if k.startswith(start)]
        if recursive:
            return [Entry(start + k, True, 9, 0) for k in below]
        folders = {(start + k.partition("/")[0]).removesuffix("/") for k in below if "/" in k}
        files = [Entry(start + k, True, 9, 0) for k in below if "/" not in k]
        return [*(Entry(folder, False, 0, 0) for folder in folders), *files]


def listed(store: Any, wanted: int) -> tuple[list[str], int]:
    """All keys that the driver and the tasks find, and how many folders were dealt out."""
    left, folders = LeftOut(), list[Any]()
    keys = [entry.key for entry in listing._walk_down(store, wanted, left, folders)]
    for folder in folders:
        keys += [entry.key for entry in filter_images(listing._list_below(store, folder), left)]
    return sorted(keys), len(folders)


@pytest.mark.parametrize("wanted", [1, 2, 8, 64, 1000])
def test_a_key_with_an_empty_name_ends_and_is_there_once(wanted: int) -> None:
    keys = [f"{fruit}/{n}.jpg" for fruit in ("Apple", "Banana", "Cherry", "Date", "Fig") for n in range(5)]
    odd = ["Banana//again.jpg", "/lead.jpg", "Fig/./dot.jpg"]
    assert listed(Keys(*keys, *odd), wanted)[0] == sorted(keys + odd)


@pytest.mark.parametrize("slots", [1, 32, 33, 64, 256, 1000])
def test_classes_are_dealt_out_at_any_number_of_slots(slots: int) -> None:
    """131 classes: not one task lists them all while the others wait."""
    keys = [f"Training/Class {c:03d}/{n}.jpg" for c in range(131) for n in range(3)]
    store = Keys(*keys)
    got, dealt = listed(store, slots)
    assert got == sorted(keys)
    assert dealt >= min(slots, 131 - 32)
    assert store.calls <= 2 + 131 + 1


def test_a_file_and_a_folder_of_one_name_and_the_objects_that_stand_for_folders() -> None:
    class Marked(Keys):
        def list(self, key: str = "", *, recursive: bool = False) -> list[Entry]:
            folders = [Entry("dir.jpg", False, 0, 0), Entry("dir.jpg", True, 0, 0), Entry("x.jpg", False, 0, 0)]
            return [*super().list(key, recursive=recursive), *(folders if not key else [])]

    assert listed(Marked("x.jpg", "x.jpg/y.jpg", "dir.jpg/z.jpg"), 100)[0] == ["dir.jpg/z.jpg", "x.jpg", "x.jpg/y.jpg"]


def test_upload_says_what_it_leaves(tmp_path: Path) -> None:
    from ops.lifecycle import upload

    put(tmp_path, "Apple/1.jpg", "Apple/1.mov", "Apple/.thumbnails/1.jpg")
    paths, left = upload.list_images(tmp_path)
    assert paths == [tmp_path / "Apple" / "1.jpg"]
    assert "2 files are left out: 1 " in left.sentence()


def test_what_this_project_writes_beside_images_is_not_counted() -> None:
    from ops.data import fruits360
    from sample import draw

    left = LeftOut()
    for name in (draw.MANIFEST, fruits360.MANIFEST, ".hidden.json"):
        left.add("hidden", name)
        left.add("hidden", f"below/{name}")
    assert left.sentence() == "2 files are left out: 2 hidden (first: .hidden.json)"
