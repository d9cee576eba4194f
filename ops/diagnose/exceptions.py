"""The JVM's exceptions in logs, with what caused them. Pure; a program's own Python is in `tracebacks`."""

import re
from collections import deque
from dataclasses import dataclass
from itertools import pairwise

MOST = 200
"""Chains kept of one text: the last ones."""
MOST_LINES = 400
MOST_MESSAGE = 1200

# java.io.IOException     org.apache.spark.SparkException     Exception: s3://…  is none: a package is needed
_NAME = r"(?:[a-z_][\w$]*\.)+[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Timeout|Signal)\b(?:\([\w.$]+\))?"
# Exception in thread "main" java.lang.X: …     Caused by: java.io.X: …     : org.apache.spark.SparkException: …
# 26/11/24 10:00:00 ERROR ApplicationMaster: User class threw exception: org.apache.X: …
_HEAD = re.compile(r"^(?P<before>.{0,400}?(?:^|[\s:(]))(?P<name>" + _NAME + r")(?:: ?(?P<message>.*))?$")
# …failed 4 times, most recent failure: Lost task 0.3 in stage 1.0 (TID 9) (ip-10-0-0-31 executor 2): java.io.X: …
# before Spark 3: Lost task 0.3 in stage 0.0 (TID 3, 10.0.0.3, executor 1): java.io.X: …
# before Spark 1.1: …most recent failure: Exception failure in TID 6 on host x: java.lang.ArithmeticException: / by zero
_INSIDE = re.compile(
    r"(?:Lost task [\d.]+ in stage [\d.]+ \(TID \d+[^)]{0,200}\)(?: \([^)]{0,200}\))?|Exception failure in TID \d+ on "
    r"host \S{1,200}): (?P<name>" + _NAME + r")(?:: ?(?P<message>[^\n]*))?"
)
# Python's own exceptions look the same.
_PYTHON_PREFIXES = ("py4j.protocol.", "pyspark.", "botocore.", "pyarrow.", "fruits.")
_NESTED = re.compile(r"(?P<name>" + _NAME + r"): (?P<message>.+)$", re.DOTALL)
# User class threw exception: …; Uncaught exception:     the words around the exception that ended a driver
_ENDING = re.compile(
    r"Exception in thread \"(?!Executor task)|[Uu]ser class threw exception|ApplicationMaster: Uncaught exception|^: $"
)
_FRAME = re.compile(r"^\s+at [\w.$/<>]+\(|^\s+\.\.\. \d+ (?:more|common)|^Driver stacktrace:")
_LOG_LINE = re.compile(r"^\[?\d{2,4}[/-]\d{2}[/-]\d{2}[ T]\d{2}:\d{2}:\d{2}")
# 26/11/24 09:00:06 WARN DataFrameReader: java.lang.X: …     but not: WARN TaskSetManager: Lost task …
_MILD = re.compile(r"^\S+ \S+ (?:WARN|INFO|DEBUG) (?!.*(?:Lost task|Exception in task|Exit status))")
# Words of a client or a master about something that failed elsewhere, and what follows a JVM that is gone.
_EMPTY = re.compile(
    r"finished with failed status|Application application_\d+_\d+ is killed|User application exited with|"
    r"Exception thrown in awaitResult|Yarn application has already ended|SparkUserAppException"
)
AFTERMATH = re.compile(
    r"doesn't exist in ApplicationMasterService cache|SparkContext was shut down|SparkContext has been shutdown|"
    r"Cannot call methods on a stopped SparkContext|Could not find CoarseGrainedScheduler|RpcEnv already stopped|"
    r"Job \d+ cancelled because|Failed to connect to driver|Filesystem closed|InterruptedException"
)


@dataclass(frozen=True)
class Raised:
    """One exception: its class and what it says."""

    name: str
    message: str = ""

    @property
    def summary(self) -> str:
        """Class and message in one line."""
        return " ".join(f"{self.name}: {self.message}".split()) if self.message.strip() else self.name


@dataclass(frozen=True)
class Chain:
    """An exception and what caused it.

    Attributes
    ----------
    links : the outermost first
    ends : a log presents it as what ended a program, not as something reported on the way
    line : index of its first line
    is_mild : a log reports it as a warning, and not of a task: what was gone on without
    """

    links: tuple[Raised, ...]
    ends: bool
    line: int
    is_mild: bool = False

    @property
    def text(self) -> str:
        """The exceptions without their frames, one per line."""
        return "\n".join(link.summary for link in self.links)

    @property
    def deepest(self) -> Raised:
        """What it comes down to: the last cause that says something.

        >>> Chain((Raised("x.A", "a task failed"), Raised("java.io.EOFException")), True, 0).deepest.name
        'x.A'
        """
        return next((link for link in reversed(self.links) if link.message.strip()), self.links[-1])

    @property
    def is_empty(self) -> bool:
        """Whether it says only that something failed elsewhere, or is what follows when a JVM has gone."""
        return all(_EMPTY.search(link.summary) or AFTERMATH.search(link.summary) for link in self.links)


class _Reader:
    """Gathers the chains of a text line by line; ``chains`` holds the last `MOST` that have ended."""

    def __init__(self) -> None:
        self.chains: deque[Chain] = deque(maxlen=MOST)
        self._links: list[Raised] = []
        self._ends, self._begin, self._is_mild = False, 0, False
        self._is_open = False  # whether the next line may go on with the message

    def close(self) -> None:
        """End the chain that is being read, where there is one."""
        if self._links:
            self.chains.append(Chain(tuple(self._links), self._ends, self._begin, self._is_mild))
        self._links = []

    def read(self, index: int, line: str, previous: str) -> None:
        """Take the next line of the text, and the one before it."""
        if _FRAME.match(line) or line.startswith("\t "):  # the second: details that YARN's client prints
            self._is_open = False
            return
        is_cause, is_log = line.startswith("Caused by: "), _LOG_LINE.match(line) is not None
        is_message = self._links and self._is_open and not (is_cause or is_log or line.startswith(": "))
        head = _find_head(line)
        before = head["before"] if head else ""
        if head and not (is_message and before.strip() and not _ENDING.search(before)):
            if not (is_cause and self._links):
                self.close()
                self._begin, self._is_mild = index, _MILD.match(before) is not None
                self._ends = bool(_ENDING.search(before) or (not before.strip() and _ENDING.search(previous)))
            self._add_links(head, line)
            self._is_open = True
        elif is_log or index - self._begin > MOST_LINES:
            self.close()
            self._is_open = False
        elif self._links and self._is_open and line.strip():
            last = self._links.pop()
            self._links.append(Raised(last.name, f"{last.message}\n{line}"[:MOST_MESSAGE]))

    def _add_links(self, head: re.Match[str], line: str) -> None:
        """The exception that a line begins with, and those that stand inside its message."""
        self._links.append(Raised(head["name"], (head["message"] or "")[:MOST_MESSAGE]))
        if inside := _INSIDE.search(line):
            self._links.append(Raised(inside["name"], (inside["message"] or "")[:MOST_MESSAGE]))
        while nested := _NESTED.match(self._links[-1].message):  # IOException: java.lang.ClassCastException: …
            self._links.append(Raised(nested["name"], nested["message"] or ""))


def _find_head(line: str) -> re.Match[str] | None:
    """The exception of the JVM that a line begins with, after what a log writes before it."""
    head = _HEAD.match(line[:4000]) if "." in line else None
    return None if head and head["name"].startswith(_PYTHON_PREFIXES) else head


def parse_exceptions(text: str) -> list[Chain]:
    r"""The chains in a text, in its order; the last `MOST` of them. Never raises.

    >>> text = 'Exception in thread "main" a.b.OuterException: no\n\tat x.Y(Z)\nCaused by: c.InnerError: why\n'
    >>> [(chain.deepest.summary, chain.ends) for chain in parse_exceptions(text)]
    [('c.InnerError: why', True)]
    """
    reader, lines = _Reader(), text.split("\n")
    for index, (previous, line) in enumerate(pairwise(["", *lines])):
        reader.read(index, line, previous)
    reader.close()
    return list(reader.chains)


def find_exception(text: str) -> Chain | None:
    """The chain that a log ended with: rather one that ended a program, never one that says nothing itself."""
    telling = [chain for chain in parse_exceptions(text) if not chain.is_empty and (chain.ends or not chain.is_mild)]
    ending = [chain for chain in telling if chain.ends]
    return next(reversed(ending or telling), None)
