"""What the job, the bootstrap or EMR names itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ops.diagnose import firsts
from ops.diagnose.evidence import Evidence
from ops.diagnose.rows import bootstrap, ending
from ops.diagnose.scene import Hit, Scene, Statement
from ops.diagnose.table import BARE, CAUSES, EVERY

# Names that cover more than one cause: better words, where there are any, go first.
_VAGUE = frozenset(
    {"output-unusable", "storage-unreachable", "bootstrap-wheelhouse", "bootstrap-python", *(c.name for c in BARE)}
    | {"instance-failed"}
)


def find_by_name(scene: Scene) -> Hit | None:
    """The row that the job, the bootstrap or EMR names, unless the name covers several causes."""
    hit = find_named(scene)
    return None if hit is None or hit.cause.name in _VAGUE else hit


def find_by_vague_name(scene: Scene) -> Hit | None:
    """The same where nothing better was found."""
    hit = find_named(scene)
    if hit is not None and hit.cause is bootstrap.OTHER and scene.node is None:
        for document in scene.evidence.find_documents("bootstrap"):
            if line := firsts.find_last_error(document.text) or firsts.find_last_words(document.text):
                return replace(hit, statement=Statement(document.text, document.uri), line=line)
    return hit


def find_named(scene: Scene) -> Hit | None:
    """The row that the job, the bootstrap or EMR names."""
    evidence, record, node = scene.evidence, scene.record, scene.node
    if evidence.subject == "step" and record is not None:
        for cause in CAUSES:
            if record.get("cause") in cause.job:
                message = str(record.get("message", ""))
                phase = f", in phase {record['phase']}" if record.get("phase") else ""
                return Hit(cause, Statement(message, f"the job{phase}"), line=message)
    if evidence.subject == "cluster" and node is not None:
        for cause in EVERY:
            if node.get("cause") in cause.node:
                message = str(node.get("message", ""))
                return Hit(cause, Statement(message, "the bootstrap"), line=message)
    if evidence.subject == "cluster" or evidence.state == "INTERRUPTED":
        return _find_by_code(evidence)
    return None


def _find_by_code(evidence: Evidence) -> Hit | None:
    """By EMR's error details, then by its reason."""
    for detail in evidence.details:
        if cause := next((cause for cause in EVERY if detail.code in cause.codes), None):
            places = (
                value for key in ("instance-type", "availability-zone") for value in _list_values(detail.data, key)
            )
            words = detail.message or evidence.reason or detail.code
            return Hit(cause, Statement(words, f"EMR ({detail.code})"), {"where": ", ".join(places)}, words)
    code, reason = evidence.reason_code, evidence.reason
    for cause in EVERY if code else ():
        if code in cause.codes and not (cause is ending.ENDED and evidence.subject == "step"):
            return Hit(
                cause,
                Statement(reason, f"EMR ({code})"),
                {"how": reason or code} if cause is ending.ENDED else {},
                reason,
            )
    return None


def _list_values(data: Mapping[str, str], key: str) -> list[str]:
    """What EMR's data says under a key, or under its plural, where the values stand in brackets."""
    return [value.strip("[]") for value in (data.get(key), data.get(f"{key}s")) if value]
