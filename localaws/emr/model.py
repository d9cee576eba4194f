"""Clusters and steps as records: what was requested, and what has become of it. No threads, no AWS calls."""

from __future__ import annotations

import random
import string
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from localaws.emr import spark

LIVE_STATES = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
ENDED_STATES = ("TERMINATED", "TERMINATED_WITH_ERRORS")
OPEN_STEPS = ("PENDING", "CANCEL_PENDING", "RUNNING")
MANAGED_GROUPS = ("EmrManagedMasterSecurityGroup", "EmrManagedSlaveSecurityGroup", "ServiceAccessSecurityGroup")


def now() -> datetime:
    """The present time, in UTC as EMR's answers have it."""
    return datetime.now(UTC)


def describe_status(state: str, reason: dict[str, Any] | None, **moments: datetime | None) -> dict[str, Any]:
    """A status in the API's shape: the state, its reason, and when things happened (``creation``, ``end``)."""
    timeline = {f"{name.title()}DateTime": moment for name, moment in moments.items()}
    return {"State": state, "StateChangeReason": reason or {}, "Timeline": timeline}


def make_id(prefix: str) -> str:
    """An id of EMR's form.

    >>> len(make_id("j")), make_id("s")[:2]
    (15, 's-')
    """
    return f"{prefix}-" + "".join(random.choices(string.ascii_uppercase + string.digits, k=13))  # noqa: S311


@dataclass
class Step:
    """One step: its configuration as submitted and its state."""

    config: dict[str, Any]
    id: str = field(default_factory=lambda: make_id("s"))
    state: str = "PENDING"
    reason: str | None = None
    failure: dict[str, str] | None = None
    failure_from: datetime | None = None
    created: datetime = field(default_factory=now)
    started: datetime | None = None
    ended: datetime | None = None

    @property
    def on_failure(self) -> str:
        """What the cluster does when the step fails."""
        return str(self.config.get("ActionOnFailure", "TERMINATE_CLUSTER"))

    @property
    def args(self) -> list[str]:
        """The arguments; empty strings are dropped, as command-runner does."""
        return [a for a in self.config["HadoopJarStep"].get("Args", []) if a]

    def finish(self, state: str, reason: str | None = None) -> None:
        """End the step."""
        self.state, self.reason, self.ended = state, reason, now()

    def describe(self) -> dict[str, Any]:
        """The step in the API's shape."""
        jar = self.config["HadoopJarStep"]
        status = describe_status(
            self.state,
            {"Message": self.reason} if self.reason else None,
            creation=self.created,
            start=self.started,
            end=self.ended,
        )
        return {
            "Id": self.id,
            "Name": self.config["Name"],
            "ActionOnFailure": self.on_failure,
            "Config": {
                "Jar": jar["Jar"],
                "MainClass": jar.get("MainClass"),
                "Args": jar.get("Args", []),
                "Properties": {p["Key"]: p.get("Value", "") for p in jar.get("Properties", [])},
            },
            "Status": status
            | {"FailureDetails": self.failure if self.failure_from is None or self.failure_from <= now() else None},
        }


@dataclass
class Instance:
    """One EC2 instance of a cluster."""

    ec2_id: str
    private_ip: str
    private_dns: str
    instance_type: str
    market: str
    role: str
    fleet_id: str | None = None
    group_id: str | None = None
    id: str = field(default_factory=lambda: make_id("ci"))
    created: datetime = field(default_factory=now)
    ready: datetime | None = None
    ended: datetime | None = None
    reason: str | None = None

    def describe(self) -> dict[str, Any]:
        """The instance in the API's shape."""
        state = "TERMINATED" if self.ended else "RUNNING" if self.ready else "PROVISIONING"
        reason = {"Message": self.reason} if self.reason else None
        return {
            "Id": self.id,
            "Ec2InstanceId": self.ec2_id,
            "PrivateIpAddress": self.private_ip,
            "PrivateDnsName": self.private_dns,
            "PublicDnsName": "",
            "InstanceType": self.instance_type,
            "Market": self.market,
            "InstanceFleetId": self.fleet_id,
            "InstanceGroupId": self.group_id,
            "Status": describe_status(state, reason, creation=self.created, ready=self.ready, end=self.ended),
        }


@dataclass
class SpotWait:
    """A fleet's latest request for Spot capacity.

    Attributes
    ----------
    since : when it was made
    is_first : made with the fleet; otherwise by a change of a running fleet
    switched : instances that EMR took on demand instead, because no Spot instance came in time
    is_given_up : EMR asks for no more
    """

    since: datetime
    is_first: bool
    switched: int = 0
    is_given_up: bool = False


_AS_REQUESTED = (
    *("ReleaseLabel", "OSReleaseLabel", "CustomAmiId", "ServiceRole", "AutoScalingRole", "ScaleDownBehavior"),
    *("SecurityConfiguration", "KerberosAttributes", "LogEncryptionKmsKeyId"),
    *("EbsRootVolumeSize", "EbsRootVolumeIops", "EbsRootVolumeThroughput"),
)
"""What DescribeCluster repeats from RunJobFlow's request."""


class Cluster:
    """One cluster. Whoever reads or changes it must hold ``changed`` (a condition), and notify it after a change."""

    def __init__(self, account: str, region: str, request: dict[str, Any]) -> None:
        self.id = make_id("j")
        self.account, self.region, self.request = account, region, request
        self.arn = f"arn:aws:elasticmapreduce:{region}:{account}:cluster/{self.id}"
        self.changed = threading.Condition(threading.RLock())
        self.state = "STARTING"
        self.reason: tuple[str, str] | None = None
        self.created = now()
        self.ready: datetime | None = None
        self.ended: datetime | None = None
        self.idle_since: datetime | None = None
        self.ending: tuple[str, str, str] | None = None

        instances = request.get("Instances", {})
        self.keep_alive: bool = instances.get("KeepJobFlowAliveWhenNoSteps", False)
        self.protected: bool = instances.get("TerminationProtected", False)
        self.replace_unhealthy: bool = instances.get("UnhealthyNodeReplacement", False)
        self.visible: bool = request.get("VisibleToAllUsers", False)
        self.concurrency: int = request.get("StepConcurrencyLevel", 1)
        self.auto_termination: dict[str, Any] | None = request.get("AutoTerminationPolicy")
        self.managed_scaling: dict[str, Any] | None = request.get("ManagedScalingPolicy")
        self._tags = {t["Key"]: t.get("Value", "") for t in request.get("Tags", [])}
        self.steps: list[Step] = [Step(s) for s in request.get("Steps", [])]
        self.instances: list[Instance] = []
        self.fleets = [make_fleet(f) for f in instances.get("InstanceFleets", [])]
        self.spot_waits: dict[str, SpotWait] = {f["Id"]: SpotWait(self.created, is_first=True) for f in self.fleets}
        self.groups = [make_group(g) for g in instances.get("InstanceGroups", [])]
        self.subnet_ids: list[str] = instances.get("Ec2SubnetIds") or [
            s for s in [instances.get("Ec2SubnetId")] if s is not None
        ]
        self.subnet_id: str | None = self.subnet_ids[0] if self.subnet_ids else None
        self.zone: str | None = None
        self.primary_dns: str | None = None
        self.managed_groups: dict[str, str] = {key: instances[key] for key in MANAGED_GROUPS if instances.get(key)}

    # -- what moto's own callers read (resource tagging) ----------------------------------------
    @property
    def tags(self) -> list[dict[str, str]]:
        """The tags as a list, which is how moto's tagging API reads them."""
        return [{"Key": k, "Value": v} for k, v in self._tags.items()]

    def add_tags(self, tags: dict[str, str]) -> None:
        """Set tags."""
        self._tags.update(tags)

    def remove_tags(self, keys: list[str]) -> None:
        """Drop tags."""
        for key in keys:
            self._tags.pop(key, None)

    def read_properties(self, *classification: str) -> dict[str, str]:
        """The properties that the cluster's configuration sets for a (nested) classification."""
        return spark.read_classification(self.request.get("Configurations", []), *classification)

    @property
    def tag_map(self) -> dict[str, str]:
        """The tags as a mapping."""
        return dict(self._tags)

    # -- state ----------------------------------------
    @property
    def is_live(self) -> bool:
        """Whether the cluster takes steps."""
        return self.state in LIVE_STATES and self.ending is None

    @property
    def log_uri(self) -> str | None:
        """The address of the logs, always as s3://…/ (EMR answers s3n://)."""
        uri = self.request.get("LogUri")
        return None if not uri else "s3://" + str(uri).split("://", 1)[1].rstrip("/") + "/"

    def end(self, state: str, code: str, message: str) -> None:
        """Ask the cluster to end; the first reason stays."""
        with self.changed:
            if self.state not in ENDED_STATES and self.ending is None:
                self.ending = (state, code, message)
                if self.state != "STARTING":
                    self.state = "TERMINATING"
                self.changed.notify_all()

    def find_step(self, step_id: str) -> Step | None:
        """A step by its id."""
        return next((s for s in self.steps if s.id == step_id), None)

    def list_open_steps(self) -> list[Step]:
        """The steps that are pending or running."""
        return [s for s in self.steps if s.state in OPEN_STEPS]

    def list_targets(self) -> Iterator[dict[str, Any]]:
        """The instances to launch: role, type, market and number of each kind."""
        for f in self.fleets:
            specification = f["InstanceTypeSpecifications"][0]
            weight = specification.get("WeightedCapacity", 1)
            spot = -(-f["TargetSpotCapacity"] // weight)
            switched = min(self.spot_waits[f["Id"]].switched, spot)
            on_demand = -(-f["TargetOnDemandCapacity"] // weight) + switched
            for market, count in (("ON_DEMAND", on_demand), ("SPOT", spot - switched)):
                yield {
                    "role": f["InstanceFleetType"],
                    "type": specification["InstanceType"],
                    "market": market,
                    "count": count,
                    "fleet_id": f["Id"],
                }
        for g in self.groups:
            yield {
                "role": g["InstanceGroupType"],
                "type": g["InstanceType"],
                "market": g["Market"],
                "count": g["RequestedInstanceCount"],
                "group_id": g["Id"],
            }

    def describe(self) -> dict[str, Any]:
        """The cluster in DescribeCluster's shape."""
        request, instances = self.request, self.request.get("Instances", {})
        return {
            "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
            **{name: request[name] for name in _AS_REQUESTED if name in request},
            **self.summarize(),
            "Ec2InstanceAttributes": {
                "Ec2KeyName": instances.get("Ec2KeyName"),
                "Ec2SubnetId": self.subnet_id,
                "RequestedEc2SubnetIds": self.subnet_ids,
                "Ec2AvailabilityZone": self.zone,
                "IamInstanceProfile": request.get("JobFlowRole"),
                **self.managed_groups,
                "AdditionalMasterSecurityGroups": instances.get("AdditionalMasterSecurityGroups", []),
                "AdditionalSlaveSecurityGroups": instances.get("AdditionalSlaveSecurityGroups", []),
            },
            "InstanceCollectionType": "INSTANCE_FLEET" if self.fleets else "INSTANCE_GROUP",
            "LogUri": self.log_uri.replace("s3://", "s3n://", 1) if self.log_uri else None,
            "AutoTerminate": not self.keep_alive,
            "TerminationProtected": self.protected,
            "UnhealthyNodeReplacement": self.replace_unhealthy,
            "VisibleToAllUsers": self.visible,
            "Applications": [{"Name": a["Name"]} for a in request.get("Applications", [])],
            "Tags": self.tags,
            "MasterPublicDnsName": self.primary_dns,
            "Configurations": request.get("Configurations", []),
            "StepConcurrencyLevel": self.concurrency,
            "PlacementGroups": request.get("PlacementGroupConfigs"),
        }

    def summarize(self) -> dict[str, Any]:
        """The cluster in ListClusters' shape."""
        reason = {"Code": self.reason[0], "Message": self.reason[1]} if self.reason else None
        return {
            "Id": self.id,
            "Name": self.request["Name"],
            "ClusterArn": self.arn,
            "Status": describe_status(self.state, reason, creation=self.created, ready=self.ready, end=self.ended),
            "NormalizedInstanceHours": 0,
        }


def _list_ebs_devices(configuration: dict[str, Any] | None) -> list[dict[str, Any]]:
    volumes = [
        config["VolumeSpecification"]
        for config in (configuration or {}).get("EbsBlockDeviceConfigs", [])
        for _ in range(config.get("VolumesPerInstance", 1))
    ]
    return [{"VolumeSpecification": v, "Device": f"/dev/sd{chr(98 + i)}"} for i, v in enumerate(volumes)]


_SPECIFICATION = (
    "InstanceType",
    "WeightedCapacity",
    "BidPrice",
    "BidPriceAsPercentageOfOnDemandPrice",
    "Configurations",
    "CustomAmiId",
    "Priority",
)


def make_fleet(config: dict[str, Any]) -> dict[str, Any]:
    """An instance fleet in ListInstanceFleets' shape, from the configuration that asks for it."""
    names = ("Name", "InstanceFleetType", "LaunchSpecifications", "ResizeSpecifications")
    return {
        **{name: config.get(name) for name in names},
        "Id": make_id("if"),
        "Status": describe_status("PROVISIONING", None, creation=now()),
        "TargetOnDemandCapacity": config.get("TargetOnDemandCapacity", 0),
        "TargetSpotCapacity": config.get("TargetSpotCapacity", 0),
        "ProvisionedOnDemandCapacity": 0,
        "ProvisionedSpotCapacity": 0,
        "InstanceTypeSpecifications": [
            {k: t[k] for k in _SPECIFICATION if k in t}
            | {"EbsBlockDevices": _list_ebs_devices(t.get("EbsConfiguration"))}
            for t in config.get("InstanceTypeConfigs", [])
        ],
    }


def make_group(config: dict[str, Any]) -> dict[str, Any]:
    """An instance group in ListInstanceGroups' shape, from the configuration that asks for it."""
    return {
        "Id": make_id("ig"),
        **{name: config.get(name) for name in ("Name", "BidPrice", "InstanceType")},
        "Market": config.get("Market", "ON_DEMAND"),
        "InstanceGroupType": config["InstanceRole"],
        "RequestedInstanceCount": config["InstanceCount"],
        "RunningInstanceCount": 0,
        "Status": describe_status("PROVISIONING", None, creation=now()),
        "Configurations": config.get("Configurations", []),
        "EbsBlockDevices": _list_ebs_devices(config.get("EbsConfiguration")),
    }
