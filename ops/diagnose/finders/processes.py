"""The process that ended first: of which container, with which code, and what EMR, YARN and the kernel say of its node.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from ops.diagnose import deaths, exceptions, exits
from ops.diagnose.cause import Cause
from ops.diagnose.deaths import Death, is_aftermath
from ops.diagnose.evidence import Document
from ops.diagnose.hit import Hit, Statement, line_around, match
from ops.diagnose.rows import memory, nodes
from ops.diagnose.scene import Scene, name_jvm_exception
from ops.diagnose.table import CAUSES, row
from ops.logs import layout

_HEAP = re.compile(r"java\.lang\.OutOfMemoryError(?P<kind>: [^\n]{1,80})?")
# Out of memory: Killed process 12345 (java) total-vm:…     oom-kill:constraint=CONSTRAINT_NONE,…,task=python3,pid=77
_KERNEL = re.compile(
    r"[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<process>[^)\n]{1,60})\)|"
    r"oom-kill:[^\n]{0,400}?task=(?P<task>[^,\n]{1,60})"
)

# Expired:ip-10-0-0-5.eu-west-3.compute.internal:8041 Timed out after 600 secs
_SILENT = re.compile(r"Expired:\S{1,200} Timed out after (\d+ secs)")


def by_death(scene: Scene) -> Hit | None:
    """What killed the driver, or the executors that the failure speaks of, by code, diagnostics and their own logs."""
    if scene.evidence.subject != "step":
        return None
    if (master := _last(scene, "master")) and (hit := _of_master(scene, master)):
        return hit
    if scene.is_told:
        return None
    executors = [death for death in _executors(scene) if not is_aftermath(death)]
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


def _of_master(scene: Scene, death: Death) -> Hit | None:
    """The end of the container that the driver runs in."""
    code = exits.meaning(death.code, "container", "master", "executor", "shell")
    words = Statement(death.block, "YARN's client")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code == 13:
        return _without_context(scene, hit)
    if death.code in (-103, -104):
        container = hit(memory.DRIVER_CONTAINER, used=_used(death.block))
        beyond = match(memory.EXECUTOR_CONTAINER, words)
        return container if beyond is None else replace(container, said=beyond.said)
    if code is not None and code.cause == "node-lost":
        return _why_lost(scene, replace(death, host=death.host or scene.master_host), "the driver's node")
    if death.code == 52 or (code is not None and code.cause in ("killed", "terminated", "native-crash")):
        own = scene.find_loud_row(scene.evidence.of_role("driver"))
        if own := own or _why_killed(scene, death, driver=True):
            return own
    causes = {"killed": memory.DRIVER_KILLED, "terminated": nodes.DRIVER_TERMINATED, "native-crash": memory.JVM_CRASH}
    if death.code == 52:
        return hit(memory.DRIVER_HEAP)
    if code is not None and code.cause in causes:
        return hit(causes[code.cause], signal=code.constant)
    if code is not None and code.cause not in ("", "no-spark-context"):
        named = next((cause for cause in CAUSES if cause.name == code.cause), None)
        return None if named is None else hit(named)
    if death.code == -1000:
        return scene.find_row([words]) or hit(nodes.LAUNCH)
    return None


_LATE = re.compile(r"Futures timed out after \[(?P<after>\d+ milliseconds)\]")


def _without_context(scene: Scene, hit: Callable[..., Hit]) -> Hit | None:
    """The master's 13: no SparkContext, because the program made none, or not in time, or because of an exception."""
    if scene.traceback is not None and scene.traceback.decides:
        return None
    for document in scene.evidence.of_role("driver", "step"):
        if timeout := _LATE.search(document.text):
            late = hit(row("no-spark-context", "late"), **_groups(timeout))
            return replace(late, said=line_around(document.text, timeout.start(), timeout.end()))
    return None if scene.is_told else hit(row("no-spark-context"))


def _of_python(scene: Scene, death: Death) -> Hit | None:
    """The end of the driver's Python, or of the command that EMR ran."""
    code = exits.meaning(death.code, "shell")
    if code is None or (death.of == "command" and code.cause == "command-missing"):
        return None
    if own := scene.find_loud_row(scene.evidence.of_role("driver", "step")):
        return own
    words, line = Statement(death.block, "the step"), death.line
    if code.cause == "killed":
        return Hit(memory.DRIVER_KILLED, words, said=line)
    if code.cause == "native-crash":
        return Hit(memory.PYTHON_CRASH, words, {"signal": f"the driver's: {code.means}"}, line)
    return Hit(nodes.DRIVER_TERMINATED, words, said=line) if code.cause == "terminated" else None


def _of_executor(scene: Scene, death: Death) -> Hit | None:
    """Why an executor ended: its own log first, then YARN's diagnostics, then its code."""
    code = exits.meaning(death.code, "container", "executor", "shell")
    words = Statement(death.block, "the driver's log")

    def hit(cause: Cause, **groups: str) -> Hit:
        return Hit(cause, words, groups, death.line)

    if death.code in (-103, -104):
        return hit(memory.EXECUTOR_CONTAINER, used=_used(death.block))
    if code is not None and code.cause == "node-lost":
        return _why_lost(scene, death, "a node")
    if (own := _in_own_logs(scene, death.container) or _why_killed(scene, death)) is not None:
        return own
    if scene.evidence.lost_spot and code is not None and code.cause in ("killed", "terminated"):
        return hit(nodes.LOST_SPOT)
    if code is None or not code.cause:
        if death.code in (50, 51):
            return hit(nodes.UNCAUGHT, raised=_uncaught(scene, death.container))
        if death.code == -1000 or "container-launch" in death.block:
            return scene.find_row([words])
        return None
    by_cause = {
        "killed": memory.EXECUTOR_KILLED,
        "terminated": memory.EXECUTOR_TERMINATED,
        "native-crash": memory.JVM_CRASH,
        "out-of-memory-executor": memory.EXECUTOR_HEAP,
    }
    named = by_cause.get(code.cause) or next(cause for cause in CAUSES if cause.name == code.cause)
    return match(named, words) or hit(named, signal=code.constant)


def _in_own_logs(scene: Scene, container: str) -> Hit | None:
    """What an executor's own logs say of its end, up to where it was told to end."""
    own = [d for d in scene.evidence.of_role("executor") if not container or container in d.uri]
    for document in own or scene.evidence.of_role("executor"):
        text = deaths.before_aftermath(document.text)
        if heap := _HEAP.search(text):
            line = line_around(text, heap.start(), heap.end())
            return Hit(memory.EXECUTOR_HEAP, Statement(text, document.uri, by_driver=False), _groups(heap), line)
        if hit := scene.find_loud_row([replace(document, text=text)]):
            return hit
        chain = exceptions.choose(exceptions.parse(text))
        if chain is not None and chain.ends:
            words = Statement(chain.text, document.uri, by_driver=False)
            return scene.find_row([words]) or name_jvm_exception(chain, document.uri)
    return None


def _groups(words: re.Match[str]) -> dict[str, str]:
    return {name: value for name, value in words.groupdict().items() if value}


def _uncaught(scene: Scene, container: str) -> str:
    for document in scene.evidence.of_role("executor"):
        if not container or container in document.uri:
            chain = exceptions.choose(exceptions.parse(deaths.before_aftermath(document.text)))
            if chain is not None:
                return f": {chain.deepest.said[:300]}"
    return ""


def _used(text: str) -> str:
    amount = re.search(r"([\d.]+ .?B of [\d.]+ .?B)(?: physical| virtual)? memory used", text)
    return amount[1] if amount else ""


def _documents_of(scene: Scene, host: str) -> list[Document]:
    """The logs of a node; of all nodes whose logs were read where none is named."""
    wanted = layout.host_in(host)
    return [document for document in scene.evidence.of_role("node") if not wanted or document.host == wanted]


def _why_lost(scene: Scene, death: Death, whose: str) -> Hit:
    """Why a node was lost: taken back by EC2, or full, or what EMR says of it."""
    words = Statement(death.block, "YARN's words about it")
    for document in _documents_of(scene, death.host):
        if hit := match(nodes.DISK_FULL, Statement(document.text, document.uri)):
            return hit
    instance = scene.evidence.node_at(layout.host_in(death.host))
    taken_back = instance.was_taken_back if instance is not None else bool(scene.evidence.lost_spot)
    if taken_back:
        return Hit(nodes.LOST_SPOT, words, {}, death.line)
    logs = "\n".join(document.text for document in _documents_of(scene, death.host))
    silent = _SILENT.search(logs)
    silence = f": YARN heard nothing from it for {silent[1]}" if silent else ""
    return Hit(
        nodes.NODE_LOST,
        words,
        {"whose": whose, "nodes": silence + scene.evidence.describe_ends(layout.host_in(death.host))},
        death.line,
    )


def _why_killed(scene: Scene, death: Death, *, driver: bool = False) -> Hit | None:
    """What a node's own logs say of a process that was killed there."""
    host = death.host or (scene.master_host if driver else "")
    for document in _documents_of(scene, host):
        words = Statement(document.text, document.uri)
        lines = [line for line in document.text.split("\n") if not death.container or death.container in line]
        if hit := match(memory.EXECUTOR_CONTAINER, Statement("\n".join(lines), document.uri)):
            return hit if not driver else Hit(memory.DRIVER_CONTAINER, words, hit.groups, hit.said)
        if kill := _KERNEL.search(document.text):
            row = memory.DRIVER_KERNEL if driver else memory.EXECUTOR_KERNEL
            line = line_around(document.text, kill.start(), kill.end())
            return Hit(row, words, {"process": kill["process"] or kill["task"] or ""}, line)
        if hit := match(nodes.DISK_FULL, words):
            return hit
    return None
