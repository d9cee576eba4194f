"""Words in which a failure was reported, and the row of the table that fits them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ops.diagnose.cause import Cause

MOST_LINE = 400


@dataclass(frozen=True)
class Statement:
    """Words in which a failure was reported: what decides, unlike all else that a log holds.

    Attributes
    ----------
    by_driver : not a worker's
    by_node : what a node wrote while it installed
    is_core : the exception itself, or the job's words; around it a log holds failures that were survived
    """

    text: str
    source: str
    by_driver: bool = True
    is_core: bool = False
    by_node: bool = False


@dataclass(frozen=True)
class Hit:
    """A row that fits, and the words that made it fit."""

    cause: Cause
    statement: Statement
    groups: Mapping[str, str] = field(default_factory=dict)
    line: str = ""


def match(cause: Cause, statement: Statement) -> Hit | None:
    """A row's pattern in a statement."""
    for pattern in cause.patterns:
        if words := pattern.search(statement.text):
            groups = {name: value for name, value in words.groupdict().items() if value}
            return Hit(cause, statement, groups, cut_line(statement.text, words.start(), words.end()))
    return None


def cut_line(text: str, begin: int, end: int) -> str:
    """The line of a match, shortened around it.

    >>> cut_line("a\\n" + "b" * 500 + " the match " + "c" * 500, 503, 512)[:3]
    '…bb'
    """
    line_start, line_end = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
    line = text[line_start : line_end if line_end >= 0 else len(text)]
    if len(line) > MOST_LINE:
        start = max(0, begin - line_start - MOST_LINE // 4)
        stop = start + MOST_LINE
        line = ("…" if start else "") + line[start:stop] + ("…" if stop < len(line) else "")
    return " ".join(line.split())
