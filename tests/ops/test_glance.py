"""`make status` and `make steps`, from recorded answers of EMR: each cell of the tables, each key of the JSON."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from rich.table import Table

from ops.cli import status, steps
from ops.core.console import Console
from ops.cost import upkeep
from ops.lifecycle import upload
from ops.prices import table as prices
from tests.ops.test_money import BOOK, CLUSTER, D, account, at

RUNNING = status.OpenStep("s-9", "RUNNING", None)


@pytest.fixture(autouse=True)
def own_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "table", lambda: BOOK)


def cells(table: Table) -> list[list[str]]:
    """What stands in a table, row by row, as a wide terminal shows it."""
    out = io.StringIO()
    Console(file=out, width=400).print(table)
    rows = [line.split("│")[1:-1] for line in out.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row] for row in rows]


def glance(found: upkeep.Upkeep, *open_steps: status.OpenStep) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    name = ""
    for head, said in cells(status.make_status_table("dev", "eu-west-3", found, list(open_steps), at(3600))):
        name = head or name
        told.setdefault(name, []).append(said)
    return told


def test_an_environment_at_a_glance() -> None:
    found = upkeep.read_upkeep(account(), at(3600))
    pending = status.OpenStep("s-10", "PENDING", {"phase": "featurize"})
    assert glance(found, pending, RUNNING) == {
        "storage": ["s3://fruits-data", "s3://fruits-logs"],
        "cluster": ["j-1"],
        "state": ["WAITING: Cluster ready to run steps."],
        "age": ["60 min, since 2026-11-24 09:00 UTC"],
        "nodes": ["1 core, 1 primary"],
        "ends": [
            "with make destroy, at any time",
            "about 2026-11-24 10:06 UTC (in 6 min) when nothing is submitted",
            "2026-11-24 21:00 UTC at the latest",
        ],
        "steps": ["s-10 PENDING", str(RUNNING)],
        "so far": ["0.53 USD before tax"],
        "bills": [upkeep.describe_upkeep(found)],
    }


def test_what_costs_nothing_here_is_not_called_spent() -> None:
    found = replace(upkeep.read_upkeep(account(), at(3600)), emulated=True)
    assert glance(found)["so far"] == ["nothing; on AWS it would be 0.53 USD before tax"]


def test_amounts_for_programs_have_six_places() -> None:
    """An hour of a disk is a month's price divided by 730.5 hours."""
    found = upkeep.read_upkeep(account(), at(3600))
    assert found.cluster is not None
    odd = replace(found, cluster=replace(found.cluster, usd_hour=D("0.5") + D("1") / D("730.5")))
    assert status.as_json("dev", "eu-west-3", odd, [], at(3600))["cluster"]["usd_per_hour"] == "0.501369"


def test_both_ends_have_one_format_and_say_in_how_long() -> None:
    """Terraform gives ISO 8601; EMR gives a moment."""
    found = upkeep.read_upkeep(account(), at(3600))
    assert found.cluster is not None
    cluster = replace(found.cluster, ends_latest="2026-11-24T13:00:00Z")
    assert upkeep.describe_ends(cluster, at(3600))[1:] == [
        "about 2026-11-24 10:06 UTC (in 6 min) when nothing is submitted",
        "2026-11-24 13:00 UTC (in 3 h 0 min) at the latest",
    ]
    assert upkeep.describe_ends(cluster, at(5 * 3600))[1].endswith("(any minute) when nothing is submitted")


def test_a_cluster_that_ended_has_no_nodes_and_no_steps_to_tell() -> None:
    gone = {**CLUSTER, "Status": {**CLUSTER["Status"], "State": "TERMINATED"}}
    told = glance(upkeep.read_upkeep(account(cluster=gone), at(3600)))
    assert told["state"] == ["TERMINATED: Cluster ready to run steps."]
    assert set(told) == {"storage", "cluster", "state", "age", "so far", "bills"}


def test_nothing_applied() -> None:
    nothing = upkeep.read_upkeep(account(applied=False, vpcs={"Vpcs": []}), at(3600))
    assert glance(nothing) == {
        "storage": ["none: make apply"],
        "cluster": ["none: make apply"],
        "bills": ["nothing of this environment bills"],
    }


def test_a_glance_for_a_program() -> None:
    found = upkeep.read_upkeep(account(), at(3600))
    assert status.as_json("dev", "eu-west-3", found, [RUNNING], at(3600)) == {
        "env": "dev",
        "region": "eu-west-3",
        "emulated": False,
        "buckets": ["fruits-data", "fruits-logs"],
        "cluster": {
            "id": "j-1",
            "state": "WAITING",
            "reason": "Cluster ready to run steps.",
            "live": True,
            "created": "2026-11-24T09:00:00+00:00",
            "age_seconds": 3600,
            "idle_since": "2026-11-24T09:36:40+00:00",
            "ends_when_idle": "2026-11-24T10:06:40+00:00",
            "ends_latest": "2026-11-24 21:00 UTC",
            "nodes": {"core": 1, "primary": 1},
            "lacks": [],
            "usd_per_hour": "0.515000",
            "usd_so_far": "0.531000",
        },
        "open_steps": [{"id": "s-9", "state": "RUNNING", "progress": None, "waits": ""}],
        "network_usd_per_hour": {name: f"{usd:.6f}" for name, usd in found.network.items()},
        "billing": upkeep.describe_upkeep(found),
    }
    assert sum(found.network.values()) == D("0.133")
    nothing = upkeep.read_upkeep(account(applied=False, vpcs={"Vpcs": []}), at(3600))
    assert status.as_json("dev", "eu-west-3", nothing, [], at(3600))["cluster"] is None


def listed(state: str, **more: Any) -> dict[str, Any]:
    timeline = {"CreationDateTime": at(0), **more.pop("timeline", {})}
    return {"Id": "s-1", "Name": "fruits", "Status": {"State": state, "Timeline": timeline, **more}}


@pytest.mark.parametrize(
    ("found", "now", "seconds", "reason"),
    [
        (listed("PENDING"), at(50), None, None),
        (listed("RUNNING", timeline={"StartDateTime": at(10)}), at(50), 40, None),
        (listed("COMPLETED", timeline={"StartDateTime": at(10), "EndDateTime": at(40)}), at(50), 30, None),
        (listed("FAILED", StateChangeReason={"Message": "said"}, FailureDetails={"Message": "m"}), at(5), None, "said"),
        (listed("FAILED", FailureDetails={"Message": "m", "Reason": "r"}), at(5), None, "m"),
        (listed("FAILED", FailureDetails={"Reason": "r"}), at(5), None, "r"),
    ],
)
def test_a_step_for_a_program(found: dict[str, Any], now: datetime, seconds: int | None, reason: str | None) -> None:
    assert steps.summarize_step(found, "", now) == {
        "id": "s-1",
        "name": "fruits",
        "state": found["Status"]["State"],
        "submitted": "2026-11-24T09:00:00+00:00",
        "seconds": seconds,
        "output": None,
        "reason": reason,
    }
    assert steps.summarize_step(found, "s3://b/r", now)["output"] == "s3://b/r"


def test_the_list_of_steps() -> None:
    done = listed("COMPLETED", timeline={"StartDateTime": at(10), "EndDateTime": at(40)})
    failed = listed("FAILED", FailureDetails={"Reason": "out of memory"})
    told = [steps.summarize_step(found, "s3://b/results/m", at(99)) for found in (failed, done, listed("PENDING"))]
    assert cells(steps.make_steps_table("j-1", told)) == [
        ["s-1", "FAILED", "2026-11-24 09:00 UTC", "", "out of memory"],
        ["s-1", "COMPLETED", "2026-11-24 09:00 UTC", "30 s", "s3://b/results/m"],
        ["s-1", "PENDING", "2026-11-24 09:00 UTC", "", "s3://b/results/m"],
    ]


def test_an_address_is_whole_however_narrow_the_terminal_is() -> None:
    done = listed("COMPLETED", timeline={"StartDateTime": at(10), "EndDateTime": at(40)})
    address = "s3://fruits-dev-data-123456789012/results/efficientnet_lite0-with-a-long-name/of-an-evening"
    out = io.StringIO()
    Console(file=out, width=80).print(steps.make_steps_table("j-1", [steps.summarize_step(done, address, at(99))]))
    last = [line.split("│")[-2].strip() for line in out.getvalue().splitlines() if line.startswith("│")]
    assert "".join(last) == address


def test_many_classes_are_counted_and_not_listed() -> None:
    here = {f"Fruit {number:03}": 2 for number in range(131)}
    assert cells(upload.make_upload_table(here, {}, here)) == [["all 131 classes", "262", "0", "262"]]
    few = {"Apple": 2, "Pear": 1}
    assert cells(upload.make_upload_table(few, {"Pear": 1}, few)) == [
        ["Apple", "2", "0", "2"],
        ["Pear", "1", "1", "1"],
        ["all", "3", "1", "3"],
    ]
