"""Files that ended early, of every kind that is read, and whatever may stand behind the break.

The judge is the picture of the whole file: a damaged one is refused, or gives exactly these pixels (only what lies
behind them was lost).
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
import pillow_heif
import pytest
from fruits.formats import READ, detect_format
from fruits.images import ImageError, decode
from PIL import Image

from tests.job.pictures import (
    chunk,
    encoded,
    orientation,
    png,
    run_length_bmp,
    scene,
    tiff,
    tiled_tiff,
    with_segment,
    without_segment,
)

SIZE = 32
HEIGHT, WIDTH = 151, 203
SHARES = (0.3, 0.6, 0.9, 0.98)
pillow_heif.register_heif_opener()


@cache
def noisy(seed: int = 3) -> Image.Image:
    """A scene with a sensor's noise: as much data as a photograph has."""
    pixels = scene(HEIGHT, WIDTH, seed) + np.random.default_rng(seed).normal(0, 12, (HEIGHT, WIDTH, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


@cache
def studio() -> Image.Image:
    """A thing on white, as in a catalogue: the first and the last rows are plain."""
    pixels = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    pixels[30:120, 40:150] = np.asarray(noisy())[:90, :110]
    return Image.fromarray(pixels)


def _saved(kind: str, **options: Any) -> Callable[[Image.Image], bytes]:
    return lambda image: encoded(image, kind, **options)


def _after(change: Callable[[Image.Image], Image.Image], kind: str, **options: Any) -> Callable[[Image.Image], bytes]:
    return lambda image: encoded(change(image), kind, **options)


def _with_alpha(image: Image.Image) -> Image.Image:
    return Image.merge("RGBA", (*image.split(), image.getchannel(0).point(lambda level: level | 31)))


def _of_a_camera(image: Image.Image) -> bytes:
    return with_segment(without_segment(encoded(image, "JPEG", quality=90), 0xE0), 0xE1, EXIF)


def _strips(image: Image.Image) -> bytes:
    pixels = np.asarray(image)
    return tiff(WIDTH, HEIGHT, [pixels[y : y + 10].tobytes() for y in range(0, HEIGHT, 10)], {278: (10,)})


def _planes(image: Image.Image) -> bytes:
    return tiff(WIDTH, HEIGHT, [plane.tobytes() for plane in image.split()], {278: (HEIGHT,), 284: (2,)})


def _from_the_top(image: Image.Image) -> bytes:
    data = encoded(image.transpose(Image.Transpose.FLIP_TOP_BOTTOM), "BMP")
    return data[:22] + struct.pack("<i", -HEIGHT) + data[26:]


def _deep_png(image: Image.Image) -> bytes:
    return png(WIDTH, HEIGHT, 16, 2, (np.asarray(image).astype(">u2") * 257).tobytes(), chunk(b"tEXt", b"a\0b"))


_GREY, _INKS, _PALETTE = (partial(Image.Image.convert, mode=mode) for mode in ("L", "CMYK", "P"))
_MORE: dict[str, Any] = {"save_all": True, "append_images": [noisy(5)]}
EXIF = orientation(1) + encoded(noisy(7).resize((64, 48)), "JPEG")
"""As cameras write it, with a small JPEG inside: metadata may hold whole files."""

MAKERS: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG": _saved("JPEG", quality=90),
    "JPEG optimized": _saved("JPEG", quality=90, optimize=True),
    "JPEG progressive": _saved("JPEG", quality=90, progressive=True),
    "JPEG 4:4:4": _saved("JPEG", quality=97, subsampling=0),
    "JPEG grey": _after(_GREY, "JPEG", quality=90),
    "JPEG CMYK": _after(_INKS, "JPEG", quality=90),
    "JPEG CMYK progressive": _after(_INKS, "JPEG", quality=90, progressive=True),
    "JPEG with restarts": _saved("JPEG", quality=90, restart_marker_blocks=5),
    "JPEG progressive with restarts": _saved("JPEG", progressive=True, restart_marker_rows=1),
    "JPEG of a camera": _of_a_camera,
    "JPEG of two pictures": _saved("MPO", quality=90, **_MORE),
    "PNG": _saved("PNG"),
    "PNG animated": _saved("PNG", **_MORE),
    "PNG 16 bit": _deep_png,
    "PNG palette": _after(_PALETTE, "PNG"),
    "GIF": _after(partial(Image.Image.quantize, colors=64), "GIF"),
    "GIF of 256 colours": _after(_PALETTE, "GIF"),
    "GIF animated": _after(_PALETTE, "GIF", **_MORE),
    "WebP": _saved("WEBP", quality=90),
    "WebP with EXIF": _saved("WEBP", quality=80, exif=EXIF),
    "WebP lossless": _saved("WEBP", lossless=True),
    "WebP animated": _saved("WEBP", quality=80, **_MORE),
    "WebP lossless animated": _saved("WEBP", lossless=True, **_MORE),
    "WebP transparent": _after(_with_alpha, "WEBP", quality=80),
    "HEIC": _saved("HEIF", quality=90),
    "HEIC transparent": _after(_with_alpha, "HEIF", quality=60),
    "HEIC of two pictures": _saved("HEIF", **_MORE),
    "AVIF": _saved("AVIF", quality=90, speed=9),
    "AVIF transparent": _after(_with_alpha, "AVIF", quality=70, speed=9),
    "AVIF animated": _saved("AVIF", speed=9, **_MORE),
    "BMP": _saved("BMP"),
    "BMP from the top": _from_the_top,
    "BMP 8 bit": _after(_GREY, "BMP"),
    "BMP 32 bit": _after(_with_alpha, "BMP"),
    "BMP by runs": lambda image: run_length_bmp(np.asarray(image)[:, :, 1]),
    "TIFF": _saved("TIFF"),
    "TIFF in strips": _strips,
    "TIFF in tiles": lambda image: tiled_tiff(np.asarray(image), 64),
    "TIFF of planes": _planes,
    "TIFF in deflated tiles": lambda image: tiled_tiff(np.asarray(image), 64, deflated=True),
    "TIFF 16 bit": lambda image: encoded(np.asarray(image)[:, :, 1].astype(np.uint16) * 257, "TIFF"),
    "TIFF JPEG in strips": _saved("TIFF", compression="jpeg", strip_size=WIDTH * 3 * 16),
    **{
        f"TIFF {name}": _saved("TIFF", compression=name)
        for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma")
    },
}


UNCOMPRESSED = ("BMP", "BMP from the top", "BMP 8 bit", "BMP 32 bit", "TIFF", "TIFF 16 bit")


@cache
def file_of(kind: str, picture: str = "noisy") -> bytes:
    return MAKERS[kind](noisy() if picture == "noisy" else studio())


@cache
def following_files() -> dict[str, bytes]:
    """What may lie behind the break on a disk, or come behind it in a mended download."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("apple.jpg", file_of("JPEG"))
    bare = without_segment(file_of("JPEG"), 0xE0)
    kinds = ("JPEG", "JPEG progressive", "JPEG CMYK", "JPEG of a camera", "PNG", "PNG animated", "GIF", "WebP")
    kinds += ("WebP lossless", "WebP with EXIF", "HEIC", "AVIF", "BMP", "BMP by runs", "TIFF", "TIFF tiff_lzw")
    return {kind: file_of(kind) for kind in kinds} | {
        "bare JPEG": bare,
        "JPEG with a profile": with_segment(bare, 0xE2, b"ICC_PROFILE\0\1\1" + bytes(range(256)) * 20),
        "JPEG with a comment": with_segment(bare, 0xFE, b"made by hand"),
        "video": b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + np.random.default_rng(1).bytes(60_000),
        "QuickTime": b"\0\0\0\x14ftypqt  \0\0\2\0qt  \0\0\0\x08wide" + np.random.default_rng(1).bytes(60_000),
        "zip archive": archive.getvalue(),
        "PDF": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\n" + np.random.default_rng(1).bytes(60_000),
        "HTML": b"<!DOCTYPE html><html><body>" + b"<p>503 Service Unavailable</p>\n" * 3000,
    }


def continuations(kind: str, share: float, picture: str = "noisy") -> Iterator[tuple[str, bytes]]:
    """A file cut at a share of its length, by what stands behind: as it is, filled, or followed by another file."""
    data = file_of(kind, picture)
    cut = data[: int(share * len(data))]
    yield "nothing", cut
    yield "zeros", cut.ljust(len(data), b"\0")
    yield "erased", cut.ljust(len(data), b"\xff")
    yield "zeros to the next 8 kB", cut.ljust(len(cut) // 8192 * 8192 + 16384, b"\0")
    for name, other in {**following_files(), "its own beginning": data}.items():
        yield f"{name} behind it", cut + other
        yield f"{name}, in its old length", (cut + other * (len(data) // len(other) + 1))[: len(data)]
        yield f"zeros, and {name}", cut.ljust(len(data), b"\0") + other


def find_fault(kind: str, broken: bytes, picture: str = "noisy") -> str | None:
    """What is wrong with the answer to a damaged file; None where it is refused, or gives the pixels of the whole."""
    try:
        pixels = decode(broken, SIZE)
    except ImageError as error:
        named = READ[str(detect_format(file_of(kind, picture)))]
        wanted = rf"the {named} image (is truncated|is damaged|cannot be decoded): "
        return None if re.match(wanted, str(error)) else str(error)
    error_levels = np.abs(pixels - decode(file_of(kind, picture), SIZE).astype(int)).mean()
    return f"accepted, {error_levels:.1f} levels off" if error_levels else None


_FILLS = ("nothing", "zeros", "erased")
_FOLLOWED = [f"{kind} behind it" for kind in ("JPEG CMYK", "PNG", "WebP", "HEIC", "TIFF", "HTML", "its own beginning")]


@pytest.mark.parametrize("kind", MAKERS)
def test_whole_files_are_read(kind: str) -> None:
    for picture in ("noisy", "studio"):
        assert decode(file_of(kind, picture), SIZE).std() > 10


@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_file_is_refused_or_whole(kind: str) -> None:
    faults = {
        (share, how): fault
        for share in SHARES
        for how, broken in continuations(kind, share)
        if how in _FILLS or (share == 0.9 and how in _FOLLOWED)
        if (fault := find_fault(kind, broken))
    }
    assert faults == {}


@pytest.mark.slow
@pytest.mark.parametrize("picture", ["noisy", "studio"])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_cut_file_is_refused_or_whole_whatever_follows(kind: str, picture: str) -> None:
    faults = {
        (share, how): fault
        for share in SHARES
        for how, broken in continuations(kind, share, picture)
        if (fault := find_fault(kind, broken, picture))
        and not (how == "erased" and picture == "studio" and kind in UNCOMPRESSED)  # white behind white is a picture
    }
    assert faults == {}
