"""The one console: what a command prints, asks, and shows while it works.

A live line or a bar on a terminal, plain lines with the seconds elsewhere.

Whatever may take longer than two seconds is wrapped in one of the two. They are not nested: a console has one live
display at a time. Two clocks: the first is the command's, from its start to its end; the second the phase's.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

import rich.console
from rich.cells import cell_len
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from ops.core.errors import WrongUseError
from ops.core.mentions import complete_mentions, list_completions

PLAIN_SECONDS = 10.0
WIDEST = 10_000
_BEGAN = time.monotonic()


class Console(rich.console.Console):
    """Prints what it is given, as it is given: text is neither coloured by its content nor read as markup.

    A line is never broken, so that it can be searched for and copied: the terminal wraps it. A table breaks lines
    between words, on a narrow terminal only.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, "soft_wrap": True, **options})
        self._is_free = "width" not in options and not self.is_terminal

    def print(self, *things: Any, **options: Any) -> None:
        """Print, as rich does; ``style`` colours the whole."""
        before = self._width
        things = tuple(_complete(thing) for thing in things)
        for table in (thing for thing in things if isinstance(thing, Table)):
            keep_words(table)
            if self._is_free:
                measure = Measurement.get(self, self.options.update(width=WIDEST), table)
                self.width = max(self.width, measure.maximum)
        try:
            super().print(*things, **options)
        finally:
            self._width = before


def _complete(thing: Any) -> Any:
    """A text, or a table of texts, in which each command bears the environment at hand."""
    if isinstance(thing, str):
        return complete_mentions(thing)
    if isinstance(thing, Text) and (completions := list_completions(thing.plain)):
        first, *pieces = thing.divide(offset for offset, _ in completions)
        for piece, (_, words) in zip(pieces, completions, strict=True):
            first = first.append(words).append_text(piece)
        return first
    if isinstance(thing, Table):
        for column in thing.columns:
            column._cells = [_complete(cell) for cell in column.cells]
    return thing


def keep_words(table: Table) -> None:
    """Make each column of a table at least as wide as its longest word, which may be a path."""
    for column in table.columns:
        cells = [column.header, *column.cells]
        words = [word for cell in cells if isinstance(cell, (str, Text)) for word in str(cell).split()]
        column.min_width = max([column.min_width or 0, *map(cell_len, words)])


def elapsed() -> float:
    """Seconds since the command began."""
    return time.monotonic() - _BEGAN


def stamp() -> str:
    """The command's clock, as it stands before a plain line."""
    return f"[{elapsed():6.1f} s]"


class CommandClock(ProgressColumn):
    """The command's clock beside a bar."""

    def render(self, _task: Task) -> Text:
        """As `TimeElapsedColumn` does, from the command's start."""
        return Text(str(timedelta(seconds=int(elapsed()))), style="progress.elapsed")


class PlainLines:
    """Lines with the command's seconds, and the phase's: at once, at each change, and every so many seconds.

    Parameters
    ----------
    console : where they go
    text : gives what is said now
    seconds : between two lines that say the same
    """

    def __init__(self, console: Console, text: Callable[[], str], seconds: float = PLAIN_SECONDS) -> None:
        self._console, self._text, self._seconds = console, text, seconds
        self._began, self._phase = time.monotonic(), ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def say(self) -> None:
        """One line now; the phase's seconds are its second clock. What stands before a colon names the phase."""
        text, now = self._text(), time.monotonic()
        if (phase := text.partition(":")[0]) != self._phase:
            self._began, self._phase = now, phase
        seconds = now - self._began
        self._console.print(f"{stamp()} {text}{f' ({seconds:.0f} s)' if seconds >= 1 else ''}")

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self.say()

    def __enter__(self) -> Self:
        self.say()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


@contextmanager
def working(
    console: Console, text: str, *, quiet: bool = False, seconds: float = PLAIN_SECONDS
) -> Iterator[Callable[[str], None]]:
    """Show that something goes on whose end is not known; the value changes what is said.

    Parameters
    ----------
    quiet : show nothing, because what is run shows its own progress
    seconds : between two plain lines
    """
    if quiet:
        yield lambda _: None
        return
    if console.is_terminal:
        text_column = TextColumn("{task.description}", markup=False)
        columns = (SpinnerColumn(), CommandClock(), text_column, TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(complete_mentions(text), total=None)
            yield lambda words: bar.update(task, description=complete_mentions(words))
        return
    now = text

    def change(words: str) -> None:
        nonlocal now
        if words != now:
            now = words
            lines.say()

    with PlainLines(console, lambda: now, seconds) as lines:
        yield change


@contextmanager
def counting(
    console: Console, text: str, total: int, *, in_bytes: bool = False, seconds: float = PLAIN_SECONDS
) -> Iterator[Callable[[int], None]]:
    """Show how much of a known whole is done; the value adds to it.

    Parameters
    ----------
    total : of things, or of bytes
    in_bytes : the whole is counted in bytes
    seconds : between two plain lines
    """
    if console.is_terminal:
        amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
        text_column = TextColumn("{task.description}", markup=False)
        columns = (CommandClock(), text_column, BarColumn(), amount, TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(text, total=total)
            yield lambda more: bar.advance(task, more)
        return
    done = 0

    def said() -> str:
        if in_bytes:
            return f"{text}: {done / 1e6:,.0f} of {total / 1e6:,.0f} MB"
        return f"{text}: {done:,} of {total:,}"

    def add(more: int) -> None:
        nonlocal done
        done += more

    with PlainLines(console, said, seconds):
        yield add


def tell_next(console: Console, *commands: str) -> None:
    """The commands that usually come next, last of all that a command prints."""
    console.print(f"next      {', then '.join(commands)}")


def fail(text: str) -> None:
    """Print a reason on standard error; a line is never broken, so that it can be searched for and copied."""
    Console(stderr=True).print(text, style="red")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Whoever typed the command.

    Attributes
    ----------
    has_agreed : to whatever is asked (YES=1)
    is_present : to answer a question; without a terminal, and in CI, nobody is
    """

    has_agreed: bool = False
    is_present: bool = False


def ask(question: str, person: Person, *, refused: str, absent: str = "", console: Console | None = None) -> None:
    """Ask for a yes, unless it was given beforehand; ``absent`` is said where nobody is there to answer.

    Raises
    ------
    OperatorError : the answer is no (``refused`` says what that means), or nobody is there to answer
    """
    if person.has_agreed:
        return
    if not person.is_present:
        absent = absent or f"there is no terminal to ask on: {question} Fix: YES=1 answers beforehand."
        raise WrongUseError(absent)
    if (console or Console()).input(f"{question} type yes: ").strip() != "yes":
        raise WrongUseError(refused)
