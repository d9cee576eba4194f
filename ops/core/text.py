"""Numbers of things, durations, times and sizes for a reader."""

from datetime import UTC, datetime

_PLURAL_VERBS = {"is": "are", "was": "were", "has": "have"}


def format_count(number: int, noun: str, verb: str = "") -> str:
    """A number of things for a reader; noun and verb are given as they stand beside one.

    >>> format_count(1, "image"), format_count(0, "image"), format_count(1200, "class")
    ('1 image', '0 images', '1,200 classes')
    >>> format_count(1, "file", "is"), format_count(2, "file", "is"), format_count(2, "node", "runs")
    ('1 file is', '2 files are', '2 nodes run')
    """
    if number != 1:
        noun += "es" if noun.endswith("s") else "s"
        verb = _PLURAL_VERBS.get(verb, verb.removesuffix("s"))
    return f"{number:,} {noun} {verb}".rstrip()


def format_utc(moment: datetime) -> str:
    """A moment for a reader.

    >>> format_utc(datetime(2026, 11, 24, 9, 5, tzinfo=UTC))
    '2026-11-24 09:05 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def format_duration(seconds: float) -> str:
    """Seconds for a reader.

    >>> format_duration(42), format_duration(200), format_duration(7500)
    ('42 s', '3 min', '2 h 5 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def format_size(octets: int) -> str:
    """Bytes for a reader.

    >>> format_size(0), format_size(1536), format_size(3 * 2**30)
    ('0 B', '1.5 KiB', '3.0 GiB')
    """
    amount, unit = float(octets), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, larger
    return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
