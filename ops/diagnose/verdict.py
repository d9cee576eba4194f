"""What is made of the evidence: a row's sentence with the fields of what fitted it, whose words decided, what to do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from fruits.errors import EXIT_CODES

from ops.core.errors import ExitCode
from ops.diagnose import firsts
from ops.diagnose.evidence import Evidence
from ops.diagnose.hit import Hit
from ops.diagnose.rows import bootstrap, ending
from ops.diagnose.scene import Scene
from ops.diagnose.table import BARE, get_cause
from ops.diagnose.tracebacks import Traceback

MOST_SAID = 1000

_CALLS = {
    "s3:ListBucket": ("ListObjectsV2", "ListObjects", "HeadBucket", "listStatus"),
    "s3:GetObject": ("HeadObject", "GetObject", "getFileStatus", "open"),
    "s3:PutObject": ("PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"),
    "s3:DeleteObject": ("DeleteObject", "DeleteObjects", "delete"),
    "elasticmapreduce:RunJobFlow": ("RunJobFlow",),
}
"""Calls by the action that they need; those in lower case are Hadoop's S3A's."""
_ACTIONS = {call: action for action, calls in _CALLS.items() for call in calls}
_PLAIN = (ending.UNKNOWN, ending.PYTHON, ending.JVM, bootstrap.OTHER)


@dataclass(frozen=True)
class Verdict:
    """What is made of the evidence.

    Attributes
    ----------
    cause : its name, of `table.NAMES`
    meaning, fix, command : what it means, what to do, what to type
    certain : named by the job, the bootstrap or an error code of EMR, not inferred from a text
    distinction : where two causes are possible: what tells them apart
    words : those that decided
    source : whose words they are
    raised : the deepest exception, where another line than ``words`` has it
    first : the first line of the logs that reports an error, with its file; for what is not known
    ruled_out : what was looked for in the logs and is not there; the same
    traceback : the one that explains it
    exit_code : what the command around it should end with
    """

    cause: str
    meaning: str
    fix: str
    command: str
    certain: bool
    distinction: str = ""
    words: str = ""
    source: str = ""
    raised: str = ""
    first: str = ""
    ruled_out: tuple[str, ...] = ()
    traceback: Traceback | None = None
    exit_code: int = ExitCode.STEP_FAILED

    @property
    def is_known(self) -> bool:
        """Whether the cause is more than what was printed."""
        return self.cause not in {cause.name for cause in _PLAIN}

    @property
    def is_failure(self) -> bool:
        """Whether anything failed at all."""
        return self.cause not in {ending.SUCCEEDED.name, ending.RUNNING.name, ending.WAITING.name}


def make_verdict(scene: Scene, hit: Hit) -> Verdict:
    """What a hit says, in words."""
    evidence, record, traceback = scene.evidence, scene.record, scene.traceback
    name = scene.named
    certain = name is not None and hit.cause is name.cause and hit.cause not in BARE
    fields = _fill_fields(hit, evidence)
    sentence, _, own_fix = _split_fix(hit.line)
    plain = hit.cause in _PLAIN
    first_error = firsts.find_first_error(evidence) if plain and evidence.subject == "step" else ""
    chain = scene.chain or (scene.executors_chain if hit.cause.name == "executor-lost" else None)
    raised = chain.deepest.summary[:MOST_SAID] if chain is not None and hit.cause is not ending.JVM else ""
    ended_well = hit.cause in (ending.SUCCEEDED, ending.RUNNING, ending.WAITING)
    is_same = chain is not None and hit.statement.is_core and chain.deepest.name in hit.statement.text
    if ended_well or hit.cause is ending.CANCELLED or is_same or (traceback is not None and traceback.decides):
        raised = ""
    shown_traceback = None if ended_well or hit.cause is ending.CANCELLED else traceback
    return Verdict(
        cause=hit.cause.name,
        meaning=hit.cause.meaning.format_map(fields),
        fix=own_fix.strip().rstrip(".") if own_fix and certain else hit.cause.fix.format_map(fields),
        command=hit.cause.command,
        certain=certain or ended_well,
        distinction=_find_distinction(hit, evidence),
        words=sentence.strip().rstrip(".")[:MOST_SAID],
        source=hit.statement.source,
        raised=raised,
        first=first_error if first_error and first_error.partition(": ")[2] not in hit.line else "",
        ruled_out=firsts.list_ruled_out(evidence) if plain and evidence.subject == "step" else (),
        traceback=shown_traceback,
        exit_code=0 if ended_well else choose_exit_code(evidence, record),
    )


def _split_fix(words: str) -> tuple[str, str, str]:
    """A sentence and the fix that it brings along."""
    for word in (" Fix: ", " Cure: "):  # the second in logs of older versions
        if word in words:
            return words.partition(word)
    return words, "", ""


def _find_distinction(hit: Hit, evidence: Evidence) -> str:
    """What tells two causes apart, unless the evidence has done so already."""
    if hit.cause.name == "node-lost" and evidence.lost_nodes:
        return ""
    if hit.cause.variant == "killed" and evidence.find_documents("node"):
        return f"the logs of its node were read, and name no kill by the kernel or YARN; {hit.cause.distinction}"
    return hit.cause.distinction


_LISTED = [
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
]


class Fields(dict[str, str]):
    """Fields of a sentence; what was not found is said to be unknown, or left out."""

    def __missing__(self, key: str) -> str:
        if key == "grant":
            return "allow it"
        known_keys = ("action", "resource", "module", "program", "signal", "exception", "library", "waits")
        return _USUAL.get(key, f"an unknown {key}" if key in known_keys else "")


_USUAL = {
    "whose": "a node",
    "part": "a container",
    "setting": "driver or spark.executor",
    "fleets": "the core and task fleets",
    "variables": "core, task",
}
_ONE_NODE = {"fleets": "the primary node, which is alone", "variables": "primary"}
"""What there is to enlarge, as `ops.terraform.variables` names it."""


def _fill_fields(hit: Hit, evidence: Evidence) -> Fields:
    fields = Fields({**_ONE_NODE, **hit.groups} if evidence.is_one_node else hit.groups)
    if fields.get("used"):
        fields["used"] = f" ({fields['used']} used)"
    if region := fields.get("region"):
        fields["elsewhere"] = f": in {region}, and {fields.get('configured') or 'another region'} was set"
    if hit.cause.name == "lost-spot-nodes" and evidence.lost_spot:
        fields["nodes"] = ": " + ", ".join(evidence.lost_spot[:5])
    fields |= _take_spare_groups(hit)
    if part := hit.groups.get("part"):
        fields["part"], fields["setting"] = ("the driver", "driver") if part == "AM" else ("an executor", "executor")
        fields["where"] = f"{hit.groups['asked']} and {hit.groups['most']} at most"
    for name in _LISTED:
        if value := fields.get(name):
            fields[name] = f": {value.removeprefix(': ').rstrip('.')}"
    if hit.cause is get_cause("access-denied"):
        fields |= _describe_refusal(hit, evidence)
    return fields


def _take_spare_groups(hit: Hit) -> dict[str, str]:
    """What a row's sentence names after a colon, from whichever group its pattern could give it another name in."""
    names = [name for _, name, _, _ in Formatter().parse(hit.cause.meaning) if name]
    spare = [value for name, value in hit.groups.items() if name not in names]
    lacking = [name for name in names if name in _LISTED and name not in hit.groups]
    return dict(zip(lacking, spare, strict=False))


def _describe_refusal(hit: Hit, evidence: Evidence) -> dict[str, str]:
    """Which action on which resource was refused, to whom, and who grants it."""
    groups = hit.groups
    operation = groups.get("operation") or groups.get("call", "").partition(" ")[0]
    action = groups.get("action") or _ACTIONS.get(operation) or operation or "something"
    resource = groups.get("resource") or groups.get("uri") or ""
    if not resource and (bucket := groups.get("bucket")):
        resource = "/".join(part for part in (f"s3://{bucket}", groups.get("key", "")) if part)
    if not resource and (uri := re.search(r"s3[an]?://[^\s'\",;)]+", f"{hit.line} {hit.statement.text}")):
        resource = uri[0].rstrip(".:")
    recipient = f" to {groups['principal']}" if groups.get("principal") else ""
    terraform_logs = [document.uri for document in evidence.find_documents("terraform")]
    by_operator = action.startswith("elasticmapreduce:") or hit.statement.source in terraform_logs
    by_service = action.startswith(("ec2:", "iam:")) and not by_operator
    if by_service or "service role" in hit.line.lower():
        grant = f"allow it{recipient} in infra/modules/iam/service_role.tf, and see that the resource has our tags"
    elif by_operator:
        grant = f"allow it{recipient}: an operator's rights are in infra/operators (an administrator applies it)"
    else:
        grant = (
            "take an address that the nodes may use (images/, requests/, results/ of our data bucket), or "
            f"allow it{recipient} in infra/modules/iam/instance_role.tf"
        )
    return {"action": action, "resource": resource or "an address that was not named", "grant": grant}


def choose_exit_code(evidence: Evidence, record: Mapping[str, Any] | None) -> int:
    """What the command that watched should end with: the job's own code where it is known."""
    try:
        code = int(record["exit_code"]) if record is not None else ExitCode.STEP_FAILED
    except (KeyError, TypeError, ValueError):
        return ExitCode.STEP_FAILED
    return code if code in EXIT_CODES and code else ExitCode.STEP_FAILED
