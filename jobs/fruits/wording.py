"""Numbers in sentences."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """A number and its noun, in the singular for one.

    >>> format_count(1, "class"), format_count(2_000, "class"), format_count(0, "image")
    ('1 class', '2,000 classes', '0 images')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"
