"""Ask AWS for what the checks need. No call here may end the run: what AWS refuses is kept as ``{"error": …}``."""

import gzip
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from fruits.wording import format_count

from localaws import server
from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.poll import pace, poll
from ops.aws.states import OPEN_STATES
from ops.aws.studio import find_domain
from ops.aws.sweep import ENDPOINT_NAME, find_vpcs
from ops.core.console import Console, working
from ops.core.errors import OperatorError
from ops.core.target import PROJECT
from ops.lifecycle import studio
from ops.verify import probe
from ops.verify.extras import IDLE_SECONDS

PROBE = Path(probe.__file__)
PROBE_STEP = "probe"
CLOCK_LEAD_SECONDS = 75
CLOCK_WAIT_SECONDS = 600.0
CLOCK_WAIT_SECONDS_EMULATED = 60.0
IDLE_CLOCK_RATE_EMULATED = 30.0
TRACEBACK = "no image is of class No such fruit"


def encode_answer(value: Any) -> Any:
    """An answer as JSON keeps it: times in ISO 8601, no metadata of the transport."""
    if isinstance(value, dict):
        return {str(k): encode_answer(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list | tuple):
        return [encode_answer(v) for v in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


class Gatherer:
    """Collects the evidence of one run.

    Attributes
    ----------
    evidence : what was seen so far
    denied : the calls that were refused because a right was missing
    """

    def __init__(self, account: Account, console: Console) -> None:
        self.account, self.console = account, console
        self.emulated = account.target.emulated
        self.evidence: dict[str, Any] = {}
        self.denied: list[str] = []

    @property
    def pause(self) -> float:
        return pace(10.0, emulated=self.emulated)

    @property
    def cluster_id(self) -> str:
        return str(self.account.cluster["cluster_id"])

    def ask(self, call: Callable[[], Any]) -> Any:
        """An answer, or what kept it away."""
        try:
            return encode_answer(call())
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"):
                self.denied.append(error.operation_name)
            return {"error": f"{error.operation_name}: {code}"}
        except (BotoCoreError, FruitsError, OperatorError, OSError, ValueError, LookupError) as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def list_all(self, service: str, call: str, key: str, **parameters: Any) -> Any:
        """All pages of a listing."""
        return self.ask(lambda: list(list_pages(self.account.client(service), call, key, **parameters)))

    # -- who ----------------------------------------
    def identify_caller(self) -> dict[str, Any]:
        """Who runs this, without a name: the kind, and whether the operators' group has it."""
        arn = str(self.account.client("sts").get_caller_identity()["Arn"])
        # arn:aws:iam::123456789012:user/ana, arn:aws:sts::123456789012:assumed-role/AdministratorAccess/ana
        kind, _, name = arn.rsplit(":", 1)[-1].partition("/")
        iam = self.account.client("iam")
        groups = self.ask(lambda: iam.list_groups_for_user(UserName=name)["Groups"]) if kind == "user" else []
        operators = f"{PROJECT}-{self.account.target.env}-operators"
        group_names = [g["GroupName"] for g in groups] if isinstance(groups, list) else []
        if "ListGroupsForUser" in self.denied:
            # operators may not list groups, and an administrator may: who is refused holds the operators' policies
            self.denied.remove("ListGroupsForUser")
            group_names = [operators]
        return {"kind": kind, "operator": operators in group_names}

    # -- while the cluster lives ----------------------------------------
    def look_at_cluster(self) -> dict[str, Any]:
        """The cluster, its machines, its network, and what stands around it."""
        cluster_id, emr = self.cluster_id, self.account.client("emr")
        ec2 = self.account.client("ec2")
        budgets, target = self.account.client("budgets"), self.account.target
        budget = {"AccountId": target.account_id, "BudgetName": f"{PROJECT}-{target.env}-monthly"}
        cluster = self.ask(lambda: emr.describe_cluster(ClusterId=cluster_id)["Cluster"])
        return {
            "cluster": cluster,
            "fleets": self.list_all("emr", "list_instance_fleets", "InstanceFleets", ClusterId=cluster_id),
            "instances": self.list_all("emr", "list_instances", "Instances", ClusterId=cluster_id),
            "machines": self.ask(lambda: self._list_machines(ec2, cluster_id)),
            "network": self._describe_network(ec2),
            "service_role": self._describe_service_role(cluster),
            "idle": self.ask(
                lambda: emr.get_auto_termination_policy(ClusterId=cluster_id).get("AutoTerminationPolicy", {})
            ),
            "watch": self.ask(self._list_looks_of_watch),
            "budget": self.ask(lambda: budgets.describe_budget(**budget)["Budget"]),
            "interfaces": self._open_interfaces(emr, cluster_id, cluster),
        }

    def _list_looks_of_watch(self) -> list[dict[str, Any]]:
        target = self.account.target
        arn = f"arn:aws:states:{target.region}:{target.account_id}:stateMachine:{PROJECT}-{target.env}-idle"
        states = self.account.client("stepfunctions")
        executions = states.list_executions(stateMachineArn=arn)["executions"]
        return [{"status": e["status"], "name": e["name"]} for e in executions]

    @staticmethod
    def _list_machines(ec2: Any, cluster_id: str) -> list[dict[str, Any]]:
        filters = [{"Name": "tag:aws:elasticmapreduce:job-flow-id", "Values": [cluster_id]}]
        reservations = list_pages(ec2, "describe_instances", "Reservations", Filters=filters)
        return [instance for reservation in reservations for instance in reservation["Instances"]]

    def _describe_network(self, ec2: Any) -> dict[str, Any]:
        vpcs = find_vpcs(ec2, PROJECT, self.account.target.env)
        if len(vpcs) != 1:
            return {"error": f"{format_count(len(vpcs), 'VPC', 'has')} the tags of this environment"}
        inside = {"Filters": [{"Name": "vpc-id", "Values": vpcs}]}
        nats = {"Filter": [{"Name": "vpc-id", "Values": vpcs}]}
        return {
            "vpc": self.ask(lambda: ec2.describe_vpcs(VpcIds=vpcs)["Vpcs"][0]),
            "subnets": self.ask(lambda: ec2.describe_subnets(**inside)["Subnets"]),
            "tables": self.ask(lambda: ec2.describe_route_tables(**inside)["RouteTables"]),
            "nats": self.ask(lambda: ec2.describe_nat_gateways(**nats)["NatGateways"]),
            "endpoints": self.ask(lambda: ec2.describe_vpc_endpoints(**inside)["VpcEndpoints"]),
            "groups": self.ask(lambda: ec2.describe_security_groups(**inside)["SecurityGroups"]),
        }

    def _describe_service_role(self, cluster: Any) -> dict[str, Any]:
        role = str(cluster.get("ServiceRole", "")).rsplit("/", 1)[-1]
        iam = self.account.client("iam")
        policies = self.ask(lambda: iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"])
        return {"managed": [p["PolicyArn"] for p in policies]} if isinstance(policies, list) else policies

    def _open_interfaces(self, emr: Any, cluster_id: str, cluster: Any) -> dict[str, Any]:
        """Whether addresses of the history server come; the addresses themselves are keys and are not kept."""

        def persistent() -> dict[str, Any]:
            ui_id = emr.create_persistent_app_ui(TargetResourceArn=cluster.get("ClusterArn"))["PersistentAppUIId"]
            answer = emr.get_persistent_app_ui_presigned_url(PersistentAppUIId=ui_id, PersistentAppUIType="SHS")
            return {"came": bool(answer.get("PresignedURL"))}

        def on_cluster() -> dict[str, Any]:
            answer = emr.get_on_cluster_app_ui_presigned_url(
                ClusterId=cluster_id, OnClusterAppUIType="SparkHistoryServer"
            )
            return {"came": bool(answer.get("PresignedURL"))}

        # an address of one of the two is enough, so neither error hides the other
        return {
            "persistent": {"came": False, **self.ask(persistent)},
            "cluster": {"came": False, **self.ask(on_cluster)},
        }

    # -- steps ----------------------------------------
    def describe_step(self, cluster_id: str, step_id: str) -> Any:
        """EMR's answer about a step."""
        emr = self.account.client("emr")
        return self.ask(lambda: emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"])

    def run_probe(self) -> None:
        """The probe on the primary node, by a step; it puts its answer below ``node/`` of the log bucket."""
        emr, s3 = self.account.client("emr"), self.account.client("s3")
        cluster_id = self.cluster_id
        artifacts, logs = self.account.bucket("artifacts"), self.account.bucket("logs")
        s3.put_object(Bucket=artifacts, Key="verify/probe.py", Body=PROBE.read_bytes())
        python, target = '"${NODE_ROOT:-}/opt/fruits/venv/bin/python"', f"s3://{logs}/node/verify/probe.json"
        command = (
            f"set -euo pipefail; cd $(mktemp -d); aws s3 cp --quiet s3://{artifacts}/verify/probe.py probe.py; "
            f"{python} -I probe.py > probe.json; aws s3 cp --quiet probe.json {target}"
        )
        jar_step = {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]}
        probe_step: Any = {"Name": PROBE_STEP, "ActionOnFailure": "CONTINUE", "HadoopJarStep": jar_step}
        step_id = str(emr.add_job_flow_steps(JobFlowId=cluster_id, Steps=[probe_step])["StepIds"][0])
        with working(self.console, "looking at a node from inside") as say:

            def has_ended() -> bool | None:
                status = emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]
                return None if status["State"] in OPEN_STATES else True

            poll(has_ended, pause=self.pause / 2, say=say)
        answer = partial(s3.get_object, Bucket=logs, Key="node/verify/probe.json")
        self.evidence["probe"] = self.ask(lambda: json.loads(answer()["Body"].read()))

    # -- what WITH= names ----------------------------------------
    def look_at_extras(self, names: Sequence[str]) -> None:
        """The evidence of each, while the cluster lives."""
        policy = self.account.client("emr").get_managed_scaling_policy
        looks: dict[str, Callable[[], Any]] = {
            "kms": self._describe_encryption,
            "ssm": self._list_online,
            "nat": lambda: self.evidence["alive"]["network"]["nats"],
            "scaling": lambda: policy(ClusterId=self.cluster_id).get("ManagedScalingPolicy", {}),
            "arm64": lambda: [
                {"InstanceId": i["InstanceId"], "Architecture": i.get("Architecture")}
                for i in self.evidence["alive"]["machines"]
            ],
            "one-node": lambda: [f["InstanceFleetType"] for f in self.evidence["alive"]["fleets"]],
            "studio": self._describe_domain,
        }
        self.evidence["extras"] = {name: self.ask(looks[name]) for name in names if name in looks}

    def _describe_encryption(self) -> dict[str, Any]:
        s3, ec2 = self.account.client("s3"), self.account.client("ec2")
        bucket, _, prefix = self.evidence["sample"]["output"].removeprefix("s3://").partition("/")
        machines = [i["InstanceId"] for i in self.evidence["alive"]["machines"]]
        attached = [{"Name": "attachment.instance-id", "Values": machines}]
        volumes = ec2.describe_volumes(Filters=attached)["Volumes"]
        return {
            "key": self.account.storage.get("kms_key_arn"),
            "object": s3.head_object(Bucket=bucket, Key=f"{prefix}/run.json").get("SSEKMSKeyId"),
            "volumes": [
                {"id": v["VolumeId"], "encrypted": v.get("Encrypted"), "key": v.get("KmsKeyId")} for v in volumes
            ],
        }

    def _list_online(self) -> list[dict[str, Any]]:
        machines = {i["InstanceId"] for i in self.evidence["alive"]["machines"]}
        listed = list_pages(self.account.client("ssm"), "describe_instance_information", "InstanceInformationList")
        return [instance for instance in listed if instance["InstanceId"] in machines]

    def _describe_domain(self) -> dict[str, Any]:
        """The address itself is a key and is not kept."""
        sagemaker = self.account.client("sagemaker")
        domain = find_domain(sagemaker, f"{PROJECT}-{self.account.target.env}")
        if domain is None:
            raise ValueError("SageMaker lists no domain of this environment")
        status = sagemaker.describe_domain(DomainId=domain)["Status"]
        user = studio.read_connection(self.account)["user"]
        return {"status": status, "address": bool(studio.make_address(sagemaker, domain, user))}

    # -- logs ----------------------------------------
    def wait_for_logs(self, limit_seconds: float) -> None:
        """Look until the logs of both steps have come and the failure is told, or the time is over."""
        cluster_id = self.cluster_id
        failing, emr = self.evidence["failing"], self.account.client("emr")
        if "Id" not in failing["step"] or "Id" not in self.evidence["sample"]["step"]:
            self.evidence["logs"] = {"error": "EMR did not describe the steps"}
            return
        failed_id = failing["step"]["Id"]
        end_time = datetime.fromisoformat(failing["step"]["Status"]["Timeline"]["EndDateTime"])
        expected_keys = {f"steps/{self.evidence['sample']['step']['Id']}/stderr.gz", f"steps/{failed_id}/stderr.gz"}
        with working(self.console, "waiting for the logs") as say:

            def have_come() -> bool | None:
                keys = self._list_log_keys(cluster_id)
                status = self.ask(lambda: emr.describe_step(ClusterId=cluster_id, StepId=failed_id)["Step"]["Status"])
                if status.get("FailureDetails") and failing["details"]["seconds"] is None:
                    seconds = (datetime.now(UTC) - end_time).total_seconds()
                    failing["details"] = {"seconds": round(seconds, 1), "found": status["FailureDetails"]}
                words = self._find_words(keys, failed_id, cluster_id)
                has_details = failing["details"]["seconds"] is not None
                self.evidence["logs"] = {"keys": keys, "traceback": words}
                return (has_details and words["containers"] and expected_keys <= keys.keys()) or None

            poll(have_come, pause=self.pause, limit=limit_seconds, say=say)

    def _list_log_keys(self, cluster_id: str) -> dict[str, str]:
        prefix = f"emr/{cluster_id}/"
        place = {"Bucket": self.account.bucket("logs"), "Prefix": prefix}
        objects = self.list_all("s3", "list_objects_v2", "Contents", **place)
        items = objects if isinstance(objects, list) else []
        return {item["Key"].removeprefix(prefix): item["LastModified"] for item in items}

    def _find_words(self, keys: dict[str, str], failed_id: str, cluster_id: str) -> dict[str, bool]:
        def hold(chosen: list[str]) -> bool:
            return any(TRACEBACK in self._read_log(f"emr/{cluster_id}/{key}") for key in chosen)

        applications = sorted({key.split("/")[1] for key in keys if key.startswith("containers/application_")})
        newest = f"containers/{applications[-1]}/" if applications else "containers/-"
        drivers = [key for key in keys if key.startswith(newest) and "_000001/std" in key]
        step_logs = [key for key in keys if key.startswith(f"steps/{failed_id}/std")]
        return {"containers": hold(drivers), "step": hold(step_logs)}

    def _read_log(self, key: str) -> str:
        s3, bucket = self.account.client("s3"), self.account.bucket("logs")
        try:
            return gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read()).decode(errors="replace")
        except (ClientError, BotoCoreError, OSError, EOFError):
            return ""  # not there yet, or half written

    # -- the end ----------------------------------------
    def wait_for_idle_end(self) -> None:
        """Wait until one of the two idle limits ends the cluster."""
        emr, cluster_id = self.account.client("emr"), self.cluster_id

        def status() -> Mapping[str, Any]:
            cluster_status: Mapping[str, Any] = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
            return cluster_status

        def status_of_the_end() -> Mapping[str, Any] | None:
            now = status()
            return now if now["State"].startswith("TERMINATED") else None

        def look() -> dict[str, Any]:
            steps = list_pages(emr, "list_steps", "Steps", ClusterId=cluster_id)
            timelines = [step["Status"]["Timeline"] for step in steps]
            last = max(timeline["EndDateTime"] for timeline in timelines if "EndDateTime" in timeline)
            began = datetime.now(UTC)
            with working(self.console, "idle, until a limit ends the cluster") as say, self._speed_up_idling() as rate:
                limit = (IDLE_SECONDS + 1200.0) / rate
                end = poll(status_of_the_end, pause=self.pause, limit=limit, say=say) or status()
            moment = end["Timeline"].get("EndDateTime") or datetime.now(UTC)
            return {
                "limit": IDLE_SECONDS,
                "state": end["State"],
                "reason": end.get("StateChangeReason", {}),
                "seconds": round((began - last).total_seconds() + (moment - began).total_seconds() * rate, 1),
                "looks": self._list_looks_of_watch(),
            }

        self.evidence.setdefault("extras", {})["idle"] = self.ask(look)

    @contextmanager
    def _speed_up_idling(self) -> Iterator[float]:
        """How many times as fast as real time a cluster idles: the embedded AWS does not wait half an hour."""
        endpoint, keys = self.account.target.endpoint, self.account.target.keys
        if endpoint is None:
            yield 1.0
            return
        server.set_clock(endpoint, keys, IDLE_CLOCK_RATE_EMULATED)
        try:
            yield IDLE_CLOCK_RATE_EMULATED
        finally:
            server.set_clock(endpoint, keys, 1.0)

    def time_second_apply(self, apply: Callable[[], Account]) -> None:
        """A second apply, after the cluster has ended; its cluster is removed with the rest."""
        before, began = self.cluster_id, time.monotonic()
        self.account = apply()

        def look() -> dict[str, Any]:
            return {
                "before": before,
                "cluster_id": self.account.cluster["cluster_id"],
                "state": self.account.cluster_state()[0],
                "seconds": round(time.monotonic() - began, 1),
            }

        self.evidence.setdefault("extras", {})["again"] = self.ask(look)

    def wait_for_schedule(self) -> None:
        """Bring the schedule forward and wait until it has ended the cluster."""
        scheduler, emr = self.account.client("scheduler"), self.account.client("emr")
        cluster_id, name = self.cluster_id, f"{PROJECT}-{self.account.target.env}-ttl"
        lead = 5 if self.emulated else CLOCK_LEAD_SECONDS
        end_time = (datetime.now(UTC) + timedelta(seconds=lead)).replace(microsecond=0)

        def forward() -> Any:
            schedule = scheduler.get_schedule(Name=name)
            names = ("Name", "State", "FlexibleTimeWindow", "Target", "Description")
            fields = {name: schedule[name] for name in names if name in schedule}
            scheduler.update_schedule(**fields, ScheduleExpression=f"at({end_time:%Y-%m-%dT%H:%M:%S})")
            return {"target": schedule["Target"]["Arn"], "by_the_clock": False, "seconds": None}

        clock = self.evidence["clock"] = self.ask(forward)
        if "error" in clock:
            return
        limit = CLOCK_WAIT_SECONDS_EMULATED if self.emulated else CLOCK_WAIT_SECONDS
        with working(self.console, "the schedule outside ends the cluster") as say:

            def has_ended() -> bool | None:
                state = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]["State"]
                if state.startswith("TERMINAT") and clock["seconds"] is None:
                    seconds_late = round((datetime.now(UTC) - end_time).total_seconds(), 1)
                    clock.update(seconds=seconds_late, by_the_clock=seconds_late >= 0)
                return True if state.startswith("TERMINATED") else None

            poll(has_ended, pause=self.pause / 2, limit=limit, say=say)

    def look_at_the_end(self) -> None:
        """What EMR says of the cluster that has ended, and the endpoints that it has left."""
        emr, ec2 = self.account.client("emr"), self.account.client("ec2")
        cluster_id = self.cluster_id
        filters = [{"Name": "tag:Name", "Values": [ENDPOINT_NAME]}]
        vpcs = find_vpcs(ec2, PROJECT, self.account.target.env)
        endpoints = self.ask(lambda: ec2.describe_vpc_endpoints(Filters=filters)["VpcEndpoints"])
        self.evidence["ended"] = {
            "cluster": self.ask(lambda: emr.describe_cluster(ClusterId=cluster_id)["Cluster"]),
            "endpoints": [e for e in endpoints if e["VpcId"] in vpcs] if isinstance(endpoints, list) else endpoints,
        }
