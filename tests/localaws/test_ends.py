"""What must come to an end does, whatever went wrong before; what clusters share is made once."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.stepfunctions.models import Execution, StateMachine

from localaws import patching, server
from localaws.emr import logs
from localaws.emr.life import ClusterLife, Supervisor
from localaws.emr.logs import LogShipper
from localaws.emr.model import Cluster
from localaws.emr.provisioner import Provisioner
from localaws.keys import Keys
from localaws.services import authorization, scheduler, workflows
from localaws.services.scheduler import Clock
from localaws.services.workflows import Workflows
from localaws.settings import ACCOUNT, Settings
from tests.localaws.support import REGION, fleet

NOWHERE = "http://127.0.0.1:9"
KEYS = Keys("AKIA", "secret")


def make_cluster(*fleets: dict[str, Any], **changes: Any) -> Cluster:
    request = {"Name": "test", "ReleaseLabel": "emr-7.13.0", "Instances": {"InstanceFleets": list(fleets)}, **changes}
    return Cluster(ACCOUNT, REGION, request)


# -- clusters and their instances ----------------------------------------
def test_logs_that_cannot_be_sent_keep_nobody_waiting(tmp_path: Path) -> None:
    s3 = boto3.client("s3", region_name=REGION, endpoint_url=NOWHERE, **KEYS.arguments())
    shipper = LogShipper(s3, "s3://No such_bucket/emr/", "j-1", delay=60)
    (tmp_path / "stderr").write_text("words")
    shipper.send(tmp_path / "stderr", "steps/s-1/stderr")
    shipper.close()


def test_a_log_that_goes_while_it_is_followed_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread must go on: an error in it ends it silently, and the log's last lines would never be sent."""
    monkeypatch.setattr(logs, "SHORTEST_SECONDS", 0.01)
    log, sent, looked = tmp_path / "stderr", list[bytes](), threading.Event()
    s3 = SimpleNamespace(put_object=lambda Body, **_: sent.append(gzip.decompress(Body)))
    shipper = LogShipper(s3, "s3://logs/emr/", "j-1", delay=0)

    class Watched(type(log)):  # type: ignore[misc]
        def stat(self, **options: Any) -> Any:
            looked.set()
            return super().stat(**options)

    with shipper.following(Watched(log), "steps/s-1/stderr"):
        assert looked.wait(60)
        log.write_text("words")
        deadline = time.monotonic() + 60
        while not sent and time.monotonic() < deadline:
            time.sleep(0.01)
    assert sent[:1] == [b"words"]


@pytest.mark.parametrize("wrong", ["logs", "processes", "instances"])
def test_a_cluster_ends_although_one_of_its_last_acts_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    cluster = make_cluster()
    life = ClusterLife(cluster, Supervisor(Settings(home=tmp_path), NOWHERE, KEYS))
    acts: list[str] = []

    def act(name: str) -> None:
        acts.append(name)
        if name == wrong:
            raise TimeoutError(name)

    monkeypatch.setattr(life.shipper, "close", lambda: act("logs"))
    monkeypatch.setattr(life.runner, "stop", lambda: act("processes"))
    monkeypatch.setattr(life.provisioner, "release", lambda reason: act("instances"))
    cluster.end("TERMINATED", "USER_REQUEST", "Terminated by user request")
    life._finish()
    assert cluster.state == "TERMINATED"
    assert sorted(acts) == ["instances", "logs", "processes"], "one failure must not keep the others from being done"
    assert not life.node.root.exists()


class SlowEc2:
    """An EC2 at which a user ends the cluster while instances are being launched."""

    def __init__(self, cluster: Cluster, release: threading.Thread) -> None:
        self.cluster, self.release, self.running = cluster, release, set[str]()

    def run_instances(self, *, MinCount: int, **_: Any) -> dict[str, Any]:
        ids = [f"i-{len(self.running) + number}" for number in range(MinCount)]
        self.running |= set(ids)
        if self.cluster.ending is None:
            self.cluster.end("TERMINATED", "USER_REQUEST", "Terminated by user request")
            self.release.start()
            self.release.join(0.3)
        return {"Instances": [{"InstanceId": i} for i in ids]}

    def associate_iam_instance_profile(self, **_: Any) -> None:
        pass

    def terminate_instances(self, *, InstanceIds: list[str]) -> None:
        self.running -= set(InstanceIds)


def test_no_instance_outlives_a_cluster_that_ends_while_it_grows() -> None:
    cluster = make_cluster(fleet("MASTER", 1), fleet("CORE", 2))
    provisioner = Provisioner(cluster, NOWHERE, KEYS, Settings())
    release = threading.Thread(target=lambda: provisioner.release("Terminated by user request"))
    ec2 = provisioner.ec2 = SlowEc2(cluster, release)
    provisioner.provision()
    release.join(10)
    provisioner.provision()  # a resize that comes too late
    assert ec2.running == set()
    assert [i.ec2_id for i in cluster.instances if i.ended is None] == []


class SharedEc2:
    """An EC2 that takes its time to say which endpoints there are."""

    def __init__(self) -> None:
        self.endpoints: list[dict[str, Any]] = []
        self.both = threading.Barrier(2)

    def describe_subnets(self, **_: Any) -> dict[str, Any]:
        return {"Subnets": [{"VpcId": "vpc-1"}]}

    def describe_vpc_endpoints(self, **_: Any) -> dict[str, Any]:
        endpoints = list(self.endpoints)
        with contextlib.suppress(threading.BrokenBarrierError):
            self.both.wait(0.3)
        return {"VpcEndpoints": endpoints}

    def create_vpc_endpoint(self, **endpoint: Any) -> None:
        self.endpoints.append(endpoint)


def test_two_clusters_that_start_at_once_share_one_endpoint() -> None:
    ec2 = SharedEc2()
    threads = []
    for _ in range(2):
        provisioner = Provisioner(make_cluster(), NOWHERE, KEYS, Settings())
        provisioner.cluster.subnet_id, provisioner.ec2 = "subnet-1", ec2
        threads.append(threading.Thread(target=provisioner.make_endpoint))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(ec2.endpoints) == 1


# -- schedules ----------------------------------------
def make_schedule(name: str, cluster: str, **changes: Any) -> SimpleNamespace:
    target = {
        "Arn": "arn:aws:scheduler:::aws-sdk:emr:terminateJobFlows",
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/ttl",
        "Input": json.dumps({"JobFlowIds": [cluster]}),
    }
    past = (datetime.now(UTC) - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S")
    fields = {
        "name": name,
        "arn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{name}",
        "creation_date": datetime.now(UTC).timestamp() - 60,
        "schedule_expression": f"at({past})",
        "schedule_expression_timezone": "UTC",
        "state": "ENABLED",
        "target": target | changes.pop("target", {}),
    }
    return SimpleNamespace(**fields | changes)


def test_schedules_that_cannot_run_keep_no_other_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken: dict[str, dict[str, Any]] = {
        "no time": {"schedule_expression": "at(tomorrow)"},
        "no zone": {"schedule_expression_timezone": "Europe/Nowhere"},
        "no JSON": {"target": {"Input": "{"}},
        "no mapping": {"target": {"Input": "[]"}},
        "no ids": {"target": {"Input": json.dumps({"JobFlowIds": [{}]})}},
    }
    schedules = {name: make_schedule(name, "j-1", **changes) for name, changes in broken.items()}
    schedules["ttl"] = make_schedule("ttl", "j-2")
    groups = {"default": SimpleNamespace(schedules=schedules)}
    monkeypatch.setattr(scheduler, "scheduler_backends", {ACCOUNT: {REGION: SimpleNamespace(schedule_groups=groups)}})
    monkeypatch.setattr(authorization, "find_role_caller", lambda account, name: None)
    monkeypatch.setattr(authorization, "is_allowed", lambda caller, request: True)
    ended: list[str] = []

    def terminate(region: str, clusters: list[str]) -> None:
        ended.extend(clusters)
        clock.stopped.set()

    clock = Clock(ACCOUNT, Settings(), terminate)
    clock.start()
    clock.join(5)
    clock.stopped.set()
    assert ended == ["j-2"]
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"schedule {name} cannot be run" for name in broken]


# -- workflows ----------------------------------------
def make_machine(**states: Any) -> StateMachine:
    definition = json.dumps({"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states})
    arn = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:turns"
    return StateMachine(arn, "turns", definition, f"arn:aws:iam::{ACCOUNT}:role/turns", backend=None)


def make_execution(machine: StateMachine) -> Execution:
    execution: Execution = machine.start_execution(REGION, ACCOUNT, "first", "{}")
    return execution


def make_workflows() -> Workflows:
    return Workflows(ACCOUNT, Settings(), lambda service, region: None)


def test_an_execution_that_is_stopped_ends() -> None:
    machine = make_machine(
        Turn={"Type": "Pass", "Next": "Again"},
        Again={"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "Turn"}]},
    )
    execution = make_execution(machine)
    thread = threading.Thread(target=make_workflows().run, args=(execution, machine, REGION), daemon=True)
    thread.start()
    thread.join(0.2)
    assert thread.is_alive(), "it turns for ever"
    machine.stop_execution(execution.execution_arn)
    thread.join(10)
    assert not thread.is_alive()
    assert execution.status == "ABORTED"


def test_a_start_that_is_repeated_runs_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """StartExecution is idempotent: the same name and input, while it runs, mean the same execution."""
    machine, runs = make_machine(Only={"Type": "Succeed"}), []
    monkeypatch.setattr(StateMachine, "start_execution", StateMachine.start_execution)  # put back afterwards
    patching.wrap_method(StateMachine, "start_execution", workflows._start_execution)
    monkeypatch.setattr(workflows, "_workflows", SimpleNamespace(run=lambda execution, *_: runs.append(execution)))
    first, second = make_execution(machine), make_execution(machine)
    assert first is second
    assert runs == [first]


# -- the server ----------------------------------------
def test_a_start_that_is_interrupted_leaves_no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        assert len(server.list_processes(tmp_path)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(server, "SERVE", ("-c", "import time; time.sleep(20)", "serve"))
    monkeypatch.setattr(server, "time", SimpleNamespace(monotonic=time.monotonic, sleep=interrupt))
    with pytest.raises(KeyboardInterrupt):
        server.start(Settings(home=tmp_path))
    assert server.list_processes(tmp_path) == []
