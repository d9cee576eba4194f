"""Spot capacity that does not come: how long a fleet waits for it, and what EMR does then. No threads, no AWS calls.

What is documented: the time and the action of a fleet's first provisioning (SpotProvisioningSpecification of botocore's
model), and that a resize only gives up what it lacks (emr-provisioning-timeout-resize.html). That a fleet which is
added to a cluster is provisioned for the first time, as here, AWS does not say (`spot-wait` in docs/assumptions.md).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from localaws.emr.model import Cluster, Instance, now

SWITCH, TERMINATE, GIVE_UP = "SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER", "give up"


def count_provisioned(fleet: dict[str, Any], instances: Collection[Instance]) -> None:
    """Write into a fleet how many units of each market it has."""
    weight = fleet["InstanceTypeSpecifications"][0].get("WeightedCapacity", 1)
    fleet["ProvisionedOnDemandCapacity"] = weight * _count_living(instances, fleet["Id"], "ON_DEMAND")
    fleet["ProvisionedSpotCapacity"] = weight * _count_living(instances, fleet["Id"], "SPOT")


def list_waits(cluster: Cluster) -> dict[str, int]:
    """How many Spot instances each fleet waits for, by its id; without fleets that have given up."""
    return {
        target["fleet_id"]: lacking
        for target in cluster.list_targets()
        if target["market"] == "SPOT"
        and "fleet_id" in target
        and not cluster.spot_waits[target["fleet_id"]].is_given_up
        and (lacking := target["count"] - _count_living(cluster.instances, target["fleet_id"], "SPOT")) > 0
    }


def _count_living(instances: Collection[Instance], fleet_id: str, market: str) -> int:
    return sum(i.fleet_id == fleet_id and i.market == market and i.ended is None for i in instances)


def _find_limit(cluster: Cluster, fleet: dict[str, Any], clock_rate: float) -> tuple[datetime, str] | None:
    """When a fleet has waited long enough, and what EMR does then; None where nothing limits the wait."""
    wait = cluster.spot_waits[fleet["Id"]]
    if wait.is_first:
        specification = (fleet["LaunchSpecifications"] or {}).get("SpotSpecification") or {}
    else:
        specification = (fleet["ResizeSpecifications"] or {}).get("SpotResizeSpecification") or {}
    if not specification.get("TimeoutDurationMinutes"):
        return None
    limit = timedelta(minutes=specification["TimeoutDurationMinutes"]) / clock_rate
    return wait.since + limit, specification["TimeoutAction"] if wait.is_first else GIVE_UP


def _list_limits(
    cluster: Cluster, waiting: Iterable[str], clock_rate: float
) -> list[tuple[dict[str, Any], datetime, str]]:
    fleets = [f for f in cluster.fleets if f["Id"] in waiting]
    return [(f, *limit) for f in fleets if (limit := _find_limit(cluster, f, clock_rate))]


def list_due(cluster: Cluster, waiting: Iterable[str], clock_rate: float) -> list[tuple[dict[str, Any], str]]:
    """Those of the waiting fleets that have waited long enough, each with what EMR does."""
    return [(f, action) for f, moment, action in _list_limits(cluster, waiting, clock_rate) if moment <= now()]


def compute_seconds_left(cluster: Cluster, waiting: Iterable[str], clock_rate: float) -> float | None:
    """Seconds until the first of these fleets has waited long enough; None where nothing limits them."""
    moments = [moment for _, moment, _ in _list_limits(cluster, waiting, clock_rate)]
    return max(0.0, (min(moments) - now()).total_seconds()) if moments else None


def find_step_fault(fault: str, cluster: Cluster) -> str:
    """The fault that a step meets: there is capacity where a fleet has taken machines on demand instead of Spot."""
    has_switched = any(wait.switched for wait in cluster.spot_waits.values())
    return "" if fault == "no-capacity" and has_switched else fault


def describe_timeout(fleet: dict[str, Any]) -> str:
    """Why the cluster ends, in words of our own: AWS documents only the code."""
    minutes = fleet["LaunchSpecifications"]["SpotSpecification"]["TimeoutDurationMinutes"]
    kind = fleet["InstanceFleetType"]
    return f"The {kind} instance fleet {fleet['Id']} got no Spot capacity within its timeout of {minutes} minutes"
