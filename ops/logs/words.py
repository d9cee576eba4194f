"""What a program itself wrote among Spark's lines, and a log without the noise of Spark's shutdown. Pure."""

import re
from itertools import groupby

from fruits.wording import format_count

# 26/11/24 10:00:00 INFO TaskSetManager: …     26/11/24 10:00:00 WARN …
_LOG_LINE = re.compile(r"^\d\d/\d\d/\d\d \d\d:\d\d:\d\d (?P<level>TRACE|DEBUG|INFO|WARN|ERROR|FATAL) ")
# 	at org.apache.spark.x(y)     Caused by: …     java.io.IOException: …     	 client token: N/A
_JVM = re.compile(r"^\s+at [\w.$/<>]+\(|^\s+\.\.\. \d+ |^Caused by: |^(?:[a-z][\w$]*\.)+[A-Z][\w$]*(?::|$)|^\t ")
# Container id: container_…     [2026-11-27 15:51:18.912]Container exited …     Last 4096 bytes of stderr :     )
_YARN = re.compile(
    r"^(?:Container id|Exit code|Exception message|Shell output|Stack trace|Last \d+ bytes of \S+ ?): ?|"
    r"^Driver stacktrace:|^\[\d{4}-\d\d-\d\d [\d:.]+\] ?Container |^Using Spark's default log4j|"
    r"^Setting default log level|^[^\w^~]+$"
)
# The command of an executor stands between two of these.
_RULE = re.compile(r"^={40,}$")
# What Spark and YARN's client write of every end, good or bad
_SHUTDOWN = re.compile(
    r" INFO (?:ShutdownHookManager: |SparkContext: (?:Successfully stopped|SparkContext is stopping|Invoking stop)|"
    r"SparkUI: Stopped|MemoryStore: MemoryStore cleared|BlockManager: BlockManager stopped|"
    r"BlockManagerMaster: BlockManagerMaster stopped|MapOutputTrackerMasterEndpoint: |OutputCommitCoordinator\S*: |"
    r"YarnClusterSchedulerBackend: (?:Shutting|Asking)|YarnSchedulerBackend\$YarnDriverEndpoint: Asking|"
    r"AMRMClientImpl: Waiting for|ApplicationMaster: (?:Deleting staging|Unregistering)|Client: Deleted staging|"
    r"AbstractConnector: Stopped)"
)


def fold_shutdown(text: str) -> str:
    r"""A log whose shutdown noise is a line each time.

    >>> fold_shutdown("a\n26/11/24 10:00:00 INFO SparkUI: Stopped Spark web UI\n26/11/24 10:00:00 INFO MemoryStore: "
    ...     "MemoryStore cleared\nb")
    'a\n[... 2 lines of the shutdown ...]\nb'
    """
    lines: list[str] = []
    for is_shutdown, group in groupby(text.split("\n"), lambda line: _SHUTDOWN.search(line) is not None):
        number = len(members := [*group])
        lines += [f"[... {format_count(number, 'line')} of the shutdown ...]"] if is_shutdown else members
    return "\n".join(lines)


def extract_own_words(text: str) -> str:
    r"""What the program wrote itself: neither Spark's lines nor what belongs to them.

    >>> extract_own_words("26/11/24 10:00:00 WARN X: no\njava.io.IOException: no\n\tat a.b(c)\ncount 64\n"
    ...     "Traceback (most recent call last):\n  File \"job.py\", line 7, in f\nValueError: a stone\n")
    'count 64\nTraceback (most recent call last):\n  File "job.py", line 7, in f\nValueError: a stone'
    """
    lines: list[str] = []
    is_command = False
    for line in text.split("\n"):
        if _RULE.match(line):
            is_command = not is_command
        elif _LOG_LINE.match(line):
            is_command = False  # a rule that nothing closed
        elif not (is_command or _JVM.match(line) or _YARN.match(line) or (not line and lines[-1:] in ([], [""]))):
            lines.append(line)
    return "\n".join(lines).strip("\n")
