"""How a step ended, where that settles it: it ended well, still runs, waits, or somebody ended it. Pure."""

import re
from dataclasses import replace

from ops.diagnose.deaths import is_aftermath
from ops.diagnose.hit import Hit, Statement, cut_line
from ops.diagnose.rows import ending
from ops.diagnose.scene import Scene
from ops.logs import client

CANCELLED_STATES = ("CANCELLED", "INTERRUPTED")
_NO_ROOM = "no node has room for an executor"
_NO_NODE = "every executor was lost, and no node is there for others"


def find_by_end(scene: Scene) -> Hit | None:
    """A step that ended well, still runs, or was ended by somebody."""
    end, evidence = scene.end, scene.evidence
    if evidence.subject != "step":
        return None
    if end.outcome == "killed":
        return _find_order(scene)
    if evidence.job is not None and end.outcome != "succeeded":
        return None
    words = Statement(end.words, "YARN's client" if end.yarn else "EMR")
    if end.outcome == "succeeded":
        lost = "; what it lost on the way took nothing from it" if _lost_any(scene) else ""
        return Hit(ending.SUCCEEDED, words, {"lost": lost}, end.words)
    if end.outcome == "running":
        lacks = "".join(f"; {lacking}" for lacking in evidence.lacks)
        if end.waits:
            return Hit(ending.WAITING, words, {"waits": client.explain_words(end.waits) + lacks}, end.waits)
        if line := _find_waiting_line(scene):
            reason = _NO_NODE if "Lost executor " in line else _NO_ROOM
            return Hit(ending.WAITING, replace(words, source="the driver"), {"waits": reason + lacks}, line)
        return Hit(ending.RUNNING, words, {"waits": _describe_losses(scene) + lacks}, end.words)
    return None


def _find_order(scene: Scene) -> Hit | None:
    """Somebody's order to end a step: what its log reports after that, or was going on without, did not end it."""
    end, evidence = scene.end, scene.evidence
    if scene.named is not None:
        return None
    if (end.by or end.yarn == "KILLED") and not evidence.reason_code:
        by = f", by {end.by}" if end.by else ""
        words = Statement(end.words, "YARN's client" if end.yarn else "EMR")
        return Hit(ending.CANCELLED, words, {"by": by}, end.words)
    return find_by_cancelling(scene) if evidence.stated and evidence.state in CANCELLED_STATES else None


def _find_waiting_line(scene: Scene) -> str:
    """A driver's own words about executors that it waits for: its last ones."""
    for document in scene.evidence.find_documents("driver"):
        begin = document.text.rfind("Initial job has not accepted any resources")
        if begin >= 0 and "Registered executor" not in document.text[begin:]:
            return cut_line(document.text, begin, begin + 40)
    if _lost_any(scene) and _lost_all_executors(scene):
        lines = [line for d in scene.evidence.find_documents("driver") for line in d.text.split("\n")]
        losses = [line for line in lines if "Lost executor " in line]
        return cut_line(losses[-1], 0, 1) if losses else ""
    return ""


def _lost_all_executors(scene: Scene) -> bool:
    """Whether as many executors were lost as ever came."""
    text = "\n".join(d.text for d in scene.evidence.find_documents("driver"))
    registered = set(re.findall(r"Registered executor .{0,200}? with ID (\d+)", text))
    lost = set(re.findall(r"Lost executor (\d+) on ", text))
    return bool(registered) and registered <= lost


def _lost_any(scene: Scene) -> bool:
    is_reported = any("Lost executor" in d.text for d in scene.evidence.find_documents("driver"))
    return is_reported or any(death.code and not is_aftermath(death) for death in scene.deaths)


def _describe_losses(scene: Scene) -> str:
    return "; executors were lost on the way, and Spark asks for others" if _lost_any(scene) else ""


def find_by_cancelling(scene: Scene) -> Hit | None:
    """A step that EMR calls cancelled."""
    evidence = scene.evidence
    is_cancelled = evidence.state in CANCELLED_STATES or scene.end.outcome == "killed"
    if evidence.subject != "step" or not is_cancelled:
        return None
    words = evidence.reason or evidence.step_reason or scene.end.words
    return Hit(ending.CANCELLED, Statement(words, "EMR"), {}, words)
