"""EMR's API over our own clusters. Release labels, instance types and security configurations stay moto's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import moto.emr.urls
from moto.core.responses import ActionResult
from moto.core.utils import extract_region_from_aws_authorization
from moto.ec2.models import ec2_backends
from moto.emr.exceptions import InvalidRequestException, ValidationException
from moto.emr.models import ElasticMapReduceBackend, emr_backends
from moto.emr.responses import ElasticMapReduceResponse

from localaws import patching
from localaws.answers import operation
from localaws.emr import rules
from localaws.emr.life import Supervisor
from localaws.emr.model import Cluster, SpotWait, Step, make_fleet, now

_PAGE = 50
_EXCLUSIVE = (
    "Instance fleets and instance groups are mutually exclusive. The EMR cluster specified in the request uses "
    "instance {0}. The ListInstance{1} request does not support clusters that use instance {0}. Use the "
    "ListInstance{2} request instead."
)
_ENDED = "A job flow that is shutting down, terminated, or finished may not be modified."


def make_page(items: list[dict[str, Any]], key: str, request: dict[str, Any], size: int = _PAGE) -> dict[str, Any]:
    """One page of a listing, and the marker of the next.

    >>> make_page([{"n": 1}, {"n": 2}, {"n": 3}], "Things", {"Marker": "2"}, size=2)
    {'Things': [{'n': 3}], 'Marker': None}
    """
    marker = request.get("Marker") or "0"
    if not (marker.isascii() and marker.isdigit()):
        raise InvalidRequestException(f"Marker '{marker}' is not valid.")  # EMR's own words are not known
    start = int(marker)
    following = start + size
    return {key: items[start:following], "Marker": str(following) if following < len(items) else None}


def _find_clusters(account: str, region: str) -> dict[str, Cluster]:
    # moto's own dictionary, so that its reset empties it and its tagging API finds the clusters
    return cast(dict[str, Cluster], emr_backends[account][region].clusters)


def _make_setter(name: str, member: str, attribute: str) -> Callable[[Any], ActionResult]:
    """An operation that sets an attribute of clusters to a member of its request."""

    def set_value(self: Emr, request: dict[str, Any]) -> None:
        for cluster in [self._find_cluster(cluster_id) for cluster_id in request["JobFlowIds"]]:
            with cluster.changed:
                setattr(cluster, attribute, request[member])
                cluster.changed.notify_all()

    return operation(name)(set_value)


class Emr(ElasticMapReduceResponse):
    """The operations that are ours; the rest is inherited."""

    supervisor: Supervisor

    def get_region_from_url(self, request: Any, full_url: str) -> str:
        """The region that the request was signed for; moto knows only that of the host name."""
        signed = extract_region_from_aws_authorization(request.headers.get("Authorization", ""))
        return signed or str(super().get_region_from_url(request, full_url))

    # -- helpers ----------------------------------------
    @property
    def _clusters(self) -> dict[str, Cluster]:
        return _find_clusters(self.current_account, self.region)

    def _find_cluster(self, cluster_id: str) -> Cluster:
        if cluster_id not in self._clusters:
            raise InvalidRequestException(f"Cluster id '{cluster_id}' is not valid.")
        return self._clusters[cluster_id]

    def _find_live_cluster(self, cluster_id: str) -> Cluster:
        if cluster_id not in self._clusters:
            raise ValidationException("Specified job flow ID does not exist.")
        if not self._clusters[cluster_id].is_live:
            raise ValidationException(_ENDED)
        return self._clusters[cluster_id]

    # -- clusters ----------------------------------------
    @operation("RunJobFlow")
    def run_job_flow(self, request: dict[str, Any]) -> dict[str, Any]:
        label = request.get("ReleaseLabel")
        releases = self.backend.list_release_labels()
        types: list[str] = []
        if label in releases:
            types = [t["Type"] for t in self.backend.list_supported_instance_types(label)]
        rules.check_new_cluster(request, releases=releases, types=types)
        self._check_references(request)
        cluster = Cluster(self.current_account, self.region, request)
        self._clusters[cluster.id] = cluster
        self.supervisor.launch(cluster)
        return {"JobFlowId": cluster.id, "ClusterArn": cluster.arn}

    def _check_references(self, request: dict[str, Any]) -> None:
        name = request.get("SecurityConfiguration")
        if name and name not in self.backend.security_configurations:
            raise InvalidRequestException(f"Security configuration with name '{name}' does not exist.")
        ec2 = ec2_backends[self.current_account][self.region]
        instances = request.get("Instances", {})
        subnets = {subnet for zone in ec2.subnets.values() for subnet in zone}
        for subnet in [*instances.get("Ec2SubnetIds", []), instances.get("Ec2SubnetId")]:
            if subnet and subnet not in subnets:
                raise ValidationException(f"The subnet {subnet} does not exist.")

    @operation("DescribeCluster")
    def describe_cluster(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        with cluster.changed:
            return {"Cluster": cluster.describe()}

    @operation("ListClusters")
    def list_clusters(self, request: dict[str, Any]) -> dict[str, Any]:
        states = request.get("ClusterStates")
        after, before = request.get("CreatedAfter"), request.get("CreatedBefore")
        listed = [
            c
            for c in sorted(self._clusters.values(), key=lambda c: c.created, reverse=True)
            if (not states or c.state in states)
            and (after is None or c.created.timestamp() > after)
            and (before is None or c.created.timestamp() < before)
        ]
        return make_page([c.summarize() for c in listed], "Clusters", request)

    @operation("DescribeJobFlows")
    def describe_job_flows(self, request: dict[str, Any]) -> dict[str, Any]:
        raise InvalidRequestException(
            "DescribeJobFlows is deprecated and not available here. Use ListClusters and DescribeCluster."
        )

    @operation("TerminateJobFlows")
    def terminate_job_flows(self, request: dict[str, Any]) -> None:
        clusters = [self._find_cluster(i) for i in request["JobFlowIds"]]
        terminate(self.current_account, self.region, request["JobFlowIds"])
        if any(c.protected and c.is_live for c in clusters):
            raise ValidationException("Could not shut down one or more job flows since they are termination protected.")

    @operation("ModifyCluster")
    def modify_cluster(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_live_cluster(request["ClusterId"])
        level = request.get("StepConcurrencyLevel", cluster.concurrency)
        rules.check_concurrency(level)
        with cluster.changed:
            cluster.concurrency = level
            cluster.changed.notify_all()
        return {"StepConcurrencyLevel": level}

    set_termination_protection = _make_setter("SetTerminationProtection", "TerminationProtected", "protected")
    set_visible_to_all_users = _make_setter("SetVisibleToAllUsers", "VisibleToAllUsers", "visible")
    set_unhealthy_node_replacement = _make_setter(
        "SetUnhealthyNodeReplacement", "UnhealthyNodeReplacement", "replace_unhealthy"
    )
    set_keep_job_flow_alive_when_no_steps = _make_setter(
        "SetKeepJobFlowAliveWhenNoSteps", "KeepJobFlowAliveWhenNoSteps", "keep_alive"
    )

    @operation("AddTags")
    def add_tags(self, request: dict[str, Any]) -> None:
        cluster = self._find_cluster(request["ResourceId"])
        cluster.add_tags({t["Key"]: t.get("Value", "") for t in request["Tags"]})

    @operation("RemoveTags")
    def remove_tags(self, request: dict[str, Any]) -> None:
        self._find_cluster(request["ResourceId"]).remove_tags(request["TagKeys"])

    @operation("ListBootstrapActions")
    def list_bootstrap_actions(self, request: dict[str, Any]) -> dict[str, Any]:
        actions = self._find_cluster(request["ClusterId"]).request.get("BootstrapActions", [])
        listed = [
            {
                "Name": a["Name"],
                "ScriptPath": a["ScriptBootstrapAction"]["Path"],
                "Args": a["ScriptBootstrapAction"].get("Args", []),
            }
            for a in actions
        ]
        return make_page(listed, "BootstrapActions", request)

    # -- policies ----------------------------------------
    @operation("PutAutoTerminationPolicy")
    def put_auto_termination_policy(self, request: dict[str, Any]) -> None:
        cluster = self._find_live_cluster(request["ClusterId"])
        rules.check_idle_timeout(request.get("AutoTerminationPolicy"))
        with cluster.changed:
            cluster.auto_termination = request.get("AutoTerminationPolicy", {})
            cluster.changed.notify_all()

    @operation("GetAutoTerminationPolicy")
    def get_auto_termination_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"AutoTerminationPolicy": self._find_cluster(request["ClusterId"]).auto_termination}

    @operation("RemoveAutoTerminationPolicy")
    def remove_auto_termination_policy(self, request: dict[str, Any]) -> None:
        self._find_live_cluster(request["ClusterId"]).auto_termination = None

    @operation("PutManagedScalingPolicy")
    def put_managed_scaling_policy(self, request: dict[str, Any]) -> None:
        cluster = self._find_live_cluster(request["ClusterId"])
        limits = request["ManagedScalingPolicy"]["ComputeLimits"]
        if (limits["UnitType"] == "InstanceFleetUnits") != bool(cluster.fleets):
            kind = "InstanceFleetUnits" if cluster.fleets else "Instances or VCPU"
            raise InvalidRequestException(f"The unit type of the compute limits must be {kind} for this cluster.")
        if limits["MinimumCapacityUnits"] > limits["MaximumCapacityUnits"]:
            raise InvalidRequestException("MinimumCapacityUnits must not be greater than MaximumCapacityUnits.")
        cluster.managed_scaling = request["ManagedScalingPolicy"]

    @operation("GetManagedScalingPolicy")
    def get_managed_scaling_policy(self, request: dict[str, Any]) -> dict[str, Any]:
        return {"ManagedScalingPolicy": self._find_cluster(request["ClusterId"]).managed_scaling}

    @operation("RemoveManagedScalingPolicy")
    def remove_managed_scaling_policy(self, request: dict[str, Any]) -> None:
        self._find_live_cluster(request["ClusterId"]).managed_scaling = None

    # -- capacity ----------------------------------------
    @operation("ListInstanceFleets")
    def list_instance_fleets(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        if not cluster.fleets:
            raise InvalidRequestException(_EXCLUSIVE.format("groups", "Fleets", "Groups"))
        with cluster.changed:
            return make_page([dict(f) for f in cluster.fleets], "InstanceFleets", request)

    @operation("AddInstanceFleet")
    def add_instance_fleet(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_live_cluster(request["ClusterId"])
        if not cluster.fleets:
            raise InvalidRequestException("Instance fleets and instance groups are mutually exclusive.")
        config = request["InstanceFleet"]
        if any(f["InstanceFleetType"] == config["InstanceFleetType"] for f in cluster.fleets):
            raise InvalidRequestException(f"A {config['InstanceFleetType']} instance fleet already exists.")
        rules.check_fleet(config)
        new = make_fleet(config)
        with cluster.changed:
            cluster.spot_waits[new["Id"]] = SpotWait(now(), is_first=True)
            cluster.fleets.append(new)
            cluster.changed.notify_all()
        self.supervisor.resize(cluster)
        return {"ClusterId": cluster.id, "InstanceFleetId": new["Id"], "ClusterArn": cluster.arn}

    @operation("ModifyInstanceFleet")
    def modify_instance_fleet(self, request: dict[str, Any]) -> None:
        cluster, change = self._find_cluster(request["ClusterId"]), request["InstanceFleet"]
        if cluster.state not in ("RUNNING", "WAITING"):  # Terraform's provider knows this sentence
            raise InvalidRequestException(
                "An instance fleet may only be modified when the cluster is running or waiting."
            )
        changed = next((f for f in cluster.fleets if f["Id"] == change["InstanceFleetId"]), None)
        if changed is None:
            raise InvalidRequestException(f"Instance fleet id '{change['InstanceFleetId']}' is not valid.")
        with cluster.changed:
            for key in ("TargetOnDemandCapacity", "TargetSpotCapacity", "ResizeSpecifications"):
                if key in change:
                    changed[key] = change[key]
            cluster.spot_waits[changed["Id"]] = SpotWait(now(), is_first=False)
            cluster.changed.notify_all()
        self.supervisor.resize(cluster)

    @operation("ListInstanceGroups")
    def list_instance_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        if cluster.fleets:
            raise InvalidRequestException(_EXCLUSIVE.format("fleets", "Groups", "Fleets"))
        with cluster.changed:
            return make_page([dict(g) for g in cluster.groups], "InstanceGroups", request)

    @operation("AddInstanceGroups")
    def add_instance_groups(self, request: dict[str, Any]) -> dict[str, Any]:
        raise InvalidRequestException("Instance groups are not added to a running cluster here: use instance fleets.")

    @operation("ModifyInstanceGroups")
    def modify_instance_groups(self, request: dict[str, Any]) -> None:
        raise InvalidRequestException("Instance groups are not resized here: use instance fleets.")

    @operation("ListInstances")
    def list_instances(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        kinds = request.get("InstanceGroupTypes") or (
            [request["InstanceFleetType"]] if "InstanceFleetType" in request else None
        )
        with cluster.changed:
            instances = [
                i.describe()
                for i in cluster.instances
                if (kinds is None or i.role in kinds)
                and request.get("InstanceFleetId", i.fleet_id) == i.fleet_id
                and request.get("InstanceGroupId", i.group_id) == i.group_id
            ]
        if states := request.get("InstanceStates"):
            instances = [i for i in instances if i["Status"]["State"] in states]
        return make_page(instances, "Instances", request, 2000)

    # -- steps ----------------------------------------
    @operation("AddJobFlowSteps")
    def add_job_flow_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_live_cluster(request["JobFlowId"])
        with cluster.changed:
            open_steps = len(cluster.list_open_steps())
            rules.check_steps(request["Steps"], concurrency=cluster.concurrency, open_steps=open_steps)
            new = [Step(s) for s in request["Steps"]]
            cluster.steps += new
            cluster.changed.notify_all()
        return {"StepIds": [s.id for s in new]}

    @operation("ListSteps")
    def list_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        ids, states = request.get("StepIds"), request.get("StepStates")
        if ids and states:
            raise InvalidRequestException("Cannot filter by both step IDs and step states.")
        with cluster.changed:
            listed = [
                s.describe()
                for s in reversed(cluster.steps)
                if (not ids or s.id in ids) and (not states or s.state in states)
            ]
        return make_page(listed, "Steps", request)

    @operation("DescribeStep")
    def describe_step(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        step = cluster.find_step(request["StepId"])
        if step is None:
            raise InvalidRequestException(f"Step id '{request['StepId']}' is not valid.")
        with cluster.changed:
            return {"Step": step.describe()}

    @operation("CancelSteps")
    def cancel_steps(self, request: dict[str, Any]) -> dict[str, Any]:
        cluster = self._find_cluster(request["ClusterId"])
        force = request.get("StepCancellationOption") == "TERMINATE_PROCESS"
        infos = []
        for step_id in request["StepIds"]:
            accepted = self.supervisor.cancel(cluster, step_id, force=force)
            refused = None if accepted else "The step is not in a state that can be canceled."
            infos.append({"StepId": step_id, "Status": "SUBMITTED" if accepted else "FAILED", "Reason": refused})
        return {"CancelStepsInfoList": infos}

    # -- what moto has in part ----------------------------------------
    @operation("ListReleaseLabels")
    def list_release_labels(self, request: dict[str, Any]) -> dict[str, Any]:
        prefix = (request.get("Filters") or {}).get("Prefix", "")
        return {"ReleaseLabels": [label for label in self.backend.list_release_labels() if label.startswith(prefix)]}

    @operation("GetBlockPublicAccessConfiguration")
    def get_block_public_access_configuration(self, request: dict[str, Any]) -> dict[str, Any]:
        # moto answers nothing until somebody changes it; on AWS it is on, except for port 22
        answer = self.backend.get_block_public_access_configuration()
        config = answer.get("block_public_access_configuration", {"block_public_security_group_rules": True})
        metadata = answer.get("block_public_access_configuration_metadata", {})
        ranges = config.get("permitted_public_security_group_rule_ranges", [{"min_range": 22, "max_range": 22}])
        return {
            "BlockPublicAccessConfiguration": {
                "BlockPublicSecurityGroupRules": config["block_public_security_group_rules"],
                "PermittedPublicSecurityGroupRuleRanges": [
                    {"MinRange": ports["min_range"], "MaxRange": ports["max_range"]} for ports in ranges
                ],
            },
            "BlockPublicAccessConfigurationMetadata": {
                "CreationDateTime": metadata.get("creation_date_time", now()),
                "CreatedByArn": metadata.get("created_by_arn", f"arn:aws:iam::{self.current_account}:root"),
            },
        }

    @operation("PutBlockPublicAccessConfiguration")
    def put_block_public_access_configuration(self, request: dict[str, Any]) -> None:
        # moto turns False into True
        config = request["BlockPublicAccessConfiguration"]
        self.backend.put_block_public_access_configuration(
            block_public_security_group_rules=config["BlockPublicSecurityGroupRules"],
            rule_ranges=config.get("PermittedPublicSecurityGroupRuleRanges"),
        )

    @operation("ListSecurityConfigurations")
    def list_security_configurations(self, request: dict[str, Any]) -> dict[str, Any]:
        configurations = self.backend.security_configurations.values()
        listed = [{"Name": s.name, "CreationDateTime": s.creation_date_time} for s in configurations]
        return make_page(listed, "SecurityConfigurations", request)


def terminate(account: str, region: str, cluster_ids: list[str]) -> None:
    """End clusters as TerminateJobFlows does: not those that are protected."""
    clusters = _find_clusters(account, region)
    for cluster in (clusters[i] for i in cluster_ids if i in clusters):
        if not cluster.protected:
            cluster.end("TERMINATED", "USER_REQUEST", "Terminated by user request")


def install(supervisor: Supervisor) -> None:
    """Put our EMR in moto's place."""
    patching.require_attributes(
        ElasticMapReduceBackend,
        "list_release_labels",
        "list_supported_instance_types",
        "get_security_configuration",
        "get_block_public_access_configuration",
        "put_block_public_access_configuration",
    )
    patching.require_attributes(
        ElasticMapReduceResponse, "dispatch", "create_security_configuration", "list_supported_instance_types"
    )
    Emr.supervisor = supervisor
    patching.replace_attribute(moto.emr.urls, "url_paths", {"{0}/$": Emr.dispatch})
