"""Processes that ended before their time: of whom, with which code, in whose words. Pure."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ops.diagnose import exits
from ops.logs import layout

Process = Literal["executor", "master", "python", "command"]
MOST_LINE = 300
MOST_BLOCK = 12
"""Lines of YARN's diagnostics that are kept after the one that names the end."""

_CONTAINER = f"(?P<container>{layout.CONTAINER.pattern})"
_PATTERNS: tuple[tuple[Process, re.Pattern[str]], ...] = (
    # Completed container container_… on host: ip-… (state: COMPLETE, exit status: -104)
    # Container from a bad node: container_… on host: ip-…. Exit status: 137. Diagnostics: …
    (
        "executor",
        re.compile(_CONTAINER + r"(?: on host: (?P<host>[\w.-]*\w))?\.? ?[^\n]{0,40}[Ee]xit status: (?P<code>-?\d+)"),
    ),
    # …Reason: Command exited with code 137     Container exited with a non-zero exit code 143
    ("executor", re.compile(r"(?:Reason: Command exited with code|Exit code is|non-zero exit code) (?P<code>-?\d+)")),
    # Container killed by YARN for exceeding physical memory limits. 1.0 GB of 896 MB physical memory used.
    ("executor", re.compile(r"Container killed by YARN for exceeding (?P<memory>physical|virtual)?")),
    # Lost executor 5 on …: Executor decommission: …     Worker … decommissioned
    ("executor", re.compile(r"Container released on a \*lost\* node(?P<lost>)")),
    # AM Container for appattempt_…_000001 exited with  exitCode: -104
    ("master", re.compile(r"AM Container for appattempt_\w+ exited with\s+exitCode: (?P<code>-?\d+)")),
    # User application exited with status 137
    ("python", re.compile(r"User application exited with status (?P<code>-?\d{1,5})\b")),
    # Command exiting with ret '137'     (EMR's command-runner)
    ("command", re.compile(r"Command exiting with ret '(?P<code>-?\d{1,5})'")),
)
# What a log holds after its process was told to end: no reason, only its end.
_AFTERMATH = re.compile(
    r"RECEIVED SIGNAL TERM|Driver commanded a shutdown|Shutdown hook called|disassociated! Shutting down|"
    r"Answer from Java side is empty|Error while sending or receiving|doesn't exist in ApplicationMasterService cache|"
    r"Invoking stop\(\) from shutdown hook"
)

# 	 ApplicationMaster host: ip-10-0-1-23.eu-west-3.compute.internal
_MASTER_HOST = re.compile(r"ApplicationMaster host: (?!N/A)([\w.-]+)")


@dataclass(frozen=True)
class Death:
    """The end of a process.

    Attributes
    ----------
    process : an executor's container, the application's master (in cluster mode the driver's container), the driver's
        Python, or the command that EMR ran (in client mode spark-submit, with the driver)
    code : 0 where only words tell
    container, host : empty where they are not named
    line : the words
    block : the words with the diagnostics that follow them
    """

    process: Process
    code: int
    container: str
    host: str
    line: str
    block: str


def parse_deaths(text: str) -> Iterator[Death]:
    """The ends that a log reports, in its order.

    >>> [death.code for death in parse_deaths("… container_1_0001_01_000002 … AM Container for appattempt_1_0001_"
    ...     "000001 exited with  exitCode: 13")]
    [13]
    """
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if "xit" not in line and "Container" not in line:
            continue
        for process, pattern in _PATTERNS:
            if match := pattern.search(line):
                groups = match.groupdict()
                code = int(groups.get("code") or 0)
                if "memory" in groups:
                    code = -103 if groups["memory"] == "virtual" else -104
                if "lost" in groups:
                    code = -100
                block = "\n".join(lines[index : index + MOST_BLOCK])
                host = groups.get("host") or (layout.host_in(line) if process == "executor" else "")
                words = _shorten_line(line, match.start(), match.end())
                yield Death(process, code, groups.get("container") or "", host, words, block)
                break


def _shorten_line(line: str, begin: int, end: int) -> str:
    """A line, shortened around the words that tell of the end."""
    if len(line) <= MOST_LINE:
        return " ".join(line.split())
    start = max(0, min(begin - MOST_LINE // 4, len(line) - MOST_LINE))
    stop = max(end, start + MOST_LINE)
    return ("…" if start else "") + " ".join(line[start:stop].split()) + ("…" if stop < len(line) else "")


def cut_aftermath(text: str) -> str:
    """A log up to where its process was told to end, or to where it saw another one gone.

    >>> cut_aftermath("java.lang.OutOfMemoryError\\nERROR RECEIVED SIGNAL TERM\\nworker exited")
    'java.lang.OutOfMemoryError'
    """
    end = _AFTERMATH.search(text)
    return text if end is None else text[: max(0, text.rfind("\n", 0, end.start()))]


def is_aftermath(death: Death) -> bool:
    """Whether a process was going to end anyway, so that its end explains no failure."""
    meaning = exits.explain_code(death.code, "container", "executor")
    return meaning is not None and meaning.aftermath


def list_master_hosts(text: str) -> list[str]:
    """The hosts on which an application's masters ran, as YARN's client reports them.

    >>> list_master_hosts("\\t ApplicationMaster host: N/A\\n\\t ApplicationMaster host: ip-10-0-1-23.ec2.internal")
    ['ip-10-0-1-23.ec2.internal']
    """
    return _MASTER_HOST.findall(text)
