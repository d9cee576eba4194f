"""A decoder that crashes, hangs or takes all memory costs its own image; the others, and the process, go on."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from fruits import guard as guard_module
from fruits.guard import Guard, GuardError, get_guard, is_deadly
from fruits.images import decode
from fruits.report import pictures
from fruits.store import Store
from PIL import Image

from tests.job.pictures import (
    chunk,
    encoded,
    lossless_jpeg,
    png,
    run_length_bmp,
    scene,
    tiled_tiff,
    with_frame,
    with_segment,
)

SIZE = 32
pillow_heif.register_heif_opener()
Break = Callable[[pytest.MonkeyPatch], None]

# a decoder that really dies: the child's own `decode`, with a reaction to four made-up files
_BROKEN = """
import json, sys; told = json.loads(sys.argv[1]); sys.path[:] = told.pop('path')
import ctypes, os
from fruits import guard
from fruits.images import ImageError, decode
def broken(data, size):
    if data == b'SEGV': ctypes.string_at(0)
    if data == b'ABRT': os.abort()
    if data == b'EXIT': os._exit(3)
    if data == b'LOOP':
        while True: pass
    if data == b'MEMORY': bytes(3 << 30)
    if data == b'PRINT': os.write(1, b'a library talks')
    return decode(data, size)
guard.decode = broken
guard.serve(**told)
"""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "_PROGRAM", _BROKEN)


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard(SIZE) as made:
        yield made


def good(seed: int) -> bytes:
    return encoded(scene(seed=seed))


def test_the_child_decodes_to_the_same_bits(guard: Guard) -> None:
    files = [good(1), encoded(scene(), "JPEG"), encoded(scene(400, 300), "WEBP"), good(4)]
    assert guard.decode(files) == [None] * 4
    for place, data in enumerate(files):
        assert (guard.pixels[place] == decode(data, SIZE)).all()


def test_reasons_are_the_decoders_and_a_place_keeps_its_picture(guard: Guard) -> None:
    assert guard.decode([good(1)], 2) == [None]
    assert guard.decode([b"", good(2), b"<html>"]) == ["the file is empty", None, "not an image but an HTML page"]
    assert (guard.pixels[1] == decode(good(2), SIZE)).all()
    assert guard.decode([good(3)]) == [None]
    assert (guard.pixels[1] == decode(good(2), SIZE)).all()


@pytest.mark.parametrize(
    ("poison", "wanted"),
    [
        (b"SEGV", "the unknown image crashes its decoder (SIGSEGV)"),
        (b"ABRT", "the unknown image crashes its decoder (SIGABRT)"),
        (b"EXIT", "the unknown image crashes its decoder (exit code 3)"),
        pytest.param(b"LOOP", "the unknown image takes more than 1 s to decode", marks=pytest.mark.costly),
    ],
)
@pytest.mark.costly
def test_a_decoder_that_dies_costs_its_image_alone(broken: None, poison: bytes, wanted: str) -> None:
    with Guard(SIZE, seconds=1) as guard:
        files = [good(1), poison, good(3), good(4)]
        assert guard.decode(files) == [None, wanted, None, None]
        assert is_deadly(wanted)
        for place in (0, 2, 3):
            assert (guard.pixels[place] == decode(files[place], SIZE)).all()
        assert guard.decode([good(5)]) == [None]


def test_memory_is_bounded_and_the_child_survives_it(broken: None) -> None:
    with Guard(SIZE, memory=300 << 20) as guard:
        reasons = guard.decode([good(1), b"MEMORY", good(2)])
        assert reasons == [None, "the image takes more memory than one image may", None]


@pytest.mark.costly
def test_a_picture_that_takes_too_much_memory_is_named() -> None:
    data = encoded(Image.new("RGB", (9000, 9000)), compress_level=1)
    with Guard(SIZE, memory=150 << 20) as guard:
        assert guard.decode([data, good(1)]) == ["the PNG image takes more memory than one image may", None]


def test_what_a_library_prints_is_no_answer(broken: None) -> None:
    with Guard(SIZE) as guard:
        assert guard.decode([b"PRINT"]) == ["not an image but a text file"]


def test_a_child_killed_from_outside_costs_no_image(guard: Guard) -> None:
    assert guard.decode([good(1)]) == [None]
    assert guard._child
    os.kill(guard._child.pid, signal.SIGKILL)
    assert guard.decode([good(2), good(3)]) == [None, None]
    assert (guard.pixels[1] == decode(good(3), SIZE)).all()


def test_a_child_that_cannot_start_is_an_error_and_no_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_module, "_PROGRAM", "import no_such_module")
    with Guard(SIZE) as guard, pytest.raises(GuardError, match=r"does not start: it crashes its decoder \(exit code 1"):
        guard.decode([good(1)])


def test_the_child_ends_when_its_parent_is_gone(guard: Guard) -> None:
    guard.decode([good(1)])
    assert guard._child
    assert guard._child.stdin
    guard._child.stdin.close()  # as the end of the process does
    assert guard._child.wait(timeout=300) == 0


def test_one_guard_a_process_kept_from_task_to_task() -> None:
    assert get_guard(SIZE, 4) is get_guard(SIZE, 4)
    reader, writer = os.pipe()
    mine = id(get_guard(SIZE, 4))
    if not (child := os.fork()):
        os.write(writer, b"1" if id(get_guard(SIZE, 4)) != mine else b"0")
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    assert os.read(reader, 1) == b"1"
    os.close(reader)


@pytest.mark.costly
def test_large_files_go_through_and_leave_no_memory_behind(guard: Guard) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3000, 2500, 3)).astype(np.uint8))
    data = encoded(noise, "BMP")
    assert len(data) > 22e6
    assert guard.decode([data, data]) == [None, None]
    assert os.fstat(guard._files).st_size == 0


# --- the report's pictures ------------------------------------------------------------------------------------


def test_a_picture_that_crashes_costs_the_page_that_picture(broken: None, tmp_path: Path) -> None:
    for name, data in {"a": good(1), "b": b"SEGV", "c": good(2)}.items():
        (tmp_path / name).write_bytes(data)
    found = pictures.make_thumbnails(Store(str(tmp_path)), [f"{tmp_path}/{name}" for name in "abcd"])
    assert [bool(picture) for picture in found] == [True, False, True, False]


def test_the_page_does_not_try_again_what_has_killed_a_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty pictures that never end would take the report an hour."""
    reasons = {
        "a": "the JPEG image is truncated: zero bytes stand in place of its pixels",
        "b": "the HEIC image takes more than 30 s to decode",
        "c": "the PNG image crashes its decoder (SIGABRT)",
        "d": "the GIF image cannot be decoded: its decoder was killed, probably because memory ran out",
        "e": "the WebP image was not decoded in 600 s",
        "f": "cannot be read: gone",
    }
    tried: list[str] = []
    monkeypatch.setattr(pictures, "_make_pictures", lambda _, paths, **__: tried.extend(paths) or ["p"] * len(paths))
    rows = [{"path": path, "size": 9, "reason": reason} for path, reason in reasons.items()]
    assert pictures.make_reject_thumbnails(Store(str(tmp_path)), rows) == ["p", "", "", "", "", "p"]
    assert tried == ["a", "f"]


@pytest.mark.costly
def test_one_that_takes_too_long_alone_is_not_tried_twice(broken: None, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    start = Guard._start
    with Guard(SIZE, seconds=1) as guard:
        monkeypatch.setattr(guard, "_start", lambda: started.append(guard._child is None) or start(guard))
        assert guard.decode([b"LOOP"]) == ["the unknown image takes more than 1 s to decode"]
        assert sum(started) == 0


@pytest.mark.costly
def test_the_reports_pictures_take_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PNG of 10 megapixels and six files of 5 MB: one is decoded at a time, and 8 MB (else 64) are held at most."""
    monkeypatch.setattr(pictures, "MAX_READ", 8 << 20)
    Image.new("RGB", (4000, 2500)).save(tmp_path / "large.png", compress_level=1)
    (tmp_path / "large.bmp").write_bytes(encoded(Image.new("RGB", (1600, 1100)), "BMP"))
    room = pictures._ByteBudget(pictures.MAX_READ)
    most, held = 0, 0
    take, give_back = pictures._ByteBudget.take, pictures._ByteBudget.give_back

    def watched_take(self: Any, size: int) -> None:
        nonlocal most, held
        take(self, size)
        held += size
        most = max(most, held)

    def watched_give_back(self: Any, size: int) -> None:
        nonlocal held
        held -= size
        give_back(self, size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures._ByteBudget, "take", watched_take)
        patch.setattr(pictures._ByteBudget, "give_back", watched_give_back)
        paths = [f"{tmp_path}/large.png", *[f"{tmp_path}/large.bmp"] * 6]
        assert all(pictures.make_thumbnails(Store(str(tmp_path)), paths))
    assert 5 << 20 < most <= pictures.MAX_READ
    assert held == 0
    with pytest.raises(OSError, match="more than are held at once"):
        room.take(pictures.MAX_READ + 1)


# --- fuzzing --------------------------------------------------------------------------------------------------


@cache
def seeds() -> tuple[bytes, ...]:
    """Every kind of JPEG frame, PNG of every depth, with palette, animated; four inks; the other formats."""
    pixels, image = scene(40, 48), Image.fromarray(scene(40, 48))
    baseline = encoded(pixels, "JPEG")
    progressive = encoded(pixels, "JPEG", progressive=True)
    lossless = lossless_jpeg(pixels)
    deep = (np.arange(40 * 48, dtype=np.uint16) * 30).astype(">u2").tobytes()
    return (
        *[with_frame(baseline, kind) for kind in range(16) if kind not in (4, 8, 12)],
        *[with_frame(progressive, kind, precision) for kind in (2, 6, 10) for precision in (8, 12)],
        *[with_frame(lossless, kind) for kind in (3, 7, 11, 15)],
        encoded(image.convert("CMYK"), "JPEG"),
        encoded(pixels, "JPEG", restart_marker_blocks=2),
        with_segment(baseline, 0xDD, b"\0\3"),
        encoded(image, save_all=True, append_images=[image.rotate(90)], duration=10),
        png(48, 40, 16, 0, deep),
        png(48, 40, 16, 2, deep * 3),
        png(48, 40, 16, 6, deep * 4),
        png(48, 40, 1, 0, bytes(6 * 40)),
        png(48, 40, 4, 3, bytes(24 * 40), chunk(b"PLTE", bytes(48)), chunk(b"tRNS", bytes(16))),
        encoded(image, "WEBP"),
        encoded(image, "WEBP", lossless=True, save_all=True, append_images=[image.rotate(90)]),
        encoded(image.quantize(16), "GIF", save_all=True, append_images=[image.rotate(90).quantize(8)]),
        encoded(image.quantize(16), "BMP"),
        encoded(image, "TIFF", compression="tiff_lzw"),
        encoded(image, "TIFF", compression="jpeg"),
        encoded(image.convert("CMYK"), "TIFF", compression="tiff_deflate"),
        tiled_tiff(pixels, 16),
        run_length_bmp(pixels[:, :, 1]),
        encoded(image, "AVIF", speed=9),
        encoded(image, "HEIF"),
    )


def mutated(chance: random.Random) -> bytes:
    file = bytearray(chance.choice(seeds()))
    for _ in range(chance.randint(0, 6)):
        how = chance.random()
        near_head = chance.random() < 0.6
        at = chance.randrange(min(len(file), 700) if near_head else len(file))
        if how < 0.6:
            file[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif how < 0.8:
            file[at : at + chance.randint(1, 9)] = chance.randbytes(chance.randint(0, 9))
        elif how < 0.9:
            del file[at:]
            file += chance.choice(seeds())[chance.randrange(200) :]
        else:
            frame = next((n for n in range(len(file) - 1) if file[n] == 0xFF and 0xC0 <= file[n + 1] <= 0xCF), None)
            if frame is not None:
                file[frame + 1] = 0xC0 + chance.randrange(16)
        if not file:
            break
    return bytes(file)


@pytest.mark.parametrize(
    ("rounds", "seed"),
    [(60, 1), *(pytest.param(2500, seed, marks=pytest.mark.slow) for seed in (2, 3))],
)
def test_mutated_files_of_every_kind_cost_themselves_alone(rounds: int, seed: int) -> None:
    chance = random.Random(seed)
    wanted = decode(good(1), SIZE)
    decoded, began = 0, time.monotonic()
    with Guard(SIZE) as guard:
        for _ in range(rounds):
            files = [mutated(chance), mutated(chance), good(1), mutated(chance)]
            reasons = guard.decode(files)
            assert reasons[2] is None
            assert (guard.pixels[2] == wanted).all()
            assert all(reason is None or (reason.strip() and "\n" not in reason) for reason in reasons)
            crashed = [reason for reason in reasons if reason and "crashes its decoder" in reason]
            assert not crashed, f"seed {seed}: told and survived, but a decoder to report: {crashed}"
            decoded += sum(reason is None for reason in reasons)
    assert decoded > rounds
    assert time.monotonic() - began < 600


def test_the_mutated_kinds_are_there() -> None:
    frames = {data[at + 1] for data in seeds() for at in range(len(data) - 1) if data[at] == 0xFF}
    assert frames >= {0xC0 + kind for kind in range(16) if kind not in (8, 12)}
