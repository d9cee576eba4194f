"""Fetch the real Fruits-360, pinned, from its authors' git repository: ``make dataset``.

Git names a file by the hash of its content, so the pinned commit alone says what every one of the images is.
The commit and its listing come first (a few MB), then the images, class by class; an image is there when its
file has the hash that the commit names. Interrupted at any moment, the next run fetches the rest. The counts
of the listing are compared with those that the data set's own readme states before the first image comes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SPLITS = ("Training", "Test")
STORE = ".fetch"
MANIFEST = ".fruits-360.json"


class FetchError(Exception):
    """The data set is not complete; the message says why and what to do."""

    code = 2


class SourceUnreachableError(FetchError):
    """The repository cannot be reached or refuses; what was fetched so far is kept."""

    code = 3


@dataclass(frozen=True)
class Release:
    """A pinned version of the data set: the commit fixes every byte."""

    version: str
    url: str
    commit: str
    licence: str


RELEASES = {
    release.version: release
    for release in (
        Release(
            version="2020.05.18.0",
            url="https://github.com/Horea94/Fruit-Images-Dataset",
            commit="8f127c5043b29237313f87268f16106b16cbd8c6",
            licence="MIT, © 2017-2020 Mihai Oltean, Horea Muresan",
        ),
        Release(
            version="2025.03.09.0",
            url="https://github.com/fruits-360/fruits-360-100x100",
            commit="019ab6f4eec0f6b9bdae4efe8ee55f377bef8812",
            licence="CC BY-SA 4.0, © 2017- Mihai Oltean",
        ),
    )
}
DEFAULT_VERSION = "2020.05.18.0"


@dataclass(frozen=True)
class Stated:
    """What the data set's readme states about itself."""

    version: str
    training: int
    test: int
    classes: int


def parse_readme(text: str) -> Stated:
    """The version and counts that a Fruits-360 readme states.

    Raises
    ------
    FetchError
        If one of them is not there.
    """
    patterns = {
        # ## Version: 2020.05.18.0 ##
        "version": r"Version:\s*([\d.]*\d)",
        # Training set size: 67692 images (one fruit or vegetable per image).
        "training": r"Training set size:\s*(\d+)",
        # Test set size: 22688 images (one fruit or vegetable per image).
        "test": r"Test set size:\s*(\d+)",
        # Number of classes: 131 (fruits and vegetables).
        "classes": r"Number of classes:\s*(\d+)",
    }
    stated = {}
    for name, pattern in patterns.items():
        if (match := re.search(pattern, text)) is None:
            raise FetchError(
                f"The data set's readme does not state its {name}, so nothing can be checked against it:"
                " choose another VERSION=."
            )
        stated[name] = match[1]
    return Stated(stated["version"], int(stated["training"]), int(stated["test"]), int(stated["classes"]))


@dataclass(frozen=True)
class Entry:
    """An image of the pinned commit: its path and git's hash of its content."""

    path: PurePosixPath
    oid: str

    @property
    def label(self) -> str:
        return self.path.parts[1]


def parse_listing(listing: bytes) -> tuple[list[Entry], dict[str, str]]:
    """Images of the two splits, and the hashes of the files beside them, from ``git ls-tree -r -z``."""
    images, beside = [], {}
    for line in listing.split(b"\0"):
        # 100644 blob 257cc5642cb1a054f08cc83f2d943e56fd3ebe99\tTraining/Apple Braeburn/0_100.jpg
        head, _, name = line.partition(b"\t")
        fields = head.split()
        if len(fields) != 3 or fields[1] != b"blob":
            continue
        path, oid = PurePosixPath(os.fsdecode(name)), fields[2].decode()
        if len(path.parts) == 3 and path.parts[0] in SPLITS:
            images.append(Entry(path, oid))
        elif len(path.parts) == 1:
            beside[path.name] = oid
    return images, beside


def compare(stated: Stated, images: Iterable[Entry], where: str) -> None:
    """Compare the counts of a listing with those stated.

    Raises
    ------
    FetchError
        If they differ.
    """
    per_split = dict.fromkeys(SPLITS, 0)
    classes = set()
    for image in images:
        per_split[image.path.parts[0]] += 1
        classes.add(image.label)
    found = (per_split["Training"], per_split["Test"], len(classes))
    wanted = (stated.training, stated.test, stated.classes)
    if found != wanted:
        raise FetchError(
            f"{where} holds {found[0]} Training and {found[1]} Test images of"
            f" {found[2]} classes, but its readme states {wanted[0]}, {wanted[1]} and {wanted[2]}:"
            " choose another VERSION=, or another source."
        )


def blob_hash(data: bytes) -> str:
    """Git's name for a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class _Store:
    """Git's side: a bare, partial copy of the pinned commit that fetches files only when told which."""

    def __init__(self, folder: Path, url: str, commit: str) -> None:
        self._folder, self._url, self._commit = folder, url, commit
        self._missing: set[str] = set()

    def open(self) -> None:
        if shutil.which("git") is None:
            raise SourceUnreachableError("git was not found: install git 2.29 or newer.")
        version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
        # git version 2.39.5
        if (match := re.search(r"(\d+)\.(\d+)", version)) and (int(match[1]), int(match[2])) < (2, 29):
            raise SourceUnreachableError(f"{version.strip()} is too old: install git 2.29 or newer.")
        if not (self._folder / "HEAD").exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            self._git("init", "--quiet", "--bare", ".")
        for lock in self._folder.rglob("*.lock"):  # left by a killed run; ours alone, see _exclusively
            lock.unlink()
        for key, value in {
            "remote.origin.url": self._url,
            "remote.origin.promisor": "true",
            "remote.origin.partialclonefilter": "blob:none",
            "gc.auto": "0",
            "maintenance.auto": "false",
        }.items():
            self._git("config", key, value)
        pinned = f"refs/pinned/{self._commit}"
        if self._git("show-ref", "--verify", "--quiet", pinned, check=False).returncode:
            self._fetch("--depth=1", self._commit)
            self._git("update-ref", pinned, self._commit)
        # Asking for one file's presence would make git fetch that one; this lists what is missing instead.
        objects = self._git("rev-list", "--objects", "--missing=print", self._commit).stdout
        self._missing = {line[1:] for line in objects.decode(errors="replace").splitlines() if line[:1] == "?"}

    def listing(self) -> bytes:
        return self._git("ls-tree", "-r", "-z", "--full-tree", self._commit).stdout

    def fetch(self, oids: list[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of files by hash, in one request for those that are not here yet."""
        if wanted := self._missing.intersection(oids):
            self._fetch("--stdin", stdin="".join(f"{oid}\n" for oid in sorted(wanted)).encode())
            self._missing -= wanted
        names = "".join(f"{oid}\n" for oid in oids).encode()
        stream = self._git("cat-file", "--batch", stdin=names).stdout
        at = 0
        for oid in oids:
            # 257cc5642cb1a054f08cc83f2d943e56fd3ebe99 blob 4321
            end = stream.index(b"\n", at)
            head = stream[at:end].split()
            if len(head) != 3 or head[0].decode() != oid:
                raise SourceUnreachableError(f"{self._url} did not send file {oid}: run the same command again.")
            size = int(head[2])
            yield oid, stream[end + 1 : end + 1 + size]
            at = end + 1 + size + 1

    def _fetch(self, *what: str, stdin: bytes = b"") -> None:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"]
        done = self._git(
            *("-c", "fetch.negotiationAlgorithm=noop"),
            *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"),
            *("fetch", *options, "--filter=blob:none", "origin", *what),
            stdin=stdin,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise SourceUnreachableError(
                f"{self._url} could not be fetched from (git: {reason[-1]}): check that the internet is"
                " there and run the same command again; it goes on where it stopped."
            )

    def _git(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        environment = os.environ | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_DIR": "."}
        done = subprocess.run(
            ["git", *arguments],
            cwd=self._folder,
            input=stdin,
            capture_output=True,
            env=environment,
            check=False,
        )
        if check and done.returncode:
            reason = done.stderr.decode(errors="replace").strip()
            raise SourceUnreachableError(
                f"git {arguments[0]} failed in {self._folder} ({reason}): run the same command again, or"
                " remove that folder to begin anew."
            )
        return done


@contextmanager
def _exclusively(dest: Path) -> Iterator[None]:
    """One fetch a folder at a time."""
    dest.mkdir(parents=True, exist_ok=True)
    with (dest / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FetchError(f"Another run is fetching into {dest}: wait for it, or give another DEST=.") from None
        yield


def _right(path: Path, oid: str) -> bool:
    try:
        return blob_hash(path.read_bytes()) == oid
    except (FileNotFoundError, NotADirectoryError):
        return False


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)


def _strangers(dest: Path, images: Iterable[Entry]) -> list[str]:
    """Files in the splits' folders that are not of the data set: they would be taken for its images."""
    known = {str(image.path) for image in images}
    there = (p.relative_to(dest).as_posix() for s in SPLITS for p in (dest / s).rglob("*") if p.is_file())
    # Hidden ones are not: the desktop's own (.DS_Store) must not be in the way.
    return sorted(name for name in there if name not in known and not name.rpartition("/")[2].startswith("."))


def _tidy(dest: Path) -> None:
    """Remove the half-written files of a killed run."""
    for split in SPLITS:
        for part in (dest / split).rglob(".*.part"):
            part.unlink()


def fetch(release: Release, dest: Path, *, console: Console) -> Stated:
    """Bring the data set below ``dest``, as ``Training/<class>/*.jpg`` and ``Test/<class>/*.jpg``.

    Complete and right: nothing is asked of the network. Incomplete: only what is missing is fetched.

    Returns
    -------
    Stated
        The counts, as stated and as found.

    Raises
    ------
    FetchError
        If the repository cannot be reached, or it, or ``dest``, holds something other than its readme states.
    """
    with _exclusively(dest):
        return _fetch(release, dest, console)


def _fetch(release: Release, dest: Path, console: Console) -> Stated:
    _tidy(dest)
    manifest = _read_manifest(dest / MANIFEST)
    if manifest and manifest[0] != release.commit:
        raise FetchError(f"{dest} holds another version of Fruits-360: give another DEST=, or remove it.")
    store = _Store(dest / STORE, release.url, release.commit)
    if manifest:
        images, stated = manifest[1], manifest[2]
    else:
        console.print(f"asking {release.url} for the list of images of version {release.version}")
        store.open()
        images, beside = parse_listing(store.listing())
        readme = next((beside[name] for name in sorted(beside) if name.lower() == "readme.md"), None)
        if readme is None:
            raise FetchError(f"{release.url} holds no readme to check against: choose another VERSION=.")
        papers = {name: oid for name, oid in beside.items() if oid == readme or name.upper().startswith("LICENSE")}
        texts = dict(store.fetch(list(papers.values())))
        stated = parse_readme(texts[readme].decode(errors="replace"))
        if stated.version != release.version:
            raise FetchError(
                f"{release.url} is version {stated.version}, not {release.version}: choose another VERSION=."
            )
        compare(stated, images, f"{release.url} at {release.commit[:8]}")
        for name, oid in papers.items():
            _write(dest / name, texts[oid])
        _write_manifest(dest / MANIFEST, release, images, stated)

    if strangers := _strangers(dest, images):
        raise FetchError(
            f"{dest} holds {len(strangers)} files that are not of the data set (such as {strangers[0]}):"
            " move them, or give another DEST=."
        )
    missing: dict[str, list[Entry]] = {}
    for image in images:
        if not _right(dest / image.path, image.oid):
            missing.setdefault(image.label, []).append(image)
    if missing:
        store.open()
        _bring(store, missing, dest, len(images), console)
    # What arrived was checked by hash; nothing more is needed of git.
    shutil.rmtree(dest / STORE, ignore_errors=True)
    return stated


def _bring(store: _Store, missing: Mapping[str, list[Entry]], dest: Path, total: int, console: Console) -> None:
    here = total - sum(map(len, missing.values()))
    if here:
        console.print(f"{here} of {total} images are here already")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("images", total=total, completed=here)
        for number, (label, images) in enumerate(sorted(missing.items()), 1):
            progress.update(task, description=label)
            contents = dict(store.fetch(sorted({image.oid for image in images})))
            for image in images:
                _write(dest / image.path, contents[image.oid])
            here += len(images)
            progress.update(task, completed=here)
            if not console.is_terminal and (number % 10 == 0 or number == len(missing)):
                console.print(f"{here} of {total} images")


def _read_manifest(path: Path) -> tuple[str, list[Entry], Stated] | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = [Entry(PurePosixPath(name), oid) for name, oid in content["images"].items()]
        return str(content["commit"]), images, Stated(**content["stated"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write_manifest(path: Path, release: Release, images: Iterable[Entry], stated: Stated) -> None:
    content = asdict(release) | {
        "stated": asdict(stated),
        "images": {str(image.path): image.oid for image in images},
    }
    _write(path, json.dumps(content, indent=0, ensure_ascii=True).encode())


def run(environ: Mapping[str, str], console: Console) -> Stated:
    """Fetch what the variables DEST, VERSION and FRUITS360_URL (a mirror) ask for."""
    version = environ.get("VERSION") or DEFAULT_VERSION
    if version not in RELEASES:
        raise FetchError(f"Version {version} is not known here: choose VERSION= from {', '.join(RELEASES)}.")
    release = RELEASES[version]
    if mirror := environ.get("FRUITS360_URL"):
        release = replace(release, url=mirror)
    dest = Path(environ.get("DEST") or "data/fruits-360").expanduser()
    console.print(f"Fruits-360 {release.version}, licence: {release.licence}")
    stated = fetch(release, dest, console=console)
    console.print(
        f"{dest}: {stated.training} Training and {stated.test} Test images of {stated.classes} classes,"
        " every one as the pinned commit names it, the counts as the data set's readme states them"
    )
    console.print(f"to use it: make run-local INPUT={shlex.quote(str(dest / 'Training'))}")
    return stated


def main() -> int:
    console = Console(soft_wrap=True, highlight=False)
    try:
        run(os.environ, console)
    except FetchError as error:
        print(f"dataset: {error}", file=sys.stderr)
        return error.code
    except OSError as error:
        print(
            f"dataset: {error.filename}: {error.strerror}: free the way, or give another DEST=.",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("dataset: stopped; the same command goes on where it stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
