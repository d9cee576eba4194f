"""One image file's bytes to the square RGB array that a network takes, or the reason why not.

What a person sees in a viewer is what the network gets: EXIF orientation is applied (and no other: XMP's is not),
transparency lies on white, the first frame of an animation counts, 16-bit grey is scaled to 8, CMYK and palettes become
RGB. A JPEG of four inks is taken as inverted, with Adobe's marker and without, as Chrome and OpenCV do. The aspect
ratio is not kept: the image is stretched to the square, as Keras' loaders do. Each image is handled alone, so its
features do not depend on its neighbours.

A decoder is native code that strangers' bytes run through. Where a run must outlive it, `guard` calls it in a process
of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from fruits import containers
from fruits.containers import DamagedError, Picture
from fruits.formats import READ, describe, detect_format

MAX_PIXELS = 100_000_000
PREPROCESSING_VERSION = 2
"""Goes into the key of every feature row. Raise it when `decode` gives other pixels for the same bytes."""

LARGE = 256 << 20
"""Bytes of pixels from which on a picture is decoded alone on its machine: memory is bounded with many workers too."""

_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N", "I")
_ORIENTATION, _XMP = 0x0112, 700
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

Image.MAX_IMAGE_PIXELS = None  # decode() has its own limit, whose message names the size


class ImageError(ValueError):
    """The bytes are not an image that can be featurized; ``str()`` is the reason that goes into ``rejects``."""


class _Pieces(io.BytesIO):
    """A file that is read piece by piece, so that its position tells after which piece its reader stopped."""

    def __init__(self, data: bytes, stops: tuple[int, ...]) -> None:
        super().__init__(data)
        self._stops = stops

    def read(self, size: int | None = -1, /) -> bytes:
        position = self.tell()
        stop = next((stop for stop in self._stops if stop > position), None)
        if stop is None:
            return super().read(size)
        return super().read(stop - position if size is None or size < 0 else min(size, stop - position))


def _flatten(image: Image.Image) -> Image.Image:
    """Convert `image` to RGB, transparent parts on white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in _SIXTEEN_BIT:
        values, transparent = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray(np.clip(values // 257, 0, 255).astype(np.uint8))
        if isinstance(transparent, int):  # one value of the 65,536; after scaling it would be many
            image.paste(255, mask=Image.fromarray(values == transparent))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        ground = Image.new("RGB", rgba.size, "white")
        ground.paste(rgba, mask=rgba)  # in place: memory holds a large picture twice, not five times
        return ground
    return image.convert("RGB")


@contextlib.contextmanager
def _limit_large(image: Image.Image) -> Iterator[None]:
    """Wait, with a large picture, until no other process of this user on this machine decodes one."""
    copies = 1 if image.mode == "RGB" and "transparency" not in image.info else 2
    if 4 * image.width * image.height * copies < LARGE:
        yield
        return
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):  # a full disk, another user's file: the picture is decoded at once
            lock_path = Path(tempfile.gettempdir()) / f"fruits-large-picture-{os.getuid()}"
            lock = os.open(lock_path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _register_heif() -> None:
    """Teach Pillow to read HEIC; not at import, since most folders have none."""
    import pi_heif  # the decoder alone: pillow-heif's wheels carry an encoder under the GPL

    pi_heif.options.DECODE_THREADS = 1  # a task has one core
    pi_heif.options.THUMBNAILS = False
    pi_heif.register_heif_opener()


def _open(kind: str, picture: Picture, max_pixels: int) -> Image.Image:
    if kind == "HEIF":
        _register_heif()
    _require_size(picture.size, max_pixels)
    image: Image.Image = Image.open(_Pieces(picture.data, picture.stops), formats=(kind,))
    _require_size(image.size, max_pixels)
    return image


def _require_size(size: tuple[int, int] | None, max_pixels: int) -> None:
    if size and size[0] * size[1] > max_pixels:
        raise ImageError(f"{size[0]}×{size[1]} pixels are more than the {max_pixels:,} allowed")


def _read_orientation(exif: bytes) -> int:
    """Read EXIF's orientation; 1 where there is none or the block is damaged: bad metadata never costs a picture."""
    if not exif:
        return 1
    tags = Image.Exif()
    try:
        tags.load(exif)
        return int(tags.get(_ORIENTATION, 1))
    except Exception:  # noqa: BLE001 - however the block is damaged, the pixels are intact
        return 1


def _require_whole(picture: Picture, reader: io.BytesIO) -> None:
    """Refuse a JPEG whose decoder stopped long before the end of its pixels, or missed some at the end."""
    if not picture.stops:
        return
    bytes_read = reader.tell()
    if bytes_read <= picture.stops[0]:
        raise DamagedError("is truncated: its pixels end long before its data do")
    if bytes_read > picture.stops[1]:
        raise DamagedError("is truncated: pixels are missing before the end mark")


def _is_decoded(kind: str, data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data), formats=(kind,)).load()
    except Exception:  # noqa: BLE001 - however it fails, it does
        return False
    return True


def _decode_square(kind: str, data: bytes, size: int, max_pixels: int) -> Image.Image:
    """Decode a picture to RGB, upright, stretched to a square of `size` pixels."""
    picture = containers.PARSERS[kind](data)
    image = _open(kind, picture, max_pixels)
    reader: object = getattr(image, "fp", None)
    if picture.scaled:
        # A JPEG far larger than the network's input is decoded at 1/2, 1/4 or 1/8 of its size; never below twice the
        # size wanted, so that the filter still decides how it looks. Pillow would "scale" kinds that libjpeg does not.
        image.draft("RGB", (2 * size, 2 * size))
    exif = picture.exif
    if kind == "TIFF":
        _prepare_tiff(image, data)
    elif kind == "AVIF":
        exif = image.info.get("exif", b"").removeprefix(b"Exif\0\0")  # Pillow puts the container's turn into it
    with _limit_large(image):
        image.load()
        if isinstance(reader, _Pieces):
            _require_whole(picture, reader)
        if picture.must_fail and _is_decoded(kind, picture.must_fail):
            raise DamagedError("is truncated: zero bytes or the like stand in place of its pixels")
        turn = _TURNS.get(_read_orientation(exif))
        rgb = _flatten(image.transpose(turn) if turn is not None else image)
        return rgb.resize((size, size), Image.Resampling.BILINEAR)


def _require_rows(tags: Mapping[int, Any], data: bytes, places: list[tuple[int, int]]) -> None:
    """Check pixels without compression, in strips or tiles, as rows of equal length."""
    pixels = b"".join(data[offset : offset + length] for offset, length in sorted(places))
    bits, is_planar = tags.get(258, (1,)), tags.get(284, 1) == 2
    depth, width = (bits[0] if is_planar else sum(bits)) // 8, tags.get(322, tags[256])
    if depth and width and pixels and len(pixels) % (depth * width) == 0:
        containers.require_unbroken(pixels, depth * width, depth, width)


def _prepare_tiff(image: Image.Image, data: bytes) -> None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    for offsets, lengths in ((273, 279), (324, 325)):
        if offsets in tags and lengths in tags:
            places = list(zip(tags[offsets], tags[lengths], strict=False))
            containers.require_strips(data, places, tags.get(259, 1), tags.get(347, b""))
            if tags.get(259, 1) == 1:
                _require_rows(tags, data, places)
    image.info.pop("xmp", None)  # Pillow turns a TIFF by itself, and would by XMP too


def decode(data: bytes, size: int, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Decode an image and stretch it to a square.

    Parameters
    ----------
    data : bytes
        The whole file: of a format in `formats.READ`, whatever its name says.
    size : int
        Height and width of the result, pixels.
    max_pixels : int
        Images that claim more pixels are refused before their pixels are decompressed.

    Returns
    -------
    ndarray of uint8, shape (size, size, 3)
        RGB. Pillow's bilinear filter, which averages over the whole source when it shrinks.

    Raises
    ------
    ImageError
        Empty, truncated, damaged, not an image, of a format that is not read, or too large; the reason says what the
        file is.
    """
    if not data:
        raise ImageError("the file is empty")
    kind = detect_format(data)
    if kind is None:
        raise ImageError(describe(data))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's remarks on odd metadata
            return np.asarray(_decode_square(kind, data, size, max_pixels))
    except ImageError:
        raise
    except DamagedError as error:
        raise ImageError(f"the {READ[kind]} image {error}") from None
    except UnidentifiedImageError:
        raise ImageError(f"the {READ[kind]} image cannot be decoded: its header is damaged") from None
    except MemoryError as error:
        raise ImageError(f"the {READ[kind]} image takes more memory than one image may") from error
    except Exception as error:
        raise ImageError(f"the {READ[kind]} image cannot be decoded: {_explain_error(error)}") from error


def _explain_error(error: Exception) -> str:
    text = str(error).split("\n")[0].removesuffix(".") or type(error).__name__
    return text if "truncated" not in text.lower() else "image file is truncated"


def decode_leniently(data: bytes, size: int) -> NDArray[np.uint8]:
    """Decode what a viewer would show of a file that `decode` rejects: of a truncated file, the part that is there.

    Raises
    ------
    ImageError
        When nothing can be shown.
    """
    kind = detect_format(data)
    if kind is None:
        raise ImageError("no picture")
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # the whole process's: nothing else may decode meanwhile
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = _open(kind, Picture(data), MAX_PIXELS)
            image.draft("RGB", (2 * size, 2 * size))
            with _limit_large(image):
                return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.BILINEAR))
    except Exception as error:
        raise ImageError("no picture") from error
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
