"""Faults on demand: each ends as it would on EMR."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from localaws import faults, server
from localaws.__main__ import main
from localaws.java import find_java_home
from localaws.settings import Settings
from tests.localaws.support import Aws, World, fleet, make_world, step, until

OBJECT = {"HTTP_AUTHORIZATION": "AWS4 Credential=k/20260101/eu-west-3/s3/aws4_request", "PATH_INFO": "/b/k"}
needs_java = pytest.mark.skipif(find_java_home() is None, reason="needs Java 17")

# Long enough to be struck, in tasks that can be done again; python3 is that of the node.
JOB = """
import sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
def work(rows):
    time.sleep(1.5)
    return rows
numbers = spark.sparkContext.parallelize(range(800), 16).mapPartitions(work)
spark.createDataFrame(numbers.map(lambda n: (n,)), "n long").write.mode("overwrite").csv(sys.argv[1])
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own: a fault is the server's, not a test's."""
    home = tmp_path_factory.mktemp("faulty")
    settings = Settings(home=home, starting_seconds=0.05, log_delay_seconds=0.2, api_delay_seconds=0)
    with server.running(settings) as record:
        yield make_world(Aws(record, home))


@pytest.fixture(autouse=True)
def healed(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "faulty" in request.fixturenames:
        aws = request.getfixturevalue("faulty").aws
        server.set_fault(aws.endpoint, aws.keys, "none")


def answers(environ: dict[str, Any], fault: str, calls: int) -> list[str]:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [b"fine"]

    said: list[str] = []
    faulty_application = faults.wrap_faults(application, Settings(fault=fault))
    for _ in range(calls):
        list(faulty_application({"REQUEST_METHOD": "GET", **environ}, lambda status, headers: said.append(status)))
    return said


def test_one_in_seven_object_calls_is_refused_and_no_other() -> None:
    assert answers(OBJECT, "s3-503", 21) == (["200 OK"] * 6 + ["503 Slow Down"]) * 3
    assert set(answers(OBJECT | {"PATH_INFO": "/bucket"}, "s3-503", 21)) == {"200 OK"}
    emr = {
        "HTTP_AUTHORIZATION": "AWS4 Credential=k/20260101/eu-west-3/elasticmapreduce/aws4_request",
        "PATH_INFO": "/b/k",
    }
    assert set(answers(emr, "s3-503", 21)) == {"200 OK"}
    assert set(answers(OBJECT, "", 21)) == {"200 OK"}


def test_an_unknown_fault_is_refused_with_the_list() -> None:
    with pytest.raises(faults.UnknownFaultError, match=r"FAULT=flood is not known\. Fix: choose one of boot"):
        faults.parse_fault("flood")
    assert faults.parse_fault("none") == ""


EXECUTOR = """
import subprocess, sys
sys.stdin.readline()
with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()", "pyspark.daemon"]):
    pass
"""


def test_only_an_executor_that_has_been_given_work_is_struck(tmp_path: Path) -> None:
    program = tmp_path / "java-17"
    program.symlink_to(sys.executable)
    command = [str(program), "-c", EXECUTOR, "org.apache.spark.executor.CoarseGrainedExecutorBackend"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as executor:
        assert executor.stdin is not None
        step_processes = faults.StepProcesses(lambda: [psutil.Process(executor.pid)], lambda: None, lambda: None)
        until(step_processes.find_executors, bool)
        assert step_processes.find_busy_executors() == []
        executor.stdin.write(b"\n")
        executor.stdin.flush()
        assert [process.pid for process in until(step_processes.find_busy_executors, bool)] == [executor.pid]


@pytest.mark.aws
def test_the_fault_of_the_command_line(faulty: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAWS_HOME", str(faulty.aws.home))
    assert main(["fault", "flood"]) == 2
    assert main(["fault", "bootstrap"]) == 0
    action = {"Name": "b", "ScriptBootstrapAction": {"Path": faulty.script("ok.sh", "true\n")}}
    cluster = faulty.cluster(BootstrapActions=[action], Steps=[step("never", "true")])
    found = faulty.wait(cluster, "TERMINATED_WITH_ERRORS")
    assert found["Status"]["StateChangeReason"]["Code"] == "BOOTSTRAP_FAILURE"
    assert faulty.states(cluster) == ["CANCELLED"]
    assert main(["fault", "none"]) == 0
    cluster = faulty.cluster(BootstrapActions=[action])
    faulty.wait(cluster, "WAITING")
    faulty.end(cluster)


@pytest.mark.aws
def test_slow_reads_are_slow_and_right(faulty: World) -> None:
    faulty.script("k", "slow")
    server.set_fault(faulty.aws.endpoint, faulty.aws.keys, "s3-slow")
    began = time.monotonic()
    assert faulty.s3.get_object(Bucket=faulty.code, Key="k")["Body"].read() == b"slow"
    assert time.monotonic() - began >= faults.SLOW_SECONDS


@pytest.mark.aws
def test_clients_try_again_after_a_503(faulty: World) -> None:
    server.set_fault(faulty.aws.endpoint, faulty.aws.keys, "s3-503")
    for number in range(10):
        faulty.script(f"k{number}", str(number))
        assert faulty.s3.get_object(Bucket=faulty.code, Key=f"k{number}")["Body"].read() == str(number).encode()
    once = Config(retries={"max_attempts": 0})
    impatient = faulty.aws.session.client("s3", endpoint_url=faulty.aws.endpoint, config=once)

    def seven() -> None:
        for _ in range(faults.SLOW_DOWN_EVERY):
            impatient.get_object(Bucket=faulty.code, Key="k1")

    with pytest.raises(ClientError, match="SlowDown"):
        seven()


@pytest.mark.slow
@pytest.mark.aws
@pytest.mark.spark
@needs_java
@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("executor-lost", "COMPLETED"),
        ("spot", "COMPLETED"),
        ("s3-503", "COMPLETED"),
        ("s3-slow", "COMPLETED"),
        ("step-oom", "FAILED"),
    ],
)
def test_a_spark_step_under_a_fault(faulty: World, kind: str, state: str) -> None:
    job = faulty.script("job.py", JOB)
    fleets = [fleet("MASTER", 1), fleet("CORE", 1), fleet("TASK", 0, TargetSpotCapacity=1)]
    cluster = faulty.cluster(Instances={"InstanceFleets": fleets})
    faulty.wait(cluster, "WAITING")
    before = faulty.emr.list_instances(ClusterId=cluster, InstanceFleetType="TASK")["Instances"]
    server.set_fault(faulty.aws.endpoint, faulty.aws.keys, kind)
    target = f"out/{kind}"
    command = ("spark-submit", "--deploy-mode", "cluster", job, f"s3://{faulty.code}/{target}")
    faulty.emr.add_job_flow_steps(JobFlowId=cluster, Steps=[step(kind, *command)])
    states = until(lambda: faulty.states(cluster), lambda s: not {"PENDING", "RUNNING"} & set(s), seconds=300)
    server.set_fault(faulty.aws.endpoint, faulty.aws.keys, "none")
    assert states == [state]
    after = faulty.emr.list_instances(ClusterId=cluster, InstanceFleetType="TASK")["Instances"]
    faulty.end(cluster)
    listed = faulty.s3.list_objects_v2(Bucket=faulty.code, Prefix=f"{target}/").get("Contents", [])
    if state == "COMPLETED":
        read = [faulty.s3.get_object(Bucket=faulty.code, Key=o["Key"])["Body"].read().decode() for o in listed]
        assert sorted(int(line) for text in read for line in text.split()) == list(range(800))
    else:
        assert not any(o["Key"].endswith("_SUCCESS") for o in listed)
    log = (faulty.aws.home / server.LOG_NAME).read_text()
    if not kind.startswith("s3-"):
        assert f"fault {kind}: the {'driver' if kind == 'step-oom' else 'executor'}" in log
    if kind == "spot":
        lost = [i for i in after if "Spot" in i["Status"]["StateChangeReason"].get("Message", "")]
        assert [i["Ec2InstanceId"] for i in lost] == [before[0]["Ec2InstanceId"]]
        assert [i["Status"]["State"] for i in after if i not in lost] == ["RUNNING"]
