"""`make run-step`: pack the job, submit it to the cluster, watch it as long as it takes, say what came out.

What leaves this machine: the job as two files under a key made of their content (uploaded once, never changed), and a
request of one JSON file. The step's only argument that a user can influence is that file's address, so accents, commas
and empty strings never pass through a step's arguments.
"""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.backbones import Published, find_backbone
from fruits.errors import FruitsError, InputError, ModelError
from fruits.request import Request, is_model_file
from fruits.store import split_uri
from fruits.wording import format_count

from localaws import server
from localaws.settings import Settings
from ops.aws.account import Account
from ops.aws.capacity import CapacityNews
from ops.aws.emr import list_open_steps
from ops.aws.poll import LostError, pace, poll
from ops.aws.refusals import explain_refusal
from ops.aws.states import LIVE_STATES, OPEN_STATES
from ops.core.console import Console, working
from ops.core.errors import ExitCode, OperatorError
from ops.cost.after import tell_step_cost
from ops.diagnose import wait as diagnosis
from ops.job.local_spark import describe_run
from ops.job.names import result_name
from ops.job.package import ENTRY, content_key, job_zip
from ops.job.watch import Watcher, describe_progress
from ops.logs.waiting import WaitingLog

STEP_NAME = "fruits"
POLL_SECONDS = 10.0
MOST_WAITING_SECONDS = 900.0
"""A driver that no node takes for so long is not waited for; executors that never come end the job itself."""


@dataclass(frozen=True)
class Submitted:
    """A step: where it runs, and where its results go."""

    cluster_id: str
    step_id: str
    output: str


def upload_job(account: Account) -> tuple[str, str]:
    """Put entry point and zip under their content's key, unless they are there already; returns their URIs."""
    packed, entry = job_zip(), ENTRY.read_bytes()
    folder = f"jobs/{content_key(packed, entry)}"
    bucket, s3 = account.bucket("artifacts"), account.client("s3")
    sizes = {item["Key"]: item["Size"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=folder).get("Contents", [])}
    for name, data in (("fruits.zip", packed), (ENTRY.name, entry)):
        if sizes.get(f"{folder}/{name}") != len(data):
            # one PutObject: the object is there whole, or not at all
            s3.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=data)
    return f"s3://{bucket}/{folder}/{ENTRY.name}", f"s3://{bucket}/{folder}/fruits.zip"


def request_for(account: Account, values: Mapping[str, Any]) -> Request:
    """The request of these fields, with the data bucket's folders as defaults.

    Raises
    ------
    UsageError : for a value that cannot be
    """
    data = account.bucket("data")
    defaults = {"input": f"s3://{data}/images", "output": f"s3://{data}/results/{result_name(values.get('model'))}"}
    fields = {**defaults, **values}
    if not account.target.emulated:
        # with dynamic allocation Spark cannot say how large it may grow; the stack knows
        fields["parallelism"] = max(1, int(account.cluster["sizing"]["worker_vcpus"]))
    request = Request.from_json(fields)
    if not is_model_file(request.model):
        find_backbone(request.model)  # an unknown one costs a sentence here, and a step there
    return request


def require_inputs(account: Account, request: Request) -> None:
    """Refuse an input with nothing in it and weights that are not there: one look at S3, instead of a step that fails.

    What this operator may not look at, and what lies on another store, is left to the step.

    Raises
    ------
    InputError, ModelError
    """
    if not _holds(account, request.input):
        raise InputError(
            f"there is nothing at the input {request.input}. Fix: make upload-dataset INPUT=folder, or check INPUT=."
        )
    source = None if is_model_file(request.model) else find_backbone(request.model).source
    missing = isinstance(source, Published) and not (
        request.weights and _holds(account, f"{request.weights.rstrip('/')}/{source.file}", folder=False)
    )
    if missing or (source is None and not _holds(account, request.model, folder=False)):
        model = request.model
        raise ModelError(
            f"the weights of {model} are not where the cluster can read them. Fix: make weights MODEL={model}, copy "
            "the folder to S3, then WEIGHTS=s3://… with its address."
            if missing
            else f"there is no model {model}. Fix: copy the file to S3, then MODEL=s3://… with its address."
        )


def _holds(account: Account, uri: str, *, folder: bool = True) -> bool:
    """Whether something lies at an address in S3; True where that cannot be told from here."""
    if "://" not in uri:  # a path of this machine, which only the embedded AWS's nodes see
        return account.target.emulated and Path(uri).exists()
    scheme, rest = split_uri(uri)
    bucket, _, key = rest.partition("/")
    if not scheme.startswith("s3"):
        return True
    key = f"{key.rstrip('/')}/" if folder and key else key
    try:
        return bool(account.client("s3").list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)["KeyCount"])
    except ClientError as error:
        return str(error.response.get("Error", {}).get("Code")) != "NoSuchBucket"


def make_step_arguments(entry: str, packed: str, request: str) -> list[str]:
    """What EMR's command-runner is given."""
    return ["spark-submit", "--deploy-mode", "cluster", "--py-files", packed, entry, "--request", request]


def submit(account: Account, request: Request, *, queue: bool) -> Submitted:
    """Upload the job and the request, and add the step.

    Raises
    ------
    OperatorError : the cluster is gone, or another step is open and queueing was not asked for
    """
    state, reason = account.cluster_state()
    cluster_id = str(account.cluster["cluster_id"])
    if state not in LIVE_STATES:
        first = "make diagnose says why; " if state == "TERMINATED_WITH_ERRORS" else ""
        because = f" ({reason})" if reason else ""
        raise OperatorError(
            f"the cluster {cluster_id} is {state}{because}. Fix: {first}make apply creates a new one.",
            exit_code=ExitCode.CLUSTER_ENDED,
        )
    if not queue and (others := list_open_steps(account)):
        raise OperatorError(
            f"the step {others[0]['Id']} is {others[0]['Status']['State']} on {cluster_id}. Fix: wait for it, or "
            "QUEUE=1 to run after it.",
            exit_code=ExitCode.STEP_OPEN,
        )
    entry, packed = upload_job(account)
    bucket = account.bucket("data")
    key = f"requests/{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{os.urandom(3).hex()}.json"
    body = json.dumps(request.as_json(), ensure_ascii=False, indent=1).encode()
    account.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
    added = account.client("emr").add_job_flow_steps(
        JobFlowId=cluster_id,
        Steps=[
            {
                "Name": STEP_NAME,
                "ActionOnFailure": "CONTINUE",
                "HadoopJarStep": {
                    "Jar": "command-runner.jar",
                    "Args": make_step_arguments(entry, packed, f"s3://{bucket}/{key}"),
                },
            }
        ],
    )
    return Submitted(cluster_id, str(added["StepIds"][0]), request.output)


class NotEndedError(OperatorError):
    """The step could not be looked at: it has not ended."""


def watch(account: Account, submitted: Submitted, console: Console) -> Mapping[str, Any]:
    """Show the step until it has ended; returns EMR's status of it.

    There is no limit of time but for a driver that no node takes: after `MOST_WAITING_SECONDS` its step is cancelled.

    Raises
    ------
    NotEndedError : it could not be looked at, for hours or for want of a right. The step goes on
    """
    emr, emulated = account.client("emr"), account.target.emulated
    watcher = Watcher(account.store(submitted.output))
    waiting = WaitingLog(emr, account.client("s3"), submitted.cluster_id, submitted.step_id)
    news = CapacityNews(emr, submitted.cluster_id, account.target.env)
    limit = Limit(MOST_WAITING_SECONDS)
    with working(console, "submitted") as say:

        def look() -> Mapping[str, Any] | None:
            step = emr.describe_step(ClusterId=submitted.cluster_id, StepId=submitted.step_id)["Step"]
            status: Mapping[str, Any] = step["Status"]
            if status["State"] not in OPEN_STATES:
                return status
            if lacking := news.read():
                console.print(lacking, style="yellow")
            if status["State"] == "PENDING":
                cluster, reason = account.cluster_state()
                say(f"pending: the cluster is {cluster}{f', {reason}' if reason else ''}")
            else:
                sentence, reason = describe_progress_or_wait(watcher, waiting)
                say(sentence)
                if reason and len(list_open_steps(account)) > 1:
                    reason = ""  # it waits for another step, which is no want of nodes
                if limit.is_reached(reason, time.monotonic()):
                    give_up(account, submitted, reason, console)
            return None

        try:
            status = poll(look, pause=pace(POLL_SECONDS, emulated=emulated), say=say)
        except (LostError, BotoCoreError, ClientError) as error:
            if emulated and not server.list_processes(Settings.from_environment().home):
                message = (
                    f"the embedded AWS has ended, and the step {submitted.step_id}, its cluster and all images with "
                    "it. Fix: make apply starts a new one."
                )
                raise NotEndedError(message, exit_code=ExitCode.NOT_APPLIED) from error
            raise NotEndedError(_not_seen(account, submitted, error), exit_code=ExitCode.LOST) from error
    assert status is not None  # without a limit a look ends the wait, or raises
    return status


def _not_seen(account: Account, submitted: Submitted, error: Exception) -> str:
    again = account.target.command(f"watch STEP={submitted.step_id}")
    text = str(error) if isinstance(error, LostError) else explain_refusal(error)[0]
    reason = text.partition(". Fix:")[0]
    return (
        f"{reason}. The step {submitted.step_id} continues, and the cluster {describe_billing(account)}. Fix: log in "
        f"again or check the network, then {again}."
    )


def describe_progress_or_wait(watcher: Watcher, waiting: WaitingLog) -> tuple[str, str]:
    """What a running step does: by the job's own report, or, while there is none, what YARN lets it wait for.

    The second text is what is waited for; empty where the job has begun.
    """
    report = watcher.report()
    if report is None and (reason := waiting.explain()):
        return f"waiting: {reason}. make status shows the nodes; Ctrl-C leaves the step waiting", reason
    return describe_progress(report), ""


class Limit:
    """How long something may be waited for without a break.

    >>> limit = Limit(10)
    >>> [limit.is_reached(why, now) for why, now in (("a", 0), ("b", 9), ("", 12), ("a", 13), ("a", 23), ("a", 24))]
    [False, False, False, False, True, False]
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since: float | None = None
        self._was_reached = False

    def is_reached(self, reason: str, now: float) -> bool:
        """Whether it is reached now, for the first time; an empty reason ends the wait."""
        self._since = None if not reason else now if self._since is None else self._since
        if self._since is None or self._was_reached or now - self._since < self.seconds:
            return False
        self._was_reached = True
        return True


def give_up(account: Account, submitted: Submitted, reason: str, console: Console) -> None:
    """Cancel a step that no node takes, and say why."""
    waited = format_count(round(MOST_WAITING_SECONDS / 60), "minute")
    console.print(
        f"the step waited {waited} ({reason}) and is being cancelled: waiting bills. Fix: make status "
        "shows the nodes; more types and zones, or on demand (infra/env), then make run-step.",
        style="yellow",
    )
    account.client("emr").cancel_steps(
        ClusterId=submitted.cluster_id, StepIds=[submitted.step_id], StepCancellationOption="TERMINATE_PROCESS"
    )


def conclude(
    account: Account,
    submitted: Submitted,
    status: Mapping[str, Any],
    console: Console,
    *,
    patience: float = diagnosis.LATE_SECONDS,
    cost: bool = True,
) -> int:
    """Say how the step ended, and why where it failed; returns the exit code.

    Parameters
    ----------
    cost : say what it cost
    patience : seconds to wait for logs, where the job could not say itself why it failed
    """
    if status["State"] == "COMPLETED":
        output = account.store(submitted.output)
        try:
            summary = json.loads(output.read("run.json"))
        except (OSError, FruitsError) as error:
            sentence = (
                f"the step is COMPLETED; its summary could not be read here ({error}). Fix: make results fetches it."
            )
            console.print(sentence, style="yellow")
            return 0
        console.print(describe_run(summary, output))
        quiet = Console(quiet=True)
        tell_step_cost(account, submitted.cluster_id, submitted.step_id, summary, console if cost else quiet)
        return 0
    state, reason = account.cluster_state()
    if status["State"] == "CANCELLED" and state != "TERMINATED_WITH_ERRORS":
        because = f": the cluster is {state} ({reason})" if state not in LIVE_STATES and reason else ""
        console.print(f"the step {submitted.step_id} was cancelled{because}", style="red")
        return ExitCode.CANCELLED
    return tell_why(account, submitted.cluster_id, submitted.step_id, console, patience=patience)


def tell_why(account: Account, cluster_id: str, step_id: str, console: Console, *, patience: float) -> int:
    """Say why a step failed; returns the exit code: the job's own where it is known."""
    try:
        diagnosed = diagnosis.diagnose_step(account, cluster_id, step_id, console, patience=patience)
    except diagnosis.TROUBLE as error:
        console.print(
            f"the step {step_id} failed, and why could not be found out ({error}). Fix: make diagnose STEP={step_id}.",
            style="red",
        )
        return ExitCode.STEP_FAILED
    first, *rest = diagnosed.as_text(account.target.env).split("\n")
    console.print(first, style="red")
    console.print("\n".join(rest))
    return diagnosed.verdict.exit_code


def describe_billing(account: Account) -> str:
    """What a cluster that stays costs, in three words."""
    return "is the embedded AWS's: nothing is billed" if account.target.emulated else "bills until make destroy"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """On what terms a step runs.

    Attributes
    ----------
    queue : submit although another step is open
    detach : submit and leave
    one_shot : its cluster ends with it
    cost : say what it cost
    """

    queue: bool = False
    detach: bool = False
    one_shot: bool = False
    cost: bool = True


def begin(account: Account, fields: Mapping[str, Any], console: Console, *, queue: bool) -> Submitted:
    """Submit the request of these fields, and say where it runs."""
    request = request_for(account, fields)
    require_inputs(account, request)
    submitted = submit(account, request, queue=queue)
    console.print(f"step {submitted.step_id} on {submitted.cluster_id}, results below {submitted.output}")
    return submitted


def run_step(account: Account, fields: Mapping[str, Any], console: Console, terms: Terms) -> int:
    """Submit the request of these fields and, unless it is detached, watch; returns the exit code."""
    submitted = begin(account, fields, console, queue=terms.queue)
    if terms.detach:
        billing = describe_billing(account)
        console.print(f"it continues, and the cluster {billing}. Watch it: make watch STEP={submitted.step_id}")
        return 0
    return watch_to_the_end(account, submitted, console, terms)


def watch_to_the_end(account: Account, submitted: Submitted, console: Console, terms: Terms) -> int:
    """Watch a step and say how it ended; returns the exit code, that of Ctrl-C where it was left to itself."""
    return conclude_on(account, submitted, watch_unless_left(account, submitted, console, terms), console, terms)


def watch_unless_left(
    account: Account, submitted: Submitted, console: Console, terms: Terms
) -> Mapping[str, Any] | None:
    """Watch a step until it has ended; None after Ctrl-C, with a sentence about what becomes of it."""
    try:
        return watch(account, submitted, console)
    except KeyboardInterrupt:
        future = (
            f"continues, and the cluster {describe_billing(account)}. Watch it: make watch STEP={submitted.step_id}"
        )
        if terms.one_shot:
            future = "ends with its cluster (ONESHOT=1)"
        console.print(f"stopped watching; the step {submitted.step_id} {future}")
        return None


def conclude_on(
    account: Account, submitted: Submitted, status: Mapping[str, Any] | None, console: Console, terms: Terms
) -> int:
    """Say how a step on these terms ended, unless it was left; returns the exit code."""
    if status is None:
        return ExitCode.INTERRUPTED
    # A cluster of one step is destroyed first: waiting bills, and a cluster that ends ships its logs at once.
    at_once = terms.one_shot and not account.target.emulated
    patience = 0 if at_once else diagnosis.LATE_SECONDS
    return conclude(account, submitted, status, console, patience=patience, cost=terms.cost)
