"""Files below one URI, on any store that `pyarrow.fs` speaks: local disk, s3, gs, abfss, hdfs.

Only the base URI is parsed; keys below it are passed as they are, so they may hold spaces, accents, ``#`` and ``%``.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fruits.errors import DiskFullError, FruitsError, StorageError, UsageError
from fruits.wording import read_first_line

S3_SCHEMES = ("s3", "s3a", "s3n")
GCS_SCHEMES = ("gs", "gcs")
# .report.html.0f3c…: a file that is being written beside the one that it will replace
TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}")
AZURE_SCHEMES = ("abfss", "abfs", "wasbs", "wasb")
HDFS_SCHEMES = ("hdfs", "viewfs")
STORES = (("file",), S3_SCHEMES, GCS_SCHEMES, AZURE_SCHEMES, HDFS_SCHEMES)
"""The schemes of each store that is known, the usual one first; no other is opened."""


@dataclass(frozen=True)
class Entry:
    """One file or folder.

    ``key`` is relative to the store; ``mtime`` in nanoseconds since 1970, 0 where unknown; ``kind`` says what something
    is that is no regular file.
    """

    key: str
    is_file: bool
    size: int
    mtime: int
    kind: str | None = None


def split_uri(uri: str) -> tuple[str, str]:
    """Split a URI into scheme (``file`` for a plain path) and place, without decoding anything.

    >>> split_uri("s3://bucket/a b/é")
    ('s3', 'bucket/a b/é')
    >>> split_uri("/data/x")
    ('file', '/data/x')
    """
    scheme, separator, place = uri.partition("://")
    if not separator:
        return "file", uri
    return scheme.lower(), place


def make_s3_options(bucket: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Arguments for `pyarrow.fs.S3FileSystem`; endpoint and region as AWS's variables say (in ``environ`` if given).

    pyarrow's constructor does not read ``AWS_ENDPOINT_URL`` and finds a region only by instance metadata; without, it
    calls us-east-1 and, in a private subnet, hangs.
    """
    import pyarrow.fs as pafs

    options: dict[str, Any] = {
        "request_timeout": 30,
        "connect_timeout": 5,
        # pyarrow's default has one quota for all calls of a process: after about 300 refusals it stops retrying.
        # This one counts each call separately: nine attempts in about six seconds
        "retry_strategy": pafs.AwsDefaultS3RetryStrategy(max_attempts=8),
        # a small file is one PUT, not a multipart upload of three requests
        "allow_delayed_open": True,
    }
    environ = os.environ if environ is None else environ
    endpoint = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    if endpoint:
        parts = urlsplit(endpoint)
        options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
    if not region:
        region = "us-east-1" if endpoint else pafs.resolve_s3_region(bucket)
    options["region"] = region
    return options


def make_gcs_options(authority: str) -> dict[str, Any]:
    """Arguments for `pyarrow.fs.GcsFileSystem`.

    ``gs://anonymous@bucket`` reads a public bucket without credentials. ``STORAGE_EMULATOR_HOST`` names another
    endpoint, as in Google's own libraries. By default Google's client retries a failed call for 15 minutes.
    """
    options: dict[str, Any] = {"retry_time_limit": datetime.timedelta(seconds=60)}
    if authority.startswith("anonymous@"):
        options["anonymous"] = True
    if endpoint := os.environ.get("STORAGE_EMULATOR_HOST"):
        scheme, separator, host = endpoint.rstrip("/").rpartition("://")
        options |= {"endpoint_override": host, "scheme": scheme if separator else "http"}
        if options["scheme"] == "http":
            options["anonymous"] = True  # a token never travels unencrypted
    return options


def make_azure_options(authority: str) -> dict[str, Any]:
    """Arguments for `pyarrow.fs.AzureFileSystem`, from ``container@account.dfs.core.windows.net`` and the environment.

    The Azure command line's own variables are read: ``AZURE_STORAGE_CONNECTION_STRING`` (which may name another
    endpoint), or ``AZURE_STORAGE_KEY`` or ``AZURE_STORAGE_SAS_TOKEN`` beside ``AZURE_STORAGE_ACCOUNT``. They count for
    the account that they name. For any other, and where none is set, Azure's default credential is used: a managed
    identity, a service principal in the environment, or the user of its command line.

    Raises
    ------
    UsageError
        When no account is named anywhere, or the connection string cannot be read.
    """
    host = authority.partition("@")[2]
    account, _, domain = host.partition(".")
    connection = _parse_connection_string(os.environ.get("AZURE_STORAGE_CONNECTION_STRING", ""))
    named_account = connection.get("AccountName") or os.environ.get("AZURE_STORAGE_ACCOUNT", "")
    account = account or named_account
    if not account:
        raise UsageError(
            f"the address {authority} names no storage account. Fix: "
            "abfss://container@account.dfs.core.windows.net/…, or AZURE_STORAGE_ACCOUNT."
        )
    options: dict[str, Any] = {"account_name": account}
    _, separator, suffix = domain.partition(".")  # dfs.core.windows.net, blob.core.chinacloudapi.cn
    if separator and suffix != "core.windows.net":
        options |= {"blob_storage_authority": f".blob.{suffix}", "dfs_storage_authority": f".dfs.{suffix}"}
    if account != (named_account or account):
        return options
    if key := connection.get("AccountKey") or os.environ.get("AZURE_STORAGE_KEY"):
        options["account_key"] = key
    elif token := connection.get("SharedAccessSignature") or os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        options["sas_token"] = "?" + token.lstrip("?")
    if endpoint := connection.get("BlobEndpoint"):
        parts = urlsplit(endpoint)
        for service in ("blob", "dfs"):
            options |= {f"{service}_storage_authority": parts.netloc, f"{service}_storage_scheme": parts.scheme}
    return options


def _parse_connection_string(text: str) -> dict[str, str]:
    """The fields of an Azure connection string: ``AccountName=a;AccountKey=…==;BlobEndpoint=http://…``."""
    fields = {}
    for field in filter(None, (part.strip() for part in text.split(";"))):
        name, separator, value = field.partition("=")
        if not separator:
            raise UsageError(
                "AZURE_STORAGE_CONNECTION_STRING is not a connection string: a part of it has no '='. Fix: copy it "
                "again, in quotes (it holds semicolons)."
            )
        fields[name] = value
    return fields


@lru_cache(maxsize=16)
def _open_file_system(scheme: str, authority: str, _pid: int) -> Any:
    """One client per store and process; ``_pid`` keeps a forked worker from using its parent's.

    pyarrow is loaded here and not at import: a command that refuses a local address needs none of it.
    """
    if not any(scheme in schemes for schemes in STORES):
        *others, last = (f"{schemes[0]}://" for schemes in STORES)
        raise UsageError(f"no store is known for {scheme}://. Fix: a plain path, {', '.join(others)} or {last}.")
    import pyarrow.fs as pafs

    if scheme == "file":
        return pafs.LocalFileSystem()
    if scheme in S3_SCHEMES:
        return pafs.S3FileSystem(**make_s3_options(authority))
    if scheme in GCS_SCHEMES:
        return pafs.GcsFileSystem(**make_gcs_options(authority))
    if scheme in AZURE_SCHEMES:
        options = make_azure_options(authority)
        filesystem = pafs.AzureFileSystem(**options)
        if not {"account_key", "sas_token"} & options.keys():
            # where there is no credential, this raises; opening a file would abort the process
            filesystem.get_file_info(f"{authority.partition('@')[0]}/.")
        return filesystem
    filesystem, _ = pafs.FileSystem.from_uri(f"{scheme}://{authority}/")
    return filesystem


_LOST = (FileNotFoundError, IsADirectoryError, NotADirectoryError, PermissionError)


def is_final(error: Exception) -> bool:
    """Whether a failed read would fail again: the file is gone, may not be read, or has an impossible address.

    Everything else is trouble of the store, of the network or of credentials, and may pass. A 403 too: S3's answer to a
    HEAD request says no more, and gives it for an expired session.
    """
    return isinstance(error, (*_LOST, ValueError)) and "AWS Error" not in str(error)


_KINDS: tuple[tuple[tuple[str, ...], type[StorageError], str], ...] = (
    (
        ("could not resolve", "couldn't resolve", "network_connection"),
        StorageError,
        "check the address and the network",
    ),
    (
        ("oauth2 access token", "defaultazurecredential", "default credentials", "unauthenticated", "unauthorized"),
        StorageError,
        "log in (gcloud auth application-default login, az login), or set the variables of the store",
    ),
    (
        ("access_denied", "access denied", "forbidden"),
        StorageError,
        "the identity in use lacks the right; check who you are and the policy of the bucket or folder",
    ),
    (
        ("nosuchbucket", "no such bucket", "does not exist", "not_found", "404 get"),
        StorageError,
        "check the spelling of the bucket",
    ),
    (
        ("permanentredirect", "wrong region", "authorizationheadermalformed"),
        StorageError,
        "the bucket is in another region; set AWS_REGION to its region",
    ),
    (("no space", "quota exceeded"), DiskFullError, "free some disk, or choose another place"),
    (("",), StorageError, "check the address and the network"),
)
"""By words of an error, in lower case: the first that fits decides the exception and its fix."""


def explain_error(error: Exception, failure: str) -> StorageError:
    """A store's error in a sentence: what failed, the first line of the error, and the fix for its kind."""
    text = read_first_line(error)
    words = text.lower() + (" forbidden" if isinstance(error, PermissionError) else "")
    kind, fix = next((kind, fix) for phrases, kind, fix in _KINDS if any(phrase in words for phrase in phrases))
    return kind(f"{failure}: {text if len(text) <= 300 else text[:299] + '…'}. Fix: {fix}.")


def _keep_first_level(entries: list[Entry], key: str) -> list[Entry]:
    """Keep, of everything below a key, the files directly in it, and a folder for whatever lies deeper."""
    skip = len(key) + 1 if key else 0
    by_key: dict[tuple[str, bool], Entry] = {}  # a file and a folder may have one name
    for entry in entries:
        name, deeper, _ = entry.key[skip:].partition("/")
        key = entry.key[: skip + len(name)]
        if deeper or not entry.is_file:
            by_key.setdefault((key, False), Entry(key, False, 0, 0))
        else:
            by_key[key, True] = entry
    return list(by_key.values())


class Insistent:
    """A file in S3 that retries where pyarrow's client gives up at once.

    The client writes the text of a refusal into the buffer for the bytes, and retries. Where the buffer is shorter than
    that text (24 bytes of a header, the end of a zip), it fails instead.
    """

    PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    _TOO_SHORT = "Failed to flush response stream"

    def __init__(self, source: Any) -> None:
        self._source = source

    def read(self, size: int | None = -1) -> bytes:
        position = self._source.tell()
        for pause in (*self.PAUSES, None):
            try:
                data: bytes = self._source.read(None if size is None or size < 0 else size)
                break
            except OSError as error:
                if pause is None or self._TOO_SHORT not in str(error):
                    raise
                time.sleep(pause)
                self._source.seek(position)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


class NewFile:
    """A file that is being written, and the digest of what was written.

    Once closed, it survives a power cut: it is on the disk and not only in the system's memory. As a context it leaves
    nothing behind when it fails.
    """

    def __init__(self, store: Store, key: str, name: str) -> None:
        self._store, self._key, self._name = store, key, name
        self._digest = hashlib.sha256()
        self.closed = False
        self._local = Path(store.path(key)) if store.is_local else None
        if self._local:
            self._local.parent.mkdir(parents=True, exist_ok=True)
        self._file: Any = self._local.open("wb") if self._local else store.fs.open_output_stream(store.path(key))

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: writers of formats call it, but the file is read only after it was closed."""

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._local:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        if self._local:
            sync_folder(self._local.parent)

    def abandon(self) -> None:
        """Close it, and remove it where that is possible."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(StorageError):
            self._store.delete(self._key)

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            try:
                self.close()
            except OSError as close_error:
                error = close_error
        if error is not None:
            self.abandon()
        if isinstance(error, OSError):
            raise explain_error(error, f"cannot write {self._store.location(self._name)}") from error

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Store:
    """The files below one URI.

    Parameters
    ----------
    uri : str
        A local path, or a URI. A trailing slash is ignored.

    Raises
    ------
    UsageError
        For a scheme that no file system speaks.
    StorageError
        When the store cannot be reached.
    """

    def __init__(self, uri: str) -> None:
        if not uri.strip():
            raise UsageError("an empty address was given. Fix: a folder or a URI.")
        scheme, place = split_uri(uri)
        self.scheme = scheme
        if scheme == "file":
            self._base = str(Path(place).expanduser().absolute())
            self.uri = self._base
        else:
            place = place.rstrip("/")
            authority, _, path = place.partition("/")
            if scheme in HDFS_SCHEMES:
                self._base = "/" + path
            else:
                # container@account, but anonymous@bucket
                bucket = authority.rpartition("@")[2] if scheme in GCS_SCHEMES else authority.partition("@")[0]
                self._base = f"{bucket}/{path}".rstrip("/")
            self.uri = f"{scheme}://{place}"
        self.authority = "" if scheme == "file" else place.partition("/")[0]

    def __repr__(self) -> str:
        return f"Store({self.uri!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "fs"}

    @cached_property
    def fs(self) -> Any:
        """The `pyarrow.fs.FileSystem` behind it."""
        try:
            return _open_file_system(self.scheme, self.authority, os.getpid())
        except FruitsError:
            raise
        except Exception as error:  # OSError, ImportError, and whatever a store's own client raises
            raise explain_error(error, f"cannot open {self.uri}") from error

    @property
    def is_local(self) -> bool:
        return self.scheme == "file"

    def is_in_trouble(self, error: Exception) -> bool:
        """Whether a failed read is the store's or the network's fault, and not that of the address that was given."""
        return not (self.is_local or is_final(error))

    @property
    def lists_folders(self) -> bool:
        """Whether one level can be listed alone: in Google's store pyarrow sees no folder (apache/arrow#35993)."""
        return self.scheme not in GCS_SCHEMES

    def child(self, key: str) -> Store:
        """The store below a key."""
        return Store(f"{self.uri}/{key}")

    def location(self, key: str) -> str:
        """The address of a key, as a user writes it."""
        return f"{self.uri}/{key}" if key else self.uri

    def path(self, key: str) -> str:
        """The path of a key as `fs` wants it."""
        return f"{self._base}/{key}" if key else self._base

    def read(self, key: str, *, room: Callable[[int], None] | None = None) -> bytes:
        """The whole file.

        Parameters
        ----------
        room : callable, optional
            Called with the size before the bytes are read; it may wait or raise.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        OSError
            Where it cannot be read.
        """
        with self.open(key) as source:
            if room is not None:
                room(source.size())
            data: bytes = source.read()
        return data

    def open(self, key: str) -> Any:
        """A file to read from, as pyarrow and numpy take it.

        Raises
        ------
        FileNotFoundError
            Where there is none.
        OSError
            Where it cannot be read.
        """
        source = self.fs.open_input_file(self.path(key))
        if self.scheme not in S3_SCHEMES:
            return source
        import pyarrow as pa

        return pa.PythonFile(Insistent(source), mode="r")

    def write(self, key: str, data: bytes) -> None:
        """Write a whole file: a reader sees the old or the new one, never half of it.

        Raises
        ------
        StorageError
            When it cannot be written.
        """
        if self.is_local:
            with self.replacing(key) as sink:
                sink.write(data)
            return
        try:
            with self.fs.open_output_stream(self.path(key)) as sink:
                sink.write(data)
        except OSError as error:
            raise explain_error(error, f"cannot write {self.location(key)}") from error

    @contextlib.contextmanager
    def replacing(self, key: str) -> Iterator[NewFile]:
        """Write a file piece by piece: it replaces the older one when it is whole, and not before.

        Raises
        ------
        StorageError
            When it cannot be written.
        """
        folder, separator, name = key.rpartition("/")
        temporary = f"{folder}{separator}.{name}.{uuid.uuid4().hex}"
        with self.create(temporary, name=key) as sink:
            yield sink
        try:
            if self.is_local:
                Path(self.path(temporary)).replace(self.path(key))
                sync_folder(Path(self.path(key)).parent)
            else:
                if self.scheme in HDFS_SCHEMES:
                    self.delete(key)  # a move does not overwrite
                if self.scheme in AZURE_SCHEMES:  # pyarrow cannot move without a hierarchical namespace
                    self.fs.copy_file(self.path(temporary), self.path(key))
                    self.delete(temporary)
                else:
                    self.fs.move(self.path(temporary), self.path(key))
        except OSError as error:
            self.delete(temporary)
            raise explain_error(error, f"cannot write {self.location(key)}") from error

    def create(self, key: str, *, name: str = "") -> NewFile:
        """A new file, to be written piece by piece.

        Parameters
        ----------
        name : str
            The key that an error names, where it is another one.

        Raises
        ------
        StorageError
            When it cannot be opened.
        """
        try:
            return NewFile(self, key, name or key)
        except OSError as error:
            raise explain_error(error, f"cannot write {self.location(name or key)}") from error

    def list(self, key: str = "", *, recursive: bool = False) -> list[Entry]:
        """List what lies below a key; empty where there is nothing.

        Raises
        ------
        StorageError
            When the store refuses.
        """
        if not (recursive or self.lists_folders):
            return _keep_first_level(self.list(key, recursive=True), key)
        import pyarrow.fs as pafs

        selector = pafs.FileSelector(self.path(key), allow_not_found=True, recursive=recursive)
        try:
            infos = self.fs.get_file_info(selector)
        except OSError as error:
            raise explain_error(error, f"cannot list {self.location(key)}") from error
        skip = len(self._base) + 1
        try:
            return [
                Entry(info.path[skip:], info.type == pafs.FileType.File, info.size or 0, info.mtime_ns or 0)
                for info in infos
            ]
        except UnicodeDecodeError as error:
            raise StorageError(
                f"a file name below {self.location(key)} is not UTF-8 ({error.object!r}). Fix: rename it."
            ) from error

    def kind(self, key: str = "") -> str:
        """``file``, ``folder`` or ``missing``."""
        if self.is_local:
            place = Path(self.path(key))
            return "folder" if place.is_dir() else "file" if place.is_file() else "missing"
        import pyarrow.fs as pafs

        try:
            info = self.fs.get_file_info(self.path(key))
        except OSError as error:
            raise explain_error(error, f"cannot look at {self.location(key)}") from error
        return {pafs.FileType.File: "file", pafs.FileType.Directory: "folder"}.get(info.type, "missing")

    def answers(self) -> bool:
        """Whether the store can be reached now, with the current credentials."""
        try:
            return self.kind() != "missing"
        except StorageError:
            return False

    def delete(self, key: str) -> None:
        """Remove a file; a missing one is no error."""
        try:
            self.fs.delete_file(self.path(key))
        except FileNotFoundError:
            return
        except OSError as error:
            if self.kind(key) != "missing":
                raise explain_error(error, f"cannot remove {self.location(key)}") from error

    def delete_all(self, keys: Iterable[str]) -> None:
        """Remove many files, 16 at a time."""
        with ThreadPoolExecutor(16, thread_name_prefix="delete") as pool:
            for _ in pool.map(self.delete, keys):
                pass

    def delete_folder(self, key: str) -> None:
        """Remove everything below a key; nothing there is no error."""
        try:
            self.fs.delete_dir_contents(self.path(key), missing_dir_ok=True)
            if self.is_local and Path(self.path(key)).is_dir():
                Path(self.path(key)).rmdir()
        except OSError as error:
            raise explain_error(error, f"cannot clear {self.location(key)}") from error
