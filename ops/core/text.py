"""Durations, times and sizes for a reader."""

from datetime import UTC, datetime


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
