"""What is known of the node that a process ended on: EMR's words about it, YARN's and the kernel's logs. Pure."""

from __future__ import annotations

import re

from ops.diagnose.deaths import Death
from ops.diagnose.evidence import Document
from ops.diagnose.rows import memory, nodes
from ops.diagnose.scene import Hit, Scene, Statement, cut_line, match
from ops.logs import layout

# Out of memory: Killed process 12345 (java) total-vm:…     oom-kill:constraint=CONSTRAINT_NONE,…,task=python3,pid=77
_KERNEL = re.compile(
    r"[Oo]ut of memory: Kill(?:ed)? process \d+ \((?P<process>[^)\n]{1,60})\)|"
    r"oom-kill:[^\n]{0,400}?task=(?P<task>[^,\n]{1,60})"
)

# Expired:ip-10-0-0-5.eu-west-3.compute.internal:8041 Timed out after 600 secs
_SILENT = re.compile(r"Expired:\S{1,200} Timed out after (\d+ secs)")


def find_node_documents(scene: Scene, host: str) -> list[Document]:
    """The logs of a node; of all nodes whose logs were read where none is named."""
    name = layout.host_in(host)
    return [document for document in scene.evidence.find_documents("node") if not name or document.host == name]


def explain_loss(scene: Scene, death: Death, whose: str) -> Hit:
    """Why a node was lost: taken back by EC2, or full, or what EMR says of it."""
    words = Statement(death.block, "YARN's words about it")
    for document in find_node_documents(scene, death.host):
        if hit := match(nodes.DISK_FULL, Statement(document.text, document.uri)):
            return hit
    instance = scene.evidence.find_node(death.host)
    taken_back = instance.was_taken_back if instance is not None else bool(scene.evidence.lost_spot)
    if taken_back:
        return Hit(nodes.LOST_SPOT, words, {}, death.line)
    logs = "\n".join(document.text for document in find_node_documents(scene, death.host))
    silent = _SILENT.search(logs)
    silence = f": YARN heard nothing from it for {silent[1]}" if silent else ""
    return Hit(
        nodes.NODE_LOST, words, {"whose": whose, "nodes": silence + describe_ends(scene, death.host)}, death.line
    )


def explain_kill(scene: Scene, death: Death, *, driver: bool = False) -> Hit | None:
    """What a node's own logs say of a process that was killed there."""
    host = death.host or (scene.master_host if driver else "")
    for document in find_node_documents(scene, host):
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


def describe_ends(scene: Scene, host: str = "") -> str:
    """What EMR says of the instances that ended, or of the one of a host, with their markets."""
    instance = scene.evidence.find_node(host)
    nodes = [instance] if instance is not None else [node for node in scene.evidence.nodes if node.ended]
    words = [
        f"{node.instance}, {_market_name(node.market)} ({node.reason or 'EMR gives no reason'})"
        if node.ended
        else f"{node.instance}, {_market_name(node.market)}, which has not ended"
        for node in nodes[:5]
    ]
    return f": {', '.join(words)}" if words else ""


def _market_name(market: str) -> str:
    return {"SPOT": "Spot", "ON_DEMAND": "on demand"}.get(market, "of a market that is not named")
