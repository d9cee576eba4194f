"""Where nothing is known: the line that reports an error, the first of all of them, and what was not found. Pure."""

import re

from ops.diagnose.deaths import cut_aftermath
from ops.diagnose.evidence import Evidence

MOST_LINE = 400

# 26/11/24 10:00:00 ERROR X: …     [2026-11-24 10:03:33.054]Container …     2026-11-24T10:00:00.101Z WARN …
_TIME = re.compile(r"^\[?(\d{2,4}[/-]\d{2}[/-]\d{2}[ T]\d{2}:\d{2}:\d{2})")
# What begins a line that reports an error, in any program
_STRONG = re.compile(
    r"^(?:ERROR|Error|error|FATAL|Fatal|fatal|E:|×|Traceback)\b|: (?:fatal )?error: |\b(?:ERROR|FATAL) |"
    r"^(?:[a-z_][\w$]*\.)*[A-Z]\w*(?:Error|Exception): |Exception in thread|: command not found|bad interpreter|"
    r"Caused by: |^\S+: (?:cannot|can't) |Container from a bad node"
)
_SOME = re.compile(
    r"\b(?:error|failed|failure|cannot|could not|can't|denied|not found|no such|refused|invalid|unable|exception|"
    r"killed|timed out|missing)\b",
    re.IGNORECASE,
)
# Lines that report an end which something else caused, or nothing at all
_NOISE = re.compile(
    r"NativeCodeLoader|ShutdownHookManager|RECEIVED SIGNAL|finished with failed status|Uncaught exception: *$|"
    r"User application exited with|Step failed with exitCode|ended with exit code|SignalUtils|--- Logging error|"
    r"log4j:|SLF4J:|Registering signal handler|exited with a non-zero exit code|Final app status|^ERROR:root:|"
    r"final status: |Application report for|tracking URL: |non-zero return code|Driver stacktrace|"
    r"install_tensorflow: failed|^Traceback|Ignoring repositories|INFO Client: *$|"
    r"^(?:client token|diagnostics|ApplicationMaster host|ApplicationMaster RPC port|queue|start time|user): \S+$"
)
_SOUGHT: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "a container killed for its memory",
        re.compile(r"xit(?:Code| status|ed with code):? '?(?:-10[34]|137|143)\b|memory limits"),
    ),
    ("an OutOfMemoryError or MemoryError", re.compile(r"OutOfMemoryError|MemoryError|Cannot allocate memory")),
    ("a lost node", re.compile(r"\*lost\* node|xit(?:Code| status): -100\b|decommission", re.IGNORECASE)),
    ("a full disk", re.compile(r"No space left|usable space|local-dirs are bad")),
    ("a refused access", re.compile(r"AccessDenied|ACCESS_DENIED|Forbidden|not authorized|Status Code: 403")),
    ("a lost executor", re.compile(r"ExecutorLostFailure|Lost executor \d")),
)


def find_last_error(text: str) -> str:
    """The line of a text that reports its failure: the last that begins like an error, else that sounds like one.

    >>> find_last_error("ERROR: no such package\\nHint: see the manual\\nbye")
    'ERROR: no such package'
    >>> find_last_error("all is well\\nbye")
    ''
    """
    useful = _list_useful_lines(text)
    for pattern in (_STRONG, _SOME):
        if error := next((line for line in reversed(useful) if pattern.search(line)), None):
            return _shorten(error)
    return ""


def find_last_words(text: str) -> str:
    """The last line that is more than a shutdown's.

    >>> find_last_words("all is well\\nbye\\n26/11/24 10:00:00 INFO ShutdownHookManager: Shutdown hook called")
    'bye'
    """
    return _shorten(next(reversed(_list_useful_lines(text)), ""))


def find_last_line(text: str) -> str:
    """The last line, whatever it says; where a client reports the end of an application, that.

    >>> find_last_line("INFO Client:\\n\\t final status: FAILED\\n\\t user: hadoop\\n")
    'final status: FAILED'
    """
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    ends = [line for line in lines if line.startswith("final status: ")]
    return _shorten((ends or lines or [""])[-1])


def _list_useful_lines(text: str) -> list[str]:
    lines = [line.strip() for line in cut_aftermath(text).split("\n") if line.strip()]
    return [line for line in lines if not _NOISE.search(line) and not line.startswith(("at ", "File ", "..."))]


def find_first_error(evidence: Evidence) -> str:
    """The earliest line of driver, step and executors that reports an error, after its file's address."""
    errors: list[tuple[str, str]] = []
    for document in evidence.find_documents("driver", "step", "executor"):
        for line in cut_aftermath(document.text).split("\n"):
            if _STRONG.search(line) and not _NOISE.search(line):
                time = _TIME.match(line)
                moment = time[1].removeprefix("20").replace("-", "/").replace("T", " ") if time else "~"
                errors.append((moment, f"{'/'.join(document.uri.split('/')[-2:])}: {_shorten(line)}"))
                break
    return min(errors, key=lambda pair: pair[0])[1] if errors else ""


def list_ruled_out(evidence: Evidence) -> tuple[str, ...]:
    """What other failures leave in a log, and no log that was read has."""
    texts = [document.text for document in evidence.documents]
    if not any(text.strip() for text in texts):
        return ()
    return tuple(label for label, pattern in _SOUGHT if not any(pattern.search(text) for text in texts))


def _shorten(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= MOST_LINE else f"{line[:MOST_LINE]}…"
