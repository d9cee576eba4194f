"""Spot capacity that does not come: the fleet's states, its time, and each action, as EMR documents them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localaws import server
from localaws.emr.capacity import find_step_fault
from localaws.emr.model import Cluster
from localaws.settings import Settings
from ops.aws.capacity import read_lacks
from tests.localaws.support import Aws, World, fleet, make_world, step, until

pytestmark = pytest.mark.aws
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
FAST = 3000
"""Times as fast: a fleet's time is over at once."""


@pytest.fixture(scope="module")
def poor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An AWS of its own, without Spot capacity."""
    home = tmp_path_factory.mktemp("poor")
    settings = Settings(home=home, execute=False, starting_seconds=0.05, log_delay_seconds=0.1, api_delay_seconds=0)
    with server.running(settings) as record:
        yield make_world(Aws(record, home))


@pytest.fixture(autouse=True)
def no_capacity(poor: World) -> None:
    server.set_fault(poor.aws.endpoint, poor.aws.keys, "no-capacity")
    set_clock(poor, 1)


def set_clock(world: World, rate: float) -> None:
    server.set_clock(world.aws.endpoint, world.aws.keys, rate)


def task(action: str = "", minutes: int = 5, **more: Any) -> dict[str, Any]:
    specification = {"TimeoutDurationMinutes": minutes, "TimeoutAction": action}
    launch = {"LaunchSpecifications": {"SpotSpecification": specification}} if action else {}
    types = [{"InstanceType": "m5.xlarge", "WeightedCapacity": 4}]
    return fleet("TASK", 0, TargetSpotCapacity=16, InstanceTypeConfigs=types) | launch | more


def with_task(world: World, **options: Any) -> str:
    return world.cluster(Instances={"InstanceFleets": [fleet("MASTER", 1), fleet("CORE", 1), task(**options)]})


def task_of(world: World, cluster: str) -> dict[str, Any]:
    fleets: list[dict[str, Any]] = world.emr.list_instance_fleets(ClusterId=cluster)["InstanceFleets"]
    return next(f for f in fleets if f["InstanceFleetType"] == "TASK")


def has(found: dict[str, Any]) -> tuple[str, int, int]:
    return found["Status"]["State"], found["ProvisionedOnDemandCapacity"], found["ProvisionedSpotCapacity"]


def markets(world: World, cluster: str) -> list[str]:
    listed = world.emr.list_instances(ClusterId=cluster, InstanceFleetType="TASK", InstanceStates=["RUNNING"])
    return [i["Market"] for i in listed["Instances"]]


def test_a_new_cluster_waits_and_then_takes_machines_on_demand(poor: World) -> None:
    cluster = with_task(poor, action="SWITCH_TO_ON_DEMAND")
    assert has(until(lambda: task_of(poor, cluster), bool)) == ("PROVISIONING", 0, 0)
    assert poor.state(cluster) == "STARTING"
    set_clock(poor, FAST)
    poor.wait(cluster, "WAITING", *ENDED)
    assert has(task_of(poor, cluster)) == ("RUNNING", 16, 0)
    assert task_of(poor, cluster)["TargetSpotCapacity"] == 16
    assert markets(poor, cluster) == ["ON_DEMAND"] * 4
    poor.end(cluster)


def test_a_new_cluster_ends_where_its_fleet_says_so(poor: World) -> None:
    fleets = [fleet("MASTER", 1), fleet("CORE", 1), task(action="TERMINATE_CLUSTER")]
    cluster = poor.cluster(Instances={"InstanceFleets": fleets}, Steps=[step("never", "true")])
    set_clock(poor, FAST)
    status = poor.wait(cluster, *ENDED)["Status"]
    assert (status["State"], status["StateChangeReason"]["Code"]) == (
        "TERMINATED_WITH_ERRORS",
        "INSTANCE_FLEET_TIMEOUT",
    )
    assert "within its timeout of 5 minutes" in status["StateChangeReason"]["Message"]
    assert poor.states(cluster) == ["CANCELLED"]
    assert task_of(poor, cluster)["Status"]["State"] == "TERMINATED"


def test_capacity_that_comes_in_time_ends_the_wait(poor: World) -> None:
    cluster = with_task(poor, action="TERMINATE_CLUSTER")
    assert has(until(lambda: task_of(poor, cluster), bool))[0] == "PROVISIONING"
    server.set_fault(poor.aws.endpoint, poor.aws.keys, "none")
    poor.wait(cluster, "WAITING", *ENDED)
    assert has(task_of(poor, cluster)) == ("RUNNING", 0, 16)
    assert markets(poor, cluster) == ["SPOT"] * 4
    poor.end(cluster)


@pytest.mark.parametrize(
    ("action", "states", "provisioned", "told"),
    [
        ("SWITCH_TO_ON_DEMAND", ("WAITING",), 16, "EMR takes machines on demand instead"),
        ("TERMINATE_CLUSTER", ENDED, 0, "EMR ends the cluster"),
    ],
)
def test_a_fleet_that_is_added_waits_while_the_cluster_works(
    poor: World, action: str, states: tuple[str, ...], provisioned: int, told: str
) -> None:
    cluster = poor.cluster()
    poor.wait(cluster, "WAITING")
    poor.emr.add_instance_fleet(ClusterId=cluster, InstanceFleet=task(action=action))
    assert has(task_of(poor, cluster)) == ("PROVISIONING", 0, 0)
    assert poor.state(cluster) == "WAITING"
    (lacking,) = read_lacks(poor.emr, cluster)
    assert lacking.startswith("task fleet: 0 of 16 vCPUs of Spot have come since ")
    assert lacking.endswith(told)
    set_clock(poor, FAST)
    found = until(lambda: task_of(poor, cluster), lambda f: f["Status"]["State"] not in ("PROVISIONING", "TERMINATING"))
    assert found["ProvisionedOnDemandCapacity"] == provisioned
    assert poor.wait(cluster, *states)["Status"]["State"] in states
    later = ["task fleet: 0 of 16 vCPUs of Spot came in time, and EMR took 16 at the on-demand price"] * bool(
        provisioned
    )
    assert read_lacks(poor.emr, cluster) == later
    poor.end(cluster)


def test_without_a_limit_a_fleet_waits_on(poor: World) -> None:
    cluster = poor.cluster()
    poor.wait(cluster, "WAITING")
    poor.emr.add_instance_fleet(ClusterId=cluster, InstanceFleet=task())
    poor.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step("works", "true")])
    until(lambda: poor.states(cluster), lambda states: states == ["COMPLETED"])
    assert has(task_of(poor, cluster)) == ("PROVISIONING", 0, 0)
    server.set_fault(poor.aws.endpoint, poor.aws.keys, "none")
    until(lambda: has(task_of(poor, cluster)), lambda found: found == ("RUNNING", 0, 16))
    poor.end(cluster)


def test_a_resize_gives_up_what_it_lacks_and_switches_nothing(poor: World) -> None:
    server.set_fault(poor.aws.endpoint, poor.aws.keys, "none")
    cluster = with_task(poor, action="SWITCH_TO_ON_DEMAND")
    poor.wait(cluster, "WAITING")
    server.set_fault(poor.aws.endpoint, poor.aws.keys, "no-capacity")
    resize = {"SpotResizeSpecification": {"TimeoutDurationMinutes": 5}}
    change = {"InstanceFleetId": task_of(poor, cluster)["Id"], "TargetSpotCapacity": 24}
    poor.emr.modify_instance_fleet(ClusterId=cluster, InstanceFleet=change | {"ResizeSpecifications": resize})
    assert has(task_of(poor, cluster)) == ("RESIZING", 0, 16)
    set_clock(poor, FAST)
    until(lambda: has(task_of(poor, cluster)), lambda found: found == ("RUNNING", 0, 16))
    assert markets(poor, cluster) == ["SPOT"] * 4
    poor.end(cluster)


def test_executors_join_where_machines_on_demand_came_instead() -> None:
    cluster = Cluster("123456789012", "eu-west-3", {"Instances": {"InstanceFleets": [fleet("CORE", 1), task()]}})
    assert find_step_fault("no-capacity", cluster) == "no-capacity"
    cluster.spot_waits[cluster.fleets[1]["Id"]].switched = 4
    assert [find_step_fault(fault, cluster) for fault in ("no-capacity", "spot", "")] == ["", "spot", ""]


@pytest.mark.parametrize("minutes", [4, 1441])
def test_a_time_that_emr_does_not_take_is_refused(poor: World, minutes: int) -> None:
    with pytest.raises(ClientError, match="must be between 5 and 1440 minutes"):
        with_task(poor, action="SWITCH_TO_ON_DEMAND", minutes=minutes)
