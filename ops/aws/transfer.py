"""Many files to S3 or from it through one transfer manager: boto3's own calls start one, with its threads, for each."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from boto3.s3.transfer import TransferConfig, create_transfer_manager
from s3transfer.exceptions import RetriesExceededError
from s3transfer.subscribers import BaseSubscriber

THREADS = 16


class _Counter(BaseSubscriber):  # type: ignore[misc]
    """Tells of files that are done, or of bytes as they come."""

    def __init__(self, *, file: Callable[[int], None] | None = None, data: Callable[[int], None] | None = None) -> None:
        self._file, self._data = file, data

    def on_progress(self, bytes_transferred: int, **_: Any) -> None:
        if self._data:
            self._data(bytes_transferred)

    def on_done(self, **_: Any) -> None:
        if self._file:
            self._file(1)


class _Known(BaseSubscriber):  # type: ignore[misc]
    """Spares the question for an object that a listing has described."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        self._item = item

    def on_queued(self, future: Any, **_: Any) -> None:
        future.meta.provide_transfer_size(self._item["Size"])
        future.meta.provide_object_etag(self._item["ETag"])


def send(s3: Any, bucket: str, keys: Mapping[Path, str], advance: Callable[[int], None]) -> None:
    """Upload files to their keys.

    Parameters
    ----------
    advance : called with 1 for every file that is there
    """
    with create_transfer_manager(s3, TransferConfig(max_concurrency=THREADS)) as manager:
        # the manager makes the caller wait when a thousand transfers are queued
        counter = [_Counter(file=advance)]
        for transfer in [manager.upload(str(path), bucket, key, subscribers=counter) for path, key in keys.items()]:
            transfer.result()


def fetch(s3: Any, bucket: str, items: Mapping[Path, Mapping[str, Any]], advance: Callable[[int], None]) -> None:
    """Download objects to their files, whose folders are made.

    Parameters
    ----------
    items : of ``Contents``, as S3 lists them
    advance : called with the bytes that have come
    """
    with create_transfer_manager(s3, TransferConfig(max_concurrency=THREADS)) as manager:
        transfers = []
        for path, item in items.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            subscribers = [_Counter(data=advance), _Known(item)]
            transfers.append(manager.download(bucket, item["Key"], str(path), subscribers=subscribers))
        for transfer in transfers:
            try:
                transfer.result()
            except RetriesExceededError as error:
                raise error.last_exception from error  # what the network did: that is explained to a user
