"""`make status`: an environment at a glance. `JSON=1` for a program."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from fruits.progress import progress_of
from fruits.store import Store
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ops.aws.account import NOT_RUNNING, Account, OperatorError
from ops.core.console import working
from ops.cost.bills import Bills, Cluster, ends, look, sentence, utc
from ops.cost.money import shown
from ops.job.watch import sentence as progress_sentence
from ops.lifecycle import step
from ops.terraform.workspace import TerraformError, emulator_endpoint


@dataclass(frozen=True)
class OpenStep:
    """A step that has not ended, and what the job itself says of it."""

    id: str
    state: str
    progress: Mapping[str, Any] | None

    def __str__(self) -> str:
        if self.state == "PENDING":
            return f"{self.id} PENDING"
        return f"{self.id} {self.state}: {progress_sentence(dict(self.progress) if self.progress else None)}"


def duration(seconds: float) -> str:
    """Seconds for a reader.

    >>> duration(42), duration(200), duration(7500)
    ('42 s', '3 min', '2 h 5 min')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def open_steps(account: Account, cluster: Cluster | None) -> list[OpenStep]:
    """The open steps of a live cluster, each with its job's own report."""
    if cluster is None or not cluster.live:
        return []
    found = []
    for listed in step.open_steps(account):
        report = None
        if listed["Status"]["State"] != "PENDING":
            try:
                report = progress_of(Store(step.output_of(account, listed["Id"])))
            except (OperatorError, FruitsError):
                report = None  # not one of ours, or its store does not answer: the state is told anyway
            started = listed["Status"]["Timeline"].get("StartDateTime")
            if report and started and str(report.get("updated", "")) < f"{started.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}":
                report = None  # an earlier run's
        found.append(OpenStep(str(listed["Id"]), str(listed["Status"]["State"]), report))
    return found


def table_of(env: str, region: str, bills: Bills, steps: list[OpenStep], now: datetime) -> Table:
    """The glance."""
    table = Table(show_header=False, title=f"ENV={env} in {region}", title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, said: str) -> None:
        table.add_row(name, Text(said))

    row("storage", "\n".join(f"s3://{name}" for name in bills.buckets) or "none: make apply")
    cluster = bills.cluster
    if cluster is None:
        row("cluster", "none: make apply")
    else:
        row("cluster", cluster.id)
        row("state", cluster.state + (f": {cluster.reason}" if cluster.reason else ""))
        row("age", f"{duration((now - cluster.created).total_seconds())}, since {utc(cluster.created)}")
        if cluster.live:
            row("nodes", ", ".join(f"{count} {role}" for role, count in cluster.nodes.items()) or "none yet")
            row("ends", ends(cluster).replace("; ", "\n"))
            row("steps", "\n".join(map(str, steps)) or "none is open")
        if cluster.usd_so_far is not None:
            row("so far", f"{shown(cluster.usd_so_far)} USD before tax" + (" on AWS" if bills.emulated else ""))
    row("bills", sentence(bills))
    return table


def as_json(env: str, region: str, bills: Bills, steps: list[OpenStep], now: datetime) -> dict[str, Any]:
    """The same for a program."""
    cluster = bills.cluster
    return {
        "env": env,
        "region": region,
        "emulated": bills.emulated,
        "buckets": list(bills.buckets),
        "cluster": None
        if cluster is None
        else {
            "id": cluster.id,
            "state": cluster.state,
            "reason": cluster.reason or None,
            "live": cluster.live,
            "created": cluster.created.isoformat(),
            "age_seconds": round((now - cluster.created).total_seconds()),
            "idle_since": cluster.idle_since and cluster.idle_since.isoformat(),
            "ends_when_idle": cluster.ends_idle and cluster.ends_idle.isoformat(),
            "ends_latest": cluster.ends_latest or None,
            "nodes": dict(cluster.nodes),
            "usd_per_hour": None if cluster.usd_hour is None else str(cluster.usd_hour),
            "usd_so_far": None if cluster.usd_so_far is None else str(cluster.usd_so_far),
        },
        "open_steps": [{"id": one.id, "state": one.state, "progress": one.progress} for one in steps],
        "network_usd_per_hour": {name: str(usd) for name, usd in bills.network.items()},
        "billing": sentence(bills),
    }


def main() -> int:
    """Exit code: 0 whatever the environment is in; 1 to 4 where it cannot be asked."""
    environ, errors = os.environ, Console(stderr=True)
    as_program = environ.get("JSON") == "1"
    try:
        if (environ.get("ENV") or "local") == "local" and emulator_endpoint() is None:
            if as_program:
                print(json.dumps({"env": "local", "emulated": True, "cluster": None, "billing": NOT_RUNNING}, indent=1))
            else:
                print(NOT_RUNNING)
            return 0
        with working(errors, "asking", quiet=as_program or not errors.is_terminal):
            account = Account.from_environment(environ)
            now = datetime.now(UTC)
            bills = look(account, now)
            steps = open_steps(account, bills.cluster)
    except (OperatorError, TerraformError, BotoCoreError, ClientError) as error:
        errors.print(f"status: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return int(getattr(error, "exit_code", 1))
    told = (account.target.env, account.target.region, bills, steps, now)
    if as_program:
        print(json.dumps(as_json(*told), indent=1))
    else:
        Console().print(table_of(*told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
