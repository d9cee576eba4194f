"""Fetch the real Fruits-360, pinned, from its authors' git repository or from Kaggle: ``make dataset``.

Git names a file by the hash of its content, so the pinned commit alone says what every one of the images is.
The commit and its listing come first (a few MB), then the images, class by class; an image is there when its
file has the hash that the commit names. Interrupted at any moment, the next run fetches the rest. The counts
of the listing are compared with those that the data set's own readme states before the first image comes.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ops.core.programs import inherited_environment
from ops.data.fruits360 import SPLITS, DatasetImage, Release, SourceUnreachableError

STORE = ".fetch"


def parse_listing(listing: bytes) -> tuple[list[DatasetImage], dict[str, str]]:
    """Images of the two splits, and the hashes of the files beside them, from ``git ls-tree -r -z``."""
    images, others = [], {}
    for line in listing.split(b"\0"):
        # 100644 blob 257cc5642cb1a054f08cc83f2d943e56fd3ebe99\tTraining/Apple Braeburn/0_100.jpg
        head, _, name = line.partition(b"\t")
        fields = head.split()
        if len(fields) != 3 or fields[1] != b"blob":
            continue
        path, oid = PurePosixPath(os.fsdecode(name)), fields[2].decode()
        if len(path.parts) == 3 and path.parts[0] in SPLITS:
            images.append(DatasetImage(path, oid))
        elif len(path.parts) == 1:
            others[path.name] = oid
    return images, others


def hash_blob(data: bytes) -> str:
    """Git's name for a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class GitSource:
    """A release in its authors' repository: a bare, partial copy of the commit, given files only when told which."""

    checksum = staticmethod(hash_blob)

    def __init__(self, release: Release, folder: Path) -> None:
        self._folder, self._url, self._commit = folder, release.url, release.commit
        self._missing: set[str] = set()
        self.pin, self.where = release.commit, release.url

    def open(self) -> None:
        """The commit and what it names."""
        if shutil.which("git") is None:
            raise SourceUnreachableError("git was not found. Fix: install git 2.29 or newer.")
        version = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout
        # git version 2.39.5
        if (match := re.search(r"(\d+)\.(\d+)", version)) and (int(match[1]), int(match[2])) < (2, 29):
            raise SourceUnreachableError(f"{version.strip()} is too old. Fix: install git 2.29 or newer.")
        if not (self._folder / "HEAD").exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            self._git("init", "--quiet", "--bare", ".")
        for lock in self._folder.rglob("*.lock"):  # left by a killed run; ours alone, see _exclusively
            lock.unlink(missing_ok=True)
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

    def listing(self) -> tuple[list[DatasetImage], dict[str, bytes]]:
        """See `fruits360.DatasetSource`."""
        images, others = parse_listing(self._git("ls-tree", "-r", "-z", "--full-tree", self._commit).stdout)
        papers = {n: oid for n, oid in others.items() if n.lower() == "readme.md" or n.upper().startswith("LICENSE")}
        texts = dict(self._read(list(papers.values())))
        return images, {name: texts[oid] for name, oid in papers.items()}

    def fetch(self, images: list[DatasetImage]) -> Iterator[tuple[DatasetImage, bytes]]:
        """All of them in one request."""
        contents = dict(self._read(sorted({image.oid for image in images})))
        for image in images:
            yield image, contents[image.oid]

    def close(self) -> None:
        """What arrived was checked by hash; nothing more is needed of git."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, oids: list[str]) -> Iterator[tuple[str, bytes]]:
        """The contents of files by hash, in one request for those that are not here yet."""
        if missing := self._missing.intersection(oids):
            self._fetch("--stdin", stdin="".join(f"{oid}\n" for oid in sorted(missing)).encode())
            self._missing -= missing
        names = "".join(f"{oid}\n" for oid in oids).encode()
        stream = self._git("cat-file", "--batch", stdin=names).stdout
        at = 0
        for oid in oids:
            # 257cc5642cb1a054f08cc83f2d943e56fd3ebe99 blob 4321
            end = stream.index(b"\n", at)
            head = stream[at:end].split()
            if len(head) != 3 or head[0].decode() != oid:
                raise SourceUnreachableError(f"{self._url} did not send file {oid}. Fix: run the same command again.")
            size = int(head[2])
            yield oid, stream[end + 1 : end + 1 + size]
            at = end + 1 + size + 1

    def _fetch(self, *arguments: str, stdin: bytes = b"") -> None:
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"]
        done = self._git(
            *("-c", "fetch.negotiationAlgorithm=noop"),
            *("-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=60"),
            *("fetch", *options, "--filter=blob:none", "origin", *arguments),
            stdin=stdin,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise SourceUnreachableError(
                f"{self._url} could not be fetched from (git: {reason[-1]}). Fix: check the internet connection"
                " and run the same command again; it continues where it stopped."
            )

    def _git(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[bytes]:
        environment = inherited_environment() | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_DIR": "."}
        done = subprocess.run(
            ["git", *arguments], cwd=self._folder, input=stdin, capture_output=True, env=environment, check=False
        )
        if check and done.returncode:
            reason = done.stderr.decode(errors="replace").strip()
            raise SourceUnreachableError(
                f"git {arguments[0]} failed in {self._folder} ({reason}). Fix: run the same command again, or"
                " remove that folder to start again."
            )
        return done
