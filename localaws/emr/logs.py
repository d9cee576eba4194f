"""Logs as EMR leaves them in S3: compressed, in its layout, and only some time after they were written."""

from __future__ import annotations

import gzip
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

LOG = logging.getLogger(__name__)
SHORTEST_SECONDS = 0.5


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 URI.

    >>> split_s3_uri("s3://logs/emr/x.gz")
    ('logs', 'emr/x.gz')
    """
    bucket, _, key = uri.split("://", 1)[1].partition("/")
    return bucket, key


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
        self._pending: dict[tuple[Path, str], threading.Timer] = {}

    def locate(self, key: str) -> str | None:
        """The address that a log will have; None where no logs are sent."""
        return f"{self._root}{key}.gz" if self._root else None

    def send(self, path: Path, key: str) -> None:
        """Send a file after the delay."""
        timer = threading.Timer(self._delay, self._deliver, (path, key))
        timer.daemon = True
        self._pending[path, key] = timer
        timer.start()

    def _deliver(self, path: Path, key: str) -> None:
        self._put(path, key)
        self._pending.pop((path, key), None)

    @contextmanager
    def following(self, path: Path, key: str) -> Iterator[None]:
        """Send a file whenever it has grown, for the time of a block, as EMR does every five minutes."""
        ended = threading.Event()

        def follow() -> None:
            size = 0
            while not ended.wait(max(self._delay, SHORTEST_SECONDS)):
                with suppress(FileNotFoundError):  # the cluster's folder goes with it
                    if (size_now := path.stat().st_size) > size:
                        size = size_now
                        self._put(path, key)

        thread = threading.Thread(target=follow, name=f"follow-{path.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def close(self) -> None:
        """Send what is left at once, and end."""
        for timer in list(self._pending.values()):
            timer.cancel()
            timer.join()  # one that is already sending finishes
        for path, key in list(self._pending):
            self._deliver(path, key)

    def _put(self, path: Path, name: str) -> None:
        if self._root is None:
            return
        try:
            text = path.read_bytes()
        except FileNotFoundError:  # never written, or gone with the cluster's folder
            return
        bucket, key = split_s3_uri(f"{self._root}{name}.gz")
        try:
            self._s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(text, mtime=0))
        except (BotoCoreError, ClientError) as error:  # a bucket that is gone, or one that cannot be
            LOG.warning("log %s was not written: %s", key, error)
