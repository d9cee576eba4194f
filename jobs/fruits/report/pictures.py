"""Photographs as small JPEGs inside the page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from PIL import Image, ImageFile

from fruits.images import MAX_PIXELS, ImageError, decode
from fruits.store import Store

SIDE = 96
MAX_BYTES = 4500
"""Of one thumbnail; with the number of pictures this bounds the page."""
MAX_FILE = 20 << 20
"""A rejected file larger than this is not looked at again."""
_QUALITIES = (80, 60, 40, 20, 5)
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP")


def jpeg(image: Image.Image) -> str:
    """An RGB image as base64 of a JPEG of at most `MAX_BYTES`: what needs more loses quality, then size."""
    for side in (image.width, image.width // 2):
        small = image if side == image.width else image.resize((side, side), Image.Resampling.BILINEAR)
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=quality)
            if buffer.tell() <= MAX_BYTES:
                return base64.b64encode(buffer.getvalue()).decode()
    return ""


def _as_seen(data: bytes) -> str:
    return jpeg(Image.fromarray(decode(data, SIDE)))


def _what_is_there(data: bytes) -> str:
    """Of a file that the job rejected, what a viewer would still show of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Image.Image = Image.open(io.BytesIO(data), formats=_FORMATS)
            if image.width * image.height > MAX_PIXELS or not data:
                return ""
            image.draft("RGB", (2 * SIDE, 2 * SIDE))
            return jpeg(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    except Exception:  # noqa: BLE001 - whatever a broken file does to a decoder, the page only lacks its picture
        return ""


def _read_all(source: Store, paths: Iterable[str], picture: Callable[[bytes], str]) -> list[str]:
    skip = len(source.uri) + 1

    def one(path: str) -> str:
        try:
            return picture(source.read(path[skip:]))
        except (OSError, ImageError):
            return ""

    with ThreadPoolExecutor(16, thread_name_prefix="thumbnail") as pool:
        return list(pool.map(one, paths))


def thumbnails(source: Store, paths: Iterable[str]) -> list[str]:
    """Base64 of JPEGs, in order, as the network sees the images; empty where one cannot be read any more."""
    return _read_all(source, paths, _as_seen)


def rejected(source: Store, files: Sequence[tuple[str, int]]) -> list[str]:
    """The same of rejected files (path, size): cut ones and other formats have a picture too, as far as they go."""
    small = [path for path, size in files if size <= MAX_FILE]
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # the whole process's; nothing else decodes while the report is made
    try:
        there = dict(zip(small, _read_all(source, small, _what_is_there), strict=True))
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
    return [there.get(path, "") for path, _ in files]
