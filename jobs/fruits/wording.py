"""What sentences are made of: numbers with their nouns, and the first line of an error."""

from __future__ import annotations

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


def read_first_line(error: BaseException) -> str:
    r"""The first line of an error's message, or its name where there is no message.

    >>> read_first_line(OSError("disk full\nat line 3")), read_first_line(ValueError())
    ('disk full', 'ValueError')
    """
    return (str(error).splitlines() or [type(error).__name__])[0]
