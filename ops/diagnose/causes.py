"""From evidence to a cause by name. Pure: no I/O, and nothing here raises because a log is odd."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from fruits.errors import EXIT_CODES

from ops.diagnose import deaths, exceptions, exits, firsts
from ops.diagnose.cause import Cause
from ops.diagnose.deaths import Death
from ops.diagnose.evidence import Document, Evidence
from ops.diagnose.rows import bootstrap, ending, memory, nodes
from ops.diagnose.scene import Hit, Scene, Statement, line_around, match, read, telling
from ops.diagnose.table import BARE, CAUSES, EVERY, row
from ops.diagnose.tracebacks import Traceback

UNDETERMINED = 23
"""Exit code of a step that failed before the job could report (`ops.core.exit_codes`)."""
MOST_SAID = 1000

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
# Names that cover more than one cause: better words, where there are any, go first.
_VAGUE = frozenset(
    {"output-unusable", "storage-unreachable", "bootstrap-wheelhouse", "bootstrap-python", *(c.name for c in BARE)}
    | {"instance-failed"}
)
_PLAIN = (ending.UNKNOWN, ending.PYTHON, ending.JVM, bootstrap.OTHER)
_HEAP = re.compile(r"java\.lang\.OutOfMemoryError(?P<kind>: [^\n]{1,80})?")
_KERNEL = re.compile(r"[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<process>[^)]{1,60})\)|oom-kill:")
_KILLED_JVM = re.compile(r"line \d+: +\d+ Killed ")


@dataclass(frozen=True)
class Verdict:
    """What is made of the evidence.

    Attributes
    ----------
    cause : its name, of `table.NAMES`
    says, fix, next : what it means, what to do, what to type
    certain : named by the job, the bootstrap or an error code of EMR, not inferred from a text
    decides : where two causes are possible: what tells them apart
    said : the words that decided
    said_in : whose words they are
    raised : the deepest exception, where another line than ``said`` bears it
    first : the first line of the logs that reports an error, with its file; for what is not known
    ruled_out : what was looked for in the logs and is not there; the same
    traceback : the one that explains it
    exit_code : what the command around it should end with
    """

    cause: str
    says: str
    fix: str
    next: str
    certain: bool = False
    decides: str = ""
    said: str = ""
    said_in: str = ""
    raised: str = ""
    first: str = ""
    ruled_out: tuple[str, ...] = ()
    traceback: Traceback | None = None
    exit_code: int = UNDETERMINED

    @property
    def is_known(self) -> bool:
        """Whether the cause is more than what was printed."""
        return self.cause not in {cause.name for cause in _PLAIN}

    @property
    def is_failure(self) -> bool:
        """Whether anything failed at all."""
        return self.cause not in {ending.SUCCEEDED.name, ending.RUNNING.name, ending.WAITING.name}


Finder = Callable[[Scene], Hit | None]


def judge(evidence: Evidence) -> Verdict:
    """The cause of a failure: that of the first finder who has one."""
    scene = read(evidence)
    hit = next((found for _, find in FINDERS if (found := find(scene)) is not None), None)
    return _verdict(scene, hit or Hit(ending.UNKNOWN, Statement("", "")))


# -- how it ended ----------------------------------------
def by_end(scene: Scene) -> Hit | None:
    """A step that ended well, still runs, or was ended by somebody."""
    end, evidence = scene.end, scene.evidence
    if evidence.subject != "step" or (evidence.job is not None and end.how != "succeeded"):
        return None
    words = Statement(end.said, "YARN's client" if end.yarn else "EMR")
    if end.how == "succeeded":
        lost = "; what it lost on the way took nothing from it" if _losses(scene) else ""
        return Hit(ending.SUCCEEDED, words, {"lost": lost}, end.said)
    if end.how == "running":
        if waits := end.waits or _waits(scene):
            source = "YARN's client" if end.waits else "the driver"
            return Hit(ending.WAITING, replace(words, source=source), {"waits": _short(waits)}, waits)
        return Hit(ending.RUNNING, words, {"waits": _wanting(scene)}, end.said)
    if end.how == "killed" and (end.by or end.yarn == "KILLED") and not evidence.reason_code:
        return Hit(ending.CANCELLED, words, {"by": f", by {end.by}" if end.by else ""}, end.said)
    return None


# Application is Activated, waiting for resources to be assigned for AM.  Details : AM Partition = ON_DEMAND ; …
_PARTITION = re.compile(r"AM Partition = (?P<label>[\w<>]+) ; Partition Resource = <memory:0, vCores:0>")
_NO_NODE = re.compile(r"Skipping AM assignment as cluster resource is empty|Cluster resource is empty")
_LIMIT = re.compile(r"(?:AM|user) resource limit exceeded", re.IGNORECASE)
_UNACCEPTED = re.compile(r"Initial job has not accepted any resources")


def _short(waits: str) -> str:
    """What an application waits for, in plain words."""
    if _NO_NODE.search(waits):
        return "there is no healthy node in the cluster"
    if found := _PARTITION.search(waits):
        label = found["label"].strip("<>")
        which = {"ON_DEMAND": "on-demand ", "SPOT": "Spot "}.get(label, "" if "DEFAULT" in label else f"{label} ")
        return f"there is no {which}node for the driver"
    if _LIMIT.search(waits):
        return "other applications have the room that drivers may take"
    if _UNACCEPTED.search(waits):
        return "no node has room for an executor"
    if "Lost executor " in waits:
        return "every executor was lost, and no node is there for others"
    return "for nodes that its driver or executors may run on"


def _waits(scene: Scene) -> str:
    """A driver's own words about executors that it waits for: its last ones."""
    for document in scene.evidence.of_role("driver"):
        found = document.text.rfind("Initial job has not accepted any resources")
        if found >= 0 and "Registered executor" not in document.text[found:]:
            return line_around(document.text, found, found + 40)
    if _losses(scene) and _all_lost(scene):
        lost = [
            line for d in scene.evidence.of_role("driver") for line in d.text.split("\n") if "Lost executor " in line
        ]
        return line_around(lost[-1], 0, 1) if lost else ""
    return ""


def _all_lost(scene: Scene) -> bool:
    """Whether as many executors were lost as ever came."""
    text = "\n".join(d.text for d in scene.evidence.of_role("driver"))
    came = set(re.findall(r"Registered executor .{0,200}? with ID (\d+)", text))
    went = set(re.findall(r"Lost executor (\d+) on ", text))
    return bool(came) and came <= went


def _losses(scene: Scene) -> bool:
    return any(death.code and not _is_aftermath(death) for death in scene.deaths) or any(
        "Lost executor" in d.text for d in scene.evidence.of_role("driver")
    )


def _wanting(scene: Scene) -> str:
    return "; executors were lost on the way, and Spark asks for others" if _losses(scene) else ""


# -- what is named ----------------------------------------
def by_name(scene: Scene) -> Hit | None:
    """The row that the job, the bootstrap or EMR names, unless the name covers several causes."""
    hit = _named(scene)
    return None if hit is None or hit.cause.name in _VAGUE else hit


def by_vague_name(scene: Scene) -> Hit | None:
    """The same where nothing better was found."""
    hit = _named(scene)
    if hit is not None and hit.cause is bootstrap.OTHER and scene.node is None:
        for document in scene.evidence.of_role("bootstrap"):
            if line := firsts.last_error(document.text) or firsts.last_words(document.text):
                return replace(hit, statement=Statement(document.text, document.uri), said=line)
    return hit


def _named(scene: Scene) -> Hit | None:
    evidence, record, node = scene.evidence, scene.record, scene.node
    if evidence.subject == "step" and record is not None:
        for cause in CAUSES:
            if record.get("cause") in cause.job:
                message = str(record.get("message", ""))
                phase = f", in phase {record['phase']}" if record.get("phase") else ""
                return Hit(cause, Statement(message, f"the job{phase}"), said=message)
    if evidence.subject == "cluster" and node is not None:
        for cause in EVERY:
            if node.get("cause") in cause.node:
                message = str(node.get("message", ""))
                return Hit(cause, Statement(message, "the bootstrap"), said=message)
    if evidence.subject == "cluster" or evidence.state == "INTERRUPTED":
        return _by_code(evidence)
    return None


def _by_code(evidence: Evidence) -> Hit | None:
    """By EMR's error details, then by its reason."""
    for detail in evidence.details:
        if cause := next((cause for cause in EVERY if detail.code in cause.codes), None):
            data = dict(detail.data)
            named = (value for key in ("instance-type", "availability-zone") for value in _any(data, key))
            said = detail.message or evidence.reason or detail.code
            return Hit(cause, Statement(said, f"EMR ({detail.code})"), {"where": ", ".join(named)}, said)
    code, how = evidence.reason_code, evidence.reason
    for cause in EVERY if code else ():
        if code in cause.codes and not (cause is ending.ENDED and evidence.subject == "step"):
            return Hit(
                cause, Statement(how, f"EMR ({code})"), {"how": how or code} if cause is ending.ENDED else {}, how
            )
    return None


def _any(data: Mapping[str, str], key: str) -> list[str]:
    """What EMR's data says under a key, or under its plural, where the values stand in brackets."""
    return [found.strip("[]") for found in (data.get(key), data.get(f"{key}s")) if found]


# -- the exception that ended it ----------------------------------------
def _rows(scene: Scene, *, weak: bool = False) -> list[Cause]:
    cluster = scene.evidence.subject == "cluster"
    return [cause for cause in CAUSES if cause.weak == weak and (cluster or not cause.cluster_only)]


def _first(scene: Scene, said: list[Statement], *, weak: bool = False) -> Hit | None:
    """The first row whose pattern fits, statement by statement."""
    for statement in said:
        for cause in _rows(scene, weak=weak):
            if cause.driver_only and not statement.by_driver:
                continue
            if hit := match(cause, statement):
                return hit
    return None


def by_exception(scene: Scene) -> Hit | None:
    """The row whose pattern fits the job's words or the exception that ended the driver."""
    hit = _first(scene, [statement for statement in scene.statements if statement.is_core])
    if hit is not None and hit.cause is memory.PYTHON_MEMORY and hit.statement.source == "the driver's traceback":
        return replace(hit, cause=memory.DRIVER_PYTHON)
    return hit


def by_own_exception(scene: Scene) -> Hit | None:
    """An exception of our own or the user's Python, which is the failure itself whatever else a log reports."""
    found = scene.traceback
    if scene.evidence.subject != "step" or found is None or not found.decides or _named(scene) is not None:
        return None
    return _python(found)


def _python(found: Traceback) -> Hit:
    name = {"exception": found.exception.rpartition(".")[2]}
    return Hit(ending.PYTHON, Statement(found.text, "the traceback"), name, found.said)


_REFUSALS = ("resourcemanager-unreachable", "request-too-large", "queue-missing", "label-missing", "user-refused")


def by_client(scene: Scene) -> Hit | None:
    """What YARN's client gave up with: after that, what the application's own logs end with is aftermath."""
    client = [Statement("\n".join(telling(d)), d.uri) for d in scene.evidence.of_role("step")]
    return _of_rows(client, _REFUSALS)


def _of_rows(said: list[Statement], names: tuple[str, ...]) -> Hit | None:
    rows = [cause for cause in CAUSES if cause.name in names]
    return next((hit for statement in said for cause in rows if (hit := match(cause, statement))), None)


# -- the container that ended first ----------------------------------------
def by_death(scene: Scene) -> Hit | None:
    """What killed the driver, or the executors that the failure speaks of, by code, diagnostics and their own logs."""
    if scene.evidence.subject != "step":
        return None
    if (master := _last(scene, "master")) and (hit := _of_master(scene, master)):
        return hit
    if scene.is_told:
        return None
    executors = [death for death in _executors(scene) if not _is_aftermath(death)]
    for death in executors:
        if hit := _of_executor(scene, death):
            return hit
    if scene.tells_of_loss and (hit := _in_own_logs(scene, "")):
        return hit
    for of in ("python", "command"):
        if (death := _last(scene, of)) and (hit := _of_python(scene, death)):  # type: ignore[assignment]
            return hit
    return None


def _last(scene: Scene, of: str) -> Death | None:
    return next((death for death in reversed(scene.deaths) if death.of == of), None)


def _executors(scene: Scene) -> list[Death]:
    """The ends of executors: of the one that the failure itself names, then the earliest."""
    core = "\n".join(statement.text for statement in scene.statements if statement.is_core)
    named = [death for death in deaths.parse(core) if death.of == "executor"]
    return [*named, *(death for death in scene.deaths if death.of == "executor")]


def _is_aftermath(death: Death) -> bool:
    found = exits.meaning(death.code, "container", "executor")
    return death.code == 0 or (found is not None and found.aftermath)


def _of_master(scene: Scene, death: Death) -> Hit | None:
    """The end of the container that the driver runs in."""
    found = exits.meaning(death.code, "container", "master", "executor", "shell")
    words = Statement(death.block, "YARN's client")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code == 13:
        return _without_context(scene, hit)
    if death.code in (-103, -104):
        container = hit(memory.DRIVER_CONTAINER, used=_used(death.block))
        beyond = match(memory.EXECUTOR_CONTAINER, words)
        return container if beyond is None else replace(container, said=beyond.said)
    if found is not None and found.cause == "node-lost":
        if scene.evidence.lost_spot:
            return hit(nodes.LOST_SPOT)
        return hit(nodes.NODE_LOST, whose="the driver's node", nodes=_ended(scene))
    if death.code == 52 or (found is not None and found.cause in ("killed", "terminated", "native-crash")):
        own = _loud_in(scene, scene.evidence.of_role("driver"))
        if own is not None:
            return own
    causes = {"killed": memory.DRIVER_KILLED, "terminated": nodes.DRIVER_TERMINATED, "native-crash": memory.JVM_CRASH}
    if death.code == 52:
        return hit(memory.DRIVER_HEAP)
    if found is not None and found.cause in causes:
        return hit(causes[found.cause], signal=found.constant)
    if found is not None and found.cause not in ("", "no-spark-context"):
        named = next((cause for cause in CAUSES if cause.name == found.cause), None)
        return None if named is None else hit(named)
    if death.code == -1000:
        return _first(scene, [words]) or hit(nodes.LAUNCH)
    return None


_LATE = re.compile(r"Futures timed out after \[(?P<after>\d+ milliseconds)\]")


def _without_context(scene: Scene, hit: Callable[..., Hit]) -> Hit | None:
    """The master's 13: no SparkContext, because the program made none, or not in time, or because of an exception."""
    if scene.traceback is not None and scene.traceback.decides:
        return None
    for document in scene.evidence.of_role("driver", "step"):
        if found := _LATE.search(document.text):
            late = hit(row("no-spark-context", "late"), **_groups(found))
            return replace(late, said=line_around(document.text, found.start(), found.end()))
    return None if scene.is_told else hit(row("no-spark-context"))


def _of_python(scene: Scene, death: Death) -> Hit | None:
    """The end of the driver's Python, or of the command that EMR ran."""
    found = exits.meaning(death.code, "shell")
    if found is None or (death.of == "command" and found.cause == "command-missing"):
        return None
    if own := _loud_in(scene, scene.evidence.of_role("driver", "step")):
        return own
    words, said = Statement(death.block, "the step"), death.line
    if found.cause == "killed":
        return Hit(memory.DRIVER_KILLED, words, said=said)
    if found.cause == "native-crash":
        return Hit(memory.PYTHON_CRASH, words, {"signal": f"the driver's: {found.means}"}, said)
    return Hit(nodes.DRIVER_TERMINATED, words, said=said) if found.cause == "terminated" else None


def _of_executor(scene: Scene, death: Death) -> Hit | None:
    """Why an executor ended: its own log first, then YARN's diagnostics, then its code."""
    found = exits.meaning(death.code, "container", "executor", "shell")
    words = Statement(death.block, "the driver's log")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code in (-103, -104):
        return hit(memory.EXECUTOR_CONTAINER, used=_used(death.block))
    if found is not None and found.cause == "node-lost":
        if scene.evidence.lost_spot:
            return hit(nodes.LOST_SPOT)
        return hit(nodes.NODE_LOST, whose="a node", nodes=_ended(scene))
    if (own := _in_own_logs(scene, death.container)) is not None:
        return own
    if scene.evidence.lost_spot and found is not None and found.cause in ("killed", "terminated"):
        return hit(nodes.LOST_SPOT)
    if found is None or not found.cause:
        if death.code in (50, 51):
            return hit(nodes.UNCAUGHT, raised=_uncaught(scene, death.container))
        if death.code == -1000 or "container-launch" in death.block:
            return _first(scene, [words])
        return None
    by_cause = {
        "killed": memory.EXECUTOR_KILLED,
        "terminated": memory.EXECUTOR_TERMINATED,
        "native-crash": memory.JVM_CRASH,
        "out-of-memory-executor": memory.EXECUTOR_HEAP,
    }
    named = by_cause.get(found.cause) or next(cause for cause in CAUSES if cause.name == found.cause)
    return match(named, words) or hit(named, signal=found.constant)


def _in_own_logs(scene: Scene, container: str) -> Hit | None:
    """What an executor's own logs say of its end, up to where it was told to end."""
    own = [d for d in scene.evidence.of_role("executor") if not container or container in d.uri]
    for document in own or scene.evidence.of_role("executor"):
        text = deaths.before_aftermath(document.text)
        if found := _HEAP.search(text):
            said = line_around(text, found.start(), found.end())
            return Hit(memory.EXECUTOR_HEAP, Statement(text, document.uri, by_driver=False), _groups(found), said)
        if hit := _loud_in(scene, [replace(document, text=text)]):
            return hit
        chain = exceptions.choose(exceptions.parse(text))
        if chain is not None and chain.ends:
            words = Statement(chain.text, document.uri, by_driver=False)
            return _first(scene, [words]) or _jvm(chain, document.uri)
    for document in scene.evidence.of_role("node"):
        if found := _KERNEL.search(document.text):
            said = line_around(document.text, found.start(), found.end())
            return Hit(memory.EXECUTOR_CONTAINER, Statement(document.text, document.uri), {}, said)
    return None


def _groups(found: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in found.groupdict().items() if value}


def _uncaught(scene: Scene, container: str) -> str:
    for document in scene.evidence.of_role("executor"):
        if not container or container in document.uri:
            chain = exceptions.choose(exceptions.parse(deaths.before_aftermath(document.text)))
            if chain is not None:
                return f": {chain.deepest.said[:300]}"
    return ""


def _used(text: str) -> str:
    found = re.search(r"([\d.]+ .?B of [\d.]+ .?B)(?: physical| virtual)? memory used", text)
    return found[1] if found else ""


def _ended(scene: Scene) -> str:
    """What EMR says of the nodes that ended; that none of them was Spot, where that is so."""
    lost = [node for node in scene.evidence.nodes if node.ended]
    if not lost:
        return ""
    told = ", ".join(f"{node.instance}, {_market(node.market)} ({node.reason})" for node in lost[:5])
    return f": {told}"


def _market(market: str) -> str:
    return {"SPOT": "Spot", "ON_DEMAND": "on demand"}.get(market, "of a market that is not named")


# -- words ----------------------------------------
def by_words(scene: Scene) -> Hit | None:
    """The row whose pattern fits the lines in which client, controller, EMR or a bootstrap report a failure."""
    return None if scene.is_told else _first(scene, list(scene.statements))


def by_loud_words(scene: Scene) -> Hit | None:
    """The row that may be recognised anywhere in the logs, before anything was told to end."""
    return None if scene.is_told else _loud_in(scene, scene.evidence.of_role("driver", "step", "executor", "node"))


def _loud_in(scene: Scene, documents: list[Document]) -> Hit | None:
    for cause in (cause for cause in _rows(scene) if cause.loud):
        for document in documents:
            by_driver = document.role != "executor"
            if cause.driver_only and not by_driver:
                continue
            text = deaths.before_aftermath(document.text)
            if hit := match(cause, Statement(text, document.uri, by_driver=by_driver)):
                return hit
    return None


def by_report(scene: Scene) -> Hit | None:
    """The row whose pattern fits the last exception that was only reported, as a task's is."""
    chain = scene.reported_chain
    if chain is None or scene.is_told or scene.evidence.subject != "step":
        return None
    return _first(scene, [Statement(chain.text, "a reported exception")])


def by_sign(scene: Scene) -> Hit | None:
    """Rows that only say what was seen: a lost node, a worker that is gone, a service that did not answer."""
    core = [statement for statement in scene.statements if statement.is_core]
    if hit := _first(scene, core, weak=True) or _first(scene, list(scene.statements), weak=True):
        if hit.cause is nodes.NODE_LOST:
            if scene.evidence.lost_spot:
                return replace(hit, cause=nodes.LOST_SPOT)
            return replace(hit, groups={**hit.groups, "whose": "a node", "nodes": _ended(scene)})
        if hit.cause is nodes.EXECUTOR_LOST and scene.executors_chain is not None:
            return _jvm(scene.executors_chain, "an executor's log")
        return _earliest(scene, hit) if hit.cause is nodes.DRIVER_GONE else hit
    for cause in (cause for cause in _rows(scene, weak=True) if cause.loud and not scene.is_told):
        for document in scene.evidence.of_role("driver", "executor"):
            if hit := match(cause, Statement(deaths.before_aftermath(document.text), document.uri)):
                return hit
    return None


def _earliest(scene: Scene, hit: Hit) -> Hit:
    """The same row by the first words of a log that fit it: what follows them is aftermath."""
    for document in scene.evidence.of_role("driver", "step"):
        if found := match(hit.cause, Statement(document.text, document.uri)):
            return found
    return hit


def by_bare_exception(scene: Scene) -> Hit | None:
    """Python's or the JVM's exception, by its own name."""
    if scene.evidence.subject != "step":
        return None
    found, chain = scene.traceback, scene.chain or scene.executors_chain or scene.reported_chain
    if found is not None and found.is_itself:
        return _python(found)
    if chain is not None:
        return _jvm(chain, "the JVM's exception")
    return _python(found) if found is not None and found.exception else None


def _jvm(chain: exceptions.Chain, source: str) -> Hit:
    said = chain.deepest.said
    return Hit(ending.JVM, Statement(chain.text, source), {"exception": said[:300]}, said)


def by_cancelling(scene: Scene) -> Hit | None:
    """A step that EMR calls cancelled."""
    evidence = scene.evidence
    if evidence.subject != "step" or not (evidence.state in ("CANCELLED", "INTERRUPTED") or scene.end.how == "killed"):
        return None
    words = evidence.reason or evidence.step_reason or scene.end.said
    return Hit(ending.CANCELLED, Statement(words, "EMR"), {}, words)


def by_error_line(scene: Scene) -> Hit | None:
    """Nothing that is known: the line that reports the failure, or else a program's last words."""
    documents = scene.evidence.of_role("driver", "bootstrap", "executor", "step", "terraform")
    documents.sort(key=lambda document: ("driver", "bootstrap", "executor", "step", "terraform").index(document.role))
    said = [Statement(document.text, document.uri) for document in documents]
    said += [statement for statement in scene.statements if statement.source.startswith("EMR")]
    for find in (firsts.last_error, firsts.last_words, firsts.last_line):
        for statement in said:
            if line := find(statement.text):
                return Hit(ending.UNKNOWN, statement, said=line)
    return None


FINDERS: tuple[tuple[str, Finder], ...] = (
    ("how the step ended", by_end),
    ("what the job, the bootstrap or EMR names", by_name),
    ("the exception that ended it, where it is known", by_exception),
    ("our own or the user's Python", by_own_exception),
    ("what YARN's client gave up with", by_client),
    ("the process that ended first", by_death),
    ("the words in which the failure was reported", by_words),
    ("words that tell wherever they stand", by_loud_words),
    ("an exception that was only reported", by_report),
    ("what was seen, where no log says why", by_sign),
    ("what the job, the bootstrap or EMR names in general", by_vague_name),
    ("the exception by its own name", by_bare_exception),
    ("EMR's word that it was cancelled", by_cancelling),
    ("the line that reports an error", by_error_line),
)
"""In the order in which they are asked; the first that has an answer gives it."""


# -- the verdict ----------------------------------------
def _verdict(scene: Scene, hit: Hit) -> Verdict:
    evidence, record, found = scene.evidence, scene.record, scene.traceback
    named = _named(scene)
    certain = named is not None and hit.cause is named.cause and hit.cause not in BARE
    fields = _fields(hit, evidence)
    sentence, _, own = _parted(hit.said)
    plain = hit.cause in _PLAIN
    first = firsts.first_error(evidence) if plain and evidence.subject == "step" else ""
    chain = scene.chain or (scene.executors_chain if hit.cause.name == "executor-lost" else None)
    raised = chain.deepest.said[:MOST_SAID] if chain is not None and hit.cause is not ending.JVM else ""
    ended_well = hit.cause in (ending.SUCCEEDED, ending.RUNNING, ending.WAITING)
    is_same = chain is not None and hit.statement.is_core and chain.deepest.name in hit.statement.text
    if ended_well or hit.cause is ending.CANCELLED or is_same or (found is not None and found.decides):
        raised = ""
    shown = None if ended_well or hit.cause is ending.CANCELLED else found
    return Verdict(
        cause=hit.cause.name,
        says=hit.cause.says.format_map(fields),
        fix=own.strip().rstrip(".") if own and certain else hit.cause.fix.format_map(fields),
        next=hit.cause.next,
        certain=certain or ended_well,
        decides=_decides(hit, evidence),
        said=sentence.strip().rstrip(".")[:MOST_SAID],
        said_in=hit.statement.source,
        raised=raised,
        first=first if first and first.partition(": ")[2] not in hit.said else "",
        ruled_out=firsts.ruled_out(evidence) if plain and evidence.subject == "step" else (),
        traceback=None if record and not str(record.get("traceback") or "") and not shown else shown,
        exit_code=0 if ended_well else exit_code(evidence, record),
    )


def _parted(said: str) -> tuple[str, str, str]:
    """A sentence and the fix that it brings along."""
    for word in (" Fix: ", " Cure: "):  # the second in logs of older versions
        if word in said:
            return said.partition(word)
    return said, "", ""


def _decides(hit: Hit, evidence: Evidence) -> str:
    """What tells two causes apart, unless the evidence has done so already."""
    return "" if hit.cause.name == "node-lost" and evidence.lost_nodes else hit.cause.decides


_AFTER_COLON = (
    "where",
    "subnet",
    "group",
    "key",
    "uri",
    "package",
    "versions",
    "kind",
    "after",
    "what",
    "class",
    "command",
)


class _Fields(dict[str, str]):
    """Fields of a sentence; what was not found is said to be unknown, or left out."""

    def __missing__(self, key: str) -> str:
        if key == "grant":
            return "allow it"
        named = ("action", "resource", "module", "program", "signal", "exception", "library", "waits")
        return {"whose": "a node", "part": "a container", "setting": "driver or spark.executor"}.get(
            key, f"an unknown {key}" if key in named else ""
        )


def _fields(hit: Hit, evidence: Evidence) -> _Fields:
    fields = _Fields(hit.groups)
    if fields.get("used"):
        fields["used"] = f" ({fields['used']} used)"
    if region := fields.get("region"):
        fields["elsewhere"] = f": in {region}, and {fields.get('configured') or 'another region'} was set"
    if hit.cause.name == "lost-spot-nodes" and evidence.lost_spot:
        fields["nodes"] = ": " + ", ".join(evidence.lost_spot[:5])
    fields |= _filled(hit)
    if part := hit.groups.get("part"):
        is_driver = part == "AM"
        fields |= {
            "part": "the driver" if is_driver else "an executor",
            "setting": "driver" if is_driver else "executor",
        }
        fields["where"] = f"{hit.groups['asked']} and {hit.groups['most']} at most"
    for name in _AFTER_COLON:
        if value := fields.get(name):
            fields[name] = f": {value.removeprefix(': ').rstrip('.')}"
    if hit.cause is row("access-denied"):
        fields |= _refused(hit, evidence)
    return fields


def _filled(hit: Hit) -> dict[str, str]:
    """What a row's sentence names after a colon, from whichever group its pattern could give it another name in."""
    names = [name for _, name, _, _ in Formatter().parse(hit.cause.says) if name]
    spare = [value for name, value in hit.groups.items() if name not in names]
    lacking = [name for name in names if name in _AFTER_COLON and name not in hit.groups]
    return dict(zip(lacking, spare, strict=False))


def _refused(hit: Hit, evidence: Evidence) -> dict[str, str]:
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
