"""What a file is, by its first bytes: the picture formats that are read, and in plain words everything else.

The file's name does not count: photographs are renamed, saved under another format's ending, or never were photographs.
The words go into ``rejects``, so that a reader knows what to do about a file without opening it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter

ENDINGS = (
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".png",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
)
"""Endings of file names that count as images, in any case; what a file really is shows when it is read."""

ENDINGS_TEXT = f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"

READ = {
    "JPEG": "JPEG",
    "PNG": "PNG",
    "WEBP": "WebP",
    "GIF": "GIF",
    "BMP": "BMP",
    "TIFF": "TIFF",
    "HEIF": "HEIC",
    "AVIF": "AVIF",
}
"""Pillow's name of each format that is decoded, and the one that people use."""

_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"miaf")
_AVIF_BRANDS = (b"avif", b"avis", b"avio")
_VIDEO_BRANDS = (b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"M4A ", b"dash")

_STARTS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, not the image itself: `git lfs pull` fetches it"),
    (b"../../.git/annex/objects", "a git-annex pointer, not the image itself: `git annex get` fetches it"),
    (b"/annex/objects/", "a git-annex pointer, not the image itself: `git annex get` fetches it"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image, which is not read"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image, which is not read"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image, which is not read"),
    (b"\xff\x0a", "a JPEG XL image, which is not read"),
    (b"8BPS", "a Photoshop document (PSD), which is not read"),
    (b"gimp xcf", "a GIMP document (XCF), which is not read"),
    (b"icns", "a macOS icon (ICNS), which is not read"),
    (b"qoif", "a QOI image, which is not read"),
    (b"DDS ", "a DDS texture, which is not read"),
    (b"\x76\x2f\x31\x01", "an OpenEXR image, which is not read"),
    (b"#?RADIANCE", "a Radiance HDR image, which is not read"),
    (b"SIMPLE  =", "a FITS image, which is not read"),
    (b"FUJIFILMCCD-RAW", "a raw photograph (RAF), which is not read"),
    (b"IIRO", "a raw photograph (ORF), which is not read"),
    (b"IIU\0", "a raw photograph (RW2), which is not read"),
    (b"FOVb", "a raw photograph (X3F), which is not read"),
    (b"\xc5\xd0\xd3\xc6", "an EPS drawing, which is not read"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF), which is not read"),
    (b"II\x1a\0\0\0HEAPCCDR", "a raw photograph (CRW), which is not read"),
    (b"\0MRM", "a raw photograph (MRW), which is not read"),
    (b"\x89PNG\n\x1a", "a PNG image that was sent as text: its line ends are changed, and its pixels lost"),
    (b"\x89PNG\r\r\n", "a PNG image that was sent as text: its line ends are changed, and its pixels lost"),
    (b"\x89PNG", "a PNG image whose first bytes are damaged"),
    (b"\xef\xbf\xbdPNG", "a PNG image that was stored as text: its pixels are lost"),
    (b"\xef\xbf\xbd\xef\xbf\xbd", "an image or another file that was stored as text: its bytes are lost"),
    (b"\xc3\xbf\xc3\x98\xc3\xbf", "a JPEG image that was stored as text, in UTF-8"),
    (b"\xc2\x89PNG", "a PNG image that was stored as text, in UTF-8"),
    (b"%PDF", "a PDF document"),
    (b"%!PS", "a PostScript document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an OLE file: an old Office document, or Windows' Thumbs.db"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x04\x22\x4d\x18", "an lz4 archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (b"FLV\1", "a Flash video"),
    (b"\0\0\1\xba", "an MPEG video"),
    (b"\0\0\1\xb3", "an MPEG video"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"\xff\xfb", "an MP3 recording"),
    (b"\xff\xf1", "an AAC recording"),
    (b"fLaC", "a FLAC recording"),
    (b"\0\5\x16\7", "macOS's notes about another file (AppleDouble)"),
    (b"\0\0\0\1Bud1", "a macOS folder's settings (.DS_Store)"),
    (b"bplist00", "a macOS property list"),
    (b"L\0\0\0\1\x14\2\0", "a Windows shortcut"),
    (b"[InternetShortcut]", "a Windows shortcut"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"PAR1", "a Parquet table"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a Windows program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"Salted__", "an encrypted file (OpenSSL)"),
    (b"age-encryption.org/", "an encrypted file (age)"),
    (b"LUKS\xba\xbe", "an encrypted disk (LUKS)"),
    (b"-----BEGIN PGP", "an encrypted or signed file (PGP)"),
    (b"-----BEGIN", "a key or certificate"),
    (b"HTTP/", "a web server's answer with its headers"),
)


def detect_format(data: bytes) -> str | None:
    """Pillow's name of the format that the first bytes announce, one of `READ`; None for everything else.

    >>> detect_format(b"GIF89a......")
    'GIF'
    """
    head = data[:32]
    if head.startswith(b"\xff\xd8"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+") and head[8:10] != b"CR":
        return "TIFF"
    if head[4:8] == b"ftyp":
        brands = _read_brands(data)
        if any(brand in _AVIF_BRANDS for brand in brands):
            return "AVIF"
        if any(brand in _HEIF_BRANDS for brand in brands):
            return "HEIF"
    return None


def _read_brands(data: bytes) -> list[bytes]:
    """The brands in an ISO base media file's first box: what it is, then what else it can be read as."""
    end = min(int.from_bytes(data[:4], "big"), 256, len(data))
    return [data[8:12], *(data[start : start + 4] for start in range(16, end - 3, 4))]


def describe(data: bytes) -> str:
    """Describe a file of none of the formats in `READ`: the reason why it is not decoded.

    >>> describe(b"%PDF-1.7 ...")
    'not an image but a PDF document'
    >>> describe(b"qoif ...")
    'a QOI image, which is not read'
    """
    description = next((description for start, description in _STARTS if data.startswith(start)), None)
    description = description or _describe_container(data) or _describe_text(data) or _describe_unknown(data)
    is_image = description.endswith("which is not read") or re.match(r"an? (JPEG |PNG )?image ", description)
    return description if is_image else f"not an image but {description}"


def _describe_container(data: bytes) -> str | None:
    head = data[:16]
    if head[:4] == b"RIFF":
        kinds = {b"AVI ": "an AVI video", b"WAVE": "a WAV recording"}
        return kinds.get(head[8:12], "a RIFF file of another kind than WebP")
    if head[:2] == b"PK" and head[2:4] in (b"\3\4", b"\5\6", b"\7\x08"):
        if b"[Content_Types].xml" in data[:4096] or b"mimetypeapplication/vnd.oasis" in data[:256]:
            return "an Office document (a zip archive inside)"
        return "an encrypted zip archive" if head[2:4] == b"\3\4" and data[6:7] and data[6] & 1 else "a zip archive"
    if data[128:132] == b"DICM":
        return "a DICOM image, which is not read"
    if data[257:262] == b"ustar":
        return "a tar archive"
    if head[4:8] == b"ftyp":
        if head[8:12] == b"qt  ":
            return "a QuickTime video (MOV)"
        if head[8:11] == b"crx":
            return "a raw photograph (CR3), which is not read"
        is_mp4 = any(brand in _VIDEO_BRANDS or brand.startswith(b"3g") for brand in _read_brands(data))
        return "an MP4 video" if is_mp4 else "a media file of the MP4 family"
    if head[4:8] in (b"moov", b"mdat", b"wide", b"skip"):
        return "a QuickTime video (MOV)"
    if head[:4] in (b"II*\0", b"MM\0*"):
        return "a raw photograph (CR2), which is not read"
    if re.match(rb"\0\0[\1\2]\0[^\0]\0", head):
        return "a Windows icon (ICO, CUR), which is not read"
    if re.match(rb"P[1-7]\s", head):
        return "a PNM image (PPM, PGM, PBM), which is not read"
    return None


def _describe_text(data: bytes) -> str | None:
    head = data[:4096]
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if head.startswith(mark):
            text = head.decode(encoding, "ignore")
            break
    strange = sum(not (letter.isprintable() or letter in "\t\r\n\f\v") for letter in text)
    lost = len(head) - len(text.encode()) if encoding == "utf-8-sig" else 0
    if not text.strip() or strange > len(text) // 100 or lost > 4:
        return None
    start = re.sub(r"^(\s|<!--.*?-->)+", "", text, flags=re.S).lower()
    if start.startswith(("<!doctype html", "<html", "<head", "<body", "<script", "<meta", "<title", "<div")):
        return "an HTML page"
    if start.startswith("<"):
        if "<svg" in start:
            return "an SVG drawing, which is not read"
        return "an HTML page" if "<html" in start else "an XML document"
    if start[:1] in ("{", "[") and _is_json(data, start):
        return "a JSON document"
    if re.match(r"data:image/|[a-z0-9+/\s]{400,}={0,2}\s*$", start) and len(start.split()) < 100:
        return "an image as base64 text, not its bytes"
    return "a text file"


def _is_json(data: bytes, start: str) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return len(data) > 4096 and re.match(r'[\[{]\s*["\[{]', start) is not None
    return True


def _describe_unknown(data: bytes) -> str:
    if not data.strip(b"\0"):
        return "only zero bytes: the file was never written"
    if len(data) >= 64 and not data.strip(data[:1]):
        return f"only bytes of one value ({data[0]}): the file was never written, or erased"
    if inside := re.search(rb"\xff\xd8\xff[\xdb\xe0-\xef]|\x89PNG\r\n\x1a\n", data[:4096]):
        return f"an image behind {inside.start():,} bytes that do not belong to it"
    sample = data[: 1 << 16]
    shares = [count / len(sample) for count in Counter(sample).values()]
    bits = -sum(share * math.log2(share) for share in shares)
    if len(sample) >= 64 and bits > 0.93 * min(8.0, math.log2(len(sample))):
        return "encrypted or random bytes: no known format begins like this"
    return "bytes of no known format"
