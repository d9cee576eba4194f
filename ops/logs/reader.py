"""Reading logs wherever they lie: an S3 address or a folder on disk, gzipped or not, of any size, in any state.

Nothing here raises because of a log: what cannot be read comes back as an excerpt that says why. What does raise is a
place that is not there at all (`LogsError`).
"""

import os
import re
import stat
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from botocore.exceptions import BotoCoreError, ClientError
from fruits.wording import format_count

from ops.core.errors import ExitCode, OperatorError
from ops.logs import layout
from ops.logs.layout import Log

CHUNK = 256 * 1024
HEAD = 256 * 1024
TAIL = 1024 * 1024
MIDDLE = 1024 * 1024
"""How much of a log's beginning, end and telling lines in between is kept, in bytes."""
MOST = 4 * 1024**3
"""Unpacked bytes after which a log is read no further: some half a minute."""
PATIENCE = 120.0
"""Seconds after which a log is read no further, whatever its size."""
MOST_FILES = 50_000

# What makes a line in the middle of a huge log worth keeping, with what follows it.
_WORDS = (
    rb"Traceback (most recent call last)|Exception in thread|OutOfMemoryError|ExecutorLostFailure|AccessDenied"
    rb"|ACCESS_DENIED|Container killed|exitCode: |No space left|PermanentRedirect|fruits.errors."
    rb"|Lost executor |xit status: |*lost* node|MemoryError|Fatal Python error|FetchFailed"
    rb"|beyond |Out of memory: Kill|usable space"
).split(b"|")
_NUMBER = {b"xit status: ": rb"-?[1-9]"}
TELLING = re.compile(b"|".join(re.escape(word) + _NUMBER.get(word, b"") for word in _WORDS))
_AROUND = 8 * 1024
# Control characters would move a terminal's cursor, or change its colours: \x1b[31m
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class LogsError(OperatorError):
    """The place where logs should lie cannot be read."""

    exit_code = ExitCode.NOT_APPLIED


@dataclass(frozen=True)
class Excerpt:
    """What was read of one log.

    Attributes
    ----------
    text : all of a small log; of a large one its beginning, the telling lines in between, and its end
    problem : why not all of it could be read, in words; empty when all is well
    """

    text: str
    problem: str = ""


def clean_text(data: bytes) -> str:
    """Bytes as text that a terminal can show: line ends unified, control sequences gone, no byte an error.

    >>> clean_text(b"a\\r\\nb\\x1b[31mred\\x00 \\xff")
    'a\\nbred \ufffd'
    """
    text = data.decode("utf-8", errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", text)


class _Keeper:
    """Keeps the beginning, the end, and the telling parts in between, in bounded memory."""

    def __init__(self) -> None:
        self._head, self._middle, self._window = bytearray(), bytearray(), bytearray()
        self._wanted = 0  # bytes still to keep after a telling line
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = HEAD - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._window += data
        if len(self._window) > 2 * TAIL + CHUNK:
            self._sift(len(self._window) - TAIL)

    def _sift(self, surplus: int) -> None:
        """Let go of the window's first bytes, and keep what tells something in them."""
        passing, position = bytes(self._window[:surplus]), 0
        del self._window[:surplus]
        # Looking for each word by itself takes a tenth of the time of the pattern, and most pieces have none.
        is_telling = any(word in passing for word in _WORDS)
        while len(self._middle) < MIDDLE:
            if self._wanted:
                taken = passing[position : position + self._wanted]
                self._middle += taken
                self._wanted -= len(taken)
                position += len(taken)
                if self._wanted:
                    return
            words = TELLING.search(passing, position) if is_telling else None
            if words is None:
                return
            begin = max(position, passing.rfind(b"\n", 0, words.start()) + 1, words.start() - _AROUND)
            self._middle += b"\n[...]\n"
            position, self._wanted = begin, words.end() - begin + _AROUND

    def end(self) -> bytes:
        """What was kept, and a line that says how many bytes were not."""
        if len(self._window) > TAIL:
            self._sift(len(self._window) - TAIL)
        whole = len(self._head) + len(self._window)
        if self.total <= whole:
            return bytes(self._head + self._window)
        left_out = max(0, self.total - whole - len(self._middle) + self._middle.count(b"\n[...]\n") * 7)
        note = f"\n[... {format_count(left_out, 'byte')} left out ...]\n".encode()
        return bytes(self._head + self._middle + note + self._window)


def _unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The content of a gzip stream of any number of members, or of what is none; raises zlib.error on damage."""
    unpacker: Any = None
    stream = iter(chunks)
    first = b""
    while len(first) < 2 and (chunk := next(stream, b"")):
        first += chunk
    if first[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(wbits=31)
    for chunk in chain([first], stream):
        if unpacker is None:
            yield chunk
            continue
        rest = chunk
        while rest:
            if unpacker.eof:
                if not rest.startswith(b"\x1f"):
                    return  # padding after the last member
                unpacker = zlib.decompressobj(wbits=31)
            yield unpacker.decompress(rest, CHUNK)  # bounded: a small file may unpack to a huge one
            rest = unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
    if unpacker is not None and not unpacker.eof:
        yield unpacker.flush()
        if not unpacker.eof:
            raise EOFError


def read_stream(chunks: Iterable[bytes], *, most: int = MOST) -> Excerpt:
    """An excerpt of a log's stored bytes, gzipped or not (the content decides, not the name). Never raises.

    >>> import gzip
    >>> read_stream([gzip.compress(b"one"), gzip.compress(b"two")]).text
    'onetwo'
    >>> read_stream([gzip.compress(b"cut off")[:-12]]).problem
    'it is cut off'
    """
    keeper, problem = _Keeper(), ""
    began = time.monotonic()
    try:
        for data in _unpacked(chunks):
            keeper.add(data)
            if keeper.total >= most or time.monotonic() - began > PATIENCE:
                problem = f"only its first {format_count(keeper.total, 'byte', 'was')} read"
                break
    except EOFError:
        problem = "it is cut off"
    except zlib.error:
        problem = "it is damaged: the gzip stream breaks off"
    except Exception as error:  # noqa: BLE001 - a store may fail in any way while it is read; what came counts
        problem = f"reading broke off: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return Excerpt(clean_text(keeper.end()), problem)


def _pieces(stream: Any) -> Iterator[bytes]:
    try:
        while chunk := stream.read(CHUNK):
            yield chunk
    finally:
        stream.close()


class FolderLogs:
    """Logs on this machine's disk: what ``aws s3 cp --recursive`` or a browser fetched.

    Attributes
    ----------
    root : its address, without a trailing slash
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise LogsError(
                f"there is no folder {folder}. Fix: give the folder that the logs were copied to.",
                exit_code=ExitCode.USAGE,
            )
        self._folder, self.root = folder, str(folder).rstrip("/")

    def uri(self, key: str) -> str:
        """The address of a log or folder below it."""
        return f"{self.root}/{key}"

    def list(self, prefix: str = "") -> list[Log]:
        """The logs below a prefix of it, by name; empty where there is none."""
        logs: list[Log] = []
        for folder, folders, names in os.walk(self._folder):  # follows no links, and skips what it may not read
            folders.sort()
            for name in sorted(names):
                path = Path(folder, name)
                key = path.relative_to(self._folder).as_posix()
                if not key.startswith(prefix):
                    continue
                with suppress(OSError):
                    status = path.stat()
                    if stat.S_ISREG(status.st_mode):  # a pipe would block for ever
                        logs.append(layout.parse_key(key, status.st_size, status.st_mtime))
                if len(logs) >= MOST_FILES:
                    return logs
        return logs

    def read(self, log: Log) -> Excerpt:
        """An excerpt of a log."""
        try:
            stream = cast("BinaryIO", (self._folder / log.key).open("rb"))
        except OSError as error:
            return Excerpt("", problem=f"it cannot be opened: {error.strerror}")
        return read_stream(_pieces(stream))


class S3Logs:
    """The same of logs below an S3 address.

    Parameters
    ----------
    s3 : boto3's client
    uri : ``s3://bucket/prefix/``
    """

    def __init__(self, s3: Any, uri: str) -> None:
        self._s3 = s3
        self.bucket, key = layout.split_s3_uri(uri)
        self._prefix = f"{key.strip('/')}/" if key.strip("/") else ""
        self.root = f"s3://{self.bucket}/{self._prefix}".rstrip("/")

    def uri(self, key: str) -> str:
        return f"{self.root}/{key}"

    def list(self, prefix: str = "") -> list[Log]:
        logs: list[Log] = []
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self._prefix + prefix)
            for page in pages:
                for item in page.get("Contents", []):
                    key = item["Key"][len(self._prefix) :]
                    if not key or key.endswith("/"):
                        continue
                    logs.append(layout.parse_key(key, int(item["Size"]), item["LastModified"].timestamp()))
                if len(logs) >= MOST_FILES:
                    break
        except (ClientError, BotoCoreError) as error:
            raise LogsError(
                f"the logs below {self.uri(prefix)} cannot be listed ({error}). Fix: check the address, the region "
                "and who you are (aws sts get-caller-identity)."
            ) from error
        return logs

    def read(self, log: Log) -> Excerpt:
        try:
            body = self._s3.get_object(Bucket=self.bucket, Key=self._prefix + log.key)["Body"]
        except (ClientError, BotoCoreError) as error:
            return Excerpt("", problem=f"it cannot be fetched: {error}")
        return read_stream(_pieces(body))


Logs = FolderLogs | S3Logs
