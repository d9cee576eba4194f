"""`make steps`: the steps of a cluster, the newest first. `CLUSTER=` takes another one, `JSON=1` is for a program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.aws.account import Account, OperatorError
from ops.cli.status import duration
from ops.cost.bills import utc
from ops.lifecycle import step
from ops.terraform.workspace import TerraformError

SHOWN = 20


def of_cluster(account: Account, cluster_id: str, limit: int = SHOWN) -> list[dict[str, Any]]:
    """Steps as EMR lists them, the newest first.

    Raises
    ------
    OperatorError
        When EMR knows no such cluster.
    """
    try:
        pages = account.client("emr").get_paginator("list_steps").paginate(ClusterId=cluster_id)
        return list(islice((found for page in pages for found in page["Steps"]), limit))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("InvalidRequestException", "ValidationException"):
            raise
        raise OperatorError(f"EMR knows no cluster {cluster_id}. Fix: make status names ours.", exit_code=2) from error


def described(found: Mapping[str, Any], output: str, now: datetime) -> dict[str, Any]:
    """One step for a program.

    Parameters
    ----------
    found : of ListSteps
    output : where its results go; empty where that is not known
    now : for the seconds of one that runs
    """
    status = found["Status"]
    timeline = status["Timeline"]
    started, ended = timeline.get("StartDateTime"), timeline.get("EndDateTime")
    details = status.get("FailureDetails") or {}
    reason = (status.get("StateChangeReason") or {}).get("Message") or details.get("Message") or details.get("Reason")
    return {
        "id": found["Id"],
        "name": found["Name"],
        "state": status["State"],
        "submitted": timeline["CreationDateTime"].astimezone(UTC).isoformat(),
        "seconds": round(((ended or now) - started).total_seconds()) if started else None,
        "output": output or None,
        "reason": reason,
    }


def listed(account: Account, cluster_id: str, now: datetime) -> list[dict[str, Any]]:
    """The newest steps with the places of their results."""
    told = []
    for found in of_cluster(account, cluster_id):
        try:
            output = step.output_in(found["Config"]["Args"])
        except FruitsError:
            output = None  # its request is gone
        told.append(described(found, output or "", now))
    return told


def table_of(cluster_id: str, steps: Sequence[Mapping[str, Any]]) -> Table:
    """The list."""
    table = Table("step", "state", "submitted", "took", "results or reason", title=f"steps of {cluster_id}")
    table.title_justify = "left"
    for found in steps:
        took = "" if found["seconds"] is None else duration(found["seconds"])
        failed = found["state"] in ("FAILED", "CANCELLED", "INTERRUPTED")
        said = (found["reason"] if failed else found["output"]) or ""
        table.add_row(
            found["id"], found["state"], utc(datetime.fromisoformat(found["submitted"])), took, Text(str(said))
        )
    return table


def main() -> int:
    """Exit code: 0; 20 without a cluster; 2 where CLUSTER= is none."""
    try:
        account = Account.from_environment(os.environ)
        cluster_id = os.environ.get("CLUSTER") or str(account.cluster["cluster_id"])
        steps = listed(account, cluster_id, datetime.now(UTC))
    except (OperatorError, TerraformError, BotoCoreError, ClientError) as error:
        Console(stderr=True).print(f"steps: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return int(getattr(error, "exit_code", 1))
    if os.environ.get("JSON") == "1":
        print(json.dumps({"cluster_id": cluster_id, "steps": steps}, indent=1))
    elif not steps:
        print(f"no step was submitted to {cluster_id} yet. make run-step submits one.")
    else:
        Console().print(table_of(cluster_id, steps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
