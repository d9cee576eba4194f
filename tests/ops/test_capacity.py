"""What is said of fleets that lack Spot capacity: every state, before and after their time."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ops.aws import capacity
from ops.cli import status
from ops.core.console import Console
from ops.cost import upkeep
from ops.diagnose.causes import judge
from ops.diagnose.evidence import Evidence
from tests.ops.test_glance import RUNNING, glance
from tests.ops.test_money import account, at

CREATED = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
WAITS = "task fleet: 0 of 16 vCPUs of Spot have come since 2026-11-24 09:00 UTC"


def fleet(state: str = "PROVISIONING", action: str = "SWITCH_TO_ON_DEMAND", **more: int) -> dict[str, Any]:
    specification = {"TimeoutDurationMinutes": 10, "TimeoutAction": action}
    return {
        "InstanceFleetType": "TASK",
        "Status": {"State": state, "Timeline": {"CreationDateTime": CREATED}},
        "TargetSpotCapacity": 16,
        "LaunchSpecifications": {"SpotSpecification": specification} if action else None,
        **more,
    }


@pytest.mark.parametrize(
    ("found", "minutes", "said"),
    [
        (fleet(), 3, f"{WAITS}; at 2026-11-24 09:10 UTC EMR takes machines on demand instead"),
        (fleet(), 12, f"{WAITS}; at 2026-11-24 09:10 UTC EMR takes machines on demand instead"),
        (fleet(), 13, f"{WAITS}; EMR should have taken machines on demand at 2026-11-24 09:10 UTC, and has not"),
        (fleet(action="TERMINATE_CLUSTER"), 3, f"{WAITS}; at 2026-11-24 09:10 UTC EMR ends the cluster"),
        (fleet(action=""), 3, f"{WAITS}, and nothing limits the wait"),
        (
            fleet("RUNNING", ProvisionedOnDemandCapacity=16),
            20,
            "task fleet: 0 of 16 vCPUs of Spot came in time, and EMR took 16 at the on-demand price",
        ),
        (
            fleet("RESIZING", ProvisionedSpotCapacity=8),
            20,
            "task fleet: 8 of 16 vCPUs of Spot are there, and EMR looks for more",
        ),
        (
            fleet("RUNNING", ProvisionedSpotCapacity=8),
            20,
            "task fleet: 8 of 16 vCPUs of Spot are there, and EMR looks for no more",
        ),
    ],
)
def test_what_a_fleet_lacks_and_what_becomes_of_it(found: dict[str, Any], minutes: int, said: str) -> None:
    assert capacity.list_lacks([found], CREATED + timedelta(minutes=minutes)) == [said]


def test_a_fleet_that_lacks_nothing_is_not_told_of() -> None:
    whole = fleet("RUNNING", ProvisionedSpotCapacity=16)
    over = fleet("RUNNING", ProvisionedSpotCapacity=20)
    assert capacity.list_lacks([whole, over, fleet("TERMINATED"), fleet(TargetSpotCapacity=0)], CREATED) == []
    without_spot = {name: value for name, value in fleet().items() if name != "TargetSpotCapacity"}
    assert capacity.list_lacks([without_spot], CREATED) == []
    assert capacity.describe([], "dev") == ""


def test_a_new_fleet_may_take_its_usual_time_before_a_watcher_is_told() -> None:
    told = [
        bool(capacity.list_lacks([found], CREATED + timedelta(minutes=minutes), patience=capacity.USUAL))
        for found in (fleet(), fleet("RESIZING"))
        for minutes in (0, 2, 3)
    ]
    assert told == [False, False, True, True, True, True]


class Emr:
    """EMR whose fleets are these, one look after the other."""

    def __init__(self, *looks: list[dict[str, Any]]) -> None:
        self.looks = list(looks)

    def list_instance_fleets(self, **_: str) -> dict[str, Any]:
        return {"InstanceFleets": self.looks.pop(0)}


def test_watching_tells_each_change_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 31))
    monkeypatch.setattr(capacity.time, "monotonic", lambda: next(clock))
    switched = fleet("RUNNING", ProvisionedOnDemandCapacity=16)
    emr = Emr([], [fleet(action="")], [fleet(action="")], [switched], [fleet("RUNNING", ProvisionedSpotCapacity=16)])
    news = capacity.CapacityNews(emr, "j-1", "dev")
    told = [news.read() for _ in range(5)]
    fix = (
        'Fix: wait, or ask for more types and zones, or for task = { market = "ON_DEMAND" } '
        "(infra/env/dev.cluster.tfvars), then make apply ENV=dev."
    )
    assert told[0] == told[2] == ""
    assert told[1] == f"{WAITS}, and nothing limits the wait\n{fix}"
    assert told[3].startswith("task fleet: 0 of 16 vCPUs of Spot came in time")
    assert told[4] == "the Spot capacity has come"


def test_fleets_are_not_asked_at_every_look(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([5.0, 34.9, 35.0])
    monkeypatch.setattr(capacity.time, "monotonic", lambda: next(clock))
    news = capacity.CapacityNews(Emr([fleet(action="")], []), "j-1", "dev")
    assert (bool(news.read()), news.read(), news.read()) == (True, "", "the Spot capacity has come"), "after 30 s"


def test_who_may_not_ask_is_told_of_no_lack() -> None:
    class Refusing:
        def list_instance_fleets(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "ListInstanceFleets")

    assert capacity.read_lacks(Refusing(), "j-1") == []
    assert capacity.CapacityNews(Refusing(), "j-1", "dev").read() == ""


def test_status_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = upkeep.read_upkeep(account(), at(3600))
    out = io.StringIO()
    Console(file=out, width=400).print(
        status.make_status_table("dev", "eu-west-3", found, [RUNNING], at(3600), [WAITS])
    )
    assert WAITS in out.getvalue()
    assert "infra/env/dev.cluster.tfvars" in out.getvalue()
    assert status.as_json("dev", "eu-west-3", found, [], at(3600), [WAITS])["cluster"]["lacks"] == [WAITS]
    assert "lacks" not in glance(found)


def test_diagnosing_a_step_that_runs_names_it() -> None:
    verdict = judge(Evidence("step", state="RUNNING", lacks=(WAITS,)))
    assert (verdict.cause, verdict.meaning) == ("still-running", f"the step still runs; {WAITS}")


def test_a_cluster_that_a_fleet_ended_is_explained() -> None:
    reason = "The TASK instance fleet if-1 got no Spot capacity within its timeout of 10 minutes"
    evidence = Evidence("cluster", state="TERMINATED_WITH_ERRORS", reason_code="INSTANCE_FLEET_TIMEOUT", reason=reason)
    verdict = judge(evidence)
    assert verdict.cause == "no-capacity"
    assert "on demand" in verdict.fix
