"""Photographs as small JPEGs inside the page.

They are decoded as in a worker, in a separate process (see `guard`): a file that crashes a decoder costs the page one
picture, and does not end the run. However many and however large they are, memory is bounded.
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
"""Of one thumbnail; together with the number of pictures this limits the size of the page."""
MAX_FILE = 20 << 20
"""A larger rejected file is not read again."""
MAX_READ = 64 << 20
"""Bytes of files that are held at once; a larger file has no picture on the page."""
_READERS = 16
_QUALITIES = (80, 60, 40, 20, 5)


def encode_jpeg(image: Image.Image) -> str:
    """Encode an RGB image as base64 of a JPEG of at most `MAX_BYTES`, with less quality, then less size, if needed."""
    for side in (image.width, image.width // 2):
        small = image if side == image.width else image.resize((side, side), Image.Resampling.BILINEAR)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= MAX_BYTES:
                return base64.b64encode(buffer.getvalue()).decode()
    return ""


class _ByteBudget:
    """Limits how many bytes threads hold together."""

    def __init__(self, size: int) -> None:
        self._size = self._free = size
        self._changed = threading.Condition()

    def take(self, size: int) -> None:
        """Wait until so many bytes are free; raises OSError for a size that never is."""
        if size > self._size:
            raise OSError(f"{size:,} bytes are more than are held at once")
        with self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size

    def give_back(self, size: int) -> None:
        with self._changed:
            self._free += size
            self._changed.notify_all()


def _make_pictures(source: Store, paths: Iterable[str], *, leniently: bool) -> list[str]:
    """Make thumbnails, in order: many files are read at once, and decoded one after the other as they come."""
    skip = len(source.uri) + 1
    budget, decoding = _ByteBudget(MAX_READ), threading.Lock()

    def make_picture(path: str) -> str:
        size_held = 0

        def hold(size: int) -> None:
            nonlocal size_held
            budget.take(size)
            size_held = size

        try:
            data = source.read(path[skip:], room=hold)
            with decoding:
                if guard.decode([data], leniently=leniently)[0] is not None:
                    return ""
                image = Image.fromarray(guard.pixels[0].copy())
            return encode_jpeg(image)
        except (OSError, ValueError):
            return ""  # it is gone or cannot be read any more: only its picture is missing on the page
        finally:
            budget.give_back(size_held)

    with Guard(SIDE, 1) as guard, ThreadPoolExecutor(_READERS, thread_name_prefix="thumbnail") as pool:
        return list(pool.map(make_picture, paths))


def make_thumbnails(source: Store, paths: Iterable[str]) -> list[str]:
    """Make base64 of JPEGs, in order, as the network sees the images; empty where one cannot be read any more."""
    return _make_pictures(source, paths, leniently=False)


def make_reject_thumbnails(source: Store, rejects: Sequence[Mapping[str, Any]]) -> list[str]:
    """Make thumbnails of rejects, in order: truncated files and other formats have a picture too, if only of a part.

    A file that has killed a decoder is not tried again.
    """
    paths = [row["path"] for row in rejects if row["size"] <= MAX_FILE and not is_deadly(row["reason"])]
    picture_of = dict(zip(paths, _make_pictures(source, paths, leniently=True), strict=True)) if paths else {}
    return [picture_of.get(row["path"], "") for row in rejects]
