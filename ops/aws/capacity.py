"""Spot capacity that has not come: which fleets wait for it, until when, and what EMR does then; in plain words.

`list_lacks` and `describe` are pure. What EMR does with a fleet whose time is over stands in its own specification
(https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-provisioning-timeout-launch.html).
"""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from fruits.wording import format_count

from ops.core.text import format_utc

READ_AGAIN_SECONDS = 30.0
USUAL = timedelta(minutes=3)
"""How long a new fleet may take before whoever watches a step is told of it: machines that come take minutes, too."""
LATE = timedelta(minutes=2)
"""How long after a fleet's time EMR may take to act on it."""
_STARTING = ("PROVISIONING", "BOOTSTRAPPING")
_ACTIONS = {
    "SWITCH_TO_ON_DEMAND": ("takes machines on demand instead", "taken machines on demand"),
    "TERMINATE_CLUSTER": ("ends the cluster", "ended the cluster"),
}


def list_lacks(fleets: Iterable[Mapping[str, Any]], now: datetime, *, patience: timedelta = timedelta()) -> list[str]:
    """What fleets lack of their Spot capacity, in a sentence each.

    Parameters
    ----------
    fleets : as ListInstanceFleets lists them
    patience : a new fleet is not told of before it is so old
    """
    return [line for fleet in fleets if (line := _describe_fleet(fleet, now, patience))]


def describe(lacks: Iterable[str], env: str) -> str:
    """What fleets lack, with what can be done; empty where nothing is lacking."""
    lines = list(lacks)
    if not lines:
        return ""
    fix = 'Fix: wait, or ask for more types and zones, or for task = { market = "ON_DEMAND" } '
    return "\n".join([*lines, f"{fix}(infra/env/{env}.cluster.tfvars), then make apply ENV={env}."])


def _describe_fleet(fleet: Mapping[str, Any], now: datetime, patience: timedelta) -> str:
    wanted, provisioned = fleet.get("TargetSpotCapacity", 0), fleet.get("ProvisionedSpotCapacity", 0)
    state = fleet["Status"]["State"]
    if provisioned >= wanted or state in ("TERMINATING", "TERMINATED"):
        return ""
    name = f"{fleet['InstanceFleetType'].lower()} fleet: {provisioned} of {format_count(wanted, 'vCPU')} of Spot"
    switched = fleet.get("ProvisionedOnDemandCapacity", 0) - fleet.get("TargetOnDemandCapacity", 0)
    if switched > 0:
        return f"{name} came in time, and EMR took {switched} at the on-demand price"
    if state == "RUNNING":
        return f"{name} are there, and EMR looks for no more"
    created = fleet["Status"]["Timeline"].get("CreationDateTime")
    if state not in _STARTING or created is None:
        return f"{name} are there, and EMR looks for more"
    if now - created < patience:
        return ""
    return f"{name} have come since {format_utc(created)}{_describe_end(fleet, created, now)}"


def _describe_end(fleet: Mapping[str, Any], created: datetime, now: datetime) -> str:
    """What EMR does when the fleet's time is over, or should have done."""
    specification = (fleet.get("LaunchSpecifications") or {}).get("SpotSpecification") or {}
    action = _ACTIONS.get(specification.get("TimeoutAction", ""))
    if action is None:
        return ", and nothing limits the wait"
    end = created + timedelta(minutes=specification["TimeoutDurationMinutes"])
    if now > end + LATE:
        return f"; EMR should have {action[1]} at {format_utc(end)}, and has not"
    return f"; at {format_utc(end)} EMR {action[0]}"


def read_lacks(emr: Any, cluster_id: str, *, patience: timedelta = timedelta()) -> list[str]:
    """What the fleets of a cluster lack now, asked of EMR; nothing where it does not say."""
    try:
        fleets = emr.list_instance_fleets(ClusterId=cluster_id)["InstanceFleets"]  # three at most
    except ClientError:
        return []  # a right that is missing, or no fleets: whoever asks has other news too
    return list_lacks(fleets, datetime.now(UTC), patience=patience)


class CapacityNews:
    """What a cluster lacks, asked again at most every `READ_AGAIN_SECONDS`."""

    def __init__(self, emr: Any, cluster_id: str, env: str) -> None:
        self._emr, self._cluster_id, self._env = emr, cluster_id, env
        self._told, self._next = "", 0.0

    def read(self) -> str:
        """What has changed since the last time, in words; empty where nothing has."""
        now = time.monotonic()
        if now < self._next:
            return ""
        self._next = now + READ_AGAIN_SECONDS
        lacks = read_lacks(self._emr, self._cluster_id, patience=USUAL)
        before, self._told = self._told, describe(lacks, self._env)
        return "" if self._told == before else self._told or "the Spot capacity has come"
