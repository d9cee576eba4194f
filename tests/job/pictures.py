"""Image files as cameras, editors and broken disks leave them; byte by byte where Pillow would not."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def scene(height: int = 60, width: int = 90, seed: int = 3) -> Pixels:
    """Smooth and lopsided: no turn or mirror leaves it as it is, and JPEG keeps it within a few values."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (3, 4, 3)).astype(np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).copy()


def stretched(pixels: NDArray[Any], size: int) -> NDArray[np.float64]:
    """The square that a triangle filter gives: each output averages the input under a triangle."""

    def weights(n: int) -> NDArray[np.float64]:
        scale = n / size
        support = max(scale, 1.0)
        centres = (np.arange(size) + 0.5) * scale
        distance = np.abs(np.arange(n)[None, :] + 0.5 - centres[:, None]) / support
        w = np.clip(1.0 - distance, 0.0, None)
        return np.asarray(w / w.sum(axis=1, keepdims=True))

    rows, columns = weights(pixels.shape[0]), weights(pixels.shape[1])
    return np.einsum("ih,hwc,jw->ijc", rows, pixels.astype(np.float64), columns, optimize=True)


def encoded(image: Image.Image | NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    source = image if isinstance(image, Image.Image) else Image.fromarray(image)
    source.save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *extra: bytes) -> bytes:
    """A PNG written out: `rows` are the scanlines' bytes without their filter bytes."""
    stride = len(rows) // height
    raw = b"".join(b"\0" + rows[i * stride : (i + 1) * stride] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + b"".join(extra)
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


def tiff(width: int, height: int, pieces: list[bytes], tags: dict[int, tuple[int, ...]]) -> bytes:
    """A TIFF of RGB written out, its strips (or tiles, where `tags` say so) first and their places last."""
    offsets = [8 + sum(map(len, pieces[:i])) for i in range(len(pieces))]
    is_tiled = 322 in tags
    fields = {256: (width,), 257: (height,), 258: (8, 8, 8), 259: (1,), 262: (2,), 277: (3,), **tags}
    fields |= {324 if is_tiled else 273: tuple(offsets), 325 if is_tiled else 279: tuple(map(len, pieces))}
    data = b"II*\0" + struct.pack("<I", 8 + sum(map(len, pieces))) + b"".join(pieces)
    behind = len(data) + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, numbers in sorted(fields.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        place = packed if len(numbers) == 1 else struct.pack("<I", behind + len(values))
        values += packed if len(numbers) > 1 else b""
        entries += struct.pack("<HHI", tag, 4, len(numbers)) + place
    return data + struct.pack("<H", len(fields)) + entries + bytes(4) + values


def tiled_tiff(pixels: Pixels, side: int, *, deflated: bool = False) -> bytes:
    """A TIFF of square tiles, those at the edges filled up with zeros."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, -height % side), (0, -width % side), (0, 0)))
    tiles = [
        padded[y : y + side, x : x + side].tobytes() for y in range(0, height, side) for x in range(0, width, side)
    ]
    pieces = [zlib.compress(tile) for tile in tiles] if deflated else tiles
    return tiff(width, height, pieces, {322: (side,), 323: (side,), 259: (8 if deflated else 1,)})


def run_length_bmp(indices: Pixels) -> bytes:
    """A BMP of grey levels, coded by runs: each row in literal ones of at most 200 pixels."""
    height, width = indices.shape
    pixels = b""
    for row in indices[::-1]:
        for at in range(0, width, 200):
            literal = row[at : at + 200].tobytes()
            pixels += bytes([0, len(literal)]) + literal + b"\0" * (len(literal) & 1)
        pixels += b"\0\0"
    pixels = pixels[:-2] + b"\0\1"
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(pixels), 0, 0, 256, 0)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a few bytes of pixels."""
    return png(width, height, 8, 2, b"\0" * height * 3 if height < 100_000 else b"\0" * height)


def without_segment(jpeg: bytes, marker: int) -> bytes:
    """A JPEG without the header segments of one kind."""
    out, at = jpeg[:2], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if jpeg[at + 1] != marker:
            out += jpeg[at:end]
        at = end
    return out + jpeg[at:]


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    """A JPEG with one more segment right after its start."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


def jpeg_frame(jpeg: bytes) -> int:
    """Where a JPEG's frame segment begins (its 0xFF)."""
    return next(at for at in range(2, len(jpeg)) if jpeg[at] == 0xFF and jpeg[at + 1] in (0xC0, 0xC2, 0xC3))


def with_frame(jpeg: bytes, kind: int, precision: int = 8) -> bytes:
    """The same JPEG with another kind of frame (SOF0 to SOF15) written over its own."""
    at = jpeg_frame(jpeg)
    return jpeg[: at + 1] + bytes([0xC0 + kind]) + jpeg[at + 2 : at + 4] + bytes([precision]) + jpeg[at + 5 :]


def lossless_jpeg(pixels: Pixels) -> bytes:
    """A lossless JPEG (SOF3, each sample predicted by its left neighbour), as no library here writes it."""
    samples = pixels.reshape(*pixels.shape[:2], -1).astype(np.int32)
    height, width, components = samples.shape
    before = np.empty_like(samples)
    before[:, 1:], before[1:, 0], before[0, 0] = samples[:, :-1], samples[:-1, 0], 128
    difference = (samples - before).reshape(-1)
    category = np.array([int(value).bit_length() for value in np.abs(difference)])
    coded = np.where(difference >= 0, difference, difference + (1 << category) - 1)
    codes = "".join(f"{c:05b}" + (f"{v:0{c}b}" if c else "") for c, v in zip(category, coded, strict=True))
    codes += "1" * (-len(codes) % 8)
    data = int(codes, 2).to_bytes(len(codes) // 8, "big").replace(b"\xff", b"\xff\0")

    def segment(marker: int, body: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    numbers = range(1, components + 1)
    frame = struct.pack(">BHHB", 8, height, width, components) + b"".join(bytes([n, 0x11, 0]) for n in numbers)
    table = bytes([0, 0, 0, 0, 0, 17, *[0] * 11, *range(17)])
    scan = bytes([components, *(byte for n in numbers for byte in (n, 0)), 1, 0, 0])
    adobe = segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, 0)) if components == 3 else b""
    return b"\xff\xd8" + adobe + segment(0xC4, table) + segment(0xC3, frame) + segment(0xDA, scan) + data + b"\xff\xd9"


TURNED = {
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: np.rot90(x.swapaxes(0, 1), 2),
    8: lambda x: np.rot90(x, -1),
}
"""From the upright picture to the one a camera stores together with that EXIF orientation."""


def orientation(value: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif.tobytes()
