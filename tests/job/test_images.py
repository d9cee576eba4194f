"""Bytes to pixels: what a person would see, or the reason why not."""

from __future__ import annotations

import contextlib
import fcntl
import io
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pi_heif
import pillow_heif
import pytest
from fruits import images
from fruits.containers import DamagedError, Picture
from fruits.images import ImageError, decode, decode_leniently
from numpy.typing import NDArray
from PIL import Image, ImageFile

from tests.job.pictures import (
    TURNED,
    chunk,
    encoded,
    orientation,
    png,
    png_header,
    scene,
    stretched,
    with_segment,
    without_segment,
)

SIZE = 32
REPO = Path(__file__).resolve().parents[2]


def seen(data: bytes, wanted: Any, tolerance: float) -> None:
    """`data` decodes to the pixels `wanted` (any size), stretched to the square."""
    got = decode(data, SIZE)
    assert got.dtype == np.uint8
    assert got.shape == (SIZE, SIZE, 3)
    assert np.abs(got - stretched(np.asarray(wanted), SIZE)).max() <= tolerance


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, SIZE)
    return str(caught.value)


# --- what is featurized -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(60, 90), (100, 100), (20, 17), (32, 32), (333, 5)])
def test_a_plain_picture_is_stretched_by_a_triangle_filter(shape: tuple[int, int]) -> None:
    seen(encoded(scene(*shape)), scene(*shape), 1.0)


def test_an_enlarged_picture_equals_the_filter_at_the_size_of_the_networks() -> None:
    pixels = scene(100, 100)
    assert np.abs(decode(encoded(pixels), 224) - stretched(pixels, 224)).max() <= 1.0


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"optimize": True}])
def test_jpeg_of_every_kind(options: dict[str, Any]) -> None:
    seen(encoded(scene(), "JPEG", quality=95, **options), scene(), 6)


def test_a_jpeg_much_larger_than_the_network_loses_nothing_to_the_fast_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoded at an eighth, the smallest of libjpeg's shares of 700 rows that leaves twice the 32 wanted."""
    sizes: list[tuple[int, int]] = []

    @contextlib.contextmanager
    def note(image: Image.Image) -> Iterator[None]:
        sizes.append(image.size)
        yield

    monkeypatch.setattr(images, "_limit_large", note)
    pixels = scene(700, 900)
    data = encoded(pixels, "JPEG", quality=95)
    seen(data, pixels, 6)
    assert np.abs(decode_leniently(data, SIZE) - stretched(pixels, SIZE)).max() <= 6
    assert sizes == [(113, 88)] * 2


def test_of_a_cut_picture_a_viewer_shows_what_is_there() -> None:
    data = encoded(scene(320, 320), "JPEG", quality=95)
    with pytest.raises(ImageError):
        decode(data[: len(data) // 2], SIZE)
    got = decode_leniently(data[: len(data) // 2], SIZE)
    assert np.abs(got[:12] - stretched(scene(320, 320), SIZE)[:12]).max() <= 6
    assert not ImageFile.LOAD_TRUNCATED_IMAGES, "and whoever decodes next is told of a cut file"
    with pytest.raises(ImageError, match="no picture"):
        decode_leniently(b"not a picture", SIZE)


def test_heics_decoder_is_loaded_for_heic_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    monkeypatch.setattr(images, "_register_heif", lambda: loaded.append("HEIF"))
    pillow_heif.register_heif_opener()
    for kind in ("PNG", "JPEG", "HEIF", "TIFF"):
        decode(encoded(scene(), kind), SIZE)
    assert loaded == ["HEIF"]
    monkeypatch.undo()
    monkeypatch.setattr(pi_heif, "register_heif_opener", lambda: loaded.append("decoder"))
    images._register_heif.__wrapped__()
    assert loaded == ["HEIF", "decoder"]
    assert (pi_heif.options.DECODE_THREADS, pi_heif.options.THUMBNAILS) == (1, False), "a task has one core"


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
def test_grey_has_three_equal_channels(format_: str) -> None:
    grey = scene()[:, :, 1]
    data = encoded(grey, format_)
    got = decode(data, SIZE)
    assert (got[:, :, 0] == got[:, :, 1]).all()
    assert (got[:, :, 1] == got[:, :, 2]).all()
    seen(data, np.repeat(grey[:, :, None], 3, axis=2), 1 if format_ == "PNG" else 6)


def test_black_and_white_of_one_bit() -> None:
    bits = scene()[:, :, 0] > 128
    wanted = np.repeat((bits * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    seen(encoded(Image.fromarray(bits)), wanted, 1)


def test_a_palette_becomes_its_colours() -> None:
    image = Image.fromarray(scene()).quantize(16)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    seen(encoded(image), palette[np.asarray(image)], 1)


def test_transparent_palette_entries_lie_on_white() -> None:
    image = Image.fromarray(scene()).quantize(16)
    palette = np.array(image.getpalette(), np.uint8).reshape(-1, 3)
    palette[3] = 255
    seen(encoded(image, transparency=3), palette[np.asarray(image)], 1)


def test_half_transparent_palette_entries_are_blended_with_white() -> None:
    image = Image.fromarray(scene()).quantize(4)
    palette = np.array(image.getpalette(), np.float64).reshape(-1, 3)
    alpha = np.array([255, 0, 128, 64])[:, None] / 255
    blended = palette[:4] * alpha + 255 * (1 - alpha)
    seen(encoded(image, transparency=bytes([255, 0, 128, 64])), blended[np.asarray(image)], 2)


def test_alpha_is_blended_with_white() -> None:
    pixels = scene()
    alpha = np.linspace(0, 255, pixels.shape[1]).astype(np.uint8)[None, :].repeat(pixels.shape[0], 0)
    share = alpha[:, :, None] / 255
    wanted = pixels * share + 255 * (1 - share)
    seen(encoded(np.dstack([pixels, alpha])), wanted, 2)


def test_grey_with_alpha_is_blended_with_white() -> None:
    grey, alpha = scene()[:, :, 0], scene(seed=9)[:, :, 1]
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    share = alpha / 255
    wanted = (grey * share + 255 * (1 - share))[:, :, None].repeat(3, 2)
    seen(encoded(image), wanted, 2)


def test_a_transparent_colour_of_an_rgb_png_is_white() -> None:
    pixels = np.full((8, 8, 3), (10, 200, 30), np.uint8)
    pixels[:, :4] = (1, 2, 3)
    data = png(8, 8, 8, 2, pixels.tobytes(), chunk(b"tRNS", b"\0\1\0\2\0\3"))
    wanted = pixels.copy()
    wanted[:, :4] = 255
    seen(data, wanted, 1)


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    data = png(64, 48, 16, 0, values.astype(">u2").tobytes())
    seen(data, (values / 257)[:, :, None].repeat(3, 2), 1.5)
    assert (decode(png(4, 4, 16, 0, bytes(32)), SIZE) == 0).all(), "black stays black"


def test_sixteen_bit_grey_keeps_its_transparent_value() -> None:
    values = np.full((8, 8), 20_000, np.uint16)
    values[:, :4] = 4_321
    data = png(8, 8, 16, 0, values.astype(">u2").tobytes(), chunk(b"tRNS", (4_321).to_bytes(2, "big")))
    wanted = np.full((8, 8, 3), 20_000 / 257)
    wanted[:, :4] = 255
    seen(data, wanted, 1.5)


@pytest.mark.parametrize("colour", [2, 6])
def test_sixteen_bit_colour_with_and_without_alpha(colour: int) -> None:
    values = scene(48, 64).astype(np.uint16) * 257
    if colour == 6:
        values = np.dstack([values, np.full((48, 64), 65535, np.uint16)])
    seen(png(64, 48, 16, colour, values.astype(">u2").tobytes()), scene(48, 64), 1.5)


def cmyk(pixels: Any) -> Image.Image:
    inverted = 255 - pixels
    return Image.merge("CMYK", [*Image.fromarray(inverted).split(), Image.new("L", pixels.shape[1::-1], 0)])


def test_cmyk_as_photoshop_writes_it_inverted_with_adobes_marker() -> None:
    data = encoded(cmyk(scene()), "JPEG", quality=95)
    assert b"Adobe" in data[:200]
    seen(data, scene(), 6)


def test_cmyk_without_a_marker_is_taken_as_adobes_too_as_browsers_do() -> None:
    data = without_segment(encoded(cmyk(scene()), "JPEG", quality=95), 0xEE)
    assert b"Adobe" not in data[:200]
    seen(data, scene(), 6)


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = Image.fromarray(scene()), Image.fromarray(scene(seed=8))
    data = encoded(first, save_all=True, append_images=[second], duration=100)
    assert b"acTL" in data
    seen(data, scene(), 1)


def test_of_a_multi_picture_jpeg_the_first_counts() -> None:
    data = encoded(
        Image.fromarray(scene()),
        "MPO",
        save_all=True,
        append_images=[Image.fromarray(scene(seed=8))],
        quality=95,
    )
    seen(data, scene(), 6)


@pytest.mark.parametrize("value", range(1, 9))
def test_every_exif_orientation_is_turned_upright(value: int) -> None:
    stored = np.ascontiguousarray(TURNED[value](scene()))
    seen(encoded(stored, exif=orientation(value)), scene(), 1)
    seen(encoded(stored, "JPEG", quality=95, exif=orientation(value)), scene(), 6)
    big = np.ascontiguousarray(TURNED[value](scene(300, 400)))
    seen(encoded(big, "JPEG", quality=95, exif=orientation(value)), scene(300, 400), 6)


@pytest.mark.parametrize("value", [0, 9, 4711])
def test_an_orientation_that_does_not_exist_is_ignored(value: int) -> None:
    seen(encoded(scene(), exif=orientation(value)), scene(), 1)


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"garbage that is no TIFF header",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\0\x09",
        b"II*\0\x08\0\0\0\xff\xff",
    ],
)
def test_a_damaged_exif_block_does_not_cost_the_picture(exif: bytes) -> None:
    data = with_segment(encoded(scene(), "JPEG", quality=95), 0xE1, b"Exif\0\0" + exif)
    seen(data, scene(), 6)


def test_one_pixel_fills_the_square() -> None:
    assert (decode(encoded(np.full((1, 1, 3), (9, 80, 200), np.uint8)), SIZE) == (9, 80, 200)).all()


def test_bytes_behind_the_end_are_ignored() -> None:
    seen(encoded(scene(), "JPEG", quality=95) + b"\0" * 1000, scene(), 6)


def test_the_name_does_not_matter_a_png_called_jpg_is_a_png() -> None:
    seen(encoded(scene()), scene(), 1)  # decode() sees no name at all


def test_the_same_bytes_give_the_same_pixels() -> None:
    data = encoded(scene(333, 500), "JPEG")
    assert (decode(data, 224) == decode(data, 224)).all()


# --- what is rejected, and why ------------------------------------------------------------------------------


def test_an_empty_file() -> None:
    assert reason(b"") == "the file is empty"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"not a picture at all", "not an image but a text file"),
        (b"<svg/>", "an SVG drawing, which is not read"),
        (b"\0" * 500, "not an image but only zero bytes: the file was never written"),
        (b"\xff\xd8", "the JPEG image is truncated: the data end before the end mark (EOI)"),
        (b"\x89PNG\r\n\x1a\n", "the PNG image is truncated: the data end before the end mark (IEND)"),
    ],
)
def test_what_is_no_image(data: bytes, said: str) -> None:
    assert reason(data) == said


def test_a_broken_png_checksum() -> None:
    data = bytearray(encoded(scene()))
    data[20] ^= 1  # the width, in IHDR
    assert reason(bytes(data)) == "the PNG image is damaged: the checksum of its IHDR chunk is wrong"


def test_pixels_of_a_png_that_do_not_decompress() -> None:
    data = encoded(scene())
    at = data.index(b"IDAT") + 4
    damaged = data[: at + 30] + b"\xff" * 40 + data[at + 70 :]
    assert reason(damaged) == "the PNG image is damaged: the checksum of its IDAT chunk is wrong"


def test_pixels_of_a_png_that_do_not_decompress_though_their_checksum_is_right() -> None:
    rows = zlib.compress(np.random.default_rng(0).bytes(9000))[:80] + b"\xff" * 40
    data = png(50, 60, 8, 2, b"\x80" * 9000)
    at = data.index(b"IDAT") - 4
    assert reason(data[:at] + chunk(b"IDAT", rows) + chunk(b"IEND", b"")).startswith(
        "the PNG image cannot be decoded: "
    )


def test_a_decompression_bomb_is_refused_by_its_header() -> None:
    assert reason(png_header(60_000, 60_000)) == "60000×60000 pixels are more than the 100,000,000 allowed"


def test_a_jpeg_that_claims_a_gigantic_size_is_refused_by_its_header() -> None:
    data = bytearray(encoded(scene(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xfd\xe8\xfd\xe8"
    assert reason(bytes(data)) == "65000×65000 pixels are more than the 100,000,000 allowed"


def test_a_picture_of_no_size() -> None:
    assert reason(png(0, 1, 8, 2, b"")).startswith("the PNG image cannot be decoded: ")


@pytest.mark.parametrize(
    ("place", "said"),
    [
        (10, "is truncated: its pixels end long before its data do"),
        (11, None),
        (20, None),
        (21, "is truncated: pixels are missing before the end mark"),
    ],
)
def test_a_decoder_is_through_neither_early_nor_late(place: int, said: str | None) -> None:
    reader = io.BytesIO(bytes(30))
    reader.seek(place)
    with pytest.raises(DamagedError, match=said) if said else contextlib.nullcontext():
        images._require_whole(Picture(b"", stops=(10, 20)), reader)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError("broken data stream.\nand more"), "broken data stream"),
        (OSError("image file is truncated (3 bytes not processed)"), "image file is truncated"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_decoders_words_are_shortened_and_never_empty(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(images, "_decode_square", fail)
    assert reason(encoded(scene())) == f"the PNG image cannot be decoded: {said}"


def test_the_limit_is_inclusive() -> None:
    data = encoded(scene(10, 10))
    assert decode(data, SIZE, max_pixels=100).shape == (SIZE, SIZE, 3)
    with pytest.raises(ImageError, match="10×10 pixels are more than the 99 allowed"):
        decode(data, SIZE, max_pixels=99)


# --- memory -------------------------------------------------------------------------------------------------

_PEAK = r"""
import re, sys
sys.path.insert(0, {jobs!r})
from fruits.images import ImageError, decode
def peak():  # getrusage would count what the parent held before the exec
    return int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1])
data = sys.stdin.buffer.read()
before = peak()
try:
    decode(data, 224)
except ImageError as error:
    print(error, file=sys.stderr)
print((peak() - before) / 1024)
"""


def peak_megabytes(data: bytes) -> float:
    """What decoding costs a fresh process beyond the file itself."""
    program = _PEAK.format(jobs=str(REPO / "jobs"))
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True)
    return float(done.stdout)


needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from Linux's /proc")


@needs_proc
def test_a_large_jpeg_is_decoded_small() -> None:
    data = encoded(Image.new("RGB", (4000, 3000), (200, 30, 40)), "JPEG")
    assert (np.abs(decode(data, 224).astype(int) - (200, 30, 40)) <= 2).all()
    assert peak_megabytes(data) < 18  # its pixels alone are 36


@needs_proc
@pytest.mark.parametrize(
    ("mode", "limit"),
    [
        ("RGB", 75),
        *(pytest.param(*row, marks=pytest.mark.costly) for row in (("RGBA", 125), ("I;16", 125), ("P", 75))),
    ],
)
@pytest.mark.costly
def test_a_large_png_takes_memory_for_its_pixels_and_little_more(mode: str, limit: int) -> None:
    data = encoded(Image.new(mode, (4000, 3000)), compress_level=1)
    assert decode(data, 224).shape == (224, 224, 3)
    assert peak_megabytes(data) < limit


@needs_proc
def test_a_bomb_takes_no_memory() -> None:
    assert peak_megabytes(png_header(60_000, 60_000)) < 20


@needs_proc
@pytest.mark.costly
def test_a_bomb_in_a_text_chunk() -> None:
    bomb = chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"\0" * (200 << 20), 1))
    data = png(4, 4, 8, 2, b"\x80" * 48, bomb)
    assert len(data) < 1 << 20
    assert peak_megabytes(data) < 150


@pytest.mark.parametrize("decode_one", [decode, decode_leniently])
def test_pillow_stays_quiet(decode_one: Callable[..., NDArray[np.uint8]], recwarn: pytest.WarningsRecorder) -> None:
    """It warns of a palette whose colours are transparent one by one, and of EXIF that ends early."""
    palette = Image.new("P", (9, 9))
    palette.putpalette(bytes(768))
    cut_short = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    for data in (encoded(palette, transparency=bytes(9)), with_segment(encoded(scene(), "JPEG"), 0xE1, cut_short)):
        assert decode_one(data, 24).shape == (24, 24, 3)
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize(
    ("mode", "width", "height", "is_large"),
    [
        # a quarter of a gibibyte at four bytes a pixel, and half as many pixels where a second copy is made
        ("RGB", 8192, 8192, True),
        ("RGB", 8192, 8191, False),
        ("RGBA", 8192, 4096, True),
        ("L", 8191, 4096, False),
        ("RGB transparent", 8192, 4096, True),
    ],
)
def test_a_picture_is_large_from_256_mebibytes_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: str, width: int, height: int, is_large: bool
) -> None:
    locks: list[int] = []
    monkeypatch.setattr(images.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(images.fcntl, "flock", lambda descriptor, operation: locks.append(operation))
    info = {"transparency": (1, 2, 3)} if "transparent" in mode else {}
    picture = SimpleNamespace(mode=mode.split()[0], info=info, width=width, height=height)
    with images._limit_large(cast("Image.Image", picture)):
        assert locks == ([fcntl.LOCK_EX] if is_large else [])


def test_large_pictures_wait_for_each_other_where_that_is_possible(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full or missing place for the lock is the machine's trouble: it rejects no picture."""
    monkeypatch.setattr(images, "LARGE", 1)
    wanted = decode(encoded(scene()), SIZE)
    for place in (tmp_path, tmp_path / "missing", tmp_path / "file"):
        (tmp_path / "file").touch()
        monkeypatch.setattr(images.tempfile, "gettempdir", lambda place=place: str(place))
        assert (decode(encoded(scene()), SIZE) == wanted).all()
    (lock,) = tmp_path.glob("fruits-large-picture-*")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # given back
