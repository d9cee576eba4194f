"""The wheelhouse of a node: every wheel that ``bootstrap/install_tensorflow.sh`` installs there.

``make wheelhouse ARCH=x86_64`` downloads the wheels of ``bootstrap/requirements-<arch>.txt`` on the laptop,
for the cluster's platform whatever the laptop is, checks each against the hashes of that lock, and lays them
into ``build/wheelhouse/<key>/``. The key is the hash of the lock: the same lock gives the same wheelhouse,
another lock another place, and a cluster that runs keeps the one that it started from.
``TO=s3://bucket/wheelhouse`` also uploads what is not there.
"""

import contextlib
import errno
import hashlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from fruits.wording import format_count
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from localaws.downloads import run_download
from ops.core.console import Console, counting, working
from ops.core.errors import ExitCode, OperatorError
from ops.core.files import hold_lock
from ops.core.paths import ROOT
from ops.core.programs import inherited_environment

PYTHON = "3.11"
GLIBC = (2, 34)
"""The C library of Amazon Linux 2023: no wheel may want a newer one."""
ARCHITECTURES = {"x86_64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
SUMS = "SHA256SUMS"
LOCK = "requirements.txt"
LOCKS = ROOT / "bootstrap"
FOLDER = Path("build/wheelhouse")
SOME_MB = 530
"""Of one architecture's wheels, about: the lock does not say how large they are."""


class WheelhouseError(OperatorError):
    """The wheelhouse cannot be made or uploaded; the message says why and what to do."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Wheelhouse:
    """A complete, checked wheelhouse: its place, its key, and sha256 by file name (the lock is one)."""

    folder: Path
    key: str
    sums: Mapping[str, str]

    @property
    def size(self) -> int:
        return sum((self.folder / name).stat().st_size for name in self.sums)


def hash_lock(lock: bytes) -> str:
    """What a wheelhouse of this lock is called: the first 16 digits of the lock's sha256.

    ``bootstrap/install_tensorflow.sh`` compares the last part of its URI with the lock that it finds there.
    """
    return hashlib.sha256(lock).hexdigest()[:16]


def parse_lock(text: str) -> dict[str, frozenset[str]]:
    """Hashes (sha256) by ``name==version`` of a lock that ``uv pip compile --generate-hashes`` wrote."""
    hashes: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in text.splitlines():
        # absl-py==2.5.1 \
        if match := re.match(r"([A-Za-z0-9][\w.-]*==\S+)", line):
            current = hashes.setdefault(match[1], set())
        #     --hash=sha256:286e71c82c1a38e75bbcf185f9b37d0305ad7786535107cb49bf4df9ff2e1f95 \
        elif match := re.match(r"\s+--hash=sha256:([0-9a-f]{64})", line):
            current.add(match[1])
    return {pin: frozenset(sums) for pin, sums in hashes.items()}


def read_pin(wheel: str) -> str:
    """The pin that a wheel's file name answers; empty where the name is no wheel's.

    >>> read_pin("absl_py-2.5.1-py3-none-any.whl"), read_pin("notes.whl")
    ('absl-py==2.5.1', '')
    """
    try:
        name, version, _, _ = parse_wheel_filename(wheel)
    except InvalidWheelFilename:
        return ""
    return f"{name}=={version}"


def list_platforms(arch: str) -> list[str]:
    """Platform tags that a node of this architecture takes, the newest first."""
    tags = [f"manylinux_{GLIBC[0]}_{minor}_{arch}" for minor in range(GLIBC[1], 4, -1)]
    tags += [f"{alias}_{arch}" for alias in ("manylinux2014", "manylinux2010", "manylinux1")]
    return [*tags, f"linux_{arch}"]


def hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def render_sums(sums: Mapping[str, str]) -> str:
    """The sha256 of files, by name, as ``sha256sum`` writes and checks them."""
    return "".join(f"{sums[name]}  {name}\n" for name in sorted(sums))


def check_wheels(folder: Path, lock: bytes) -> Wheelhouse:
    """Read every file of a wheelhouse and compare it with the lock.

    Raises
    ------
    WheelhouseError : a wheel of the lock is missing, has none of the hashes that the lock allows, or is not of the lock
    """
    hashes = parse_lock(lock.decode())
    if not hashes:
        raise WheelhouseError("The lock names no package. Fix: run `make lock`.")
    wheels = sorted(path.name for path in folder.glob("*.whl"))
    by_pin = {read_pin(name): name for name in wheels}
    if missing := sorted(hashes.keys() - by_pin.keys()):
        raise WheelhouseError(
            f"{folder} lacks {len(missing)} of {format_count(len(hashes), 'wheel')} (such as {missing[0]}). Fix: "
            "remove it and run `make wheelhouse` again."
        )
    sums = {LOCK: hashlib.sha256(lock).hexdigest()}
    for name in wheels:
        digest = hash_file(folder / name)
        if digest not in hashes.get(read_pin(name), ()):
            raise WheelhouseError(
                f"{folder / name} is not one of the files that the lock allows. Fix: remove it and run"
                " `make wheelhouse` again."
            )
        sums[name] = digest
    return Wheelhouse(folder, hash_lock(lock), sums)


def build_wheelhouse(
    arch: str, advance: Callable[[int], None] = lambda _: None, *, root: Path = FOLDER, locks: Path = LOCKS
) -> Wheelhouse:
    """Make the wheelhouse for an architecture, or check the one that is there.

    Parameters
    ----------
    arch : ``x86_64``, ``aarch64`` or AWS's name for it, ``arm64``
    advance : given the bytes that have been downloaded since it was called last
    root : folder of all wheelhouses
    locks : folder of the ``requirements-<arch>.txt``

    Raises
    ------
    WheelhouseError : there is no lock for it, or the package index does not give what the lock names
    """
    if arch not in ARCHITECTURES:
        raise WheelhouseError(f"ARCH={arch} is not known. Fix: choose from {', '.join(ARCHITECTURES)}.")
    machine = ARCHITECTURES[arch]
    source = locks / f"requirements-{machine}.txt"
    if not source.exists():
        raise WheelhouseError(f"{source} is missing. Fix: run `make lock`.")
    with hold_lock(root / ".lock"):  # two runs at once would write into each other's download
        return _build(source, machine, root, advance)


def is_here(arch: str) -> bool:
    """Whether nothing has to be downloaded for an architecture; hashes are not checked."""
    lock = LOCKS / f"requirements-{ARCHITECTURES.get(arch, arch)}.txt"
    return lock.exists() and (FOLDER / hash_lock(lock.read_bytes()) / SUMS).exists()


def build_visibly(arch: str, console: Console, build: Callable[..., Wheelhouse] = build_wheelhouse) -> Wheelhouse:
    """Make or check a wheelhouse, and show how far it is."""
    if is_here(arch):
        with working(console, "the wheels of a node: checking every hash"):
            return build(arch)
    with counting(console, "the wheels of a node: downloading", SOME_MB * 1_000_000, in_bytes=True) as advance:
        return build(arch, advance)


def _build(source: Path, machine: str, root: Path, advance: Callable[[int], None]) -> Wheelhouse:
    lock = source.read_bytes()
    folder = root / hash_lock(lock)
    if (folder / SUMS).exists():
        try:
            wheelhouse = check_wheels(folder, lock)
            if (folder / SUMS).read_text() == render_sums(wheelhouse.sums):
                return wheelhouse
        except WheelhouseError:
            shutil.rmtree(folder)

    part = root / f".{hash_lock(lock)}.part"  # kept when a download breaks off: the next run goes on in it
    part.mkdir(parents=True, exist_ok=True)
    _download(source, machine, part, advance)
    wheelhouse = check_wheels(part, lock)
    (part / LOCK).write_bytes(lock)
    (part / SUMS).write_text(render_sums(wheelhouse.sums))
    shutil.rmtree(folder, ignore_errors=True)
    part.rename(folder)
    return replace(wheelhouse, folder=folder)


def _download(lock: Path, machine: str, folder: Path, advance: Callable[[int], None]) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement", str(lock)]
    command += ["--python-version", PYTHON, "--implementation", "cp", "--abi", "cp311"]
    for tag in list_platforms(machine):
        command += ["--platform", tag]
    with (
        tempfile.TemporaryDirectory(prefix=".pip-", dir=folder.parent) as scratch,
        Path(scratch, "log").open("w+") as log,
    ):
        # pip moves a wheel into its place when all are there: what has come lies in its temporary folder until then
        exit_code = run_download(
            [*command, "--dest", str(folder)],
            [Path(scratch), folder],
            ".whl",
            advance,
            most_bytes=SOME_MB * 1_000_000,
            stdout=log,
            stderr=log,
            env={**inherited_environment(), "TMPDIR": scratch},
        )
        log.seek(0)
        output = log.read()
    if exit_code:
        if os.strerror(errno.ENOSPC) in output:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        reason = [line for line in output.splitlines() if line.startswith("ERROR")] or ["no reason given"]
        raise WheelhouseError(
            f"The wheels of {lock.name} could not be downloaded (pip: {reason[-1].removeprefix('ERROR: ')})."
            " Fix: check that the package index is reachable and run the same command again."
        )


class S3Store:
    """A prefix of a bucket; keys are relative to it. S3 checks the sha256 of what arrives."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def list(self) -> dict[str, int]:
        """Size by key of everything there."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        return {
            item["Key"].removeprefix(self._prefix): item["Size"] for page in pages for item in page.get("Contents", ())
        }

    def digest(self, key: str) -> str | None:
        """The sha256 that was stored with an object, if one was."""
        stored = self._client.head_object(Bucket=self._bucket, Key=self._prefix + key)["Metadata"].get("sha256")
        return str(stored) if stored else None

    def put(self, key: str, path: Path, digest: str) -> None:
        """Upload a file whole or not at all."""
        extra = {"Metadata": {"sha256": digest}, "ChecksumAlgorithm": "SHA256"}
        self._client.upload_file(str(path), self._bucket, self._prefix + key, ExtraArgs=extra)

    def copy(self, origin: str, key: str, digest: str) -> None:
        """Copy within the store."""
        source = {"Bucket": self._bucket, "Key": self._prefix + origin}
        # Large objects are copied in parts, and then their metadata stays behind unless it is given anew.
        extra = {"Metadata": {"sha256": digest}, "MetadataDirective": "REPLACE", "ChecksumAlgorithm": "SHA256"}
        self._client.copy(source, self._bucket, self._prefix + key, ExtraArgs=extra)


class FolderStore:
    """A local folder in the place of a bucket: as `S3Store`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self) -> dict[str, int]:
        sizes = {}
        for path in self._folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):  # another upload gives its part the last name just now
                if path.is_file():
                    sizes[path.relative_to(self._folder).as_posix()] = path.stat().st_size
        return sizes

    def digest(self, key: str) -> str | None:
        return hash_file(self._folder / key)

    def put(self, key: str, path: Path, digest: str) -> None:
        target = self._folder / key
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(path, part)
        part.replace(target)

    def copy(self, origin: str, key: str, digest: str) -> None:
        self.put(key, self._folder / origin, digest)


Store = S3Store | FolderStore


def open_store(uri: str, s3: Any = None) -> Store:
    """The store behind ``s3://bucket/prefix`` or a folder; ``s3`` is boto3's client, None makes one."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        if not parts.netloc:
            raise WheelhouseError(f"{uri} names no bucket. Fix: give s3://bucket/prefix.")
        return S3Store(s3 or boto3.client("s3"), parts.netloc, parts.path)
    if parts.scheme not in ("", "file"):
        raise WheelhouseError(f"{uri} is neither s3://bucket/prefix nor a folder. Fix: TO=s3://bucket/prefix.")
    return FolderStore(Path(unquote(parts.path) if parts.scheme else uri).expanduser())


@dataclass(frozen=True)
class Synced:
    """What an upload did: where the wheelhouse now is, and how many files came which way."""

    uri: str
    uploaded: int
    copied: int
    kept: int


def sync(wheelhouse: Wheelhouse, uri: str, *, store: Store | None = None, console: Console | None = None) -> Synced:
    """Bring a wheelhouse to ``<uri>/<key>/``, uploading only what is not below ``uri`` already.

    A wheel that another wheelhouse there shares is copied inside the store. The list of checksums comes last:
    a wheelhouse without it is not complete, and the next upload goes on with what is missing.

    Parameters
    ----------
    wheelhouse : what `build_wheelhouse` made
    uri : ``s3://bucket/wheelhouse`` or a folder: the place of all wheelhouses
    store : used instead of opening ``uri``

    Raises
    ------
    WheelhouseError : the store refuses or cannot be reached
    """
    console = console or Console(stderr=True)
    uploaded = copied = kept = 0
    try:
        store = store or open_store(uri)
        stored = store.list()
        with counting(console, "the wheels of a node: uploading", wheelhouse.size, in_bytes=True) as advance:
            sums = {**wheelhouse.sums, SUMS: hash_file(wheelhouse.folder / SUMS)}
            for name in sorted(sums, key=lambda name: (name == SUMS, name)):
                key, path, digest = f"{wheelhouse.key}/{name}", wheelhouse.folder / name, sums[name]
                size = path.stat().st_size
                if stored.get(key) == size and store.digest(key) == digest:
                    kept += 1
                elif origin := _elsewhere(store, stored, name, size, digest):
                    store.copy(origin, key, digest)
                    copied += 1
                else:
                    store.put(key, path, digest)
                    uploaded += 1
                advance(size)
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise WheelhouseError(
            f"The wheelhouse could not be brought to {uri} ({error}). Fix: check the bucket's name, its region and your"
            " credentials, and run the same command again; it continues where it stopped."
        ) from error
    return Synced(f"{uri.rstrip('/')}/{wheelhouse.key}/", uploaded, copied, kept)


def _elsewhere(store: Store, stored: Mapping[str, int], name: str, size: int, digest: str) -> str | None:
    """Another wheelhouse's object with the same content."""
    for key, stored_size in stored.items():
        if key.endswith(f"/{name}") and stored_size == size and name.endswith(".whl") and store.digest(key) == digest:
            return key
    return None
