"""What people bring under an image's name: eight formats read, data that ended early told, everything else named."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import struct
import tarfile
import zipfile
import zlib
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
import pytest
from fruits import formats
from fruits.containers import parse_jpeg as jpeg_parts
from fruits.images import ImageError, decode
from numpy.typing import NDArray
from PIL import Image

from tests.job.pictures import (
    TURNED,
    chunk,
    encoded,
    lossless_jpeg,
    orientation,
    png,
    scene,
    stretched,
    tiff,
    tiled_tiff,
    with_frame,
    with_segment,
)

SIZE = 32
pillow_heif.register_heif_opener()


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, SIZE)
    return str(caught.value)


def reason_or_none(data: bytes) -> str | None:
    try:
        assert decode(data, SIZE).shape == (SIZE, SIZE, 3)
    except ImageError as error:
        return str(error)
    return None


def difference(data: bytes, wanted: Any) -> float:
    return float(np.abs(decode(data, SIZE) - stretched(np.asarray(wanted), SIZE)).max())


@cache
def noisy() -> Image.Image:
    """A scene with a sensor's noise: as much data as a photograph has."""
    pixels = scene(150, 200) + np.random.default_rng(0).normal(0, 12, (150, 200, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG": ("JPEG", {"quality": 90}),
    "JPEG progressive": ("JPEG", {"quality": 90, "progressive": True}),
    "JPEG with restarts": ("JPEG", {"quality": 90, "restart_marker_rows": 1}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"quality": 90}),
    "WebP lossless": ("WEBP", {"lossless": True}),
    "GIF": ("GIF", {}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "TIFF LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF deflate": ("TIFF", {"compression": "tiff_deflate"}),
    "TIFF JPEG": ("TIFF", {"compression": "jpeg"}),
    "HEIC": ("HEIF", {"quality": 90}),
    "AVIF": ("AVIF", {"quality": 90, "speed": 9}),
}


@cache
def file_of(kind: str) -> bytes:
    name, options = KINDS[kind]
    image = noisy().quantize(64) if name == "GIF" else noisy()
    return encoded(image, name, **options)


# --- what is read ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_each_format_is_read_by_its_content(kind: str) -> None:
    limit = 2 if kind in ("PNG", "WebP lossless", "BMP", "TIFF", "TIFF LZW", "TIFF deflate") else 16
    wanted = np.asarray(noisy().quantize(64).convert("RGB") if kind == "GIF" else noisy())
    assert difference(file_of(kind), wanted) <= limit
    assert formats.READ[str(formats.detect_format(file_of(kind)))] == kind.split()[0]


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF", "AVIF", "HEIF"])
def test_transparent_parts_lie_on_white_in_every_format(kind: str) -> None:
    pixels = np.dstack([scene(64, 64), np.full((64, 64), 255, np.uint8)])
    pixels[:, :32, 3] = 0
    options = {"lossless": True} if kind == "WEBP" else {}
    got = decode(encoded(Image.fromarray(pixels), kind, **options), SIZE)
    assert got[:, :14].min() >= 250
    assert got[:, 18:].min() < 200


@pytest.mark.parametrize("kind", ["WEBP", "GIF"])
def test_of_an_animation_the_first_frame_counts(kind: str) -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(scene(seed=8))
    data = encoded(first, kind, save_all=True, append_images=[second], duration=100)
    assert difference(data, scene()) <= 40
    assert np.abs(decode(data, SIZE).astype(int) - scene(SIZE, SIZE, seed=8)).mean() > 20


@pytest.mark.parametrize("value", range(1, 9))
def test_orientation_is_exifs_or_the_containers_own(value: int) -> None:
    stored = Image.fromarray(np.ascontiguousarray(TURNED[value](scene(60, 90))))
    options: dict[str, dict[str, Any]] = {"WEBP": {"lossless": True}, "TIFF": {}, "AVIF": {"quality": 95}, "HEIF": {}}
    for kind in options:
        assert difference(encoded(stored, kind, exif=orientation(value), **options[kind]), scene(60, 90)) <= 12, kind


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></x:xmpmeta>'
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_an_orientation_that_stands_only_in_xmp_turns_nothing(kind: str) -> None:
    image = Image.fromarray(scene(60, 90))
    if kind == "JPEG":
        data = with_segment(encoded(image, "JPEG", quality=95), 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP)
    elif kind == "PNG":
        data = png(90, 60, 8, 2, scene(60, 90).tobytes(), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP))
    elif kind == "TIFF":
        data = encoded(image, "TIFF", tiffinfo={700: XMP})
    else:
        # pillow-heif (only tests have it: it encodes) writes the container's own turn after XMP's
        data = encoded(image, kind, xmp=XMP, quality=95).replace(b"irot", b"free")
    assert b'Orientation="6"' in data
    assert difference(data, scene(60, 90)) <= 16


# --- kinds of JPEG and PNG ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 300), (513, 300), (260, 260, 3)])
def test_a_lossless_jpeg_keeps_every_sample(shape: tuple[int, ...]) -> None:
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    grey = ((x + y) * 255 // sum(shape[:2])).astype(np.uint8)
    pixels = grey if len(shape) == 2 else np.dstack([grey, grey[::-1], grey[:, ::-1]])
    wanted = np.repeat(grey[:, :, None], 3, 2) if len(shape) == 2 else pixels
    data = lossless_jpeg(pixels)
    for _ in range(3):
        got = decode(data, SIZE)  # as small as would have a scaled JPEG decoded at 1/4
        assert np.abs(got - stretched(wanted, SIZE)).max() <= 2


@pytest.mark.parametrize("kind", [n for n in range(16) if n not in (4, 8, 12)])
def test_every_kind_of_jpeg_frame_ends_in_pixels_or_in_a_reason(kind: int) -> None:
    pixels = scene(64, 64)
    for data in (encoded(pixels, "JPEG"), encoded(pixels, "JPEG", progressive=True), lossless_jpeg(pixels)):
        for precision in (8, 12, 16):
            sentence = reason_or_none(with_frame(data, kind, precision))
            assert sentence is None or sentence.startswith("the JPEG image ")


def test_an_extended_sequential_jpeg_equals_the_baseline_one() -> None:
    data = encoded(scene(), "JPEG", quality=95)
    assert (decode(with_frame(data, 1), SIZE) == decode(data, SIZE)).all()


@pytest.mark.slow
@pytest.mark.tensorflow
def test_four_inks_look_as_tensorflow_decodes_them() -> None:
    """With Adobe's marker; without it the decoders of the world differ (see `images`)."""
    import tensorflow as tf

    image = Image.fromarray(scene(64, 64)).convert("CMYK")
    for data in (encoded(image, "JPEG", quality=95), with_ycck(encoded(image, "JPEG", quality=95))):
        wanted = np.asarray(tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE"))
        assert difference(data, wanted) <= 6


def with_ycck(data: bytes) -> bytes:
    """Say that the first three components are luminance and colour (Adobe's transform 2), as YCCK files do."""
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\2" + data[at + 1 :]


# --- data that ended early ------------------------------------------------------------------------------------


@pytest.mark.parametrize("subsampling", [0, 1, 2, None])
@pytest.mark.parametrize("every", [{"restart_marker_rows": 1}, {"restart_marker_blocks": 3}])
def test_the_marks_between_a_jpegs_pixels_are_counted(subsampling: int | None, every: dict[str, int]) -> None:
    """Whole ones of every shape are read; a piece in the midst is missing, or stands twice, or in another's place."""
    for height, width in ((97, 131), (64, 64), (8, 200), (33, 9)):
        image = noisy().resize((width, height))
        image = image.convert("L") if subsampling is None else image
        more = {} if subsampling is None else {"subsampling": subsampling}
        data = encoded(image, "JPEG", quality=90, **more, **every)
        assert reason_or_none(data) is None, (height, width)
        marks = [at.start() for at in re.finditer(rb"\xff[\xd0-\xd7]", data[data.index(b"\xff\xda") :])]
        marks = [data.index(b"\xff\xda") + at for at in marks]
        if len(marks) > 4:
            first, second, third = marks[0], marks[2], marks[4]
            wrong = {
                "a piece is missing": data[:first] + data[second:],
                "the last piece is missing": data[: marks[-1]] + b"\xff\xd9",
                "two pieces have changed their places": data[:first]
                + data[second:third]
                + data[first:second]
                + data[third:],
            }
            for what, damaged in wrong.items():
                sentence = reason(damaged)
                assert sentence.startswith("the JPEG image is truncated: "), what


@pytest.mark.parametrize("fill", [0, 255])
@pytest.mark.parametrize("share", [0.37, 0.5, 0.723, 0.9])
@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("kind", ["BMP", "TIFF"])
def test_rows_without_compression_that_break_off(kind: str, mode: str, share: float, fill: int) -> None:
    data = encoded(noisy().point(lambda v: 60 + v // 2).convert(mode), kind)
    cut = data[: int(share * len(data)) + 1]
    sentence = reason(cut + bytes([fill]) * (len(data) - len(cut)))
    assert re.fullmatch(
        rf"the {kind} image is truncated: row \d+ of its pixels breaks off, and nothing follows", sentence
    )


def stored_backwards(pixels: NDArray[np.uint8]) -> bytes:
    """A TIFF in strips of ten rows, the first of which lies last in the file."""
    height, width = pixels.shape[:2]
    pieces = [pixels[y : y + 10].tobytes() for y in range(0, height, 10)][::-1]
    data = tiff(width, height, pieces, {278: (10,)})
    offsets = [8 + sum(map(len, pieces[:i])) for i in range(len(pieces))]
    places = struct.pack(f"<{len(offsets)}I", *offsets)
    assert data.count(places) == 1
    return data.replace(places, struct.pack(f"<{len(offsets)}I", *offsets[::-1]))


def test_strips_are_looked_at_as_they_lie_in_the_file() -> None:
    pixels = np.asarray(noisy())  # 150 rows of 200 pixels
    data = stored_backwards(pixels)
    assert difference(data, pixels) <= 2
    end, cut = 8 + pixels.size, 8 + 70 * 600 + 250
    sentence = reason(data[:cut] + bytes(end - cut) + data[end:])
    assert sentence == "the TIFF image is truncated: row 71 of its pixels breaks off, and nothing follows"


def test_a_plane_of_a_tiff_has_rows_of_one_byte_a_pixel() -> None:
    pixels = np.asarray(noisy())
    planes = [plane.tobytes() for plane in noisy().split()]
    data = tiff(200, 150, planes, {278: (150,), 284: (2,)})
    assert difference(data, pixels) <= 2
    end, cut = 8 + pixels.size, 8 + pixels.size - 450  # two rows of the last plane, and a quarter of the one before
    sentence = reason(data[:cut] + bytes(end - cut) + data[end:])
    assert sentence == "the TIFF image is truncated: row 448 of its pixels breaks off, and nothing follows"


def test_tiles_without_compression_are_looked_at_row_by_row() -> None:
    data = tiled_tiff(np.asarray(noisy()), 64)
    assert difference(data, noisy()) <= 2
    tile, end = 64 * 64 * 3, 8 + 12 * 64 * 64 * 3
    cut = 8 + 5 * tile + 20 * 64 * 3 + 90  # in the twenty-first row of the sixth tile of twelve
    sentence = reason(data[:cut] + bytes(end - cut) + data[end:])
    assert sentence == "the TIFF image is truncated: row 341 of its pixels breaks off, and nothing follows"


def test_a_hole_in_a_strip_is_judged_by_the_tables_that_all_strips_share() -> None:
    data = file_of("TIFF JPEG")
    tags = Image.open(io.BytesIO(data)).tag_v2  # type: ignore[attr-defined]
    assert tags[347].count(b"\xff\xc4") > 0, "Huffman's, which the strips do without"
    middle = tags[273][0] + tags[279][0] // 2
    sentence = reason(data[:middle] + bytes(64) + data[middle + 64 :])
    assert sentence == "the TIFF image is truncated: zero bytes stand in place of its pixels"


@cache
def dark_and_light() -> dict[str, Image.Image]:
    """Pictures that end in one colour, as they are: by whole rows, in a shape, turned, or altogether."""
    pictures: dict[str, Image.Image] = {}
    for name, colour in (("black", (0, 0, 0)), ("white", (255, 255, 255))):
        pictures[name] = Image.new("RGB", (151, 100), colour)
        for share in (0.1, 0.5, 0.9):
            letterbox = Image.new("RGB", (151, 100), colour)
            letterbox.paste(noisy().resize((151, round(share * 100))), (0, 0))
            pictures[f"{share:.0%} on {name}"] = letterbox
            pictures[f"{share:.0%} below {name}"] = letterbox.transpose(Image.Transpose.ROTATE_180)
        for angle in (0.4, 1.3, 30):
            pictures[f"{angle}° on {name}"] = noisy().rotate(angle, fillcolor=colour, resample=Image.Resampling.BICUBIC)
        pixels = np.asarray(noisy().resize((151, 100))).copy()
        pixels[np.tril(np.ones((100, 151), bool))] = colour
        pictures[f"below a diagonal {name}"] = Image.fromarray(pixels)
        pixels = np.full((100, 151, 3), colour, np.uint8)
        pixels[20:60, 30:100] = np.asarray(noisy())[:40, :70]
        pictures[f"an island in {name}"] = Image.fromarray(pixels)
    return pictures


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        *KINDS.values(),
        ("BMP", {"mode": "L"}),
        ("TIFF", {"mode": "L"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"mode": "1", "compression": "group4"}),
        ("TIFF", {"mode": "1", "compression": "group3"}),
        ("JPEG", {"quality": 75, "optimize": True}),
        ("JPEG", {"quality": 5, "progressive": True}),
        ("WEBP", {"quality": 0, "method": 6}),
        ("WEBP", {"lossless": True, "method": 0, "quality": 0}),
    ],
    ids=str,
)
@pytest.mark.costly
def test_a_dark_or_light_picture_is_no_damaged_one(kind: str, options: dict[str, Any]) -> None:
    options = dict(options)
    mode = options.pop("mode", "RGB")
    refused = {
        name: sentence
        for name, picture in dark_and_light().items()
        if (sentence := reason_or_none(encoded(picture.convert(mode), kind, **options)))
    }
    assert refused == {}


@pytest.mark.costly
def test_a_large_picture_of_one_colour_is_no_damaged_one() -> None:
    for value in (0, 255):
        flat = Image.new("RGB", (1300, 1000), (value,) * 3)
        for kind, options in KINDS.values():
            if kind not in ("HEIF", "AVIF"):
                assert reason_or_none(encoded(flat, kind, **options)) is None
        page = flat.convert("1")
        assert reason_or_none(encoded(page, "TIFF", compression="group4")) is None


@pytest.mark.parametrize("options", [{"progressive": True}, {"progressive": True, "quality": 95}, {"optimize": True}])
def test_a_hole_of_zeros_in_any_scan_whose_codes_of_zeros_mean_something(options: dict[str, Any]) -> None:
    """Of a progressive JPEG the first pass may hold zeros, and be a plane of one colour: 64 bytes of ten places."""
    data = encoded(noisy(), "JPEG", **options)
    whole = decode(data, SIZE).astype(int)
    accepted = []
    for share in np.linspace(0.45, 0.95, 10):
        at = int(share * len(data))
        broken = data[:at] + bytes(64) + data[at + 64 :]
        if reason_or_none(broken) is None:
            accepted.append(np.abs(decode(broken, SIZE) - whole).mean())
    assert len(accepted) <= 4


def test_a_strip_is_read_to_its_end_mark_and_its_checksum() -> None:
    data = file_of("TIFF deflate")
    tags = Image.open(io.BytesIO(data)).tag_v2  # type: ignore[attr-defined]
    end = tags[273][0] + tags[279][0]
    assert reason(data[: end - 4] + bytes(4) + data[end:]).endswith("is damaged: the checksum of a strip is wrong")
    other = np.random.default_rng(0).bytes(400)
    assert reason_or_none(data[: end - 400] + other + data[end:]) is not None


def test_units_of_hevc_fill_their_place_and_hold_no_three_zeros() -> None:
    data = file_of("HEIC")
    at = data.rindex(b"mdat") + 4
    length = int.from_bytes(data[at : at + 4], "big")
    assert len(data) - at == 4 + length  # one picture of one unit
    middle = at + length // 2
    for hole in (3, 8, 20):
        assert reason(data[:middle] + bytes(hole) + data[middle + hole :]) == (
            "the HEIC image is truncated: zero bytes stand in place of its pixels"
        )
    for wrong in (length - 1, length + 1, 0, 1):
        assert reason(data[:at] + wrong.to_bytes(4, "big") + data[at + 4 :]) == (
            "the HEIC image is truncated: the lengths of its coded units do not add up"
        )


@pytest.mark.parametrize("kind", ["AVIF", "TIFF LZW"])
def test_a_few_zeros_in_place_of_the_last_pixels(kind: str) -> None:
    data = file_of(kind)
    at = len(data) - 400
    assert "zero bytes or the like stand in place" in reason(data[:at] + bytes(24) + data[at + 24 :])


def test_zeros_of_a_lossless_webp_are_pixels_where_its_last_bytes_are_needed() -> None:
    """An encoder in a hurry writes white as thousands of zero bytes: only a filled up file has bytes to spare."""
    page = Image.fromarray(np.full((150, 200, 3), 255, np.uint8))
    page.paste(noisy().crop((0, 0, 110, 90)), (40, 30))
    data = encoded(page, "WEBP", lossless=True, method=0, quality=0)
    assert bytes(500) in data
    assert difference(data, np.asarray(page)) <= 1
    for share in (0.5, 0.9, 0.97):
        cut = data[: int(share * len(data))]
        assert "in place of its pixels" in reason(cut.ljust(len(data), b"\0")), share


def run_length_coded(rows: list[bytes]) -> bytes:
    """A BMP of 8 bits a pixel, coded by runs."""
    width, pixels = 64, b"".join(rows)
    palette = b"".join(bytes((i, i, i, 0)) for i in range(256))
    header = struct.pack("<IiiHHIIiiII", 40, width, len(rows), 1, 8, 1, len(pixels), 0, 0, 256, 0)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def test_a_bmp_of_runs_reaches_its_end_mark() -> None:
    rows = [b"\x20\x10\0\x20" + bytes(range(1, 33)) + b"\0\0"] * 30  # the literal run holds 0, 1
    rows[3] = b"\0\x40" + b"\0\1" * 32 + b"\0\0"
    whole = run_length_coded([*rows[:-1], rows[-1][:-2] + b"\0\1"])
    assert reason_or_none(whole) is None
    cut = len(whole) // 2
    for broken in (whole[:cut], whole[:-2] + b"\0\0"):
        assert reason(broken) == "the BMP image is truncated: the data end before the end mark"
    filled_up = whole[:cut].ljust(len(whole), b"\0")
    assert reason(filled_up) == "the BMP image is truncated: its pixels end in bytes that do not belong to it"
    higher = whole[:22] + struct.pack("<i", 40) + whole[26:]
    assert reason(higher) == "the BMP image is truncated: rows of pixels are missing"


def test_a_hole_of_zeros_within_the_pixels_of_a_jpeg() -> None:
    data = file_of("JPEG")
    for share in (0.2, 0.5, 0.8):
        at = int(share * len(data))
        assert reason(data[:at] + bytes(512) + data[at + 512 :]).startswith("the JPEG image is truncated: ")


def test_a_flat_plane_is_no_hole_though_its_codes_are_zeros() -> None:
    flat = np.full((1500, 2000, 3), 255, np.uint8)
    for options in ({"optimize": True}, {"progressive": True}, {}):
        data = encoded(Image.fromarray(flat), "JPEG", **options)
        assert (decode(data, SIZE) == 255).all()
    for kind in ("WEBP", "GIF", "PNG"):
        assert decode(encoded(Image.fromarray(flat), kind), SIZE).min() >= 254


def test_pixels_missing_before_an_end_mark_that_was_put_there() -> None:
    data = file_of("JPEG")
    sentence = reason(data[: len(data) // 2] + b"\xff\xd9")
    assert sentence == "the JPEG image is truncated: pixels are missing before the end mark"


@pytest.mark.parametrize("left", [0, 1, 2])
def test_one_rule_for_a_missing_end_mark(left: int) -> None:
    """Every pixel is there, the end mark is not: rejected, in every format that has one."""
    jpeg, picture = encoded(scene(), "JPEG"), encoded(scene())
    assert reason(jpeg[:-2] + jpeg[-2:][: min(left, 1)]) == (
        "the JPEG image is truncated: the data end before the end mark (EOI)"
    )
    assert reason(picture[: -12 + 4 * left]) == "the PNG image is truncated: the data end before the end mark (IEND)"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("BMP", "TIFF")])
@pytest.mark.parametrize("tail", [b"\0" * 9000, b"\xff" * 100, b"<html>", b"\xff\xd8\xff\xe0"])
def test_what_stands_behind_the_end_is_ignored(kind: str, tail: bytes) -> None:
    assert (decode(file_of(kind) + tail, SIZE) == decode(file_of(kind), SIZE)).all()


def test_a_few_bytes_before_the_end_mark_are_ignored_as_some_cameras_leave_them() -> None:
    data = file_of("JPEG")
    assert (decode(data[:-2] + b"\x55" * 40 + data[-2:], SIZE) == decode(data, SIZE)).all()


# --- metadata -------------------------------------------------------------------------------------------------


@cache
def huge_metadata() -> dict[str, bytes]:
    pixels = scene()
    jpeg = encoded(pixels, "JPEG", quality=95)
    rows = (90, 60, 8, 2, pixels.tobytes())
    bomb = zlib.compress(b"x" * (64 << 20), 1)
    return {
        "PNG text": png(*rows, chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"x" * 2_000_000))),
        "PNG text bomb": png(*rows, *[chunk(b"zTXt", b"Comment\0\0" + bomb)] * 3),
        "PNG international text": png(*rows, chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"\xff" * 2_000_000))),
        "PNG profile": png(*rows, chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0\x20\0\0" * 500_000))),
        "PNG broken profile": png(*rows, chunk(b"iCCP", b"p\0\0no zlib")),
        "PNG broken EXIF": png(*rows, chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff")),
        "PNG wrong checksum of metadata": png(*rows, chunk(b"cLLI", bytes(8))[:-1] + b"?"),
        "PNG wrong checksum of text": png(*rows, chunk(b"tEXt", b"a\0b")[:-1] + b"?"),
        "PNG animation out of order": png(*rows, chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(3))),
        "JPEG broken profile": with_segment(jpeg, 0xE2, b"ICC_PROFILE\0\xff\x01" + bytes(50)),
        "JPEG half a JFIF": with_segment(jpeg, 0xE0, b"JFIF\0\1"),
        "JPEG half an Adobe": with_segment(jpeg, 0xEE, b"Adobe"),
        "JPEG broken multi-picture": with_segment(jpeg, 0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        "JPEG broken XMP": with_segment(jpeg, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta" + bytes(60)),
        "JPEG broken Photoshop block": with_segment(jpeg, 0xED, b"Photoshop 3.0\x008BIM\xff\xff\xff"),
        "WebP broken EXIF": encoded(pixels, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\xff\xff\xff\xff"),
        "WebP broken profile": encoded(pixels, "WEBP", lossless=True, icc_profile=b"\xff" * 99),
        "GIF huge comment": encoded(Image.fromarray(pixels).quantize(64), "GIF", comment=b"x" * 3_000_000),
    }


@pytest.mark.parametrize("what", huge_metadata())
def test_metadata_never_cost_the_pixels(what: str) -> None:
    assert difference(huge_metadata()[what], scene()) <= (60 if what.startswith("GIF") else 8)


# --- what is not read, and what it is -------------------------------------------------------------------------


def archive(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as made:
            made.addfile(tarfile.TarInfo("a"), io.BytesIO())
        return buffer.getvalue()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("[Content_Types].xml" if kind == "docx" else "apple.jpg", b"x" * 99)
    return buffer.getvalue()


def box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


NAMED = {
    "empty": (b"", "the file is empty"),
    "only zero": (bytes(5000), "not an image but only zero bytes: the file was never written"),
    "text": (b"remember to buy apples\n", "not an image but a text file"),
    "text in UTF-16": ("Äpfel und Birnen".encode("utf-16"), "not an image but a text file"),
    "HTML": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "not an image but an HTML page"),
    "HTML after a comment": (b"\xef\xbb\xbf \n<!-- x -->\n<HTML><head>", "not an image but an HTML page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "not an image but an XML document"),
    "SVG": (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing, which is not read"),
    "JSON": (json.dumps({"error": "not found"}).encode(), "not an image but a JSON document"),
    "long JSON": (json.dumps([{"a": "b"}] * 2000).encode(), "not an image but a JSON document"),
    "LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 4613\n",
        "not an image but a Git LFS pointer, not the image itself: `git lfs pull` fetches it",
    ),
    "zip": (archive("zip"), "not an image but a zip archive"),
    "docx": (archive("docx"), "not an image but an Office document (a zip archive inside)"),
    "tar": (archive("tar"), "not an image but a tar archive"),
    "gzip": (gzip.compress(b"x"), "not an image but a gzip archive"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "not an image but a PDF document"),
    "MP4": (box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41"), "not an image but an MP4 video"),
    "MOV": (box(b"ftyp", b"qt  \0\0\0\0qt  "), "not an image but a QuickTime video (MOV)"),
    "AVI": (b"RIFF\0\0\0\0AVI LIST", "not an image but an AVI video"),
    "JPEG 2000": (encoded(scene(), "JPEG2000"), "a JPEG 2000 image, which is not read"),
    "PPM": (encoded(scene(), "PPM"), "a PNM image (PPM, PGM, PBM), which is not read"),
    "ICO": (encoded(scene(), "ICO"), "a Windows icon (ICO, CUR), which is not read"),
    "AppleDouble": (b"\0\5\x16\7\0\2\0\0Mac OS X", "not an image but macOS's notes about another file (AppleDouble)"),
    "sent as text": (
        encoded(scene()).replace(b"\r\n", b"\n"),
        "a PNG image that was sent as text: its line ends are changed, and its pixels lost",
    ),
    "sent as text to Windows": (
        encoded(scene()).replace(b"\n", b"\r\n"),
        "a PNG image that was sent as text: its line ends are changed, and its pixels lost",
    ),
    "a wrong byte": (b"\x89PNG\r\n\0\n" + encoded(scene())[8:], "a PNG image whose first bytes are damaged"),
    "stored as text": (
        encoded(scene()).decode("utf-8", "replace").encode(),
        "a PNG image that was stored as text: its pixels are lost",
    ),
    "a JPEG stored as text": (
        encoded(scene(), "JPEG").decode("latin-1").encode(),
        "a JPEG image that was stored as text, in UTF-8",
    ),
    "base64": (base64.b64encode(encoded(scene())), "an image as base64 text, not its bytes"),
    "behind a byte order mark": (
        b"\xef\xbb\xbf" + encoded(scene(), "JPEG"),
        "an image behind 3 bytes that do not belong to it",
    ),
    "in an answer's parts": (
        b"--part\r\nContent-Type: image/png\r\n\r\n" + encoded(scene()),
        "an image behind 35 bytes that do not belong to it",
    ),
    "erased": (b"\xff" * 4096, "not an image but only bytes of one value (255): the file was never written, or erased"),
    "encrypted zip": (b"PK\3\4\x14\0\1\0\x08\0" + bytes(range(99)), "not an image but an encrypted zip archive"),
    "DICOM": (bytes(128) + b"DICM\2\0\0\0", "a DICOM image, which is not read"),
    "MP3": (b"\xff\xfb\x90\x64" + bytes(range(99)), "not an image but an MP3 recording"),
    "encrypted": (b"Salted__" + bytes(range(99)), "not an image but an encrypted file (OpenSSL)"),
    "random": (
        np.random.default_rng(2).bytes(9000),
        "not an image but encrypted or random bytes: no known format begins like this",
    ),
    "unknown": (bytes([1, 2, 3, 4]) * 100, "not an image but bytes of no known format"),
}


@pytest.mark.parametrize("what", NAMED)
def test_a_reason_says_what_the_file_is(what: str) -> None:
    data, wanted = NAMED[what]
    assert reason(data) == wanted


def test_the_parts_of_a_jpeg_are_its_tables_its_frame_and_its_scan() -> None:
    data = encoded(scene(), "JPEG", exif=orientation(6), icc_profile=bytes(3000), comment=b"apple")
    parts = jpeg_parts(data)
    assert b"ICC_PROFILE" not in parts.data
    assert b"apple" not in parts.data
    assert parts.exif == orientation(6).removeprefix(b"Exif\0\0")
    assert parts.scaled
    assert not jpeg_parts(lossless_jpeg(scene())).scaled
