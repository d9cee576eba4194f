"""The keys of a store a page at a time, and cut into ranges that many tasks list at once.

pyarrow answers a listing when it has all of it, and one folder is one listing: of ten million photographs in one folder
that is an hour of one task, and more memory than it has. S3 gives a thousand keys a page, from any key on: so a folder
of more than a page is cut at keys that are found by asking what comes after a guess. Azure and Google's store are
listed by pyarrow; a local folder is read by one process whatever is done, since the system hands it out in one row.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from fruits.store import S3_SCHEMES, Entry, Store, explain, s3_options

PAGE = 1000
"""Keys of a page: no more are held of a listing."""
_TRIES, _FIRST_TRIES = 40, 400
"""Guesses for one cut; for the first, which must find out how all names begin, up to seven a letter."""
_CALLS = 10
"""Calls a range wanted, after which it is enough: names may lie so unevenly that a cut costs more than it spares."""
_BEFORE_SPACE = 0x1F
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Page:
    """Some keys in order, the folders between them (ending in a slash), and whether more come."""

    entries: list[Entry]
    folders: list[str]
    more: bool


@dataclass(frozen=True)
class Range:
    """The keys that begin with `prefix`, behind `after`, up to and with `until`; empty: from the first, to the last."""

    prefix: str
    after: str = ""
    until: str = ""


class Pages(Protocol):
    """What can be listed page by page."""

    def page(self, prefix: str, after: str = "", *, level: bool = False, most: int = PAGE) -> Page:
        """Keys that begin with `prefix`, behind `after`; with `level` those in no folder below it, and the folders."""
        ...


class S3Pages:
    """The objects below a store in S3, by botocore."""

    def __init__(self, store: Store, client: Any) -> None:
        self._store = store
        self._bucket, _, base = store.path("").partition("/")
        self._base = f"{base}/" if base else ""
        self._client = client

    def page(self, prefix: str, after: str = "", *, level: bool = False, most: int = PAGE) -> Page:
        from botocore.exceptions import BotoCoreError, ClientError

        query = {"Bucket": self._bucket, "Prefix": self._base + prefix, "MaxKeys": most}
        query |= {"StartAfter": self._base + after} if after else {}
        query |= {"Delimiter": "/"} if level else {}
        try:
            answer = self._client.list_objects_v2(**query)
        except (BotoCoreError, ClientError) as error:
            raise explain(error, f"cannot list {self._store.location(prefix)}") from error
        skip = len(self._base)
        return Page(
            [_entry(item, skip) for item in answer.get("Contents", [])],
            [str(item["Prefix"])[skip:] for item in answer.get("CommonPrefixes", [])],
            bool(answer["IsTruncated"]),
        )


def _entry(item: dict[str, Any], skip: int) -> Entry:
    changed = (item["LastModified"] - _EPOCH) // datetime.timedelta(milliseconds=1) * 1_000_000  # as pyarrow says it
    return Entry(str(item["Key"])[skip:], True, int(item["Size"]), changed)


@lru_cache(maxsize=4)
def _client(bucket: str, _pid: int) -> Any:
    import botocore.session
    from botocore.config import Config

    # legacy counts each call by itself; the newer mode has a quota for all calls together
    patient = Config(retries={"mode": "legacy", "max_attempts": 9}, connect_timeout=5, read_timeout=30)
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    region = s3_options(bucket)["region"]
    session = botocore.session.get_session()
    return session.create_client("s3", region_name=region, endpoint_url=endpoint or None, config=patient)


def pages_of(store: Store) -> Pages | None:
    """The pages of a store; None where it has none, or botocore is not installed."""
    if not isinstance(store, Store) or store.scheme not in S3_SCHEMES:
        return None
    try:
        import botocore.session  # noqa: F401
    except ImportError:
        return None
    return S3Pages(store, _client(store.path("").partition("/")[0], os.getpid()))


def read_range(pages: Pages, where: Range) -> Iterator[Entry]:
    """The files of a range, a page in memory; not the empty objects that stand for folders."""
    after, more = where.after, True
    while more:
        page = pages.page(where.prefix, after)
        for entry in page.entries:
            if where.until and entry.key > where.until:
                return
            if not (entry.size == 0 and entry.key.endswith("/")):
                yield entry
        more = page.more
        after = page.entries[-1].key if page.entries else after


def cut(pages: Pages, prefix: str, wanted: int, pool: Executor) -> list[Range]:
    """All keys that begin with `prefix` as ranges: at least as many as wanted, where that many hold more than a page.

    Each round halves what holds more than a page, all at once.
    """
    whole: list[Range] = []
    large = [Range(prefix)]
    calls = 0
    while large and len(whole) + len(large) < wanted and calls < _FIRST_TRIES + _CALLS * wanted:
        halved = list(pool.map(lambda where: _halve(pages, where), large))
        calls += sum(asked for _, asked in halved)
        whole += [halves[0] for halves, _ in halved if len(halves) == 1]
        large = [half for halves, _ in halved if len(halves) > 1 for half in halves]
    return whole + large


def _halve(pages: Pages, where: Range) -> tuple[Sequence[Range], int]:
    """A range in two, at a key near the middle of what its names may be; as it is where a page holds it. And the calls.

    Of a range whose end is not known the first guess is the end of ASCII behind what its names have in common: names of
    other letters go on behind it.
    """
    page = pages.page(where.prefix, where.after)
    last = page.entries[-1].key if page.entries else ""
    if not page.more or (where.until and last >= where.until):
        return [where], 1
    high = until = where.until
    alike = max(where.prefix, last[: _same(where.after, last)]) if where.after else where.prefix
    for calls in range(2, _TRIES if high else _FIRST_TRIES):
        guess = between(last, high) if high else f"{alike}\x7f"
        if guess <= last:
            guess = f"{where.prefix}{chr(0x10FFFF)}"
        found = pages.page(where.prefix, guess, most=1).entries
        if found and (not until or found[0].key < until):
            middle = found[0].key
            return [replace(where, until=middle), replace(where, after=middle, until=until)], calls
        high = guess
        until = until if found else guess  # nothing comes behind it
    return [where], calls


def between(low: str, high: str) -> str:
    """A text between two others, near the middle, without control characters: an answer in XML may repeat it.

    >>> between("IMG_0", "IMG_9"), between("a", "b"), between("az", "b")
    ('IMG_4', 'aO', 'a|')
    """
    same = _same(low, high)
    least, most = _letter(low, same), _letter(high, same)
    while most - least < 2:
        same += 1
        least = _letter(low, same)
        most = 0x7F if least < 0x7E else 0x10FFFF
    middle = (least + most) // 2
    return low[:same] + chr(0xD7FF if 0xD800 <= middle <= 0xDFFF else 0xFFFD if middle in (0xFFFE, 0xFFFF) else middle)


def _same(one: str, other: str) -> int:
    """How many letters two texts begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _letter(text: str, at: int) -> int:
    return max(ord(text[at]), _BEFORE_SPACE) if at < len(text) else _BEFORE_SPACE
