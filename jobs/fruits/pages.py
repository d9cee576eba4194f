"""The keys of a store, one page at a time, and cut into ranges that many tasks list at once.

pyarrow returns a listing when it is complete, and one folder is one listing: with ten million photographs in one folder
that takes a task an hour, and more memory than it has. S3 gives a thousand keys per page, from any key on: so a folder
of more than a page is cut at keys that are found by asking what comes after a guess. Google's store does the same where
its own package is installed. Azure's continues only from the end of a page: by its own package a folder is one task,
with one page in memory. A local folder is always read by one process, since the system lists it in one sequence.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from fruits.store import (
    AZURE_SCHEMES,
    GCS_SCHEMES,
    S3_SCHEMES,
    Entry,
    Store,
    explain_error,
    make_azure_options,
    make_gcs_options,
    make_s3_options,
)

PAGE = 1000
"""Keys of a page: memory holds no more of a listing."""
_TRIES, _FIRST_TRIES = 40, 400
"""Guesses for one cut; the first cut must find out how all names begin, with up to seven guesses per letter."""
_CALLS = 10
"""Calls per wanted range after which cutting stops: names may be so uneven that a cut costs more than it saves."""
_BEFORE_SPACE = 0x1F
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Page:
    """Some keys in order, the folders between them (ending in a slash), and whether more come.

    ``mark`` is what names the next page, where that is not the last key.
    """

    entries: list[Entry]
    folders: list[str]
    more: bool
    mark: str = ""


@dataclass(frozen=True)
class Range:
    """The keys that begin with `prefix`, after `after`, up to and including `until`; an empty bound is none."""

    prefix: str
    after: str = ""
    until: str = ""


class Pages(Protocol):
    """What can be listed page by page; `cuts` where a page may begin after any key."""

    cuts: bool

    def page(self, prefix: str, after: str = "", *, level: bool = False, limit: int = PAGE) -> Page:
        """List keys that begin with `prefix`, after `after`; with `level` no deeper ones, but the folders."""
        ...


class S3Pages:
    """The objects below a store in S3, by botocore."""

    cuts = True

    def __init__(self, store: Store, client: Any) -> None:
        self._store = store
        self._bucket, _, base = store.path("").partition("/")
        self._base = f"{base}/" if base else ""
        self._client = client

    def page(self, prefix: str, after: str = "", *, level: bool = False, limit: int = PAGE) -> Page:
        from botocore.exceptions import BotoCoreError, ClientError

        query = {"Bucket": self._bucket, "Prefix": self._base + prefix, "MaxKeys": limit}
        query |= {"StartAfter": self._base + after} if after else {}
        query |= {"Delimiter": "/"} if level else {}
        try:
            answer = self._client.list_objects_v2(**query)
        except (BotoCoreError, ClientError) as error:
            raise explain_error(error, f"cannot list {self._store.location(prefix)}") from error
        skip = len(self._base)
        return Page(
            [_make_entry(i["Key"][skip:], i["Size"], i["LastModified"]) for i in answer.get("Contents", [])],
            [str(item["Prefix"])[skip:] for item in answer.get("CommonPrefixes", [])],
            bool(answer["IsTruncated"]),
        )


class GooglePages:
    """The objects below a store in Google Cloud Storage, by its own package."""

    cuts = True

    def __init__(self, store: Store) -> None:
        from google.auth.credentials import AnonymousCredentials
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import storage  # type: ignore[import-untyped]

        bucket, _, base = store.path("").partition("/")
        self._store, self._base = store, f"{base}/" if base else ""
        is_public = make_gcs_options(store.authority).get("anonymous")
        credentials = AnonymousCredentials() if is_public else None  # type: ignore[no-untyped-call]
        try:
            self._bucket = storage.Client(project="-", credentials=credentials).bucket(bucket)
        except GoogleAuthError as error:
            raise explain_error(error, f"cannot list {store.uri}") from error

    def page(self, prefix: str, after: str = "", *, level: bool = False, limit: int = PAGE) -> Page:
        from google.api_core.exceptions import GoogleAPIError
        from google.auth.exceptions import GoogleAuthError

        start = self._base + after if after else None  # this key is included, so one more is asked for
        query = {"prefix": self._base + prefix, "start_offset": start, "delimiter": "/" if level else None}
        try:
            blobs = self._bucket.list_blobs(**query, page_size=limit + 1)
            items = list(next(blobs.pages, ()))
        except (GoogleAPIError, GoogleAuthError, OSError) as error:
            raise explain_error(error, f"cannot list {self._store.location(prefix)}") from error
        skip = len(self._base)
        entries = [_make_entry(item.name[skip:], item.size, item.time_created, digits=6) for item in items]
        folders = sorted(name[skip:] for name in blobs.prefixes)
        return Page([entry for entry in entries if entry.key > after], folders, blobs.next_page_token is not None)


class AzurePages:
    """The blobs below a store in Azure, by its own package."""

    cuts = False

    def __init__(self, store: Store) -> None:
        from azure.storage.blob import ContainerClient

        container, _, base = store.path("").partition("/")
        self._store, self._base = store, f"{base}/" if base else ""
        options = make_azure_options(store.authority)
        account, authority = options["account_name"], options.get("blob_storage_authority", ".blob.core.windows.net")
        host = f"{account}{authority}" if authority.startswith(".") else f"{authority}/{account}"
        credential: Any = options.get("account_key") or options.get("sas_token", "").lstrip("?")
        if not credential:
            from azure.identity import DefaultAzureCredential

            credential = DefaultAzureCredential()
        scheme = options.get("blob_storage_scheme", "https")
        self._client = ContainerClient(f"{scheme}://{host}", container, credential=credential)

    def page(self, prefix: str, after: str = "", *, level: bool = False, limit: int = PAGE) -> Page:
        from azure.core.exceptions import AzureError
        from azure.storage.blob import BlobPrefix

        walk = self._client.walk_blobs if level else self._client.list_blobs
        try:
            blobs = walk(self._base + prefix, include=["metadata"], results_per_page=limit)
            pages: Any = blobs.by_page(after or None)
            items = list(next(pages, ()))
        except (AzureError, OSError) as error:
            raise explain_error(error, f"cannot list {self._store.location(prefix)}") from error
        skip = len(self._base)
        files = [i for i in items if not isinstance(i, BlobPrefix) and "hdi_isfolder" not in (i.metadata or {})]
        entries = [_make_entry(i.name[skip:], i.size, i.last_modified) for i in files]
        folders = [i.name[skip:] for i in items if isinstance(i, BlobPrefix)]
        return Page(entries, folders, bool(pages.continuation_token), pages.continuation_token or "")


def _make_entry(key: str, size: int, changed: datetime.datetime, *, digits: int = 3) -> Entry:
    """Make an entry with the time that pyarrow would give: with as many digits of a second."""
    unit = 10 ** (9 - digits)
    return Entry(key, True, int(size), (changed - _EPOCH) // datetime.timedelta(microseconds=1) * 1000 // unit * unit)


@lru_cache(maxsize=4)
def _make_client(bucket: str, _pid: int) -> Any:
    import botocore.session
    from botocore.config import Config

    # legacy counts each call separately; the newer mode has a quota for all calls together
    patient = Config(retries={"mode": "legacy", "max_attempts": 9}, connect_timeout=5, read_timeout=30)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = make_s3_options(bucket)["region"]
    session = botocore.session.get_session()
    return session.create_client("s3", region_name=region, endpoint_url=endpoint or None, config=patient)


def open_pages(store: Store) -> Pages | None:
    """The pages of a store; None where it has none, or the package that lists them is not installed."""
    return _open_pages(store, os.getpid()) if isinstance(store, Store) else None


@lru_cache(maxsize=4)
def _open_pages(store: Store, _pid: int) -> Pages | None:
    try:
        if store.scheme in S3_SCHEMES:
            import botocore.session  # noqa: F401

            return S3Pages(store, _make_client(store.path("").partition("/")[0], os.getpid()))
        if store.scheme in GCS_SCHEMES:
            return GooglePages(store)
        if store.scheme in AZURE_SCHEMES:
            return AzurePages(store)
    except ImportError:
        return None
    return None


def is_marker(entry: Entry) -> bool:
    """Whether an object stands for a folder."""
    return entry.size == 0 and entry.key.endswith("/")


def read_range(pages: Pages, key_range: Range) -> Iterator[Entry]:
    """The files of a range, a page in memory; not the empty objects that stand for folders."""
    after, has_more = key_range.after, True
    while has_more:
        page = pages.page(key_range.prefix, after)
        for entry in page.entries:
            if key_range.until and entry.key > key_range.until:
                return
            if not is_marker(entry):
                yield entry
        has_more = page.more
        after = page.mark or (page.entries[-1].key if page.entries else after)


def cut_ranges(pages: Pages, prefixes: Iterable[str], count: int, pool: Executor) -> list[Range]:
    """Cut the keys that begin with one of the prefixes into as many ranges as wanted; one page is not cut any more.

    Each round halves what holds more than a page, all at once.
    """
    small: list[Range] = []
    large = [Range(prefix) for prefix in prefixes]
    calls = 0
    while large and len(small) + len(large) < count and calls < _FIRST_TRIES + _CALLS * count:
        halved = list(pool.map(lambda key_range: _halve(pages, key_range), large))
        calls += sum(calls_made for _, calls_made in halved)
        small += [halves[0] for halves, _ in halved if len(halves) == 1]
        large = [half for halves, _ in halved if len(halves) > 1 for half in halves]
    return small + large


def _halve(pages: Pages, key_range: Range) -> tuple[Sequence[Range], int]:
    """Cut a range in two at a key near the middle of its possible names, unless it fits in a page; with the calls made.

    Where the end of a range is not known the first guess is the end of ASCII: names with other letters come after it. A
    guess after which nothing comes is the end.
    """
    page = pages.page(key_range.prefix, key_range.after)
    last = page.entries[-1].key if page.entries else ""
    if not page.more or (key_range.until and last >= key_range.until):
        return [key_range], 1
    high = until = key_range.until
    for calls in range(2, _TRIES if high else _FIRST_TRIES):
        guess = find_between(last, high) if high else f"{key_range.prefix}\x7f"
        if guess <= last:
            guess = f"{key_range.prefix}{chr(0x10FFFF)}"
        entries = pages.page(key_range.prefix, guess, limit=1).entries
        if entries and (not until or entries[0].key < until):
            middle = entries[0].key
            return [replace(key_range, until=middle), replace(key_range, after=middle, until=until)], calls
        high = guess
        until = until if entries else guess  # nothing comes after it
    return [key_range], calls


def find_between(low: str, high: str) -> str:
    """Find a text between two others, near the middle, without control characters, which XML answers could not repeat.

    >>> find_between("IMG_0", "IMG_9"), find_between("a", "b"), find_between("az", "b")
    ('IMG_4', 'aO', 'a|')
    """
    shared = _count_shared(low, high)
    smallest, largest = _read_letter(low, shared), _read_letter(high, shared)
    while largest - smallest < 2:
        shared += 1
        smallest = _read_letter(low, shared)
        largest = 0x7F if smallest < 0x7E else 0x10FFFF
    middle = (smallest + largest) // 2
    return low[:shared] + chr(
        0xD7FF if 0xD800 <= middle <= 0xDFFF else 0xFFFD if middle in (0xFFFE, 0xFFFF) else middle
    )


def _count_shared(text: str, other_text: str) -> int:
    """How many letters are equal at the beginning of two texts."""
    pairs = enumerate(zip(text, other_text, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(text), len(other_text)))


def _read_letter(text: str, index: int) -> int:
    return max(ord(text[index]), _BEFORE_SPACE) if index < len(text) else _BEFORE_SPACE
