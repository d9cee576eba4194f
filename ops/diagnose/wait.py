"""Finding the evidence in time: at once what costs seconds, then the logs as EMR ships them, saying what is awaited."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError

from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.emr import list_steps
from ops.aws.poll import pace, poll
from ops.core.console import Console, working
from ops.core.errors import ExitCode, NotAppliedError, OperatorError
from ops.core.target import PROJECT
from ops.diagnose import gather, render
from ops.diagnose.causes import judge
from ops.diagnose.evidence import Document, Evidence
from ops.diagnose.gather import NEVER
from ops.diagnose.verdict import Verdict
from ops.logs import layout
from ops.logs.layout import LATER

LATE_SECONDS = layout.SHIPPING.total_seconds()
POLL_SECONDS = 10.0
FAILED_STATES = ("FAILED", "CANCELLED", "INTERRUPTED")
BEGUN_STATES = ("RUNNING", "CANCEL_PENDING")

TROUBLE = (OperatorError, FruitsError, BotoCoreError, ClientError)
"""What looking may end with; a command that has failed already does not fail otherwise because of it."""


@dataclass(frozen=True)
class Diagnosis:
    """What was found, and what is made of it."""

    evidence: Evidence
    verdict: Verdict

    def as_text(self, env: str = "") -> str:
        """The diagnosis for a reader; ``env`` is written into the names of files."""
        text = render.as_text(self.evidence, self.verdict)
        return text.replace("<env>", env) if env else text


class NothingFailedError(OperatorError):
    """There is nothing to diagnose, which is no failure either."""

    exit_code = ExitCode.DONE


def diagnose_step(account: Account, cluster_id: str, step_id: str, console: Console, *, patience: float) -> Diagnosis:
    """Diagnose a step: from the job's own record in seconds, otherwise from its logs. One that runs: what it waits for.

    Parameters
    ----------
    patience : seconds to wait for logs; Ctrl-C ends the wait, and what is there is judged

    Raises
    ------
    OperatorError : there is no such cluster or step, or it has not begun, or ended well
    """
    evidence = gather.gather_step(account, cluster_id, step_id, logs=False)
    look = partial(gather.gather_step, account, cluster_id, step_id, logs=True)
    if evidence.state in BEGUN_STATES:
        return make_diagnosis(look())
    if evidence.state not in FAILED_STATES:
        raise NothingFailedError(
            f"nothing failed: the step {step_id} is {evidence.state}. make steps names those that have failed."
        )
    if evidence.job is not None:
        return diagnose_early(look(), evidence)
    if evidence.state == "CANCELLED" and evidence.reason_code in ("BOOTSTRAP_FAILURE", "VALIDATION_ERROR"):
        return diagnose_cluster(account, cluster_id, console, patience=patience)  # it never began
    return wait_for_logs(look, evidence, account, console, patience=patience)


def diagnose_cluster(account: Account, cluster_id: str, console: Console, *, patience: float) -> Diagnosis:
    """Diagnose a cluster that failed to start, or ended with an error.

    Raises
    ------
    OperatorError : there is no such cluster, or it has not failed
    """
    evidence = gather.gather_cluster(account, cluster_id, logs=False)
    look = partial(gather.gather_cluster, account, cluster_id, logs=True)
    if not has_failed(evidence):
        reason = f" ({evidence.reason})" if evidence.reason else ""
        raise NothingFailedError(
            f"nothing failed: the cluster {cluster_id} is {evidence.state}{reason}, and none of its steps FAILED. "
            "A step that seems to stand still: make diagnose STEP=… says what it waits for."
        )
    if evidence.node is not None:
        return diagnose_early(look(), evidence)
    if not gather.is_bootstrap_failure(evidence):
        return Diagnosis(evidence, judge(evidence))
    return wait_for_logs(look, evidence, account, console, patience=patience)


def has_failed(evidence: Evidence) -> bool:
    """Whether EMR says that a cluster failed. While it ends, its reason is there already."""
    codes = ("BOOTSTRAP_FAILURE", "VALIDATION_ERROR", "INTERNAL_ERROR", "INSTANCE_FAILURE", "INSTANCE_FLEET_TIMEOUT")
    return evidence.state == "TERMINATED_WITH_ERRORS" or evidence.reason_code in (*codes, "STEP_FAILURE")


def diagnose_early(full: Evidence, early: Evidence) -> Diagnosis:
    """The failure was named where it happened: logs that have arrived add addresses, and nothing is awaited."""
    return make_diagnosis(replace(full if full.documents else early, missing=full.missing))


def make_diagnosis(evidence: Evidence) -> Diagnosis:
    """What the evidence says now; of a log that is missing, also whether it can still come."""
    when = LATER if layout.shipping_seconds(evidence.end) else NEVER
    missing = f"{evidence.missing}: {when}" if evidence.missing else ""
    return Diagnosis(replace(evidence, missing=missing), judge(evidence))


def wait_for_logs(
    look: Callable[[], Evidence], evidence: Evidence, account: Account, console: Console, *, patience: float
) -> Diagnosis:
    """Look until the last logs are there, the cause is known, no log can come any more, or the patience ends."""
    pause = pace(POLL_SECONDS, emulated=account.target.emulated)
    limit = min(patience, layout.shipping_seconds(evidence.end))
    try:
        with working(console, f"looking for the cause: {evidence.name}") as say:

            def look_again() -> Diagnosis | None:
                nonlocal evidence
                evidence = look()
                verdict = judge(evidence)
                if not evidence.missing or (verdict.is_known and evidence.documents):
                    return Diagnosis(evidence, verdict)
                if limit:
                    say(f"waiting for {evidence.missing}; {LATER}")
                return None

            if (diagnosis := poll(look_again, pause=pause, limit=limit, say=say)) is not None:
                return diagnosis
    except KeyboardInterrupt:
        console.print("stopped waiting; this is what is known so far")
    return make_diagnosis(evidence)


def find_newest_failure(account: Account, cluster_id: str) -> str:
    """The newest step of a cluster that failed; empty where none did."""
    failures = (step for step in list_steps(account, cluster_id, limit=1000) if step["Status"]["State"] == "FAILED")
    return str(next(failures, {"Id": ""})["Id"])


def find_cluster_id(account: Account) -> str:
    """The environment's cluster: of Terraform's outputs, or, where `apply` broke off, the newest of its name.

    Raises
    ------
    NotAppliedError : there is none
    """
    try:
        return str(account.cluster["cluster_id"])
    except NotAppliedError:
        name = f"{PROJECT}-{account.target.env}"
        for cluster in list_pages(account.client("emr"), "list_clusters", "Clusters"):  # the newest first
            if cluster["Name"] == name:
                return str(cluster["Id"])
        raise


def diagnose(
    account: Account, console: Console, *, cluster_id: str = "", step_id: str = "", patience: float
) -> Diagnosis:
    """Why a step or cluster failed; by default the newest failure of the environment's cluster."""
    cluster_id = cluster_id or find_cluster_id(account)
    step_id = step_id or find_newest_failure(account, cluster_id)
    if step_id:
        return diagnose_step(account, cluster_id, step_id, console, patience=patience)
    return diagnose_cluster(account, cluster_id, console, patience=patience)


def diagnose_start(account: Account, printed: str, console: Console) -> Diagnosis | None:
    """Why a cluster did not come up, from what Terraform printed and from EMR; None where neither tells.

    Never raises: the command has failed already, and its own message stands.
    """
    try:
        cluster_ids = layout.CLUSTER.findall(printed)
        if cluster_ids or not printed:
            cluster_id = cluster_ids[-1] if cluster_ids else find_cluster_id(account)
            return diagnose_cluster(account, cluster_id, console, patience=LATE_SECONDS)
    except TROUBLE:
        cluster_ids = []
    errors = Document("terraform", "terraform", "\n".join(list_terraform_errors(printed)))
    evidence = Evidence(subject="cluster", state="NOT CREATED", documents=(errors,))
    verdict = judge(evidence)
    return Diagnosis(evidence, verdict) if verdict.is_known else None


def list_terraform_errors(printed: str) -> list[str]:
    """The lines of Terraform's errors, without its frame.

    >>> list_terraform_errors("aws_x: Creating...\\n\\u2577\\n\\u2502 Error: no\\n\\u2502 because\\n\\u2575")
    ['Error: no', 'because']
    """
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    return [line.lstrip("│ ").rstrip() for line in plain.split("\n") if line.startswith("│")]
