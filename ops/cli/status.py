"""`make status`: an environment at a glance. `JSON=1` for a program."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fruits.errors import FruitsError
from fruits.progress import read_progress
from rich.table import Table
from rich.text import Text

from ops.aws import capacity, emr
from ops.aws.account import NOT_RUNNING, Account, find_emulator
from ops.cli.place import read_place
from ops.cli.values import is_on
from ops.core.console import Console, working
from ops.core.errors import OperatorError
from ops.core.text import format_duration, format_utc
from ops.cost.money import format_amount, round_amount
from ops.cost.upkeep import ClusterUpkeep, Upkeep, describe_ends, describe_upkeep, read_upkeep
from ops.job.watch import describe_progress
from ops.logs.waiting import WaitingLog
from ops.prices import table as prices


@dataclass(frozen=True)
class OpenStep:
    """A step that has not ended, and what the job itself says of it."""

    id: str
    state: str
    progress: Mapping[str, Any] | None
    waits: str = ""

    def __str__(self) -> str:
        if self.state == "PENDING":
            return f"{self.id} PENDING"
        if self.progress is None and self.waits:
            return f"{self.id} {self.state}: waiting: {self.waits}"
        return f"{self.id} {self.state}: {describe_progress(dict(self.progress) if self.progress else None)}"


def read_open_steps(account: Account, cluster: ClusterUpkeep | None) -> list[OpenStep]:
    """The open steps of a live cluster, each with its job's own report."""
    if cluster is None or not cluster.live:
        return []
    open_steps = []
    for listed in emr.list_open_steps(account):
        report = None
        if listed["Status"]["State"] != "PENDING":
            try:
                report = read_progress(account.store(emr.read_output(account, listed["Id"])))
            except (OperatorError, FruitsError, OSError):
                report = None  # not one of ours, or its store does not answer: the state is told anyway
            started = listed["Status"]["Timeline"].get("StartDateTime")
            if report and started and str(report.get("updated", "")) < f"{started.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}":
                report = None  # an earlier run's
        state, waits = str(listed["Status"]["State"]), ""
        if report is None and state == "RUNNING":
            waiting = WaitingLog(account.client("emr"), account.client("s3"), cluster.id, str(listed["Id"]))
            waits = waiting.explain()
        open_steps.append(OpenStep(str(listed["Id"]), state, report, waits))
    return open_steps


def make_status_table(
    env: str, region: str, upkeep: Upkeep, steps: list[OpenStep], now: datetime, lacks: Sequence[str] = ()
) -> Table:
    """The environment as a table; ``lacks``: of Spot capacity."""
    table = Table(show_header=False, title=f"ENV={env} in {region}", title_justify="left")
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")

    def row(name: str, text: str) -> None:
        table.add_row(name, Text(text))

    row("storage", "\n".join(f"s3://{name}" for name in upkeep.buckets) or "none: make apply")
    cluster = upkeep.cluster
    if cluster is None:
        row("cluster", "none: make apply")
    else:
        row("cluster", cluster.id)
        row("state", cluster.state + (f": {cluster.reason}" if cluster.reason else ""))
        row("age", f"{format_duration((now - cluster.created).total_seconds())}, since {format_utc(cluster.created)}")
        if cluster.live:
            row("nodes", ", ".join(f"{count} {role}" for role, count in cluster.nodes.items()) or "none yet")
            if lacks:
                row("lacks", capacity.describe(lacks, env))
            at_once, *later = describe_ends(cluster, now)
            row("ends", "\n".join([f"with {at_once}, at any time", *later]))
            row("steps", "\n".join(map(str, steps)) or "none is open")
        if cluster.usd_so_far is not None:
            so_far = f"{format_amount(cluster.usd_so_far)} USD before tax"
            row("so far", f"nothing; on AWS it would be {so_far}" if upkeep.emulated else so_far)
    row("bills", describe_upkeep(upkeep))
    if cluster is not None and (old := prices.say_age(today=now.date())):
        row("prices", old)
    return table


def as_json(
    env: str, region: str, upkeep: Upkeep, steps: list[OpenStep], now: datetime, lacks: Sequence[str] = ()
) -> dict[str, Any]:
    """The environment for a program."""
    cluster = upkeep.cluster
    return {
        "env": env,
        "region": region,
        "emulated": upkeep.emulated,
        "buckets": list(upkeep.buckets),
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
            "lacks": list(lacks),
            "usd_per_hour": None if cluster.usd_hour is None else str(round_amount(cluster.usd_hour)),
            "usd_so_far": None if cluster.usd_so_far is None else str(round_amount(cluster.usd_so_far)),
        },
        "open_steps": [
            {"id": step.id, "state": step.state, "progress": step.progress, "waits": step.waits} for step in steps
        ],
        "network_usd_per_hour": {name: str(round_amount(usd)) for name, usd in upkeep.network.items()},
        "billing": describe_upkeep(upkeep),
    }


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0 whatever the environment is in; 1 to 4 where it cannot be asked."""
    errors, as_program = Console(stderr=True), is_on(environ, "JSON")
    place = read_place(environ)
    if place.is_local and not find_emulator(place):
        none = {"env": "local", "emulated": True, "cluster": None, "billing": NOT_RUNNING}
        print(json.dumps(none, indent=1) if as_program else NOT_RUNNING)
        return 0
    with working(errors, "asking", quiet=as_program or not errors.is_terminal):
        account = Account.at(place)
        now = datetime.now(UTC)
        upkeep = read_upkeep(account, now)
        steps = read_open_steps(account, upkeep.cluster)
        cluster = upkeep.cluster
        lacks = capacity.read_lacks(account.client("emr"), cluster.id) if cluster and cluster.live else []
    glance = (account.target.env, account.target.region, upkeep, steps, now, lacks)
    if as_program:
        print(json.dumps(as_json(*glance), indent=1))
    else:
        Console().print(make_status_table(*glance))
    return 0
