"""Logs as EMR leaves them in S3: gzipped, in its layout, and only some time after they were written."""

from __future__ import annotations

import gzip
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

LOG = logging.getLogger(__name__)
SHORTEST_SECONDS = 0.5


def split_log_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    >>> split_log_uri("s3://logs/emr/x.gz")
    ('logs', 'emr/x.gz')
    """
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


@dataclass(order=True)
class _Parcel:
    due: float
    path: Path = field(compare=False)
    key: str = field(compare=False)


class LogShipper:
    """Sends the logs of one cluster, each after the delay, the rest when the cluster ends.

    Parameters
    ----------
    s3 : client of the log bucket
    log_uri : ``s3://…/`` of the cluster's logs; None: nothing is sent, as on EMR
    cluster_id : the folder below it
    delay : seconds from the end of a step to its logs
    """

    def __init__(self, s3: Any, log_uri: str | None, cluster_id: str, delay: float) -> None:
        self._s3, self._delay = s3, delay
        self._root = f"{log_uri}{cluster_id}/" if log_uri else None
        self._changed = threading.Condition()
        self._parcels: list[_Parcel] = []
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"logs-{cluster_id}", daemon=True)
        self._thread.start()

    def uri(self, key: str) -> str | None:
        """Where a log will be."""
        return f"{self._root}{key}.gz" if self._root else None

    def send(self, path: Path, key: str) -> None:
        """Send a file some time from now."""
        with self._changed:
            self._parcels.append(_Parcel(time.monotonic() + self._delay, path, key))
            self._changed.notify()

    @contextmanager
    def following(self, path: Path, key: str) -> Iterator[None]:
        """Send a file whenever it has grown, for the time of a block, as EMR does every five minutes."""
        over = threading.Event()

        def follow() -> None:
            size = 0
            while not over.wait(max(self._delay, SHORTEST_SECONDS)):
                if path.stat().st_size > size:
                    size = path.stat().st_size
                    self._put(_Parcel(0, path, key))

        thread = threading.Thread(target=follow, name=f"follow-{path.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def close(self) -> None:
        """Send what is left at once, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                ready = sorted(p for p in self._parcels if self._closed or p.due <= now)
                self._parcels = [p for p in self._parcels if p not in ready]
                if not ready:
                    if self._closed:
                        return
                    soonest = min((p.due for p in self._parcels), default=None)
                    self._changed.wait(None if soonest is None else soonest - now)
                    continue
            for parcel in ready:
                self._put(parcel)

    def _put(self, parcel: _Parcel) -> None:
        if self._root is None or not parcel.path.exists():
            return
        bucket, key = split_log_uri(f"{self._root}{parcel.key}.gz")
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(parcel.path.read_bytes(), mtime=0))
        except ClientError as error:  # the bucket may be gone before the cluster's last words
            LOG.warning("log %s was not written: %s", key, error)
