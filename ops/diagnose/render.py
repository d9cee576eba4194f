"""A verdict for a reader and for a program. Pure."""

from __future__ import annotations

import re
from typing import Any

from ops.core.paths import ROOT
from ops.diagnose.evidence import Evidence
from ops.diagnose.tracebacks import Frame, Traceback
from ops.diagnose.verdict import Verdict

MOST_LINES = 24
MOST_WIDTH = 300
#   File "/opt/x.py", line 9
_FILE = re.compile(r'^( *File ")([^"]+)(".*)$')


def source_of(frame: Frame) -> str:
    """A line of source: as the traceback printed it, or else as it stands in this checkout; may be empty."""
    if frame.source or not frame.ours:
        return frame.source
    try:
        lines = (ROOT / frame.ours).read_text().splitlines()
    except OSError:
        return ""  # the cluster ran another version, with files that are gone
    return lines[frame.line - 1].strip() if 0 < frame.line <= len(lines) else ""


def place(frame: Frame) -> str:
    """Where a line stands.

    >>> place(Frame("./fruits.zip/fruits/pca.py", 12, "solve"))
    'jobs/fruits/pca.py:12, in solve'
    """
    return f"{frame.ours or frame.file}:{frame.line}" + (f", in {frame.function}" if frame.function else "")


def shortened(traceback: Traceback) -> list[str]:
    """A traceback that fits on a screen: our files as they are called here, no markers, and rather its end."""
    lines = [_line(line) for line in traceback.text.rstrip().split("\n") if line.strip(" ~^") or not line.strip()]
    if len(lines) <= MOST_LINES:
        return lines
    return [lines[0], f"  [... {len(lines) - MOST_LINES + 1} lines ...]", *lines[-MOST_LINES + 2 :]]


def _line(line: str) -> str:
    """One line of it.

    >>> _line('  File "/mnt/yarn/x/container_1_0001_01_000001/__pyfiles__/fruits.zip/fruits/pca.py", line 9, in solve')
    '  File "jobs/fruits/pca.py", line 9, in solve'
    >>> _line('  File "/mnt/yarn/appcache/a/c/pyspark.zip/pyspark/worker.py", line 7, in main')
    '  File "…/pyspark.zip/pyspark/worker.py", line 7, in main'
    """
    if match := _FILE.match(line):
        ours = Frame(match[2], 0).ours
        parts = match[2].split("/")
        name = ours or (match[2] if len(parts) < 5 else "…/" + "/".join(parts[-3:]))
        line = f"{match[1]}{name}{match[3]}"
    return line if len(line) <= MOST_WIDTH else f"{line[:MOST_WIDTH]}…"


def process_of(evidence: Evidence, traceback: Traceback | None) -> str:
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


def state_of(evidence: Evidence, verdict: Verdict) -> str:
    """How it ended, in words."""
    if verdict.cause in _ENDED and not evidence.state.startswith(("CANCELLED", "INTERRUPTED")):
        return _ENDED[verdict.cause]
    return evidence.state.lower().replace("_", " ")


def as_text(evidence: Evidence, verdict: Verdict) -> str:
    """The verdict for a reader, without colours."""
    label = "cause" if verdict.certain or not verdict.is_known else "probable cause"
    rows = [(evidence.name, state_of(evidence, verdict))]
    rows.append(("state" if not verdict.is_failure else label, f"{verdict.cause}: {verdict.says}"))
    if verdict.decides:
        rows.append(("what decides", verdict.decides))
    if verdict.said:
        rows.append(("said", f"{verdict.said} ({verdict.said_in})"))
    if verdict.raised:
        rows.append(("raised", verdict.raised))
    if verdict.first:
        rows.append(("first error", verdict.first))
    if verdict.ruled_out:
        rows.append(("ruled out", ", ".join(verdict.ruled_out)))
    where = verdict.traceback.where if verdict.traceback else None
    process = process_of(evidence, verdict.traceback)
    if where is not None:
        rows.append(("where", f"{place(where)} ({process})"))
        if source := source_of(where):
            rows.append(("", f"    {source}"))
    lines = [f"{rows[0][0]} {rows[0][1]}", *(f"{name:<15}{text}".rstrip() for name, text in rows[1:])]
    if verdict.traceback is not None and verdict.traceback.frames:
        lines += [f"{'traceback':<15}of the {process}:"]
        lines += [f"    {line}" for line in shortened(verdict.traceback)]
    lines.append(f"{'fix':<15}{verdict.fix}")
    for index, uri in enumerate(evidence.logs):
        lines.append(f"{'log' if index == 0 else '':<15}{uri}")
    unread = [f"{d.uri}: {d.problem}" for d in evidence.documents if d.problem]
    lines += [f"{'not read whole' if index == 0 else '':<15}{text}" for index, text in enumerate(unread[:3])]
    if evidence.missing:
        lines.append(f"{'not there yet':<15}{evidence.missing}")
    lines.append(f"{'next':<15}{next_command(evidence, verdict)}")
    return "\n".join(lines)


def next_command(evidence: Evidence, verdict: Verdict) -> str:
    """What to type then: a command that can work in the state in which cluster and step are."""
    if evidence.missing and not verdict.is_known:
        which = f"STEP={evidence.step_id}" if evidence.step_id else f"CLUSTER={evidence.cluster_id}"
        return f"make diagnose {which}, when its logs have arrived"
    wanted = verdict.next
    if evidence.subject == "cluster":
        if "make logs" in wanted:
            return "make doctor, then make destroy and make apply"
        return "make destroy, then make apply" if "run-step" in wanted and "apply" not in wanted else wanted
    if "make logs" in wanted and evidence.step_id and verdict.is_failure:
        wanted = wanted.replace("make logs", f"make logs STEP={evidence.step_id}")
    ended = evidence.cluster_state.startswith("TERMINAT")
    if ended and "make run-step" in wanted and "make apply" not in wanted:
        return wanted.replace("make run-step", "make apply, then make run-step")
    return wanted


def as_json(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    """The verdict for a program."""
    traceback = verdict.traceback
    where = traceback.where if traceback else None
    return {
        "failed": evidence.subject if verdict.is_failure else None,
        "cluster_id": evidence.cluster_id or None,
        "step_id": evidence.step_id or None,
        "state": evidence.state if evidence.stated or verdict.is_failure else state_of(evidence, verdict),
        "cause": verdict.cause,
        "certain": verdict.certain,
        "says": verdict.says,
        "fix": verdict.fix,
        "decides": verdict.decides or None,
        "next": next_command(evidence, verdict),
        "said": verdict.said or None,
        "said_in": verdict.said_in or None,
        "raised": verdict.raised or None,
        "first": verdict.first or None,
        "ruled_out": list(verdict.ruled_out),
        "where": None
        if where is None or traceback is None
        else {
            "path": where.ours or where.file,
            "line": where.line,
            "function": where.function or None,
            "source": source_of(where) or None,
            "process": process_of(evidence, traceback),
        },
        "traceback": traceback.text if traceback else None,
        "exit_code": verdict.exit_code,
        "logs": list(evidence.logs),
        "missing": evidence.missing or None,
        "unread": {d.uri: d.problem for d in evidence.documents if d.problem},
    }
