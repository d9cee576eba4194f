"""Whatever bytes come, decoding ends in pixels or in an `ImageError`: nothing else may leave a worker."""

from __future__ import annotations

from functools import cache

import numpy as np
from fruits.images import ImageError, decode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.job.pictures import chunk, encoded, orientation, png, scene, with_segment

SIZE = 16
fuzzed = settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def seeds() -> tuple[bytes, ...]:
    """Valid files of every kind that the decoder knows."""
    pixels = scene(24, 30)
    image = Image.fromarray(pixels)
    grey16 = (np.arange(24 * 30, dtype=np.uint16) * 90).reshape(24, 30)
    return (
        encoded(pixels, "JPEG"),
        encoded(pixels, "JPEG", progressive=True, exif=orientation(6)),
        encoded(scene(200, 160), "JPEG", optimize=True),
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(image.convert("L"), "JPEG", icc_profile=b"\0" * 200, dpi=(72, 72), comment=b"fruit"),
        with_segment(encoded(pixels, "JPEG"), 0xE1, b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0"),
        encoded(image, "MPO", save_all=True, append_images=[image]),
        encoded(pixels),
        encoded(np.dstack([pixels, pixels[:, :, :1]]), exif=orientation(5)),
        encoded(image.quantize(9), transparency=2),
        encoded(image.convert("1")),
        encoded(image, save_all=True, append_images=[image], duration=10),
        png(30, 24, 16, 0, grey16.astype(">u2").tobytes(), chunk(b"tRNS", b"\0\x5a")),
        png(30, 24, 16, 2, np.dstack([grey16] * 3).astype(">u2").tobytes()),
        png(30, 24, 8, 2, pixels.tobytes(), chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\x00"), chunk(b"tEXt", b"a\0b")),
    )


def pixels_or_reason(data: bytes) -> None:
    try:
        got = decode(data, SIZE)
    except ImageError as error:
        reason = str(error)
    else:
        assert got.shape == (SIZE, SIZE, 3)
        assert got.dtype == np.uint8
        return
    assert reason.strip()
    assert "\n" not in reason


def test_the_files_that_are_mutated_are_valid_themselves() -> None:
    for data in seeds():
        assert decode(data, SIZE).std() > 0


@fuzzed
@given(st.data())
def test_flipped_bytes(data: st.DataObject) -> None:
    file = bytearray(data.draw(st.sampled_from(seeds())))
    early = st.integers(0, min(300, len(file) - 1))  # headers are where parsers break
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(early | st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    pixels_or_reason(bytes(file))


@fuzzed
@given(st.data())
def test_truncated_anywhere(data: st.DataObject) -> None:
    file = data.draw(st.sampled_from(seeds()))
    pixels_or_reason(file[: data.draw(st.integers(0, len(file)))])


@fuzzed
@given(st.data())
def test_pieces_cut_out_doubled_or_swapped_with_another_file(data: st.DataObject) -> None:
    one, other = data.draw(st.sampled_from(seeds())), data.draw(st.sampled_from(seeds()))
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(one)), st.integers(0, len(one)))))
    there = data.draw(st.integers(0, len(other)))
    pixels_or_reason(one[:start] + data.draw(st.sampled_from([b"", one[start:end] * 2, other[there:]])) + one[end:])


@fuzzed
@given(st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"]), st.binary(max_size=400))
def test_noise_behind_a_signature(signature: bytes, noise: bytes) -> None:
    pixels_or_reason(signature + noise)


@fuzzed
@given(st.sampled_from([b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"PLTE", b"gAMA"]), st.data())
def test_noise_in_a_well_formed_png_chunk(kind: bytes, data: st.DataObject) -> None:
    depth, colour, width = data.draw(st.sampled_from([(8, 2, 3), (16, 0, 2), (8, 0, 1), (8, 4, 2), (8, 6, 4)]))
    noise = data.draw(st.binary(max_size=60))
    pixels_or_reason(png(5, 5, depth, colour, bytes(25 * width), chunk(kind, noise)))


@fuzzed
@given(st.binary(max_size=80))
def test_noise_as_exif(noise: bytes) -> None:
    pixels_or_reason(with_segment(seeds()[0], 0xE1, b"Exif\0\0" + noise))
    pixels_or_reason(with_segment(seeds()[0], 0xE1, b"Exif\0\0II*\0\x08\0\0\0" + noise))
    pixels_or_reason(with_segment(seeds()[0], 0xE2, b"MPF\0" + noise))
    pixels_or_reason(with_segment(seeds()[0], 0xED, b"Photoshop 3.0\0" + noise))
