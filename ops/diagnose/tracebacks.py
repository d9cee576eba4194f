"""Python tracebacks in logs: the driver's, and those of workers that Spark carries inside other messages. Pure."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import takewhile

MOST = 200
"""Tracebacks kept of one text: the last ones."""
MOST_FRAMES = 200
MOST_MESSAGE_LINES = 20
MOST_LINE = 2000

_START = "Traceback (most recent call last):"
#   File "/mnt/yarn/usercache/hadoop/…/__pyfiles__/fruits.zip/fruits/store.py", line 262, in write
_FRAME = re.compile(r'^ *File "(?P<file>.{1,1000}?)", line (?P<line>\d{1,7})(?:, in (?P<function>.{1,200}))?$')
# fruits.errors.ModelError: the published network … is damaged.     MemoryError
_EXCEPTION = re.compile(r"^(?P<name>[A-Za-z_][\w.]{0,200})(?:: ?(?P<message>.*))?$")
# 26/11/24 10:00:00 ERROR Executor: Exception in task 0.0     2026-11-24T10:00:00.000Z INFO …     [2026-11-24 10:00:00
# install_tensorflow: failed in import after 61.0 s
_LOG_LINE = re.compile(r"^\[?\d{2,4}[/-]\d{2}[/-]\d{2}[ T]\d{2}:\d{2}:\d{2}|^install_tensorflow: ")
# 	at org.apache.spark.api.python.BasePythonRunner…     	... 3 more     Caused by: …     Driver stacktrace:
_JAVA = re.compile(r"^\s+at [\w.$/<>]+\(|^\s+\.\.\. \d+ |^Caused by: |^Driver stacktrace:")
_LINKS = {
    "The above exception was the direct cause of the following exception:": "cause",
    "During handling of the above exception, another exception occurred:": "context",
}
# …/fruits.zip/fruits/pca.py     /home/ana/fruits/jobs/fruits/pca.py     …/container_…_000001/featurize_pca.py
_OURS = re.compile(r"(?:\.zip|(?:^|/)jobs)/(fruits/(?:[\w]+/)*\w+\.py)$|(?:^|/)(featurize_pca\.py)$")
# What is nobody's own code: libraries, Spark's Python, the interpreter's modules.
_LIBRARY = re.compile(r"site-packages/|/python3?(?:\.\d+)?/|/lib(?:64)?/python|pyspark(?:\.zip)?/|py4j|^<|importlib")
# Exceptions that only carry another one.
WRAPPERS = frozenset({"Py4JJavaError", "PythonException", "SparkException", "PySparkRuntimeError", "SystemExit"})
# What Python raises because the JVM or another process has gone: a consequence.
AFTERMATH = frozenset(
    {"Py4JError", "Py4JNetworkError", "ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "EOFError"}
)


@dataclass(frozen=True)
class Frame:
    """One call of a traceback."""

    file: str
    line: int
    function: str = ""
    source: str = ""

    @property
    def ours(self) -> str:
        """The path of the file in this repository, or an empty string.

        >>> Frame("./userFiles-1/fruits.zip/fruits/backbones/lite0.py", 3).ours
        'jobs/fruits/backbones/lite0.py'
        >>> Frame("/mnt/yarn/appcache/container_1_0001_01_000001/featurize_pca.py", 20).ours
        'jobs/featurize_pca.py'
        >>> Frame("/opt/fruits/venv/lib/python3.11/site-packages/numpy/linalg/_linalg.py", 9).ours
        ''
        """
        match = _OURS.search(self.file)
        return f"jobs/{match[1] or match[2]}" if match else ""

    @property
    def is_library(self) -> bool:
        """Whether it is nobody's own code.

        >>> [Frame(name, 1).is_library for name in ("/x/pyspark.zip/pyspark/worker.py", "/mnt/tmp/job.py")]
        [True, False]
        """
        return not self.ours and _LIBRARY.search(self.file) is not None


@dataclass(frozen=True)
class Traceback:
    """One traceback.

    Attributes
    ----------
    frames : the outermost first
    exception : its class as printed; empty where the text breaks off before it
    message : what it says, without its class
    link : how it follows from the one before: ``cause``, ``context``, ``nested`` (inside the other's message), or empty
    text : as printed
    """

    frames: tuple[Frame, ...]
    exception: str
    message: str
    link: str
    text: str

    @property
    def where(self) -> Frame | None:
        """The innermost line of our source; without one, of source that is no library's."""
        ours = [frame for frame in self.frames if frame.ours]
        frames = [frame for frame in self.frames if not frame.is_library]
        return next(reversed(ours or frames), None)

    @property
    def has_ours(self) -> bool:
        return any(frame.ours for frame in self.frames)

    @property
    def is_wrapper(self) -> bool:
        return self.exception.rpartition(".")[2] in WRAPPERS

    @property
    def is_itself(self) -> bool:
        """Whether its exception neither carries another nor follows from a process that has gone."""
        name = self.exception.rpartition(".")[2]
        return bool(name) and not self.is_wrapper and name not in AFTERMATH and not self._misses_its_folder

    @property
    def _misses_its_folder(self) -> bool:
        """Whether its process lost the folder it works in: YARN removes it with a container that it ends.

        The archive of code was there when Python started; a file without a name is what ``os.getcwd()`` misses.
        """
        if self.exception != "FileNotFoundError":
            return False
        from_archive = bool(self.frames) and self.frames[-1].file == "<frozen zipimport>"
        return from_archive or self.message.strip() == "[Errno 2] No such file or directory"

    @property
    def decides(self) -> bool:
        """Whether its exception is the failure itself, whatever else a log reports."""
        return self.is_itself and self.where is not None

    @property
    def process(self) -> str:
        """``worker`` or ``driver``: Spark carries a worker's inside its own, often without its outer frames."""
        is_inside = any(frame.file.endswith(("pyspark/worker.py", "pyspark/daemon.py")) for frame in self.frames)
        return "worker" if is_inside or self.link == "nested" else "driver"

    @property
    def words(self) -> str:
        """Class and message as printed: the frames' lines of source are not what was raised."""
        return f"{self.exception}: {self.message}" if self.message.strip() else self.exception

    @property
    def summary(self) -> str:
        """Class and message in one line."""
        return " ".join(self.words.split())


def parse_tracebacks(text: str) -> list[Traceback]:
    r"""The tracebacks in a text, in its order; the last `MOST` of them. Never raises.

    >>> text = 'x\nTraceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: no\n'
    >>> (traceback,) = parse_tracebacks(text)
    >>> traceback.exception, traceback.message, traceback.frames[0].source
    ('ValueError', 'no', 'g()')
    """
    lines = [line[:MOST_LINE] for line in text.split("\n")]
    tracebacks: deque[Traceback] = deque(maxlen=MOST)
    end = -1  # the line after the last traceback
    index = 0
    while index < len(lines):
        column = lines[index].find(_START)
        if column < 0:
            index += 1
            continue
        link = _find_link(lines, index, nested=end == index and tracebacks[-1].is_wrapper)
        begin = index
        frames, index = _parse_frames(lines, index + 1)
        exception, message, index = _parse_exception(lines, index)
        body = "\n".join([lines[begin][column:], *lines[begin + 1 : index]])
        tracebacks.append(Traceback(tuple(frames), exception, message, link, body))
        end = index
    return list(tracebacks)


def _find_link(lines: list[str], index: int, *, nested: bool) -> str:
    if nested:
        return "nested"
    before = [line.strip() for line in lines[max(0, index - 3) : index] if line.strip()]
    return _LINKS.get(before[-1], "") if before else ""


def _parse_frames(lines: list[str], index: int) -> tuple[list[Frame], int]:
    frames: list[Frame] = []
    while index < len(lines) and lines[index].startswith("  "):
        match = _FRAME.match(lines[index])
        if match and len(frames) < MOST_FRAMES:
            frames.append(Frame(match["file"], int(match["line"]), match["function"] or ""))
        elif frames and not frames[-1].source and (source := lines[index].strip()).strip("~^ "):
            frames[-1] = replace(frames[-1], source=source)
        index += 1
    return frames, index


def _parse_exception(lines: list[str], index: int) -> tuple[str, str, int]:
    """Class and message, and the first line after them."""
    if index >= len(lines) or _is_end(lines[index]):
        return "", "", index
    match = _EXCEPTION.match(lines[index])
    message = [(match["message"] or "") if match else lines[index]]
    index += 1
    while index < len(lines) and not _is_end(lines[index]):
        if len(message) < MOST_MESSAGE_LINES:
            message.append(lines[index])
        index += 1
    return (match["name"] if match else ""), "\n".join(message).strip(), index


def _is_end(line: str) -> bool:
    return (
        not line.strip()
        or _START in line
        or line.strip() in _LINKS
        or _LOG_LINE.match(line) is not None
        or _JAVA.match(line) is not None
    )


def _merge_nested(chosen: Traceback, tracebacks: list[Traceback]) -> Traceback:
    """One that only carries others, with the innermost's exception: where we called, and what was raised there."""
    position = next(index for index, traceback in enumerate(tracebacks) if traceback is chosen)
    inside = [*takewhile(lambda traceback: traceback.link == "nested", tracebacks[position + 1 :])]
    if not (chosen.is_wrapper and inside and inside[-1].exception):
        return chosen
    text = "\n".join([chosen.text, *(traceback.text for traceback in inside)])
    return replace(chosen, exception=inside[-1].exception, message=inside[-1].message, text=text)


def find_traceback(text: str) -> Traceback | None:
    """The traceback in a text that explains a failure."""
    return choose_traceback(parse_tracebacks(text))


def choose_traceback(tracebacks: list[Traceback]) -> Traceback | None:
    """The traceback that explains a failure.

    The last one, but: not one that only carries another (Spark's), not one that was raised from another (that is its
    root), and rather one with our source in it than without.
    """
    roots = [
        traceback
        for index, traceback in enumerate(tracebacks)
        if traceback.link != "cause" or index == 0 or not tracebacks[index - 1].exception
    ]
    tests: tuple[Callable[[Traceback], bool], ...] = (
        lambda traceback: traceback.has_ours and not traceback.is_wrapper,
        lambda traceback: traceback.where is not None and not traceback.is_wrapper,
        lambda traceback: traceback.has_ours,
        lambda traceback: bool(traceback.exception),
        lambda _: True,
    )
    for test in tests:
        if fitting := [traceback for traceback in roots if test(traceback)]:
            return _merge_nested(fitting[-1], tracebacks)
    return None
