"""What sentences are made of: numbers with their nouns, and the first line of an error."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """A number and its noun, in the singular for one.

    >>> format_count(1, "class"), format_count(2_000, "class"), format_count(0, "image")
    ('1 class', '2,000 classes', '0 images')
    """
    plural = "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def read_first_line(error: BaseException) -> str:
    r"""The first line of an error's message, or its name where there is no message.

    >>> read_first_line(OSError("disk full\nat line 3")), read_first_line(ValueError())
    ('disk full', 'ValueError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]
