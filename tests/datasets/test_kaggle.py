"""Fetching Fruits-360 from Kaggle, rehearsed against a server on loopback that answers as Kaggle's does."""

from __future__ import annotations

import base64
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ops.cli.data import fetch_release, read_key
from ops.core.console import Console
from ops.data.fruits360 import DatasetError, SourceUnreachableError
from ops.data.kaggle import Remote, compute_checksum, list_variants
from tests.typed import as_typed

ROOT = Path(__file__).parents[2]
VERSION = "2020.05.18.0"
README = """## Version: {version} ##
Training set size: {training} images (one fruit or vegetable per image).
Test set size: {test} images (one fruit or vegetable per image).
Number of classes: {classes} (fruits and vegetables).
"""
CLASSES = ("Apple Granny Smith", "Pêche jaune", "Banana")
KEY = {"username": "ana", "key": "0123456789abcdef"}
AUTHORIZATION = "Basic " + base64.b64encode(b"ana:0123456789abcdef").decode()


def content(split: str, label: str, number: int) -> bytes:
    return f"{split} {label} {number} ".encode() * 200


def archive(version: str = VERSION, *, training: int = 15, root: str = "fruits-360_dataset/fruits-360") -> bytes:
    """As Kaggle zips the data set: 5 Training and 2 Test images a class, and another variant in full size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("fruits-360-original-size/fruits-360-original-size/Training/apple_6/r0_0.jpg", b"large" * 999)
        made.writestr("fruits-360-original-size/fruits-360-original-size/readme.md", README.replace("{version}", "9.9"))
        for split, count in (("Test", 2), ("Training", 5)):
            for label in CLASSES:
                for number in range(count):
                    made.writestr(f"{root}/{split}/{label}/{number}_100.jpg", content(split, label, number))
        made.writestr(f"{root}/test-multiple_fruits/apple (1).jpg", b"large" * 999)
        made.writestr(f"{root}/readme.md", README.format(version=version, training=training, test=6, classes=3))
        made.writestr(f"{root}/LICENSE", "MIT License")
    return buffer.getvalue()


EXPECTED = {
    f"{split}/{label}/{number}_100.jpg": content(split, label, number)
    for split, count in (("Test", 2), ("Training", 5))
    for label in CLASSES
    for number in range(count)
}


@dataclass
class Kaggle:
    """What the server holds, and what it was asked."""

    archives: dict[int, bytes]
    url: str = ""
    signature: int = 1
    expires_after: int = 10**9
    breaks_at: int = 10**9
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    stored: int = 0

    def answer(self, handler: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        parts = urlsplit(handler.path)
        self.asked.append(parts.path)
        if parts.path.startswith("/store/"):
            return self.store(handler, parts.path, parse_qs(parts.query))
        if handler.headers.get("Authorization") != AUTHORIZATION:
            return 401, {}, b""
        if parts.path == "/api/v1/datasets/view/moltean/fruits":
            return 200, {}, json.dumps({"currentVersionNumber": max(self.archives)}).encode()
        number = int(parse_qs(parts.query)["datasetVersionNumber"][0])
        if number not in self.archives:
            return 404, {}, b""
        return 302, {"Location": f"{self.url}/store/{number}.zip?signature={self.signature}"}, b""

    def store(self, handler: BaseHTTPRequestHandler, path: str, query: Any) -> tuple[int, dict[str, str], bytes]:
        if handler.headers.get("Authorization"):
            self.leaked.append(path)
        if query["signature"] != [str(self.signature)]:
            return 400, {}, b""
        self.stored += 1
        if self.stored == self.expires_after:
            self.signature += 1
            return 400, {}, b""
        data = self.archives[int(Path(path).stem)]
        if self.stored >= self.breaks_at:
            return 206, {"Content-Length": str(len(data) * 2)}, b""
        if not self.ranges:
            return 200, {}, data
        first, _, last = handler.headers["Range"].removeprefix("bytes=").partition("-")
        part = data[int(first) : int(last) + 1]
        return 206, {"Content-Range": f"bytes {first}-{last}/{len(data)}"}, part


@pytest.fixture
def kaggle() -> Iterator[Kaggle]:
    """Number 3 of four is the version wanted."""
    versions = {1: "2019.01.01.0", 2: "2020.01.01.0", 3: VERSION, 4: "2021.09.10.0"}
    holding = Kaggle({number: archive(version) for number, version in versions.items()})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = holding.answer(self)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    holding.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield holding
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def home(tmp_path: Path, text: str = json.dumps(KEY), mode: int = 0o600) -> dict[str, str]:
    """A user's home with a key in it."""
    path = tmp_path / "home" / ".kaggle" / "kaggle.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(mode)
    return {"HOME": str(tmp_path / "home")}


@pytest.fixture
def wanted(tmp_path: Path, kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables of a fetch into ``dest``."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return {"SOURCE": "kaggle", "KAGGLE_URL": kaggle.url, "DEST": str(tmp_path / "dest"), **home(tmp_path)}


def run(wanted: dict[str, str]) -> str:
    screen = Console(file=io.StringIO(), width=300)
    fetch_release(wanted, screen)
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def images(dest: str) -> dict[str, bytes]:
    return {p.relative_to(dest).as_posix(): p.read_bytes() for p in Path(dest).rglob("*.jpg")}


def test_brings_the_version_asked_for_whatever_its_number(wanted: dict[str, str], kaggle: Kaggle) -> None:
    said = run(wanted)
    assert images(wanted["DEST"]) == EXPECTED
    assert f"version {VERSION} is Kaggle's number 3" in said
    assert "15 Training and 6 Test images of 3 classes, every one with the checksum that Kaggle's archive names" in said
    visible = sorted(p.name for p in Path(wanted["DEST"]).iterdir() if not p.name.startswith("."))
    assert visible == ["LICENSE", "Test", "Training", "readme.md"]
    assert kaggle.leaked == [], "the key travelled to the store that the archive was redirected to"


def test_a_number_given_is_not_looked_for(wanted: dict[str, str], kaggle: Kaggle) -> None:
    run(wanted | {"KAGGLE_VERSION": "3"})
    assert images(wanted["DEST"]) == EXPECTED
    assert not [path for path in kaggle.asked if "view" in path]


def test_a_second_run_asks_nothing(wanted: dict[str, str], kaggle: Kaggle) -> None:
    run(wanted)
    kaggle.asked.clear()
    run(wanted)
    assert kaggle.asked == []


def test_damaged_and_missing_images_come_again_and_only_those(wanted: dict[str, str]) -> None:
    run(wanted)
    dest = Path(wanted["DEST"])
    (dest / "Training/Banana/3_100.jpg").write_bytes(b"x")
    (dest / "Test/Pêche jaune/0_100.jpg").unlink()
    kept = (dest / "Training/Banana/2_100.jpg").stat().st_mtime_ns
    assert "19 of 21 images are here already" in run(wanted)
    assert images(wanted["DEST"]) == EXPECTED
    assert (dest / "Training/Banana/2_100.jpg").stat().st_mtime_ns == kept


def test_broken_off_the_next_run_goes_on(
    wanted: dict[str, str], kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.data.kaggle.CHUNK", 256)  # so that an image takes some ranges
    kaggle.breaks_at = 20
    with pytest.raises(SourceUnreachableError, match=r"could not be fetched from .* it continues where it stopped"):
        run(wanted | {"KAGGLE_VERSION": "3"})
    before = {p: p.stat().st_mtime_ns for p in Path(wanted["DEST"]).rglob("*.jpg")}
    assert 0 < len(before) < 21
    kaggle.breaks_at = 10**9
    run(wanted | {"KAGGLE_VERSION": "3"})
    assert images(wanted["DEST"]) == EXPECTED
    assert all(p.stat().st_mtime_ns == when for p, when in before.items())


def test_an_address_that_expires_is_asked_for_anew(
    wanted: dict[str, str], kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.data.kaggle.CHUNK", 1024)
    kaggle.expires_after = 9
    run(wanted | {"KAGGLE_VERSION": "3"})
    assert kaggle.signature == 2
    assert images(wanted["DEST"]) == EXPECTED


@pytest.mark.parametrize(
    ("archives", "given", "sentence"),
    [
        ({1: archive("2019.01.01.0")}, {}, r"Kaggle does not hold version 2020\.05\.18\.0 .* \(1 is 2019\.01\.01\.0\)"),
        (
            {1: archive("2019.01.01.0")},
            {"KAGGLE_VERSION": "1"},
            r"Kaggle's moltean/fruits, number 1, is version 2019\.01\.01\.0, not 2020\.05\.18\.0",
        ),
        (
            {1: archive(training=16)},
            {},
            "holds 15 Training and 6 Test images of 3 classes, but its readme states 16, 6",
        ),
        ({1: archive()}, {"KAGGLE_VERSION": "7"}, "Kaggle has no such datasets/download/moltean/fruits"),
        ({1: archive()}, {"KAGGLE_VERSION": "newest"}, "KAGGLE_VERSION=newest is not a number"),
        ({1: archive(root=".")}, {"VERSION": "1.0"}, r"Version 1\.0 is not known here"),
        ({1: b"<html>"}, {}, "what Kaggle gives as number 1 is not an archive"),
    ],
)
def test_another_content_is_refused_before_any_image(
    wanted: dict[str, str], kaggle: Kaggle, archives: dict[int, bytes], given: dict[str, str], sentence: str
) -> None:
    kaggle.archives = archives
    with pytest.raises(DatasetError, match=sentence):
        run(wanted | given)
    assert images(wanted["DEST"]) == {}


def test_a_store_without_ranges_is_refused(wanted: dict[str, str], kaggle: Kaggle) -> None:
    kaggle.ranges = False
    with pytest.raises(SourceUnreachableError, match=r"gives no part of the archive \(answer 200\)"):
        run(wanted)


def test_a_key_that_kaggle_does_not_take_is_named_without_its_secret(wanted: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "home/.kaggle/kaggle.json"
    path.write_text(json.dumps(KEY | {"key": "secret-and-wrong"}))
    with pytest.raises(DatasetError, match=r"Kaggle rejects the key of ana \(answer 401\)") as error:
        run(wanted)
    assert "secret-and-wrong" not in str(error.value)
    assert "secret-and-wrong" not in repr(read_key(wanted))


def test_without_the_file_it_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"there is no Kaggle key at .*/\.kaggle/kaggle\.json\. Fix: kaggle\.com"):
        read_key({"HOME": str(tmp_path)})


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(
        DatasetError, match=rf"others on this machine can read your Kaggle key \({mode:o}\)\. Fix: chmod"
    ):
        read_key(home(tmp_path, mode=mode))


@pytest.mark.parametrize("text", ["", "[]", '{"username": "ana"}', "{", '"x"'])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(DatasetError, match="is not a Kaggle key: it needs a username and a key"):
        read_key(home(tmp_path, text))


def test_kaggles_other_places_for_the_key(tmp_path: Path) -> None:
    found = home(tmp_path)
    assert read_key({"KAGGLE_CONFIG_DIR": f"{found['HOME']}/.kaggle"}).header == AUTHORIZATION
    assert read_key({"KAGGLE_USERNAME": "ana", "KAGGLE_KEY": KEY["key"]}).header == AUTHORIZATION


def test_the_folder_of_another_source_is_left_alone(wanted: dict[str, str]) -> None:
    run(wanted)
    with pytest.raises(DatasetError, match="or the same from another source"):
        fetch_release(wanted | {"SOURCE": "github", "FRUITS360_URL": "file:///nowhere"}, Console(file=io.StringIO()))


def test_variants_know_both_layouts_and_leave_the_originals_out() -> None:
    for root in ("fruits-360_dataset/fruits-360", "fruits-360_dataset_100x100/fruits-360"):
        with zipfile.ZipFile(io.BytesIO(archive(root=root))) as opened:
            (found,) = list_variants(opened.infolist())
        assert {str(entry.path): entry.oid for entry in found.images} == {
            path: compute_checksum(data) for path, data in EXPECTED.items()
        }
        assert sorted(found.papers) == ["LICENSE", "readme.md"]


def test_the_command_refuses_an_unknown_source_and_a_missing_key(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("KAGGLE")} | {"HOME": str(tmp_path)}
    for given, sentence in (
        (
            {"SOURCE": "zenodo"},
            "dataset: The source zenodo is not known here. Fix: choose SOURCE= from github, kaggle.\n",
        ),
        ({"SOURCE": "kaggle"}, f"dataset: there is no Kaggle key at {tmp_path}/.kaggle/kaggle.json. Fix: "),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "ops.cli", "dataset"],
            env=environment | as_typed({"DEST": str(tmp_path / "dest"), **given}),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 2
        assert done.stderr.startswith(sentence)
        assert done.stderr.count("\n") == 1


def test_a_remote_file_reads_as_a_local_one(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    from ops.data.kaggle import Api, Key

    remote = Remote(Api(kaggle.url, Key(**KEY)), 3)
    local = io.BytesIO(kaggle.archives[3])
    for offset, whence, size in ((0, 0, 10), (-22, 2, 40), (5, 0, 0), (-3, 1, 7), (10**9, 0, 5)):
        assert remote.seek(offset, whence) == local.seek(offset, whence)
        assert remote.read(size) == local.read(size)
