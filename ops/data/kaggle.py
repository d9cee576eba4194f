"""Fruits-360 from Kaggle, with Kaggle's own key file, without fetching a gigabyte to find out that it is another one.

Kaggle gives a version of a data set as one zip file. Its table of contents and single files are read by HTTP ranges:
so the readme is checked before the first image comes, an interrupted run goes on with the images that are missing,
and the originals in full size that lie in the same archive are never fetched. Kaggle numbers its versions by itself;
which number holds the authors' version is found by reading the readmes of a few of them.
"""

import base64
import io
import json
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property
from http.client import HTTPException
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlencode

from ops.core.console import Console
from ops.data.fruits360 import SPLITS, DatasetError, DatasetImage, Release, SourceUnreachableError, Stated, parse_readme

DATASET = "moltean/fruits"
HOST = "https://www.kaggle.com"
CHUNK = 4 << 20
TRIES = 3


@dataclass(frozen=True)
class Key:
    """A user's name and key; ``str()`` hides the key."""

    username: str
    key: str = field(repr=False)

    @property
    def header(self) -> str:
        """For HTTP's basic authentication."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.key}".encode()).decode()


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The key must not travel to where Kaggle sends us."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _ask(url: str, headers: Mapping[str, str]) -> tuple[int, Message, bytes]:
    """One request; a redirect is an answer. A broken connection is tried again.

    Raises
    ------
    SourceUnreachableError : nobody answers
    """
    host = url.split("?")[0]  # what follows may be a signature
    for attempt in range(TRIES):
        try:
            with _OPENER.open(urllib.request.Request(url, headers=dict(headers)), timeout=60) as answer:  # noqa: S310
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, b""
        except (OSError, HTTPException) as error:  # URLError is an OSError; IncompleteRead is not
            if attempt == TRIES - 1:
                reason = getattr(error, "reason", error)
                raise SourceUnreachableError(
                    f"{host} could not be fetched from ({reason}). Fix: check the internet connection and run the"
                    " same command again; it continues where it stopped."
                ) from None
    raise AssertionError("unreachable")


class Api:
    """The two calls of Kaggle's interface that are needed."""

    def __init__(self, host: str, key: Key) -> None:
        self._host, self._key = host.rstrip("/"), key

    def newest(self) -> int:
        """The number of the newest version of the data set."""
        status, _, body = self._call(f"datasets/view/{DATASET}")
        try:
            return int(json.loads(body)["currentVersionNumber"])
        except (ValueError, KeyError, TypeError):
            raise SourceUnreachableError(
                f"{self._host} does not say which versions there are (answer {status}). Fix: KAGGLE_VERSION=number,"
                " from the data set's page."
            ) from None

    def archive_address(self, number: int) -> str:
        """Where the zip of a version lies, signed, for some minutes."""
        query = urlencode({"datasetVersionNumber": number})
        status, headers, _ = self._call(f"datasets/download/{DATASET}?{query}")
        if status not in (301, 302, 303, 307) or not headers.get("Location"):
            raise SourceUnreachableError(
                f"{self._host} gives no archive of version {number} (answer {status}). Fix: run the same command "
                "again, or SOURCE=github."
            )
        return headers["Location"]

    def _call(self, path: str) -> tuple[int, Message, bytes]:
        answer = _ask(f"{self._host}/api/v1/{path}", {"Authorization": self._key.header})
        if answer[0] in (401, 403):
            raise DatasetError(
                f"Kaggle rejects the key of {self._key.username} (answer {answer[0]}). Fix: create a new token,"
                " or accept the terms on the data set's page."
            )
        if answer[0] == 404:
            raise DatasetError(
                f"Kaggle has no such {path.partition('?')[0]}. Fix: another KAGGLE_VERSION=, or SOURCE=github."
            )
        return answer


class Remote(io.RawIOBase):
    """A file of Kaggle's store, read by ranges. Its address is asked for anew when it has expired."""

    def __init__(self, api: Api, number: int) -> None:
        self._api, self._number = api, number
        self._address = api.archive_address(number)
        self._at = 0
        _, headers = self._range(0, 0)
        # bytes 0-0/1048576
        total = headers.get("Content-Range", "").rpartition("/")[2]
        if not total.isdigit():
            raise SourceUnreachableError("Kaggle's store does not say how large the archive is. Fix: SOURCE=github.")
        self._size = int(total)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        last = min(self._at + len(buffer), self._size) - 1
        if last < self._at:
            return 0
        data, _ = self._range(self._at, last)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _range(self, first: int, last: int) -> tuple[bytes, Message]:
        header = {"Range": f"bytes={first}-{last}"}
        status, headers, data = _ask(self._address, header)
        if status in (400, 401, 403):  # the signature has expired
            self._address = self._api.archive_address(self._number)
            status, headers, data = _ask(self._address, header)
        if status != 206 or len(data) != last - first + 1:
            raise SourceUnreachableError(
                f"Kaggle's store gives no part of the archive (answer {status}). Fix: run the same command again, or"
                " SOURCE=github."
            )
        return data, headers


def compute_checksum(data: bytes) -> str:
    """As a zip names a content: CRC-32 and length."""
    return f"{zlib.crc32(data):08x}-{len(data)}"


@dataclass(frozen=True)
class Variant:
    """One of the data sets in an archive: by size of the images.

    Attributes
    ----------
    images : what lies in Training and Test
    papers : readme and licence, by name
    members : the zip's own entries, by our path
    """

    images: list[DatasetImage]
    papers: dict[str, zipfile.ZipInfo]
    members: dict[PurePosixPath, zipfile.ZipInfo]


def list_variants(members: list[zipfile.ZipInfo]) -> list[Variant]:
    """The data sets in an archive, those in full size left out.

    A split lies below some folders: ``fruits-360_100x100/fruits-360/Training/Apple 6/r0_103_100.jpg``.
    """
    by_root: dict[PurePosixPath, Variant] = {}
    for member in members:
        path = PurePosixPath(member.filename)
        if not member.is_dir() and len(path.parts) >= 3 and path.parts[-3] in SPLITS and ".." not in path.parts:
            root = PurePosixPath(*path.parts[:-3])
            if "original-size" in str(root).lower():
                continue
            variant = by_root.setdefault(root, Variant([], {}, {}))
            inner = PurePosixPath(*path.parts[-3:])
            variant.images.append(DatasetImage(inner, f"{member.CRC:08x}-{member.file_size}"))
            variant.members[inner] = member
    for member in members:
        path = PurePosixPath(member.filename)
        if path.parent in by_root and (path.name.lower() == "readme.md" or path.name.upper().startswith("LICENSE")):
            by_root[path.parent].papers[path.name] = member
    return [by_root[root] for root in sorted(by_root)]


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class KaggleSource:
    """A release on Kaggle.

    Parameters
    ----------
    number : Kaggle's own number of the version; None finds it by the readmes
    """

    def __init__(self, release: Release, api: Api, console: Console, number: int | None = None) -> None:
        self._release, self._api, self._console, self._number = release, api, console, number
        self.pin = f"kaggle:{DATASET}:{release.version}"
        self.where = f"Kaggle's {DATASET}"

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        if self._number is None:
            self._number = self._find()
            self._console.print(f"version {self._release.version} is Kaggle's number {self._number}")
        archive = self._table(self._number)
        self.where = f"Kaggle's {DATASET}, number {self._number},"
        return archive

    def open(self) -> None:
        """Find the archive, and read its table of contents."""
        _ = self._archive

    def listing(self) -> tuple[list[DatasetImage], dict[str, bytes]]:
        """See `fruits360.DatasetSource`."""
        variant = self._variant(self._archive)
        return variant.images, {name: self._archive.read(member) for name, member in variant.papers.items()}

    checksum = staticmethod(compute_checksum)

    def fetch(self, images: list[DatasetImage]) -> Iterator[tuple[DatasetImage, bytes]]:
        """In the order of the archive, so that one range holds many."""
        archive = self._archive
        members = self._variant(archive).members
        pairs = [(image, members[image.path]) for image in images if image.path in members]
        if len(pairs) != len(images):
            raise DatasetError(f"{self.where} lacks images that it listed before. Fix: another DEST=.")
        for image, member in sorted(pairs, key=lambda pair: pair[1].header_offset):
            try:
                data = archive.read(member)
            except (zipfile.BadZipFile, zlib.error) as error:
                raise SourceUnreachableError(
                    f"{image.path} arrived damaged ({error}). Fix: run the same command again."
                ) from None
            if compute_checksum(data) != image.oid:
                raise DatasetError(f"{image.path} is not the one listed before. Fix: another DEST=.")
            yield image, data

    def close(self) -> None:
        """Nothing is left behind."""
        if "_archive" in self.__dict__:
            self._archive.close()

    def _table(self, number: int) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(io.BufferedReader(Remote(self._api, number), CHUNK))
        except zipfile.BadZipFile as error:
            raise SourceUnreachableError(
                f"what Kaggle gives as number {number} is not an archive ({error}). Fix: another KAGGLE_VERSION=, or"
                " SOURCE=github."
            ) from None

    def _variant(self, archive: zipfile.ZipFile) -> Variant:
        """The one whose readme is the release's; else the first, whose readme then says what it is."""
        candidates = list_variants(archive.infolist())
        if not candidates:
            raise DatasetError(
                f"{self.where} holds no Training and Test. Fix: another KAGGLE_VERSION=, or SOURCE=github."
            )
        for variant in candidates:
            stated = _stated(archive, variant)
            if stated is not None and stated.version == self._release.version:
                return variant
        return candidates[0]

    def _find(self) -> int:
        """Kaggle's number of the release: versions are dates that grow with the numbers, so by halving."""
        low, high = 1, self._api.newest()
        target = _as_numbers(self._release.version)
        versions: dict[int, str] = {}
        while low <= high:
            number = (low + high) // 2
            with self._table(number) as archive:
                stated = _stated(archive, self._variant(archive))
            if stated is None:
                raise DatasetError(
                    f"Kaggle's number {number} holds no readme to compare by. Fix: KAGGLE_VERSION=number, or"
                    " SOURCE=github."
                )
            versions[number] = stated.version
            if _as_numbers(stated.version) == target:
                return number
            if _as_numbers(stated.version) < target:
                low = number + 1
            else:
                high = number - 1
        looked = ", ".join(f"{number} is {version}" for number, version in sorted(versions.items()))
        raise DatasetError(
            f"Kaggle does not hold version {self._release.version} where it was looked for ({looked}). Fix: another"
            " VERSION=, KAGGLE_VERSION=number, or SOURCE=github."
        )


def _stated(archive: zipfile.ZipFile, variant: Variant) -> Stated | None:
    for name, member in sorted(variant.papers.items()):
        if name.lower() == "readme.md":
            try:
                return parse_readme(archive.read(member).decode(errors="replace"))
            except DatasetError:
                return None
    return None
