"""`make run-step` and `make watch`: the command line around `ops.lifecycle.step`, and `ONESHOT=1`.

With ``ONESHOT=1`` the cluster does not outlive the step: it is destroyed after success (once the results are fetched),
failure, Ctrl-C, and when the terminal is closed.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping

from ops.aws import emr
from ops.aws.account import Account
from ops.core.console import Console, tell_next
from ops.core.errors import ExitCode, OperatorError
from ops.cost.bills import last_line
from ops.diagnose import wait as diagnosis
from ops.diagnose.verdict import UNDETERMINED
from ops.lifecycle import fault, step
from ops.lifecycle.environment import destroy, fetch_results


def checked(environ: Mapping[str, str]) -> None:
    """Refuse what cannot go together, before anything is submitted.

    Raises
    ------
    OperatorError
    """
    detached = step.Terms.from_options(environ).detach
    for name in ("ONESHOT", "FAULT"):
        if detached and environ.get(name):
            raise OperatorError(f"DETACH=1 leaves before {name} is done. Fix: give one of the two.", exit_code=2)
    if (kind := fault.wanted(environ)) in fault.AT_START:
        raise OperatorError(
            f"FAULT={kind} strikes while a cluster starts. Fix: make apply FAULT={kind}; for a step there are "
            f"{', '.join(fault.IN_STEP)}.",
            exit_code=2,
        )


def once(account: Account, environ: Mapping[str, str], console: Console) -> int:
    """The step, its results, and the end of the cluster once the step has ended or Ctrl-C was pressed.

    A step that could not be looked at has not ended: its cluster stays, and the message says how to come back.

    Raises
    ------
    NotEndedError : the step never began, or could not be looked at
    """
    for number in (signal.SIGTERM, signal.SIGHUP):  # a closed terminal or a stopped CI job must not leave a cluster
        signal.signal(number, signal.default_int_handler)
    has_ended = True
    try:
        code = step.run_step(account, environ, console, step.Terms.from_options(environ))
        if code == 0:
            fetch_results(account, environ, console)
    except step.NotEndedError as error:
        has_ended = False
        error.add_note(f"ONESHOT=1 destroyed nothing: the cluster {step.bills(account)}.")
        raise
    finally:
        if has_ended:
            destroy_at_end(account, environ, console)
    if code == UNDETERMINED and not account.target.emulated:
        code = afterwards(account, console)
    return code


def destroy_at_end(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """Destroy the cluster; when that fails, say that it may still bill."""
    try:
        destroy(environ, console)
    except BaseException:
        if not account.target.emulated:
            console.print("THE CLUSTER MAY STILL BILL. Fix: make destroy.", style="bold red")
        raise


def afterwards(account: Account, console: Console) -> int:
    """Why the step of a cluster that is gone failed, from the logs that it shipped when it ended."""
    cluster_id = str(account.cluster["cluster_id"])
    step_id = diagnosis.find_newest_failure(account, cluster_id)
    return step.why(account, cluster_id, step_id, console, patience=diagnosis.LATE_SECONDS) if step_id else UNDETERMINED


def end(account: Account, code: int, console: Console) -> int:
    """The last lines after a step was watched: what goes on billing, and what to type next."""
    if code != step.INTERRUPTED:
        console.print(last_line(account))
    if code == 0:
        tell_next(console, account.target.command("results"), account.target.command("destroy"))
    return code


def main(environ: Mapping[str, str]) -> int:
    """`make run-step`: the job's own exit code where it is known."""
    checked(environ)
    account, console, terms = Account.from_environment(environ), Console(), step.Terms.from_options(environ)
    with fault.injected(account, environ, fault.IN_STEP):
        if terms.one_shot:
            return once(account, environ, console)  # destroy says what is left
        code = step.run_step(account, environ, console, terms)
    return code if terms.detach else end(account, code, console)


def watch(environ: Mapping[str, str]) -> int:
    """`make watch`."""
    if not (step_id := environ.get("STEP")):
        raise OperatorError("which step? Fix: make watch STEP=s-…; make steps lists them.", exit_code=ExitCode.USAGE)
    account, console = Account.from_environment(environ), Console()
    submitted = step.Submitted(str(account.cluster["cluster_id"]), step_id, emr.read_output(account, step_id))
    return end(account, step.see(account, submitted, console, step.Terms()), console)
