"""What EMR refuses, as pure checks: each raises moto's error, with the service's own sentence where it is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from moto.emr.exceptions import InvalidRequestException, ValidationException

MAX_OPEN_STEPS = 256
MAX_BOOTSTRAP_ACTIONS = 16
STEPS_PER_REQUEST = 256
IDLE_RANGE = (60, 604_800)
SPOT_TIMEOUT_RANGE = (5, 1440)
LOG_URI = re.compile(r"s3[an]?://[^/]+(/.*)?")


def check_idle_timeout(policy: dict[str, Any] | None) -> None:
    """Refuse an idle timeout that is not between 60 seconds and 7 days."""
    if policy is None:
        return
    seconds = policy.get("IdleTimeout", 3600)
    if not IDLE_RANGE[0] <= seconds <= IDLE_RANGE[1]:
        raise InvalidRequestException(f"The idle timeout must be between {IDLE_RANGE[0]} and {IDLE_RANGE[1]} seconds.")


def check_concurrency(level: int) -> None:
    """Refuse a step concurrency that is not between 1 and 256."""
    if not 1 <= level <= MAX_OPEN_STEPS:
        raise ValidationException(f"The step concurrency level must be between 1 and {MAX_OPEN_STEPS}.")


def check_steps(steps: Sequence[dict[str, Any]], *, concurrency: int, open_steps: int) -> None:
    """Refuse more steps than a cluster takes, new or running, and actions on failure that it does not take."""
    if len(steps) > STEPS_PER_REQUEST or open_steps + len(steps) > MAX_OPEN_STEPS:
        raise ValidationException(
            f"Maximum number of active steps(State = 'Running', 'Pending' or 'Cancel_Pending') for cluster exceeded: "
            f"{MAX_OPEN_STEPS}."
        )
    for step in steps:
        action = step.get("ActionOnFailure", "TERMINATE_CLUSTER")
        if concurrency > 1 and action in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW", "CANCEL_AND_WAIT"):
            raise ValidationException(
                f"The ActionOnFailure setting {action} is not valid when the step concurrency level is greater than 1. "
                "Use CONTINUE."
            )


def check_new_cluster(request: dict[str, Any], *, releases: Sequence[str], types: Sequence[str]) -> None:
    """Refuse what RunJobFlow refuses at once.

    Parameters
    ----------
    request : the body of RunJobFlow
    releases : the release labels known
    types : the instance types that the release takes; empty when not known
    """
    instances = request.get("Instances", {})
    label = request.get("ReleaseLabel")
    if label not in releases:
        raise ValidationException(f"The supplied release label is invalid: {label}.")
    uri = request.get("LogUri")
    if uri and not LOG_URI.fullmatch(uri):
        raise ValidationException(f"The log URI {uri} is not an address in S3, such as s3://bucket/logs/.")
    fleets, groups = instances.get("InstanceFleets", []), instances.get("InstanceGroups", [])
    if fleets and groups:
        raise ValidationException("Instance fleets and instance groups are mutually exclusive.")
    if not fleets and not groups:
        raise ValidationException("Must specify exactly one of the following: InstanceFleets, InstanceGroups.")
    kinds = [f["InstanceFleetType"] for f in fleets] + [g["InstanceRole"] for g in groups]
    if kinds.count("MASTER") != 1:
        raise ValidationException("Exactly one master instance fleet or group must be specified.")
    if "TASK" in kinds and "CORE" not in kinds:
        raise ValidationException("Clusters with task instance fleets must also define core instance fleets.")
    instance_types = [t["InstanceType"] for f in fleets for t in f.get("InstanceTypeConfigs", [])]
    instance_types += [g["InstanceType"] for g in groups]
    if types and (unknown := [t for t in instance_types if t not in types]):
        raise ValidationException(f"Instance type '{unknown[0]}' is not supported.")
    for fleet in fleets:
        check_fleet(fleet)
    if len(request.get("BootstrapActions", [])) > MAX_BOOTSTRAP_ACTIONS:
        raise ValidationException(f"The number of bootstrap actions exceeds the maximum of {MAX_BOOTSTRAP_ACTIONS}.")
    concurrency = request.get("StepConcurrencyLevel", 1)
    check_concurrency(concurrency)
    check_idle_timeout(request.get("AutoTerminationPolicy"))
    check_steps(request.get("Steps", []), concurrency=concurrency, open_steps=0)


def check_fleet(fleet: dict[str, Any]) -> None:
    """Refuse a fleet that is too small, too large or too varied, of a new cluster or added later."""
    kind = fleet["InstanceFleetType"]
    on_demand, spot = fleet.get("TargetOnDemandCapacity", 0), fleet.get("TargetSpotCapacity", 0)
    if on_demand + spot < 1 and kind != "TASK":
        raise ValidationException(f"The {kind.lower()} instance fleet needs a target capacity of at least 1.")
    if kind == "MASTER" and on_demand + spot != 1:
        raise ValidationException("The master instance fleet must have a target capacity of exactly 1.")
    limit = 30 if fleet.get("LaunchSpecifications") else 5
    if len(fleet.get("InstanceTypeConfigs", [])) > limit:
        raise ValidationException(f"An instance fleet can have at most {limit} instance types.")
    specification = (fleet.get("LaunchSpecifications") or {}).get("SpotSpecification")
    least, most = SPOT_TIMEOUT_RANGE
    if specification and not least <= specification["TimeoutDurationMinutes"] <= most:
        raise ValidationException(f"The Spot provisioning timeout must be between {least} and {most} minutes.")
