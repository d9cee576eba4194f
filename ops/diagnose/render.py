"""A verdict for a reader and for a program. Pure, but for the clock: late logs may still come."""

import re
from typing import Any

from fruits.wording import format_count

from ops.core.paths import ROOT
from ops.diagnose.evidence import Evidence
from ops.diagnose.tracebacks import Frame, Traceback
from ops.diagnose.verdict import Verdict
from ops.logs.layout import shipping_seconds

MOST_LINES = 24
MOST_WIDTH = 300
#   File "/opt/x.py", line 9
_FILE = re.compile(r'^( *File ")([^"]+)(".*)$')


def read_source(frame: Frame) -> str:
    """A line of source: as the traceback printed it, or else as it stands in this checkout; may be empty."""
    if frame.source or not frame.ours:
        return frame.source
    try:
        lines = (ROOT / frame.ours).read_text().splitlines()
    except OSError:
        return ""  # the cluster ran another version, with files that are gone
    return lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""


def format_place(frame: Frame) -> str:
    """Where a line stands.

    >>> format_place(Frame("./fruits.zip/fruits/pca.py", 12, "solve"))
    'jobs/fruits/pca.py:12, in solve'
    """
    return f"{frame.ours or frame.file}:{frame.line}" + (f", in {frame.function}" if frame.function else "")


def shorten_traceback(traceback: Traceback) -> list[str]:
    """A traceback that fits on a screen: our files as they are called here, no markers, and rather its end."""
    lines = traceback.text.rstrip().split("\n")
    lines = [_shorten_line(line) for line in lines if line.strip(" ~^") or not line.strip()]
    if len(lines) <= MOST_LINES:
        return lines
    return [lines[0], f"  [... {format_count(len(lines) - MOST_LINES + 1, 'line')} ...]", *lines[-MOST_LINES + 2 :]]


def _shorten_line(line: str) -> str:
    """One line of a traceback.

    >>> _shorten_line('  File "/mnt/container_1_0001_01_000001/__pyfiles__/fruits.zip/fruits/pca.py", line 9, in solve')
    '  File "jobs/fruits/pca.py", line 9, in solve'
    >>> _shorten_line('  File "/mnt/yarn/appcache/a/c/pyspark.zip/pyspark/worker.py", line 7, in main')
    '  File "…/pyspark.zip/pyspark/worker.py", line 7, in main'
    """
    if match := _FILE.match(line):
        own_path = Frame(match[2], 0).ours
        parts = match[2].split("/")
        name = own_path or (match[2] if len(parts) < 5 else "…/" + "/".join(parts[-3:]))
        line = f"{match[1]}{name}{match[3]}"
    return line if len(line) <= MOST_WIDTH else f"{line[:MOST_WIDTH]}…"


def name_process(evidence: Evidence, traceback: Traceback | None) -> str:
    """Whose traceback it is: the driver's, a worker's, or a node's that installs."""
    if evidence.subject == "cluster" or traceback is None:
        return "node"
    return traceback.process


_ENDED = {
    "nothing-failed": "ended well",
    "still-running": "still runs",
    "waits-for-nodes": "still runs",
    "cancelled": "was ended before its time",
}


def describe_state(evidence: Evidence, verdict: Verdict) -> str:
    """How a step or a cluster ended, in words."""
    if verdict.cause in _ENDED and not evidence.state.startswith(("CANCELLED", "INTERRUPTED")):
        return _ENDED[verdict.cause]
    return evidence.state.lower().replace("_", " ")


def as_text(evidence: Evidence, verdict: Verdict) -> str:
    """The verdict for a reader, without colours."""
    label = "cause" if verdict.certain or not verdict.is_known else "probable cause"
    frame = verdict.traceback.where if verdict.traceback else None
    process = name_process(evidence, verdict.traceback)
    source = read_source(frame) if frame else ""
    rows = (
        (label if verdict.is_failure else "state", f"{verdict.cause}: {verdict.meaning}"),
        ("what decides", verdict.distinction),
        ("said", f"{verdict.words} ({verdict.source})" if verdict.words else ""),
        ("raised", verdict.raised),
        ("first error", verdict.first),
        ("ruled out", ", ".join(verdict.ruled_out)),
        ("where", f"{format_place(frame)} ({process})" if frame else ""),
        ("", f"    {source}" if source else ""),
    )
    lines = [f"{evidence.name} {describe_state(evidence, verdict)}"]
    lines += [f"{name:<15}{text}".rstrip() for name, text in rows if text]
    if verdict.traceback is not None and verdict.traceback.frames:
        lines += [f"{'traceback':<15}of the {process}:"]
        lines += [f"    {line}" for line in shorten_traceback(verdict.traceback)]
    lines.append(f"{'fix':<15}{verdict.fix}")
    for index, uri in enumerate(evidence.logs):
        lines.append(f"{'log' if index == 0 else '':<15}{uri}")
    unread = [f"{d.uri}: {d.problem}" for d in evidence.documents if d.problem]
    lines += [f"{'not read in full' if index == 0 else '':<15}{text}" for index, text in enumerate(unread[:3])]
    if evidence.missing:
        can_come = shipping_seconds(evidence.end) > 0
        lines.append(f"{'not there yet' if can_come else 'not there':<15}{evidence.missing}")
    lines.append(f"{'next':<15}{choose_command(evidence, verdict)}")
    return "\n".join(lines)


def choose_command(evidence: Evidence, verdict: Verdict) -> str:
    """What to type then: a command that can work in the state in which cluster and step are."""
    if evidence.missing and not verdict.is_known and shipping_seconds(evidence.end):
        target = f"STEP={evidence.step_id}" if evidence.step_id else f"CLUSTER={evidence.cluster_id}"
        return f"make diagnose {target}, when its logs have arrived"
    command = verdict.command
    if evidence.subject == "cluster":
        if "make logs" in command:
            return "make doctor, then make destroy and make apply"
        return "make destroy, then make apply" if "run-step" in command and "apply" not in command else command
    if "make logs" in command and evidence.step_id and verdict.is_failure:
        command = command.replace("make logs", f"make logs STEP={evidence.step_id}")
    has_ended = evidence.cluster_state.startswith("TERMINAT")
    if has_ended and "make run-step" in command and "make apply" not in command:
        return command.replace("make run-step", "make apply, then make run-step")
    return command


def as_json(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """The verdict for a program."""
    traceback = verdict.traceback
    frame = traceback.where if traceback else None
    return {
        "failed": evidence.subject if verdict.is_failure else None,
        "cluster_id": evidence.cluster_id or None,
        "step_id": evidence.step_id or None,
        "state": evidence.state if evidence.stated or verdict.is_failure else describe_state(evidence, verdict),
        "cause": verdict.cause,
        "certain": verdict.certain,
        "says": verdict.meaning,
        "fix": verdict.fix,
        "decides": verdict.distinction or None,
        "next": choose_command(evidence, verdict),
        "said": verdict.words or None,
        "said_in": verdict.source or None,
        "raised": verdict.raised or None,
        "first": verdict.first or None,
        "ruled_out": list(verdict.ruled_out),
        "where": None
        if frame is None or traceback is None
        else {
            "path": frame.ours or frame.file,
            "line": frame.line,
            "function": frame.function or None,
            "source": read_source(frame) or None,
            "process": name_process(evidence, traceback),
        },
        "traceback": traceback.text if traceback else None,
        "exit_code": verdict.exit_code,
        "logs": list(evidence.logs),
        "missing": evidence.missing or None,
        "unread": {d.uri: d.problem for d in evidence.documents if d.problem},
    }
