"""The parts of a picture file: whether it is whole, and those of its bytes that make the pixels.

A decoder accepts too much and too little. It fills what an interrupted copy left out with grey, and it refuses a
picture because of a comment. So each format is taken apart here first: a file whose data end early is rejected, also
where the file goes on (with zeros, or with another file), and the decoder gets only what makes the pixels.

The rule, for every format that has an end mark: *the file must reach it*. A JPEG without its EOI, a PNG without its
IEND is rejected even where every pixel is there, because the remaining bytes do not tell what was cut off. What comes
after the end mark is ignored.

What the bytes cannot tell, and is accepted: bytes that look like compressed pixels within one coded picture of
WebP, HEIC or AVIF, or of a JPEG without restart markers (another picture's middle, random ones); rows without
compression that hold other bytes, or end where a row does, or in a hole, or where white follows on white; a progressive
JPEG that was cut in its last pass and mended with an end mark, or whose first, coarse pass holds zeros.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

ZEROS = bytes(16)
"""Zero bytes in a row that do not occur in compressed pixels; an interrupted copy fills with them."""
_LONGEST = 24
"""Bytes of zeros in a row that a coder of entropy may write; of AV1 and LZW the most ever seen are 3."""
_NOT_NEEDED = 8
"""Without its last 8 bytes no intact WebP can be decoded: encoders leave at most two bytes after the pixels."""
_OTHER_FILES = re.compile(
    rb"\xff\xd8\xff(?:\xdb\x00[\x43\x84\xc5]\x00[\x01-\x40]|[\xe0-\xef]..[A-Za-z_]{4}|\xfe..[ -~]{4})"
    rb"|\x89PNG\r\n\x1a\n|RIFF....(?:WEBP|WAVE|AVI )|GIF8[79]a|ftyp[A-Za-z0-9 ]{4}\x00|%PDF-[12]\."
    rb"|(?<=II)\*\x00...[\x00-\x0f]|(?<=MM\x00)\*[\x00-\x0f]|8BPS\x00[\x01\x02]\x00\x00|PK\x03\x04[\x0a\x14\x2d\x33]\x00"
    rb"|(?<=BM.{4}\x00{4}..\x00\x00)[\x0c\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00|\x1aE\xdf\xa3.{1,8}?B\x86\x81"
    rb"|<(?:!DOCTYPE |!doctype |html|HTML|\?xml )",
    re.S,
)
"""How files begin, in so many bytes that pixels do not contain them by chance."""
_BEGINNINGS = (
    *(b"\xff\xd8", b"\x89P", b"RI", b"GI", b"ft", b"%P", b"8B", b"PK", b"\x1aE", b"<!", b"<h", b"<H", b"<?"),
    *(bytes((42, second)) for second in range(16)),
    *(bytes((first, 0)) for first in (0x0C, 0x28, 0x34, 0x38, 0x40, 0x6C, 0x7C)),
)
"""The first two bytes of each of them."""
_IS_FIRST = bytes(any(pair[0] == byte for pair in _BEGINNINGS) for byte in range(256))
_IS_BEGINNING = np.zeros(1 << 16, np.bool_)
_IS_BEGINNING[[int.from_bytes(pair, "big") for pair in _BEGINNINGS]] = True
_TEXT, _TEXT_STEP = 256, 16
"""Bytes of text in a row that no compressed pixels are, and how far apart they are looked at first."""


class DamagedError(ValueError):
    """The file is not whole; ``str()`` completes the sentence "the … image …"."""


@dataclass(frozen=True)
class Picture:
    """What a decoder gets of a file.

    Attributes
    ----------
    data : bytes
        The file without what does not make pixels, where the format lets it be taken out; else the file.
    size : (int, int), optional
        Width and height as the container says, where the decoder would take memory for them before it says so.
    exif : bytes
        EXIF, from its TIFF header on; empty where there is none, or where the decoder applies it by itself.
    stops : tuple of int
        For a JPEG whose pixels are one run of Huffman codes: offsets in `data`. The decoder must not be through with
        its pixels at the first, and must be at the second.
    must_fail : bytes
        The file without the last bytes of its pixels, where a decoder must show that it cannot do without them.
    scaled : bool
        Whether libjpeg can decode it at a fraction of its size.
    """

    data: bytes
    size: tuple[int, int] | None = None
    exif: bytes = b""
    stops: tuple[int, ...] = ()
    must_fail: bytes = b""
    scaled: bool = False


def _make_truncation(detail: str) -> DamagedError:
    return DamagedError(f"is truncated: {detail}")


# --- JPEG -------------------------------------------------------------------------------------------------------------

_SOI, _EOI, _SOS, _DRI, _DNL, _DHT = 0xD8, 0xD9, 0xDA, 0xDD, 0xDC, 0xC4
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_TABLES = frozenset({0xC4, 0xCC, 0xDB, _DRI, _DNL}) | _SOF
_AFTER_SCAN = _TABLES | {_EOI, _SOS, 0xFE} | frozenset(range(0xE0, 0xF0))
_SCALED = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Frames that libjpeg decodes at 1/2, 1/4 or 1/8 of their size: those with a discrete cosine transform."""
_ONE_BY_ONE = frozenset({0xC0, 0xC1})
_PROGRESSIVE = 0xC2
_HUFFMAN = _ONE_BY_ONE | {_PROGRESSIVE}
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_SPARE = 512
"""Bytes between the last pixel and the next marker that some cameras leave."""
_NEAR = 16
"""Levels from black, or from white, within which a pixel may be part of a dark, or of a light, picture."""
_PRINTED = bytes(range(32, 127)) + b"\t\r\n"
_LONG_TEXT = re.compile(rb"[%s]{%d}" % (re.escape(_PRINTED), _TEXT))
_MAP_OF_TEXT = bytes(ord("t") if byte in _PRINTED else 0 for byte in range(256))
_TAIL = 4096
"""Bytes of a scan after which another file would have shown a marker: of random bytes, 256 contain one."""
_LOOKAHEAD = bytes(32)
"""libjpeg reads some bytes more than it needs."""


def parse_jpeg(data: bytes) -> Picture:
    """Take a JPEG apart: what its decoder needs, up to the end mark."""
    pieces = [data[:2]]
    frame, shape, interval, scans, exif = 0, b"", 0, 0, b""
    missing = dict[tuple[int, int], int]()
    first_symbols: dict[int, int] = {}
    for marker, start, end, body in _iterate_segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0"):
            exif = exif or body[6:]
        elif marker in _SOF:
            frame, shape = marker, body
        elif marker == _DRI and not scans:
            interval = int.from_bytes(body[:2], "big")
        elif marker == _DHT:
            first_symbols.update(_read_first_symbols(body))
        if marker == _SOS:
            scans += 1
            _note_pass(missing, body)
            pieces.append(b"\xff" + data[start:end].rstrip(b"\xff"))  # fill bytes, not pixels
            _require_alone(pieces[-1][-_TAIL:])
            if _is_busy(frame, body, first_symbols) and ZEROS in pieces[-1]:
                raise _make_truncation("zero bytes stand in place of its pixels")
        elif _is_needed(marker, body):
            pieces.append(b"\xff" + data[start:end])
    if not scans:
        raise _make_truncation("it ends before its pixels begin")
    stops: tuple[int, ...] = ()
    if scans == 1 and frame in _ONE_BY_ONE:
        _require_restarts(pieces[-1], shape, interval)
        length, pixels = sum(map(len, pieces)), len(pieces[-1])
        first = length - max(_SPARE, pixels // 64)
        stops = (first if first > length - pixels + 16 else 0, length + len(_LOOKAHEAD))
        pieces.append(_LOOKAHEAD)
    elif frame == _PROGRESSIVE and (len(missing) < 64 * sum(shape[5:6]) or any(missing.values())):
        raise _make_truncation("its last passes are missing")
    return Picture(b"".join([*pieces, b"\xff\xd9"]), exif=exif, stops=stops, scaled=frame in _SCALED)


def _iterate_segments(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Each segment before the end mark: marker, its offset, the end (of a scan that of its pixels), and its content."""
    position, is_after_scan = 2, False
    while True:
        match = _MARKER.search(data, position)
        if match is None:
            raise _make_truncation("the data end before the end mark (EOI)")
        marker, position = data[match.end() - 1], match.end()
        if marker == _EOI:
            return
        if is_after_scan and marker not in _AFTER_SCAN:
            raise _make_truncation(_describe_intruder(marker))
        if marker == 0x01 or (marker == _SOI and not is_after_scan):
            continue
        size = int.from_bytes(data[position : position + 2], "big")
        end = position + size
        if size < 2 or end > len(data):
            raise _make_truncation("a segment is longer than the rest of the file")
        body = data[position + 2 : end]
        if marker == _SOS:
            is_after_scan = True
            following = _MARKER.search(data, end)
            end = following.start() if following else len(data)
        yield marker, match.end() - 1, end, body
        position = end


def _require_restarts(scan: bytes, shape: bytes, interval: int) -> None:
    """Refuse a JPEG that does not hold the restart markers that its size asks for, in their order (ITU-T T.81, B.2.1).

    Parameters
    ----------
    scan : bytes
        All pixels.
    shape : bytes
        The frame's header: height, width, and by component how many blocks lie in a unit.
    interval : int
        Units from one marker to the next; 0 for a picture without.
    """
    sampling = shape[7 : 6 + 3 * shape[5] : 3] if len(shape) > 5 else b""
    across = max((byte >> 4 for byte in sampling), default=0) if len(sampling) > 1 else 1
    down = max((byte & 15 for byte in sampling), default=0) if len(sampling) > 1 else 1
    height, width = int.from_bytes(shape[1:3], "big"), int.from_bytes(shape[3:5], "big")
    if not (interval and across and down and height and width):
        return
    units = -(-width // (8 * across)) * -(-height // (8 * down))
    count = -(-units // interval) - 1
    numbers = [mark[0] & 7 for mark in _RESTART.findall(scan)]
    if numbers[:count] != [number % 8 for number in range(count)]:
        raise _make_truncation("the marks between its pixels are not all there, in their order")


def _note_pass(missing: dict[tuple[int, int], int], scan: bytes) -> None:
    """Note how many bits of each component's coefficients are still to come behind a scan (ITU-T T.81, G.1.1.1)."""
    count = scan[0] if scan else 0
    if len(scan) >= 4 + 2 * count:
        first, last, bits = scan[1 + 2 * count : 4 + 2 * count]
        for component in scan[1 : 1 + 2 * count : 2]:
            missing.update({(component, number): bits & 15 for number in range(first, min(last, 63) + 1)})


def _read_first_symbols(tables: bytes) -> Iterator[tuple[int, int]]:
    """The number of each table of AC codes, and what a code of zero bits means in it; 0 is the end of a block."""
    position = 0
    while position + 17 < len(tables):
        if tables[position] & 0x10:
            yield tables[position] & 15, tables[position + 17]
        position += 17 + sum(tables[position + 1 : position + 17])


def _is_busy(frame: int, scan: bytes, first_symbols: Mapping[int, int]) -> bool:
    """Whether zero bits in a scan stand for something: many in a row are then no picture.

    They would be blocks full of one coefficient or, in a progressive JPEG, ends of runs that one end would stand for
    (ITU-T T.81, F.1.2.2 and G.1.2.2). Where a code of zeros is the plain end of a block, and in the first, coarse pass
    of a progressive JPEG, they are a plane of one colour.
    """
    count = scan[0] if scan else 0
    if len(scan) < 4 + 2 * count or frame not in _HUFFMAN or (frame == _PROGRESSIVE and scan[1 + 2 * count] == 0):
        return False
    return any(first_symbols.get(scan[2 + 2 * i] & 15) for i in range(count))


def _is_needed(marker: int, body: bytes) -> bool:
    """Tables and frame; and the two application segments that say which colours the components are."""
    if marker in _TABLES:
        return True
    return (marker == 0xE0 and body.startswith(b"JFIF\0") and len(body) >= 14) or (
        marker == 0xEE and body.startswith(b"Adobe") and len(body) >= 12
    )


def _describe_intruder(marker: int) -> str:
    if marker == _SOI:
        return "another JPEG begins within its pixels"
    return "its pixels end in bytes that do not belong to it"


# --- PNG --------------------------------------------------------------------------------------------------------------

_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})


def parse_png(data: bytes) -> Picture:
    """Take a PNG apart: header, palette, transparency and pixels, each with the right checksum."""
    pieces, exif = [data[:8]], b""
    for kind, start, end in _iterate_png_chunks(data):
        if kind == b"eXIf":
            exif = data[start + 8 : end - 4]
        if kind not in _PNG_KEPT:
            continue
        if zlib.crc32(memoryview(data)[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            if kind == b"tRNS":
                continue
            raise DamagedError(f"is damaged: the checksum of its {kind.decode()} chunk is wrong")
        pieces.append(data[start:end])
    return Picture(b"".join(pieces), exif=exif.removeprefix(b"Exif\0\0"))


def _iterate_png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk, up to the end mark."""
    position = 8
    while True:
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 12 + length
        if end > len(data):
            raise _make_truncation("the data end before the end mark (IEND)")
        if not kind.isalpha():
            raise _make_truncation("its chunks end in bytes that do not belong to it")
        yield kind, position, end
        if kind == b"IEND":
            return
        position = end


# --- WebP -------------------------------------------------------------------------------------------------------------

_WEBP_METADATA = {b"EXIF": 0x08, b"XMP ": 0x04, b"ICCP": 0x20}


def parse_webp(data: bytes) -> Picture:
    """Take a WebP apart: its pixels, without profile, EXIF and XMP."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data) + (len(data) & 1):
        raise _make_truncation("the data end before its length")
    chunks: list[bytes] = []
    shorter: list[bytes] = []
    exif, position, size, has_pixels = b"", 12, None, False
    while position + 8 <= end:
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        body = data[position + 8 : position + 8 + length]
        if len(body) < length or not all(32 <= byte < 127 for byte in kind):
            if has_pixels:
                break  # behind the pixels: whatever it is, no pixel depends on it
            raise _make_truncation("a chunk is longer than the rest of the file")
        position += 8 + length + (length & 1)
        if kind == b"EXIF":
            exif = exif or body
        if kind in _WEBP_METADATA or (kind == b"ANMF" and has_pixels):  # of an animation the first frame counts
            continue
        size = size or _read_webp_size(kind, body)
        if kind == b"VP8X" and body:
            body = bytes([body[0] & ~(0x08 | 0x04 | 0x20)]) + body[1:]
        chunks.append(_make_webp_chunk(kind, body))
        if kind in (b"VP8 ", b"VP8L", b"ANMF"):
            has_pixels = True
            shorter = [*chunks[:-1], _require_webp_pixels(kind, body, size)]
    if not has_pixels:
        raise _make_truncation("it ends before its pixels begin")
    must_fail = _make_webp(shorter) if shorter[-1] else b""
    return Picture(_make_webp(chunks), size=size, exif=exif.removeprefix(b"Exif\0\0"), must_fail=must_fail)


def _make_webp_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)


def _make_webp(chunks: list[bytes]) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + sum(map(len, chunks))) + b"WEBP" + b"".join(chunks)


def _require_webp_pixels(kind: bytes, body: bytes, size: tuple[int, int] | None) -> bytes:
    """Refuse pixels that were filled up. Where that is unclear, returns the chunk without its last bytes, to be tried.

    Lossless pixels may hold any number of zeros. But after a hole they end too early, and do not need the last bytes.
    """
    if kind == b"ANMF":
        head = 16
        while body[head : head + 4] == b"ALPH":
            head += 8 + (int.from_bytes(body[head + 4 : head + 8], "little") + 1 & ~1)
        inner, length = body[head : head + 4], int.from_bytes(body[head + 4 : head + 8], "little")
        if inner not in (b"VP8 ", b"VP8L"):
            raise _make_truncation("it ends before its pixels begin")
        shorter = _require_webp_pixels(inner, body[head + 8 : head + 8 + length], size)
        return _make_webp_chunk(kind, body[:head] + shorter) if shorter else b""
    if kind == b"VP8L":
        _require_alone(body)
        is_odd = bytes(_LONGEST) in body or b"\xff" * _LONGEST in body or _holds_text(body)
        return _make_webp_chunk(kind, body[:-_NOT_NEEDED]) if is_odd else b""
    # lossy WebP codes a plane of one colour in zeros, at most one byte for 3,500 pixels
    _require_pixels(body, size[0] * size[1] // 1024 if size else 0)
    return b""


def _read_webp_size(kind: bytes, body: bytes) -> tuple[int, int] | None:
    if kind == b"VP8X" and len(body) >= 10:
        return 1 + int.from_bytes(body[4:7], "little"), 1 + int.from_bytes(body[7:10], "little")
    if kind == b"VP8 " and len(body) >= 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return None


def _require_pixels(body: bytes, longest: int = 0) -> None:
    """Refuse compressed pixels that were filled up: with zeros, with erased flash memory, with another file.

    Bytes that look like pixels count as pixels. `longest` is how many zero bytes in a row there may be, where they code
    a plane of one colour.
    """
    run = max(_LONGEST, longest)
    if bytes(run) in body or b"\xff" * run in body:
        raise _make_truncation("zero bytes or the like stand in place of its pixels")
    _require_alone(body)
    if (len(body) > run and not body[-run:].translate(None, _PRINTED)) or _holds_text(body):
        raise _make_truncation("text stands in place of its pixels")


def _holds_text(body: bytes) -> bool:
    looked_at = body[::_TEXT_STEP].translate(_MAP_OF_TEXT)
    return b"t" * (_TEXT // _TEXT_STEP - 1) in looked_at and _LONG_TEXT.search(body) is not None


def _require_alone(data: bytes, start: int = 0) -> None:
    """Refuse data in which another file begins.

    A search for all beginnings at once takes as long as to decode; a look at two bytes leaves few places to try.
    """
    values = np.frombuffer(data, np.uint8)
    places = np.flatnonzero(np.frombuffer(data[start:-1].translate(_IS_FIRST), np.bool_)) + start
    pairs = values[places].astype(np.uint16) << 8 | values[places + 1]
    if any(_OTHER_FILES.match(data, place) for place in places[_IS_BEGINNING[pairs]].tolist()):
        raise _make_truncation("another file begins within its pixels")


# --- GIF --------------------------------------------------------------------------------------------------------------


_CHAIN = 1 << 18
"""Bytes within which a chain of blocks that runs into another file ends: one byte of 256 there is a zero."""


def parse_gif(data: bytes) -> Picture:
    """Take a GIF apart: the first frame, with the control block before it."""
    position = 13 + _measure_gif_table(data, 10)
    header, control = data[:position], b""
    while True:
        kind = data[position : position + 1]
        if kind == b"!":
            end = _skip_gif_blocks(data, position + 2)
            if data[position + 1 : position + 2] == b"\xf9":
                control = data[position:end]
            position = end
        elif kind == b",":
            start = position + 10 + _measure_gif_table(data, position + 9) + 1
            end = _skip_gif_blocks(data, start)
            if end - start < 2:
                raise _make_truncation("its pixels are missing")
            _require_alone(data[max(start, end - _CHAIN) : end])
            return Picture(header + control + data[position:end] + b";")
        else:
            raise _make_truncation("it ends before its pixels begin")


def _measure_gif_table(data: bytes, position: int) -> int:
    flags = data[position] if position < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_gif_blocks(data: bytes, position: int) -> int:
    """The end of a chain of blocks, each with its length before it, that begins at an offset."""
    while position < len(data):
        length = data[position]
        position += 1 + length
        if not length:
            return position
    raise _make_truncation("the data end within a block")


# --- the others -------------------------------------------------------------------------------------------------------


def parse_bmp(data: bytes) -> Picture:
    """Check that all rows of a BMP are there: it has no end mark, but its rows have a known size."""
    offset, header = struct.unpack_from("<I", data, 10)[0], struct.unpack_from("<I", data, 14)[0]
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        return _require_bmp_rows(data, offset, width, height, bits)
    if len(data) < 34:
        raise _make_truncation("it ends within its header")
    width, height = struct.unpack_from("<ii", data, 18)
    bits, compression = struct.unpack_from("<HI", data, 28)
    if compression in (0, 3, 6):
        return _require_bmp_rows(data, offset, width, abs(height), bits)
    if compression in (1, 2):
        _require_alone(data, offset)
        _require_runs(data, offset, compression, abs(height))
    return Picture(data)


def _require_runs(data: bytes, position: int, kind: int, height: int) -> None:
    """Go from code to code of a run-length coded BMP up to its end mark, which lies in its last row.

    Two pixels are a byte in the second kind. Rows may be too long: ImageMagick has written such.
    """
    row = 0
    while position + 1 < len(data):
        count, code = data[position], data[position + 1]
        position += 2
        if count:
            continue
        if code == 0:
            row += 1
        elif code == 1 and row >= height - 1:
            return
        elif code == 1:
            raise _make_truncation("rows of pixels are missing")
        elif code == 2:
            row += data[position + 1] if position + 1 < len(data) else 0
            position += 2
        else:
            size = code if kind == 1 else (code + 1) // 2
            position += size + (size & 1)
        if row > height:
            raise _make_truncation("its pixels end in bytes that do not belong to it")
    raise _make_truncation("the data end before the end mark")


def _require_bmp_rows(data: bytes, offset: int, width: int, height: int, bits: int) -> Picture:
    stride = (width * bits + 31) // 32 * 4
    if offset + stride * height > len(data):
        raise _make_truncation("rows of pixels are missing")
    _require_alone(data, offset)
    require_unbroken(data[offset : offset + stride * height], stride, max(1, bits // 8), width)
    return Picture(data)


def require_unbroken(pixels: bytes, stride: int, depth: int, width: int) -> None:
    """Refuse uncompressed rows where one breaks off and everything after it is one repeated byte.

    An interrupted copy ends anywhere in a row, a black or white part of a picture with whole rows, or in a shape that
    the row before has too. So the break must lie within a row that holds a picture up to it, as the row before does
    beyond it; and a whole row at least must be missing. A part whose sharp edge falls by less than a row over the whole
    width looks the same, and is refused.

    Parameters
    ----------
    pixels : bytes
        All rows, in the order in which they lie in the file.
    stride, depth, width : int
        Bytes of a row and of a pixel, pixels of a row.
    """
    fill = pixels[-1:]
    if fill not in (b"\0", b"\xff"):
        return
    end = len(pixels.rstrip(fill))
    row, inside = divmod(end, stride)
    column = -(-inside // depth)
    if row < 1 or len(pixels) - end < 2 * stride or not 1 <= column < width:
        return
    near = bytes(range(_NEAR)) if fill == b"\0" else bytes(range(256 - _NEAR, 256))

    def compute_share(row: int, first: int, last: int) -> float:
        """Of some pixels of a row, those that are far from what fills the rest."""
        positions = range(row * stride + first * depth, row * stride + last * depth, depth)
        return sum(pixels[i : i + depth].strip(near) != b"" for i in positions) / len(positions)

    if (
        compute_share(row, 0, min(8, column)) > 0.5
        and compute_share(row, 0, column) > 0.7
        and compute_share(row - 1, column, width) > 0.7
    ):
        raise _make_truncation(f"row {row + 1} of its pixels breaks off, and nothing follows")


def parse_boxes(data: bytes) -> Picture:
    """Check that all boxes of a HEIC or AVIF file are there, and that its coded pictures were not filled up."""
    has_pixels = False
    for kind, start, end in _iterate_boxes(data, 0, len(data)):
        if end > len(data):
            raise _make_truncation("the data end before its length")
        has_pixels = has_pixels or kind == b"mdat"
        if kind == b"meta":
            for offset, length in _list_coded_pictures(data, start + 4, end):
                if offset + length > len(data):
                    raise _make_truncation("a part of its pixels lies behind the end of the file")
                _require_pixels(data[offset : offset + length])
                if prefix := _find_unit_prefix(data[start:end]):
                    _require_units(data[offset : offset + length], prefix)
    if not has_pixels:
        raise _make_truncation("it ends before its pixels begin")
    return Picture(data)


def _find_unit_prefix(meta: bytes) -> int:
    """Bytes in which HEIC says the length of each unit of HEVC; 0 where it is no HEIC, or does not say one number.

    It stands in the box hvcC, byte 21 (ISO/IEC 14496-15, 8.3.3.1).
    """
    sizes = {(meta[match.end() + 21] & 3) + 1 for match in re.finditer(b"hvcC", meta) if match.end() + 21 < len(meta)}
    return sizes.pop() if len(sizes) == 1 else 0


def _require_units(body: bytes, prefix: int) -> None:
    """Refuse HEVC whose units do not fill their place, or hold what no unit can: each has its length before it.

    Within one no three zero bytes follow each other, and the last byte is none (ITU-T H.265, 7.4.2).
    """
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position : position + prefix], "big")
        unit = body[position + prefix : position + prefix + length]
        if not 2 < length == len(unit) or unit[0] & 0x80:
            raise _make_truncation("the lengths of its coded units do not add up")
        if b"\0\0\0" in unit:
            raise _make_truncation("zero bytes stand in place of its pixels")
        position += prefix + length


def _iterate_boxes(data: bytes, position: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start of the content and end of each box in a row of boxes; the end may lie behind that of the file."""
    while position + 8 <= stop:
        length, kind, head = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8], 8
        if length == 1:
            length, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        if length == 0 and kind != b"\0\0\0\0":
            length = stop - position
        if length < head or not kind.isascii():
            return  # behind the last box: whatever it is, no pixel depends on it
        yield kind, position + head, position + length
        position += length


def _list_coded_pictures(data: bytes, start: int, end: int) -> list[tuple[int, int]]:
    """List offset and length of the pieces of HEVC or AV1 in a meta box; empty where it does not tell them."""
    inside = {kind: (position, stop) for kind, position, stop in _iterate_boxes(data, start, end)}
    if b"iloc" not in inside or b"iinf" not in inside:
        return []
    coded_items: set[int] = set()
    position, stop = inside[b"iinf"]
    for kind, entry, _ in _iterate_boxes(data, position + (6 if data[position] == 0 else 8), stop):
        wide = data[entry] >= 3
        number = int.from_bytes(data[entry + 4 : entry + (8 if wide else 6)], "big")
        if kind == b"infe" and data[entry + (10 if wide else 8) :][:4] in (b"hvc1", b"av01"):
            coded_items.add(number)
    return [
        (offset, length) for number, offset, length in _iterate_extents(data, *inside[b"iloc"]) if number in coded_items
    ]


def _iterate_extents(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Item, offset and length of each extent in an item location box that lies in the file itself."""
    version, sizes = data[position], data[position + 4 : position + 6].hex()
    if len(sizes) < 4:
        return
    offset_size, length_size, base_size = int(sizes[0], 16), int(sizes[1], 16), int(sizes[2], 16)
    index_size = int(sizes[3], 16) if version else 0
    position += 6

    def number(size: int) -> int:
        nonlocal position
        position += size
        return int.from_bytes(data[position - size : position], "big")

    wide = 4 if version >= 2 else 2
    for _ in range(number(wide)):
        if position >= end:
            return
        item = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            if method == 0 and position <= end:
                yield item, offset, length


_WHOLE_FILES = (6, 34712, 50001, 50002)
"""Compressions of a TIFF, of whose strips the first begins as a file does: old JPEG, JPEG 2000, WebP, JPEG XL."""


def require_strips(data: bytes, places: list[tuple[int, int]], compression: int, tables: bytes = b"") -> None:
    """Refuse a TIFF one of whose strips or tiles lies behind the end of the file, or is filled up.

    Parameters
    ----------
    places : list of (int, int)
        Offset and length of each.
    compression : int
        As TIFF numbers it: 1 is none, 5 LZW, 7 a JPEG in each strip, 8 and 32946 deflate, 32773 PackBits (which keeps
        runs of equal bytes short). Of the others, such as a fax's, a blank page may be all zeros or all ones.
    tables : bytes
        For a JPEG: the tables that all strips share, from SOI to EOI.
    """
    for offset, length in places:
        if offset + length > len(data):
            raise _make_truncation("a strip of pixels lies behind the end of the file")
        body = data[offset : offset + length]
        if compression == 7:
            parse_jpeg(b"\xff\xd8" + tables[2:-2] + body[2:])
        elif compression in (8, 32946):
            _require_inflated(body)
        elif compression == 5:
            _require_pixels(body)
        elif compression not in _WHOLE_FILES:
            _require_alone(body)
            if compression == 32773 and ZEROS in body:
                raise _make_truncation("zero bytes stand in place of its pixels")


def _require_inflated(body: bytes) -> None:
    """Refuse a zlib stream that does not reach its end, or whose checksum there is wrong."""
    stream = zlib.decompressobj()
    try:
        while not stream.eof and body:
            if not stream.decompress(body, 1 << 20) and not stream.eof:
                break
            body = stream.unconsumed_tail
    except zlib.error:
        raise DamagedError("is damaged: the checksum of a strip is wrong") from None
    if not stream.eof:
        raise _make_truncation("the data of a strip end before their end mark")


PARSERS: dict[str, Callable[[bytes], Picture]] = {
    "JPEG": parse_jpeg,
    "PNG": parse_png,
    "WEBP": parse_webp,
    "GIF": parse_gif,
    "BMP": parse_bmp,
    "TIFF": Picture,  # as it is: its decoder knows where the strips are; see `require_strips`
    "HEIF": parse_boxes,
    "AVIF": parse_boxes,
}
