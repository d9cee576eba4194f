"""Photographs as small JPEGs inside the page.

They are decoded as in a worker, in a process of their own (see `guard`): a file that crashes a decoder costs the page
its picture, not the run its end. However many and however large they are, memory is bounded.
"""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from PIL import Image

from fruits.guard import Guard, is_deadly
from fruits.store import Store

SIDE = 96
MAX_BYTES = 4500
"""Of one thumbnail; with the number of pictures this bounds the page."""
MAX_FILE = 20 << 20
"""A rejected file larger than this is not looked at again."""
MAX_READ = 64 << 20
"""Bytes of files that are held at once; a file that is larger has no picture in the page."""
_READERS = 16
_QUALITIES = (80, 60, 40, 20, 5)


def encode_jpeg(image: Image.Image) -> str:
    """An RGB image as base64 of a JPEG of at most `MAX_BYTES`: what needs more loses quality, then size."""
    for side in (image.width, image.width // 2):
        small = image if side == image.width else image.resize((side, side), Image.Resampling.BILINEAR)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= MAX_BYTES:
                return base64.b64encode(buffer.getvalue()).decode()
    return ""


class _Room:
    """Lets threads hold so many bytes together, and no more."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait for room; raises OSError for what never fits."""
        if size > self._size:
            raise OSError(f"{size:,} bytes are more than are held at once")
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


def _read_all(source: Store, paths: Iterable[str], *, leniently: bool) -> list[str]:
    """Pictures in order: many files are asked for at once, and decoded one after the other as they come."""
    skip = len(source.uri) + 1
    room, turn = _Room(MAX_READ), threading.Lock()

    def make_picture(path: str) -> str:
        size_held = 0

        def hold(size: int) -> None:
            nonlocal size_held
            room.take(size)
            size_held = size

        try:
            data = source.read(path[skip:], room=hold)
            with turn:
                if guard.decode([data], leniently=leniently)[0] is not None:
                    return ""
                image = Image.fromarray(guard.pixels[0].copy())
            return encode_jpeg(image)
        except (OSError, ValueError):
            return ""  # it is gone or cannot be read any more: the page only lacks its picture
        finally:
            room.give_back(size_held)

    with Guard(SIDE, 1) as guard, ThreadPoolExecutor(_READERS, thread_name_prefix="thumbnail") as pool:
        return list(pool.map(make_picture, paths))


def make_thumbnails(source: Store, paths: Iterable[str]) -> list[str]:
    """Base64 of JPEGs, in order, as the network sees the images; empty where one cannot be read any more."""
    return _read_all(source, paths, leniently=False)


def make_reject_thumbnails(source: Store, rejects: Sequence[Mapping[str, Any]]) -> list[str]:
    """The same of rows of rejects: cut ones and other formats have a picture too, as far as they go.

    What has killed its decoder once is not tried again.
    """
    paths = [row["path"] for row in rejects if row["size"] <= MAX_FILE and not is_deadly(row["reason"])]
    picture_of = dict(zip(paths, _read_all(source, paths, leniently=True), strict=True)) if paths else {}
    return [picture_of.get(row["path"], "") for row in rejects]
