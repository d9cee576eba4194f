"""The process that ended first: of which container, with which code, and what is known of its node. Pure."""

import re
from collections.abc import Callable
from dataclasses import replace

from ops.diagnose import deaths, exceptions, exits
from ops.diagnose.cause import Cause
from ops.diagnose.deaths import Death, is_aftermath
from ops.diagnose.evidence import Document
from ops.diagnose.hit import Hit, Statement, cut_line, match
from ops.diagnose.rows import memory, nodes
from ops.diagnose.scene import Scene, find_early_exception, make_jvm_hit
from ops.diagnose.table import CAUSES, get_cause
from ops.logs import layout

_HEAP = re.compile(r"java\.lang\.OutOfMemoryError(?P<kind>: [^\n]{1,80})?")
# Out of memory: Killed process 12345 (java) total-vm:…     oom-kill:constraint=CONSTRAINT_NONE,…,task=python3,pid=77
_KERNEL = re.compile(
    r"[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<process>[^)\n]{1,60})\)|"
    r"oom-kill:[^\n]{0,400}?task=(?P<task>[^,\n]{1,60})"
)

# Expired:ip-10-0-0-5.eu-west-3.compute.internal:8041 Timed out after 600 secs
_SILENT = re.compile(r"Expired:\S{1,200} Timed out after (\d+ secs)")


def find_by_death(scene: Scene) -> Hit | None:
    """What killed the driver, or the executors that the failure speaks of, by code, diagnostics and their own logs."""
    if scene.evidence.subject != "step":
        return None
    if (master := _find_last(scene, "master")) and (hit := _explain_master(scene, master)):
        return hit
    if scene.explains_itself:
        return None
    for death in _list_executor_deaths(scene):
        if hit := _explain_executor(scene, death):
            return hit
    if scene.reports_loss and (hit := _search_executor_logs(scene, "")):
        return hit
    ends = (_find_last(scene, "python"), _find_last(scene, "command"))
    return next((hit for death in ends if death and (hit := _explain_python(scene, death))), None)


def _find_last(scene: Scene, process: str) -> Death | None:
    return next((death for death in reversed(scene.deaths) if death.process == process), None)


def _list_executor_deaths(scene: Scene) -> list[Death]:
    """The ends of executors that explain something: of the one that the failure itself names, then the earliest."""
    core = "\n".join(statement.text for statement in scene.statements if statement.is_core)
    ends = [*deaths.parse_deaths(core), *scene.deaths]
    return [death for death in ends if death.process == "executor" and not is_aftermath(death)]


def _explain_master(scene: Scene, death: Death) -> Hit | None:
    """The end of the container that the driver runs in."""
    code = exits.explain_code(death.code, "container", "master", "executor", "shell")
    name = code.cause if code else ""
    words = Statement(death.block, "YARN's client")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code == 13:
        return _explain_missing_context(scene, hit)
    if death.code in (-103, -104):
        container = hit(memory.DRIVER_CONTAINER, used=_read_used_memory(death.block))
        beyond_limit = match(memory.EXECUTOR_CONTAINER, words)
        return container if beyond_limit is None else replace(container, line=beyond_limit.line)
    if name == "node-lost":
        return _explain_loss(scene, replace(death, host=death.host or scene.master_host), "the driver's node")
    causes = {"killed": memory.DRIVER_KILLED, "terminated": nodes.DRIVER_TERMINATED, "native-crash": memory.JVM_CRASH}
    if death.code == 52 or name in causes:
        better = scene.find_loud_row(scene.evidence.find_documents("driver"))
        if better := better or _explain_kill(scene, death, driver=True):
            return better
    if death.code == 52:
        return hit(memory.DRIVER_HEAP)
    if code and name in causes:
        return hit(causes[name], signal=code.constant)
    if code and name not in ("", "no-spark-context"):
        return hit(_get_row_of_code(name), **_describe_command(code))
    if death.code == -1000:
        return scene.find_row([words]) or hit(nodes.LAUNCH)
    return None


def _get_row_of_code(name: str) -> Cause:
    """The row that a code of a step's process names: not one of a cluster that did not come up."""
    return next(cause for cause in CAUSES if cause.name == name and not cause.cluster_only)


def _describe_command(code: exits.Exit) -> dict[str, str]:
    """What a shell means by a code, where it could not run a command."""
    return {"command": f"{code.means} ({code.code})"} if code.cause == "command-missing" else {}


_LATE = re.compile(r"Futures timed out after \[(?P<after>\d+ milliseconds)\]")


def _explain_missing_context(scene: Scene, hit: Callable[..., Hit]) -> Hit | None:
    """The master's 13: no SparkContext, because the program made none, or not in time, or because of an exception."""
    if scene.traceback is not None and scene.traceback.decides:
        return None
    for document in scene.evidence.find_documents("driver", "step"):
        if timeout := _LATE.search(document.text):
            late_hit = hit(get_cause("no-spark-context", "late"), **_groups(timeout))
            return replace(late_hit, line=cut_line(document.text, timeout.start(), timeout.end()))
    return None if scene.explains_itself else hit(get_cause("no-spark-context"))


def _explain_python(scene: Scene, death: Death) -> Hit | None:
    """The end of the driver's Python, or of the command that EMR ran."""
    code = exits.explain_code(death.code, "shell")
    if code is None:
        return None
    if better := scene.find_loud_row(scene.evidence.find_documents("driver", "step")):
        return better
    words, line = Statement(death.block, "the step"), death.line
    if code.cause == "killed":
        return Hit(memory.DRIVER_KILLED, words, line=line)
    if code.cause == "native-crash":
        return Hit(memory.PYTHON_CRASH, words, {"signal": f"the driver's: {code.means}"}, line)
    if code.cause == "command-missing":
        row = _get_row_of_code(code.cause)
        return scene.find_row(list(scene.statements)) or Hit(row, words, _describe_command(code), line)
    return Hit(nodes.DRIVER_TERMINATED, words, line=line) if code.cause == "terminated" else None


def _explain_executor(scene: Scene, death: Death) -> Hit | None:
    """Why an executor ended: its own log first, then YARN's diagnostics, then its code."""
    code = exits.explain_code(death.code, "container", "executor", "shell")
    words = Statement(death.block, "the driver's log")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code in (-103, -104):
        return hit(memory.EXECUTOR_CONTAINER, used=_read_used_memory(death.block))
    if code is not None and code.cause == "node-lost":
        return _explain_loss(scene, death, "a node")
    if (better := _search_executor_logs(scene, death.container) or _explain_kill(scene, death)) is not None:
        return better
    if scene.evidence.lost_spot and code is not None and code.cause in ("killed", "terminated"):
        return hit(nodes.LOST_SPOT)
    if code is None or not code.cause:
        if death.code in (50, 51):
            return hit(nodes.UNCAUGHT, raised=_describe_uncaught(scene, death.container))
        if death.code == -1000 or "container-launch" in death.block:
            return scene.find_row([words])
        return None
    by_cause = {
        "killed": memory.EXECUTOR_KILLED,
        "terminated": memory.EXECUTOR_TERMINATED,
        "native-crash": memory.JVM_CRASH,
        "out-of-memory-executor": memory.EXECUTOR_HEAP,
    }
    matching = by_cause.get(code.cause) or _get_row_of_code(code.cause)
    return match(matching, words) or hit(matching, signal=code.constant, **_describe_command(code))


def _search_executor_logs(scene: Scene, container: str) -> Hit | None:
    """What an executor's own logs say of its end, up to where it was told to end."""
    documents = [d for d in scene.evidence.find_documents("executor") if container in d.uri]
    for document in documents or scene.evidence.find_documents("executor"):
        text = deaths.cut_aftermath(document.text)
        if heap := _HEAP.search(text):
            line = cut_line(text, heap.start(), heap.end())
            return Hit(memory.EXECUTOR_HEAP, Statement(text, document.uri, by_driver=False), _groups(heap), line)
        if hit := scene.find_loud_row([replace(document, text=text)]):
            return hit
        if (chain := exceptions.find_exception(text)) and chain.ends:
            words = Statement(chain.text, document.uri, by_driver=False)
            return scene.find_row([words]) or make_jvm_hit(chain, document.uri)
    return None


def _groups(words: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in words.groupdict().items() if value}


def _describe_uncaught(scene: Scene, container: str) -> str:
    chain = find_early_exception([d for d in scene.evidence.find_documents("executor") if container in d.uri])
    return f": {chain.deepest.summary[:300]}" if chain else ""


def _read_used_memory(text: str) -> str:
    amount = re.search(r"([\d.]+ .?B of [\d.]+ .?B)(?: physical| virtual)? memory used", text)
    return amount[1] if amount else ""


def _find_node_documents(scene: Scene, host: str) -> list[Document]:
    """The logs of a node; of all nodes whose logs were read where none is named."""
    name = layout.host_in(host)
    return [document for document in scene.evidence.find_documents("node") if not name or document.host == name]


def _explain_loss(scene: Scene, death: Death, whose: str) -> Hit:
    """Why a node was lost: taken back by EC2, or full, or what EMR says of it."""
    words = Statement(death.block, "YARN's words about it")
    for document in _find_node_documents(scene, death.host):
        if hit := match(nodes.DISK_FULL, Statement(document.text, document.uri)):
            return hit
    instance = scene.evidence.find_node(layout.host_in(death.host))
    taken_back = instance.was_taken_back if instance is not None else bool(scene.evidence.lost_spot)
    if taken_back:
        return Hit(nodes.LOST_SPOT, words, {}, death.line)
    logs = "\n".join(document.text for document in _find_node_documents(scene, death.host))
    silent = _SILENT.search(logs)
    silence = f": YARN heard nothing from it for {silent[1]}" if silent else ""
    ends = scene.evidence.describe_ends(layout.host_in(death.host))
    return Hit(nodes.NODE_LOST, words, {"whose": whose, "nodes": silence + ends}, death.line)


def _explain_kill(scene: Scene, death: Death, *, driver: bool = False) -> Hit | None:
    """What a node's own logs say of a process that was killed there."""
    host = death.host or (scene.master_host if driver else "")
    for document in _find_node_documents(scene, host):
        words = Statement(document.text, document.uri)
        lines = [line for line in document.text.split("\n") if not death.container or death.container in line]
        if hit := match(memory.EXECUTOR_CONTAINER, Statement("\n".join(lines), document.uri)):
            return hit if not driver else Hit(memory.DRIVER_CONTAINER, words, hit.groups, hit.line)
        if kill := _KERNEL.search(document.text):
            row = memory.DRIVER_KERNEL if driver else memory.EXECUTOR_KERNEL
            line = cut_line(document.text, kill.start(), kill.end())
            return Hit(row, words, {"process": kill["process"] or kill["task"] or ""}, line)
        if hit := match(nodes.DISK_FULL, words):
            return hit
    return None
