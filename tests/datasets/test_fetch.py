"""Fetching Fruits-360, rehearsed against a local git repository of the same layout."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ops.cli.data import fetch_release
from ops.core.console import Console
from ops.data import fetch as module
from ops.data import fruits360
from ops.data.fetch import STORE, GitSource, hash_blob, parse_listing
from ops.data.fruits360 import MANIFEST, RELEASES, DatasetError, Release, SourceUnreachableError, parse_readme
from tests.typed import as_typed

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

ROOT = Path(__file__).parents[2]
README = """# Fruits-360: A dataset of images containing fruits and vegetables #

## Version: 2020.05.18.0 ##

## Dataset properties ##

Total number of images: {total}.

Training set size: {training} images (one fruit or vegetable per image).

Test set size: {test} images (one fruit or vegetable per image).

Number of classes: {classes} (fruits and vegetables).
"""
CLASSES = ("Apple Granny Smith", "Pêche jaune", "Banana")


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a"}
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=os.environ | identity | {"GIT_COMMITTER_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def make_source(folder: Path, *, training: int = 15, test: int = 6, version: str = "2020.05.18.0") -> Release:
    """A bare repository laid out as the data set's own: 5 Training and 2 Test images a class, and more."""
    work = folder / "work"
    for label in CLASSES:
        for split, count in (("Training", 5), ("Test", 2)):
            (work / split / label).mkdir(parents=True)
            for i in range(count):
                (work / split / label / f"{i}_100.jpg").write_bytes(f"{split} {label} {i} ".encode() * 200)
    (work / "test-multiple_fruits").mkdir()
    (work / "test-multiple_fruits" / "apple (1).jpg").write_bytes(b"large" * 999)
    text = README.format(total=training + test, training=training, test=test, classes=len(CLASSES))
    (work / "readme.md").write_text(text.replace("2020.05.18.0", version))
    (work / "LICENSE").write_text("MIT License")
    git(work, "init", "--quiet")
    git(work, "add", ".")
    git(work, "commit", "--quiet", "-m", "data")
    bare = folder / "source.git"
    git(folder, "clone", "--quiet", "--bare", str(work), str(bare))
    git(bare, "config", "uploadpack.allowFilter", "true")
    git(bare, "config", "uploadpack.allowAnySHA1InWant", "true")
    return Release("2020.05.18.0", bare.as_uri(), git(bare, "rev-parse", "HEAD"), "MIT")


@pytest.fixture
def source(tmp_path: Path) -> Release:
    return make_source(tmp_path)


def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(screen: Console) -> str:
    assert isinstance(screen.file, io.StringIO)
    return screen.file.getvalue()


def fetch_dataset(release: Release, dest: Path, *, console: Console) -> fruits360.Stated:
    return fruits360.complete_dataset(GitSource(release, dest / STORE), release, dest, console)


def images(dest: Path) -> dict[str, bytes]:
    return {p.relative_to(dest).as_posix(): p.read_bytes() for p in dest.rglob("*.jpg")}


def expected(tmp_path: Path) -> dict[str, bytes]:
    every = images(tmp_path / "work")
    return {name: data for name, data in every.items() if not name.startswith("test-multiple_fruits")}


def test_brings_every_image_and_the_readme_and_nothing_else(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    stated = fetch_dataset(source, dest, console=console())
    assert (stated.training, stated.test, stated.classes) == (15, 6, 3)
    assert images(dest) == expected(tmp_path)
    visible = sorted(p.name for p in dest.iterdir() if not p.name.startswith("."))
    assert visible == ["LICENSE", "Test", "Training", "readme.md"]
    assert not (dest / STORE).exists(), "the copy of the repository doubles the space needed"


def test_a_second_run_asks_the_network_nothing(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    fetch_dataset(source, dest, console=console())
    shutil.rmtree(tmp_path / "source.git")
    fetch_dataset(source, dest, console=console())
    assert images(dest) == expected(tmp_path)


def test_damaged_and_missing_images_are_fetched_again_and_only_those(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    fetch_dataset(source, dest, console=console())
    damaged = dest / "Training" / "Banana" / "3_100.jpg"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    shutil.rmtree(dest / "Test" / "Pêche jaune")
    kept = dest / "Training" / "Apple Granny Smith" / "0_100.jpg"
    written = kept.stat().st_mtime_ns
    screen = console()
    fetch_dataset(source, dest, console=screen)
    assert images(dest) == expected(tmp_path)
    assert kept.stat().st_mtime_ns == written
    assert "18 of 21 images are here already" in said(screen)


@pytest.mark.parametrize("requests", range(1, 6))
@pytest.mark.costly
def test_interrupted_at_any_request_the_next_run_completes(
    tmp_path: Path, source: Release, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    """Requests: the commit, the readme and the licence, and the images of each of the three classes."""
    dest = tmp_path / "dest"
    whole = module.GitSource._fetch
    asked = 0

    def until(self: module.GitSource, *what: str, stdin: bytes = b"") -> None:
        nonlocal asked
        asked += 1
        if asked == requests:
            raise KeyboardInterrupt
        whole(self, *what, stdin=stdin)

    with monkeypatch.context() as patch:
        patch.setattr(module.GitSource, "_fetch", until)
        with pytest.raises(KeyboardInterrupt):
            fetch_dataset(source, dest, console=console())
    before = {p: p.stat().st_mtime_ns for p in dest.rglob("*.jpg")}
    assert len(before) == 7 * max(0, requests - 3)
    fetch_dataset(source, dest, console=console())
    assert images(dest) == expected(tmp_path)
    assert all(p.stat().st_mtime_ns == when for p, when in before.items())


@pytest.mark.costly
def test_killed_while_it_runs_the_next_run_completes(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    slow = (
        "import time; from pathlib import Path; from ops.core.console import Console\n"
        "from ops.data import fetch as f, fruits360\n"
        "whole = fruits360.write_whole\n"
        "def write(path, data):\n"
        "    if path.suffix == '.jpg': path.parent.mkdir(parents=True, exist_ok=True);"
        " path.with_name('.' + path.name + '.part').write_bytes(data[:9]); time.sleep(0.2)\n"
        "    whole(path, data)\n"
        "fruits360.write_whole = write\n"
        f"release = f.Release(*{(source.version, source.url, source.commit, source.licence)!r})\n"
        f"dest = Path({str(dest)!r})\n"
        "fruits360.complete_dataset(f.GitSource(release, dest / f.STORE), release, dest, Console())\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "jobs")}
    process = subprocess.Popen([sys.executable, "-c", slow], cwd=ROOT, env=environ, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 300
        while len(images(dest)) < 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert 0 < len(images(dest)) < 21
    (dest / STORE / "shallow.lock").touch()
    fetch_dataset(source, dest, console=console())
    assert images(dest) == expected(tmp_path)
    assert not list(dest.rglob("*.part"))


def test_two_runs_into_one_folder_do_not_mix(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    with fruits360.lock_folder(dest), pytest.raises(DatasetError, match="Another run is fetching into"):
        fetch_dataset(source, dest, console=console())


@pytest.mark.parametrize("stated", [{"training": 16}, {"test": 5}])
def test_counts_other_than_the_readme_states_are_refused_before_any_image(
    tmp_path: Path, stated: dict[str, int]
) -> None:
    source = make_source(tmp_path, **stated)
    with pytest.raises(DatasetError, match=r"holds 15 Training and 6 Test images of 3 classes, but its readme states"):
        fetch_dataset(source, tmp_path / "dest", console=console())
    assert images(tmp_path / "dest") == {}


def test_another_version_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    source = make_source(tmp_path, version="2021.01.01.0")
    with pytest.raises(
        DatasetError, match=r"is version 2021\.01\.01\.0, not 2020\.05\.18\.0. Fix: choose another VERSION="
    ):
        fetch_dataset(source, tmp_path / "dest", console=console())


def test_foreign_files_among_the_images_are_refused_and_kept(tmp_path: Path, source: Release) -> None:
    mine = tmp_path / "dest" / "Training" / "Mine" / "1.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(DatasetError, match=r"holds 1 file beside those of the data set \(such as Training/Mine/1"):
        fetch_dataset(source, tmp_path / "dest", console=console())
    assert mine.read_bytes() == b"mine"
    mine.rename(mine.with_name(".DS_Store"))
    fetch_dataset(source, tmp_path / "dest", console=console())


def test_another_version_in_the_folder_is_refused(tmp_path: Path, source: Release) -> None:
    fetch_dataset(source, tmp_path / "dest", console=console())
    with pytest.raises(DatasetError, match="holds another version of Fruits-360"):
        fetch_dataset(replace(source, commit="0" * 40), tmp_path / "dest", console=console())


def test_a_commit_that_is_not_there_is_refused(tmp_path: Path, source: Release) -> None:
    with pytest.raises(SourceUnreachableError, match="could not be fetched from"):
        fetch_dataset(replace(source, commit="1" * 40), tmp_path / "dest", console=console())


def test_a_damaged_manifest_is_made_again(tmp_path: Path, source: Release) -> None:
    dest = tmp_path / "dest"
    fetch_dataset(source, dest, console=console())
    (dest / MANIFEST).write_text('{"commit": ')
    fetch_dataset(source, dest, console=console())
    assert images(dest) == expected(tmp_path)


def command(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("VERSION", "DEST", "FRUITS360_URL")}
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "dataset"],
        env=environment | as_typed(variables),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_without_a_network_the_command_says_so_and_exits_3(tmp_path: Path) -> None:
    # Nothing listens on port 9 of the loopback: the connection is refused at once.
    done = command(DEST=str(tmp_path / "dest"), FRUITS360_URL="http://127.0.0.1:9/fruits.git", no_proxy="127.0.0.1")
    assert done.returncode == 3
    assert done.stderr.startswith("dataset: http://127.0.0.1:9/fruits.git could not be fetched from (git: ")
    assert "check the internet connection and run the same command again" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "licence: MIT" in done.stdout


def test_the_command_reports_the_licence_and_where_the_images_are(
    tmp_path: Path, source: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RELEASES, source.version, source)
    screen = console()
    fetch_release({"DEST": str(tmp_path / "my data"), "VERSION": source.version}, screen)
    assert "Fruits-360 2020.05.18.0, licence: MIT" in said(screen)
    assert "15 Training and 6 Test images of 3 classes" in said(screen)
    assert f"make run-local INPUT='{tmp_path}/my data/Training'" in said(screen)


def test_an_unknown_version_is_refused_with_those_known() -> None:
    done = command(VERSION="1.0")
    assert done.returncode == 2
    known = "2020.05.18.0, 2025.03.09.0"
    assert done.stderr == f"dataset: Version 1.0 is not known here. Fix: choose VERSION= from {known}.\n"


def test_an_unwritable_destination_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = command(DEST=str(tmp_path / "file" / "below"))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "give another DEST=" in done.stderr


def test_reads_the_readme_of_each_release() -> None:
    text = README.format(total=90483, training=67692, test=22688, classes=131)
    assert parse_readme(text) == fruits360.Stated("2020.05.18.0", 67692, 22688, 131)
    for missing in ("Training set size", "Test set size", "Number of classes", "Version"):
        with pytest.raises(DatasetError, match="readme does not state its"):
            parse_readme(text.replace(missing, "nothing"))


def test_reads_a_listing_with_odd_names() -> None:
    oid = "257cc5642cb1a054f08cc83f2d943e56fd3ebe99"
    names = [
        "Training/Pêche\tjaune/0_100.jpg",
        "Test/a/b/c.jpg",
        "readme.md",
        "src/x.py",
        "Test/Kiwi/r_1_100.jpg",
    ]
    lines = [f"100644 blob {oid}\t{name}" for name in names] + [f"160000 commit {oid}\tTest/sub/module", ""]
    found, beside = parse_listing("\0".join(lines).encode())
    assert [str(image.path) for image in found] == [names[0], names[4]]
    assert [image.label for image in found] == ["Pêche\tjaune", "Kiwi"]
    assert beside == {"readme.md": oid}


def test_hashes_as_git_does(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"fruit")
    assert hash_blob(b"fruit") == git(tmp_path, "hash-object", "f")
