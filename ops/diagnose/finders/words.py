"""Rows whose patterns fit the words in which a failure was reported, and exceptions by their own names. Pure."""

import re
from dataclasses import replace

from ops.diagnose import deaths, firsts
from ops.diagnose.evidence import Role
from ops.diagnose.hit import Hit, Statement, match
from ops.diagnose.rows import ending, memory, nodes
from ops.diagnose.scene import Scene, find_telling_lines, make_jvm_hit
from ops.diagnose.table import CAUSES
from ops.diagnose.tracebacks import Traceback


def find_by_exception(scene: Scene) -> Hit | None:
    """The row whose pattern fits the job's words or the exception that ended the driver."""
    hit = scene.find_row([statement for statement in scene.statements if statement.is_core])
    if hit is not None and hit.cause is memory.PYTHON_MEMORY and hit.statement.source == "the driver's traceback":
        return replace(hit, cause=memory.DRIVER_PYTHON)
    return hit


def find_by_own_exception(scene: Scene) -> Hit | None:
    """An exception of our own or the user's Python, which is the failure itself whatever else a log reports."""
    traceback = scene.traceback
    if scene.evidence.subject != "step" or traceback is None or not traceback.decides or scene.named is not None:
        return None
    return _make_python_hit(traceback)


def _make_python_hit(traceback: Traceback) -> Hit:
    name = {"exception": traceback.exception.rpartition(".")[2]}
    return Hit(ending.PYTHON, Statement(traceback.text, "the traceback"), name, traceback.summary)


_REFUSALS = ("resourcemanager-unreachable", "request-too-large", "queue-missing", "label-missing", "user-refused")


def find_by_client(scene: Scene) -> Hit | None:
    """What YARN's client gave up with: after that, what the application's own logs end with is aftermath."""
    statements = [Statement("\n".join(find_telling_lines(d)), d.uri) for d in scene.evidence.find_documents("step")]
    rows = [cause for cause in CAUSES if cause.name in _REFUSALS]
    return next((hit for statement in statements for cause in rows if (hit := match(cause, statement))), None)


def find_by_words(scene: Scene) -> Hit | None:
    """The row whose pattern fits the lines in which client, controller, EMR or a bootstrap report a failure."""
    return None if scene.explains_itself else scene.find_row(list(scene.statements))


def find_by_loud_words(scene: Scene) -> Hit | None:
    """The row that may be recognised anywhere in the logs, before anything was told to end."""
    if scene.explains_itself:
        return None
    return scene.find_loud_row(scene.evidence.find_documents("driver", "step", "executor", "node"))


def find_by_report(scene: Scene) -> Hit | None:
    """The row whose pattern fits the last exception that was only reported, as a task's is."""
    chain = scene.reported_chain
    if chain is None or scene.explains_itself or scene.evidence.subject != "step":
        return None
    return scene.find_row([Statement(chain.text, "a reported exception")])


def find_by_sign(scene: Scene) -> Hit | None:
    """Rows that only say what was seen: a lost node, a worker that is gone, a service that did not answer."""
    core = [statement for statement in scene.statements if statement.is_core]
    if hit := scene.find_row(core, weak=True) or scene.find_row(list(scene.statements), weak=True):
        if hit.cause is nodes.NODE_LOST:
            if scene.evidence.lost_spot:
                return replace(hit, cause=nodes.LOST_SPOT)
            return replace(hit, groups={**hit.groups, "whose": "a node", "nodes": scene.evidence.describe_ends()})
        if hit.cause in (nodes.EXECUTOR_LOST, nodes.SHUFFLE_LOST):
            hit = _find_silence(scene, hit) or hit
        chain = scene.executors_chain if hit.cause in (nodes.EXECUTOR_LOST, nodes.SILENT) else None
        if chain is not None and not (hit.cause is nodes.SILENT and "eartbeat" in chain.text):
            return make_jvm_hit(chain, "an executor's log")
        return _find_earliest(scene, hit) if hit.cause is nodes.DRIVER_GONE else hit
    for cause in (cause for cause in scene.select_rows(weak=True) if cause.loud and not scene.explains_itself):
        for document in scene.evidence.find_documents("driver", "executor"):
            if hit := match(cause, Statement(deaths.cut_aftermath(document.text), document.uri)):
                return hit
    return None


# ExecutorLostFailure (executor 4 exited …     FetchFailed(BlockManagerId(4, ip-10-0-0-6, 36493, None), …
_EXECUTOR = re.compile(r"\b(?:executor |BlockManagerId\()(\d+)\b")


def _find_silence(scene: Scene, hit: Hit) -> Hit | None:
    """The driver's words about heartbeats that stopped: of the executor that the failure names, where it names one."""
    named = set(_EXECUTOR.findall(hit.statement.text))
    for document in scene.evidence.find_documents("driver", "step"):
        for line in deaths.cut_aftermath(document.text).split("\n"):
            silence = match(nodes.SILENT, Statement(line, document.uri))
            if silence and (not named or silence.groups.get("executor") in named):
                return silence
    return None


def _find_earliest(scene: Scene, hit: Hit) -> Hit:
    """The same row by the first words of a log that fit it: what follows them is aftermath."""
    for document in scene.evidence.find_documents("driver", "step"):
        if first := match(hit.cause, Statement(document.text, document.uri)):
            return first
    return hit


def find_by_bare_exception(scene: Scene) -> Hit | None:
    """Python's or the JVM's exception, by its own name."""
    if scene.evidence.subject != "step":
        return None
    traceback, chain = scene.traceback, scene.chain or scene.executors_chain or scene.reported_chain
    if traceback is not None and traceback.is_itself:
        return _make_python_hit(traceback)
    if chain is not None:
        return make_jvm_hit(chain, "the JVM's exception")
    return _make_python_hit(traceback) if traceback is not None and traceback.exception else None


def find_by_error_line(scene: Scene) -> Hit | None:
    """Nothing that is known: the line that reports the failure, or else a program's last words."""
    roles: tuple[Role, ...] = ("driver", "bootstrap", "executor", "step", "terraform")
    statements = [Statement(d.text, d.uri) for role in roles for d in scene.evidence.find_documents(role)]
    statements += [statement for statement in scene.statements if statement.source.startswith("EMR")]
    for find in (firsts.find_last_error, firsts.find_last_words, firsts.find_last_line):
        for statement in statements:
            if line := find(statement.text):
                return Hit(ending.UNKNOWN, statement, line=line)
    return None
