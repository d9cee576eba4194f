"""`make steps`: the steps of a cluster, the newest first; of those that failed, the cause that `make diagnose` knows.

`CLUSTER=` takes another cluster, `JSON=1` is for a program.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from fruits.errors import FruitsError
from rich.table import Column, Table
from rich.text import Text

from ops.aws.account import Account, read_output_from
from ops.aws.emr import list_steps
from ops.cli.place import open_account
from ops.cli.values import is_on
from ops.core.console import Console
from ops.core.text import format_duration, format_utc
from ops.diagnose import gather, wait
from ops.diagnose.causes import judge

READ = 3
"""Failed steps, the newest, whose logs are read for their cause; of others what the job and EMR say is enough."""
DIAGNOSED_STATES = ("FAILED", "INTERRUPTED")


def summarize_step(step: Mapping[str, Any], output: str, now: datetime) -> dict[str, Any]:
    """One step for a program.

    Parameters
    ----------
    step : of ListSteps
    output : where its results go; empty where that is not known
    now : for the seconds of one that runs
    """
    status = step["Status"]
    timeline = status["Timeline"]
    started, ended = timeline.get("StartDateTime"), timeline.get("EndDateTime")
    details = status.get("FailureDetails") or {}
    reason = (status.get("StateChangeReason") or {}).get("Message") or details.get("Message") or details.get("Reason")
    return {
        "id": step["Id"],
        "name": step["Name"],
        "state": status["State"],
        "submitted": timeline["CreationDateTime"].astimezone(UTC).isoformat(),
        "seconds": round(((ended or now) - started).total_seconds()) if started else None,
        "output": output or None,
        "reason": reason,
    }


def find_cause(account: Account, cluster_id: str, step_id: str, *, logs: bool) -> str | None:
    """Why a step failed, as `make diagnose` would say now; None where that is not known, or cannot be looked for."""
    try:
        verdict = judge(gather.gather_step(account, cluster_id, step_id, logs=logs))
    except wait.TROUBLE:
        return None
    return f"{verdict.cause}: {verdict.meaning}" if verdict.cause != "unknown" and verdict.is_failure else None


def read_steps(account: Account, cluster_id: str, now: datetime) -> list[dict[str, Any]]:
    """The newest steps with the places of their results, or with why they failed."""
    rows, failed = [], 0
    for step in list_steps(account, cluster_id):
        try:
            output = read_output_from(account, step["Config"]["Args"])
        except FruitsError:
            output = None  # its request is gone
        row = summarize_step(step, output or "", now) | {"cause": None}
        if row["state"] in DIAGNOSED_STATES:
            row["cause"] = find_cause(account, cluster_id, str(step["Id"]), logs=failed < READ)
            failed += 1
        rows.append(row)
    return rows


def make_steps_table(cluster_id: str, steps: Sequence[Mapping[str, Any]]) -> Table:
    """The steps as a table."""
    # an address that is cut cannot be copied: it goes on in the next line instead
    place = Column("results or cause", overflow="fold")
    table = Table("step", "state", "submitted", "took", place, title=f"steps of {cluster_id}")
    table.title_justify = "left"
    for step in steps:
        took = "" if step["seconds"] is None else format_duration(step["seconds"])
        failed = step["state"] in wait.FAILED_STATES
        text = (step.get("cause") or step["reason"] if failed else step["output"]) or ""
        table.add_row(
            step["id"], step["state"], format_utc(datetime.fromisoformat(step["submitted"])), took, Text(str(text))
        )
    return table


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0; 20 without a cluster; 2 where CLUSTER= is none."""
    account = open_account(environ)
    cluster_id = environ.get("CLUSTER") or str(account.cluster["cluster_id"])
    steps = read_steps(account, cluster_id, datetime.now(UTC))
    if is_on(environ, "JSON"):
        print(json.dumps({"cluster_id": cluster_id, "steps": steps}, indent=1))
    elif not steps:
        Console().print(f"no step was submitted to {cluster_id} yet. make run-step submits one.")
    else:
        Console().print(make_steps_table(cluster_id, steps))
    return 0
