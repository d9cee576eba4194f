"""What a program itself wrote among Spark's lines, and a log without the noise of Spark's shutdown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

# 26/11/24 10:00:00 INFO TaskSetManager: …     26/11/24 10:00:00 WARN …
_LOG_LINE = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
# 	at org.apache.spark.x(y)     Caused by: …     java.io.IOException: …     	 client token: N/A
_OF_JVM = re.compile(r"^\s+at [\w.$/<>]+\(|^\s+\.\.\. \d+ |^Caused by: |^(?:[a-z][\w$]*\.)+[A-Z][\w$]*(?::|$)|^\t ")
# What Spark and YARN's client write of every end, good or bad
_SHUTDOWN = re.compile(
    r" INFO (?:ShutdownHookManager: |SparkContext: (?:Successfully stopped|SparkContext is stopping|Invoking stop)|"
    r"SparkUI: Stopped|MemoryStore: MemoryStore cleared|BlockManager: BlockManager stopped|"
    r"BlockManagerMaster: BlockManagerMaster stopped|MapOutputTrackerMasterEndpoint: |OutputCommitCoordinator\S*: |"
    r"YarnClusterSchedulerBackend: (?:Shutting|Asking)|YarnSchedulerBackend\$YarnDriverEndpoint: Asking|"
    r"AMRMClientImpl: Waiting for|ApplicationMaster: (?:Deleting staging|Unregistering)|Client: Deleted staging|"
    r"AbstractConnector: Stopped)"
)


def _is_shutdown(line: str) -> bool:
    return _SHUTDOWN.search(line) is not None


def fold(text: str) -> str:
    r"""A log whose shutdown noise is a line each time.

    >>> fold("a\n26/11/24 10:00:00 INFO SparkUI: Stopped Spark web UI\n26/11/24 10:00:00 INFO MemoryStore: "
    ...     "MemoryStore cleared\nb")
    'a\n[... 2 lines of the shutdown ...]\nb'
    """
    return "\n".join([*_folded(text.split("\n"))][:-1])


def _folded(lines: list[str]) -> Iterator[str]:
    folded = 0
    for line in [*lines, ""]:
        if _is_shutdown(line):
            folded += 1
            continue
        if folded:
            yield f"[... {folded} line{'' if folded == 1 else 's'} of the shutdown ...]"
            folded = 0
        yield line  # the last is not the log's: it closes the last group


def own_words(text: str) -> str:
    r"""What the program wrote itself: neither Spark's lines nor what belongs to them.

    >>> own_words("26/11/24 10:00:00 WARN X: no\njava.io.IOException: no\n\tat a.b(c)\ncount 64\n"
    ...     "Traceback (most recent call last):\n  File \"job.py\", line 7, in f\nValueError: a stone\n")
    'count 64\nTraceback (most recent call last):\n  File "job.py", line 7, in f\nValueError: a stone'
    """
    kept: list[str] = []
    for line in text.split("\n"):
        if _LOG_LINE.match(line) or _OF_JVM.match(line):
            continue
        kept.append(line)
    return "\n".join(kept).strip("\n")
