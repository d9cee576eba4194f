"""From evidence to a cause by name. Pure: no I/O, and nothing here raises because a log is odd."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fruits.errors import ALL, EXIT_CODES

from ops.diagnose import tracebacks
from ops.diagnose.evidence import Document, Evidence
from ops.diagnose.table import BOOTSTRAP, CANCELLED, CAUSES, PYTHON, UNKNOWN, Cause
from ops.diagnose.tracebacks import Traceback

UNDETERMINED = 23
"""Exit code of a step that failed before the job could report (`ops.core.exit_codes`)."""
MOST_SAID = 1000
MOST_LINE = 400
LONG_LINE = 10_000
LAST_LINES = 40

# 26/11/24 10:00:00 ERROR Client: Application diagnostics message: …     \t diagnostics: User class threw exception: …
_STEP_SAYS = re.compile(
    r"diagnostics(?: message)?: |^Error: |Exception in thread|^Exception|ERROR |^Cannot run program|^No command to run|"
    r"^Cannot fetch|exitCode: |^Caused by: |AccessDenied|An error occurred"
)
# fruits: no image is of class No such fruit. Fix: one of …
_JOB_SAYS = re.compile(r"^fruits: (.+)$", re.MULTILINE)
# User application exited with status 10     Final app status: FAILED, exitCode: 13     status -9
_STATUS = re.compile(r"User application exited with status (-?\d{1,5})\b")
# install_tensorflow: failed in check after 0.3 s (disk, exit 12): /opt/fruits has 900 MiB free and 3500 are needed: …
_NODE_SAYS = re.compile(
    r"^install_tensorflow: failed in (?P<phase>[\w-]+) after [\d.]+ s \((?P<cause>[\w-]+), exit (?P<code>\d+)\): "
    r"(?P<message>.+)$",
    re.MULTILINE,
)
_ACTIONS = {
    "ListObjectsV2": "s3:ListBucket",
    "ListObjects": "s3:ListBucket",
    "HeadBucket": "s3:ListBucket",
    "HeadObject": "s3:GetObject",
    "GetObject": "s3:GetObject",
    "PutObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "DeleteObjects": "s3:DeleteObject",
    "RunJobFlow": "elasticmapreduce:RunJobFlow",
    # Hadoop's S3A names its own calls
    "getFileStatus": "s3:GetObject",
    "open": "s3:GetObject",
    "listStatus": "s3:ListBucket",
    "delete": "s3:DeleteObject",
}
_RECORD = "the job's _run/error.json"
_ALL_CAUSES = (*CAUSES, BOOTSTRAP)
# A store's refusal has a reason of its own, and so has a bootstrap that could not fetch its wheels.
_VAGUE = ("output-unusable", "storage-unreachable", "bootstrap-wheelhouse", BOOTSTRAP.name)


@dataclass(frozen=True)
class Verdict:
    """What is made of the evidence.

    Attributes
    ----------
    cause : its name, of `table.NAMES`
    says, cure, next : what it means, what to do, what to type
    certain : named by the job, the bootstrap or an error code of EMR, not inferred from a text
    said : the words that decided
    said_in : whose words they are
    traceback : the one that explains it
    exit_code : what the command around it should end with
    """

    cause: str
    says: str
    cure: str
    next: str
    certain: bool = False
    said: str = ""
    said_in: str = ""
    traceback: Traceback | None = None
    exit_code: int = UNDETERMINED

    @property
    def is_known(self) -> bool:
        """Whether the cause is more than what was printed."""
        return self.cause not in (UNKNOWN.name, PYTHON.name, BOOTSTRAP.name)


@dataclass(frozen=True)
class Statement:
    """Words in which a failure was reported: what decides, unlike all else that a log holds.

    Attributes
    ----------
    by_driver : not a worker's
    is_core : the exception itself, or the job's words; around it a log holds failures that were survived
    """

    text: str
    source: str
    by_driver: bool = True
    is_core: bool = False


@dataclass(frozen=True)
class _Hit:
    cause: Cause
    statement: Statement
    groups: Mapping[str, str] = field(default_factory=dict)
    said: str = ""


def judge(evidence: Evidence) -> Verdict:
    """The cause of a failure.

    What the job, the bootstrap or EMR named comes first; then the failing statements, by the table's patterns; then the
    patterns that are telling wherever they stand; then what Python raised.
    """
    evidence = replace(evidence, documents=tuple(_bounded(document) for document in evidence.documents))
    record, node = job_record(evidence), node_record(evidence)
    found = best_traceback(evidence, record)
    said = list(statements(evidence, record, node, found))
    named = _by_name(evidence, record, node)
    if named is not None and named.cause.name not in _VAGUE:
        hit: _Hit | None = named
    else:
        hit = _by_pattern([statement for statement in said if statement.is_core])
        raised = evidence.subject == "step" and found is not None and found.decides
        if hit is None and not (raised and named is None):
            hit = _by_pattern(said) or named or _loud(evidence)
    certain = hit is not None and hit is named and hit.cause is not BOOTSTRAP
    hit = _crossed(evidence, hit)
    if hit is not None and hit.cause is BOOTSTRAP and node is None:
        words = next((d for d in evidence.of_role("bootstrap") if d.text.strip()), None)
        if words is not None:
            hit = replace(hit, statement=Statement(words.text, words.uri), said=_last_line(words.text))
    if hit is None and _cancelled(evidence):
        hit = _Hit(CANCELLED, Statement(evidence.reason or evidence.step_reason, "EMR"), said=evidence.reason)
    code = exit_code(evidence, record)
    if hit is not None:
        return _verdict(hit, evidence, record, found, certain=certain, code=code)
    if evidence.subject == "step" and found is not None and found.exception:
        groups = {"exception": found.exception.rpartition(".")[2]}
        last = _Hit(PYTHON, Statement(found.text, "the traceback"), groups, found.said)
    else:
        final = next((statement for statement in said if statement.text.strip()), Statement("", ""))
        last = _Hit(UNKNOWN, final, said=_last_line(final.text))
    return _verdict(last, evidence, record, found, certain=False, code=code)


def _bounded(document: Document) -> Document:
    """A log whose lines are all short enough for the patterns: of a very long one its beginning and its end."""
    if len(document.text) <= LONG_LINE:
        return document
    half = LONG_LINE // 2
    lines = (
        line if len(line) <= LONG_LINE else f"{line[:half]} … {line[-half:]}" for line in document.text.split("\n")
    )
    return replace(document, text="\n".join(lines))


# -- what was said ----------------------------------------
def job_record(evidence: Evidence) -> Mapping[str, Any] | None:
    """What the job says of its failure: its record, or else its last words and exit code in the logs."""
    if evidence.job is not None:
        return evidence.job
    status = next((found for d in evidence.documents for found in _STATUS.findall(d.text)), None)
    words = [found for d in evidence.of_role("driver", "step") for found in _JOB_SAYS.findall(d.text)]
    kind = next((kind for kind in ALL if status is not None and kind.exit_code == int(status)), None)
    if kind is None or not words:
        return None
    return {"cause": kind.cause, "message": words[-1], "exit_code": kind.exit_code, "traceback": ""}


def node_record(evidence: Evidence) -> Mapping[str, Any] | None:
    """What the bootstrap script says of its failure: its JSON, or else its last words in the node's stderr."""
    if evidence.node is not None:
        return evidence.node
    for document in evidence.of_role("bootstrap"):
        if found := list(_NODE_SAYS.finditer(document.text)):
            return found[-1].groupdict()
    return None


def best_traceback(evidence: Evidence, record: Mapping[str, Any] | None) -> Traceback | None:
    """The traceback that explains the failure: of the job's record, the driver, the step, a worker, the bootstrap."""
    texts = [str(record.get("traceback") or "")] if record else []
    for role in ("driver", "step", "bootstrap"):
        texts += [document.text for document in evidence.of_role(role)]
    chosen = [found for text in texts if (found := tracebacks.choose(tracebacks.parse(text))) is not None]
    for document in evidence.of_role("executor"):
        if found := tracebacks.choose(tracebacks.parse(document.text)):
            chosen.append(replace(found, link="nested"))  # a worker's, which a driver would carry
    with_source = [found for found in chosen if found.has_ours and not found.is_wrapper]
    return next(iter([*with_source, *chosen]), None)


def statements(
    evidence: Evidence,
    record: Mapping[str, Any] | None,
    node: Mapping[str, Any] | None,
    found: Traceback | None,
) -> Iterator[Statement]:
    """The failing statements, the most telling first."""
    emr = [Statement(f"{detail.code}: {detail.message}", "EMR's ErrorDetails") for detail in evidence.details]
    emr += [Statement(text, "EMR") for text in (evidence.step_reason, evidence.reason) if text]
    if evidence.subject == "cluster":
        yield from emr
    if record is not None:
        yield Statement(
            f"{record.get('message', '')}\n{record.get('traceback') or ''}",
            _RECORD if evidence.job else "the job's last words",
            is_core=True,
        )
    if found is not None:
        yield Statement(found.text, f"the {found.process}'s traceback", found.process == "driver", is_core=True)
    if node is not None:
        yield Statement(str(node.get("message", "")), "the bootstrap's JSON")
    for document in evidence.of_role("driver", "step"):
        if text := "\n".join(_telling(document)):
            yield Statement(text, document.uri)
    for document in evidence.of_role("bootstrap", "terraform"):
        yield Statement("\n".join(document.text.strip().split("\n")[-LAST_LINES:]), document.uri)
    if evidence.subject == "step":
        yield from emr


def _telling(document: Document) -> list[str]:
    """The lines of a log that report a failure; of a driver's also the end."""
    lines = document.text.split("\n")
    picked = [line for line in lines if _STEP_SAYS.search(line)][-LAST_LINES:]
    if document.role == "driver":
        raised = tracebacks.choose(tracebacks.parse(document.text))
        picked += raised.text.split("\n") if raised else []
    return picked


# -- naming ----------------------------------------
def _by_name(evidence: Evidence, record: Mapping[str, Any] | None, node: Mapping[str, Any] | None) -> _Hit | None:
    """The row that the job, the bootstrap or EMR names."""
    if evidence.subject == "step" and record is not None:
        for cause in CAUSES:
            if record.get("cause") in cause.job:
                message = str(record.get("message", ""))
                phase = f", in phase {record['phase']}" if record.get("phase") else ""
                return _Hit(cause, Statement(message, f"the job{phase}"), said=message)
    if evidence.subject == "cluster" and node is not None:
        for cause in _ALL_CAUSES:
            if node.get("cause") in cause.node:
                message = str(node.get("message", ""))
                return _Hit(cause, Statement(message, "the bootstrap"), said=message)
    codes = {detail.code: detail for detail in evidence.details}
    for cause in _ALL_CAUSES if evidence.subject == "cluster" or evidence.state == "INTERRUPTED" else ():
        for code in cause.codes:
            if code in codes:
                data = dict(codes[code].data)
                named = (value for key in ("instance-type", "availability-zone") for value in _any(data, key))
                where = ", ".join(named)
                said = codes[code].message or evidence.reason or code
                return _Hit(cause, Statement(said, f"EMR ({code})"), {"where": where}, said)
            if code == evidence.reason_code:
                return _Hit(cause, Statement(evidence.reason, f"EMR ({code})"), said=evidence.reason)
    return None


def _any(data: Mapping[str, str], key: str) -> list[str]:
    """What EMR's data says under a key, or under its plural, where the values stand in brackets."""
    return [found.strip("[]") for found in (data.get(key), data.get(f"{key}s")) if found]


def _by_pattern(said: list[Statement]) -> _Hit | None:
    """The first row whose pattern fits, statement by statement."""
    for statement in said:
        for cause in CAUSES:
            if cause.driver_only and not statement.by_driver:
                continue
            if hit := _match(cause, statement):
                return hit
    return None


def _loud(evidence: Evidence) -> _Hit | None:
    """The first row that may be recognised anywhere in the logs, and is."""
    for cause in (cause for cause in CAUSES if cause.loud):
        for document in evidence.of_role("driver", "step", "executor"):
            if cause.driver_only and document.role == "executor":
                continue
            if hit := _match(cause, Statement(document.text, document.uri, by_driver=document.role != "executor")):
                return hit
    return None


def _match(cause: Cause, statement: Statement) -> _Hit | None:
    for pattern in cause.patterns:
        if found := pattern.search(statement.text):
            groups = {name: value for name, value in found.groupdict().items() if value}
            return _Hit(cause, statement, groups, _line_around(statement.text, found.start(), found.end()))
    return None


def _crossed(evidence: Evidence, hit: _Hit | None) -> _Hit | None:
    """A second look where one piece of evidence changes what another means."""
    rows = {cause.name: cause for cause in CAUSES}
    if hit is None:
        return None
    if hit.cause.name == "out-of-memory-python":
        crash = next(
            (
                found
                for document in evidence.of_role("executor", "driver")
                if (found := _match(rows["python-crash"], Statement(document.text, document.uri)))
            ),
            None,
        )
        if "exited unexpectedly" in hit.said and crash is not None:
            return crash
        if hit.statement.source == "the driver's traceback" and "exited unexpectedly" not in hit.said:
            return _Hit(rows["out-of-memory-driver"], hit.statement, {}, hit.said)
    killed = hit.cause.name == "out-of-memory-executor" and "memory" not in hit.said.lower()
    if (killed or hit.cause.name == "executor-lost") and evidence.lost_spot:
        return _Hit(rows["lost-spot-nodes"], hit.statement, {}, hit.said)
    if hit.cause.name == "executor-lost":
        return _loud(evidence) or hit
    return hit


def _cancelled(evidence: Evidence) -> bool:
    return evidence.subject == "step" and evidence.state in ("CANCELLED", "INTERRUPTED")


# -- words ----------------------------------------
def _verdict(
    hit: _Hit,
    evidence: Evidence,
    record: Mapping[str, Any] | None,
    found: Traceback | None,
    *,
    certain: bool,
    code: int,
) -> Verdict:
    fields = _fields(hit, evidence)
    says, cure = hit.cause.says.format_map(fields), hit.cause.cure.format_map(fields)
    sentence, _, own = hit.said.partition(" Fix: ")
    if own and certain:
        cure = own.strip().rstrip(".")
    return Verdict(
        cause=hit.cause.name,
        says=says,
        cure=cure,
        next=hit.cause.next,
        certain=certain,
        said=sentence.strip().rstrip(".")[:MOST_SAID],
        said_in=hit.statement.source,
        traceback=None if record and not str(record.get("traceback") or "") and not found else found,
        exit_code=code,
    )


class _Fields(dict[str, str]):
    """Fields of a sentence; what was not found is said to be unknown."""

    def __missing__(self, key: str) -> str:
        if key == "grant":
            return "allow it"
        return f"an unknown {key}" if key in ("action", "resource", "module", "program", "signal", "exception") else ""


def _fields(hit: _Hit, evidence: Evidence) -> _Fields:
    fields = _Fields(hit.groups)
    if fields.get("used"):
        fields["used"] = f" ({fields['used']} used)"
    if region := fields.get("region"):
        fields["elsewhere"] = f": in {region}, and {fields.get('configured') or 'no region'} was set"
    if evidence.lost_spot:
        fields["nodes"] = ": " + ", ".join(evidence.lost_spot[:5])
    if fields.get("where"):
        fields["where"] = f": {fields['where']}"
    if hit.cause.name == "access-denied":
        fields |= _refused(hit, evidence)
    return fields


def _refused(hit: _Hit, evidence: Evidence) -> dict[str, str]:
    """Which action on which resource was refused, to whom, and who grants it."""
    groups = hit.groups
    operation = groups.get("operation") or groups.get("call", "").partition(" ")[0]
    action = groups.get("action") or _ACTIONS.get(operation) or operation or "something"
    resource = groups.get("resource") or groups.get("uri") or ""
    if not resource and (bucket := groups.get("bucket")):
        resource = "/".join(part for part in (f"s3://{bucket}", groups.get("key", "")) if part)
    if not resource and (uri := re.search(r"s3[an]?://[^\s'\",;)]+", f"{hit.said} {hit.statement.text}")):
        resource = uri[0].rstrip(".:")
    principal = groups.get("principal", "")
    who = f" to {principal}" if principal else ""
    if action.startswith(("ec2:", "iam:")) or "service role" in hit.said.lower():
        grant = f"allow it{who} in infra/modules/iam/service_role.tf, and see that the resource bears our tags"
    elif action.startswith("elasticmapreduce:") or any(
        d.uri == hit.statement.source for d in evidence.of_role("terraform")
    ):
        grant = f"allow it{who}: what an operator needs stands in infra/operators (an administrator applies it)"
    else:
        grant = (
            f"allow it{who} in infra/modules/iam/instance_role.tf, or take an address that the nodes may use (images/, "
            "requests/, results/ of our data bucket)"
        )
    return {"action": action, "resource": resource or "an address that was not named", "grant": grant}


def exit_code(evidence: Evidence, record: Mapping[str, Any] | None) -> int:
    """What the command that watched should end with: the job's own code where it is known."""
    try:
        code = int(record["exit_code"]) if record is not None else UNDETERMINED
    except (KeyError, TypeError, ValueError):
        return UNDETERMINED
    return code if code in EXIT_CODES and code else UNDETERMINED


def _line_around(text: str, begin: int, end: int) -> str:
    """The line of a match, shortened around it.

    >>> _line_around("a\\n" + "b" * 500 + " the match " + "c" * 500, 503, 512)[:3]
    '…bb'
    """
    first, last = text.rfind("\n", 0, begin) + 1, text.find("\n", end)
    line = text[first : last if last >= 0 else len(text)]
    if len(line) > MOST_LINE:
        start = max(0, begin - first - MOST_LINE // 4)
        end_ = start + MOST_LINE
        line = ("…" if start else "") + line[start:end_] + ("…" if end_ < len(line) else "")
    return " ".join(line.split())


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return lines[-1][:MOST_SAID] if lines else ""
