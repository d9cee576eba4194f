"""`make run-step` and `make watch`: the command line around `ops.lifecycle.step`, and `ONESHOT=1`.

With ``ONESHOT=1`` the cluster does not outlive the step: it is destroyed after success (once the results are fetched),
failure, Ctrl-C, and when the terminal is closed.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fruits.command_line import read_request

from ops.aws import emr
from ops.aws.account import Account
from ops.cli.place import open_account
from ops.cli.values import is_on, read_fields
from ops.core.console import Console, tell_next
from ops.core.errors import ExitCode, WrongUseError
from ops.cost.upkeep import tell_upkeep
from ops.diagnose import wait as diagnosis
from ops.lifecycle import fault, step
from ops.lifecycle.environment import destroy, fetch_results


def read_terms(environ: Mapping[str, str]) -> step.Terms:
    """The terms that QUEUE, DETACH and ONESHOT name."""
    queue, detach, one_shot = (is_on(environ, name) for name in ("QUEUE", "DETACH", "ONESHOT"))
    return step.Terms(queue=queue, detach=detach, one_shot=one_shot)


def refuse_contradictions(environ: Mapping[str, str]) -> None:
    """Refuse what cannot go together, before anything is submitted.

    Raises
    ------
    OperatorError
    """
    for name in ("ONESHOT", "FAULT"):
        if is_on(environ, "DETACH") and environ.get(name):
            raise WrongUseError(f"DETACH=1 leaves before {name} is done. Fix: give one of the two.")
    fault.parse_fault(environ.get("FAULT") or "", fault.IN_STEP)


def run_once(account: Account, fields: Mapping[str, Any], console: Console, terms: step.Terms) -> int:
    """The step, its results, and the end of the cluster once the step has ended or Ctrl-C was pressed.

    A step that never began, or could not be looked at, has not ended: whatever is raised then, its cluster stays, and
    the message says so.
    """
    is_open = True
    try:
        submitted = step.begin(account, fields, console, queue=terms.queue)
        status = step.watch_unless_left(account, submitted, console, terms)
        is_open = False
        code = step.conclude_on(account, submitted, status, console, terms)
        if code == 0:
            fetch_results(account, console, uri=fields.get("output", ""), model=fields.get("model", ""))
    except Exception as error:
        if is_open:
            error.add_note(f"ONESHOT=1 destroyed nothing: the cluster {step.describe_billing(account)}.")
        raise
    except BaseException:
        is_open = False
        raise
    finally:
        if not is_open:
            destroy_at_end(account, console)
    if code == ExitCode.STEP_FAILED and not account.target.emulated:
        code = explain_afterwards(account, console)
    return code


def destroy_at_end(account: Account, console: Console) -> None:
    """Destroy the cluster; when that fails, say that it may still bill."""
    try:
        destroy(replace(account), console)  # a session of its own: the step may have outlived the credentials
    except BaseException:
        if not account.target.emulated:
            console.print("THE CLUSTER MAY STILL BILL. Fix: make destroy.", style="bold red")
        raise


def explain_afterwards(account: Account, console: Console) -> int:
    """Why the step of a cluster that is gone failed, from the logs that it shipped when it ended."""
    cluster_id = str(account.cluster["cluster_id"])
    step_id = diagnosis.find_newest_failure(account, cluster_id)
    if not step_id:
        return ExitCode.STEP_FAILED
    return step.tell_why(account, cluster_id, step_id, console, patience=diagnosis.LATE_SECONDS)


def tell_end(account: Account, code: int, console: Console, output: str) -> int:
    """The last lines after a step was watched: what goes on billing, and what to type next to see its results."""
    if code != ExitCode.INTERRUPTED:
        console.print(tell_upkeep(account))
    if code == 0:
        is_default = output.rstrip("/") == step.request_for(account, {}).output
        goal = "results" if is_default else f"results OUTPUT={output}"
        tell_next(console, account.target.command(goal), account.target.command("destroy"))
    return code


def main(environ: Mapping[str, str]) -> int:
    """`make run-step`: the job's own exit code where it is known."""
    refuse_contradictions(environ)
    fields, terms = read_fields(environ), read_terms(environ)
    account, console = open_account(environ), Console()
    if uri := environ.get("REQUEST"):
        request = read_request(uri, account.store).as_json()
        fields = {name: value for name, value in request.items() if value is not None}
    with fault.injected(account, environ.get("FAULT") or "", fault.IN_STEP):
        if terms.one_shot:
            return run_once(account, fields, console, terms)  # destroy says what is left
        code = step.run_step(account, fields, console, terms)
    return code if terms.detach else tell_end(account, code, console, step.request_for(account, fields).output)


def watch(environ: Mapping[str, str]) -> int:
    """`make watch`."""
    if not (step_id := environ.get("STEP")):
        raise WrongUseError("no step was given. Fix: make watch STEP=s-…; make steps lists them.")
    account, console = open_account(environ), Console()
    submitted = step.Submitted(str(account.cluster["cluster_id"]), step_id, emr.read_output(account, step_id))
    return tell_end(
        account, step.watch_to_the_end(account, submitted, console, step.Terms()), console, submitted.output
    )
