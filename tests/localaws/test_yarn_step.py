"""Steps on a real YARN: ResourceManager and NodeManagers as processes, PySpark's own client, everything really run.

They share one server and its cluster with test_yarn_daemons.py: half a minute for both, on two cores; skipped where
YARN's jars are not beside the checkout.
"""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from localaws import faults, server
from localaws.processes import find_processes
from tests.diagnose.capture import Stage
from tests.drawn import draw_once
from tests.localaws.on_yarn import OnYarn, needs_jars, settings_for, spark_defaults
from tests.localaws.results import fetch_result, read_result, run_locally
from tests.localaws.support import Aws, make_world, step, until

pytestmark = [pytest.mark.aws, pytest.mark.spark, *needs_jars]
JOB = """
import sys, time
from pyspark.sql import SparkSession

target, megabytes, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
spark = SparkSession.builder.appName("pears").getOrCreate()
if target != "none":
    spark.range(100).coalesce(1).write.mode("overwrite").parquet(target)

def work(rows):
    held = bytearray(b"x") * (megabytes << 20)
    time.sleep(seconds)
    return rows

spark.sparkContext.parallelize(range(4), 4).mapPartitions(work).count()
"""


def submit(
    on_yarn: OnYarn, *options: str, target: str = "none", megabytes: int = 0, seconds: int = 0
) -> tuple[str, ...]:
    """A step whose four tasks hold so much memory for so long."""
    job = on_yarn.world.script("job.py", JOB)
    return ("spark-submit", *options, job, target, str(megabytes), str(seconds))


def application_of(said: str) -> tuple[str, str]:
    """The application that a client submitted, and the folder of its master's logs."""
    application = re.findall(r"Submitted application (application_\d+_\d+)", said)[0]
    return application, f"containers/{application}/container_{application.removeprefix('application_')}_01_000001"


def test_a_step_runs_in_yarns_containers_survives_accidents_and_is_cancelled(on_yarn: OnYarn) -> None:
    """Looked at from outside while it runs: labels, containers, environment, who listens where, what daemons hold."""
    target = f"s3://{on_yarn.world.code}/out/pears"
    command = submit(on_yarn, target=target, seconds=600)
    added = on_yarn.world.emr.add_job_flow_steps(JobFlowId=on_yarn.cluster, Steps=[step("pears", *command)])
    step_id = added["StepIds"][0]
    step_processes = faults.StepProcesses(lambda: find_processes(on_yarn.folder), lambda: None, lambda: None)
    until(lambda: len(step_processes.find_python_workers()), lambda count: count >= 4, seconds=120)
    core, spot = (on_yarn.instances(kind)[0]["PrivateDnsName"] for kind in ("CORE", "TASK"))

    (driver,) = (
        environ_of(process)
        for process in step_processes.find("deploy.yarn.ApplicationMaster")
        if faults.read_command(process)[0].endswith("java")
    )
    assert driver["NM_HOST"] == core, "the master is where the label wants it"
    assert (driver["MODE"], driver["USER"]) == ("cluster", "hadoop")
    assert driver["AWS_ACCESS_KEY_ID"].startswith("ASIA"), "the role's temporary keys"
    workers = [environ_of(process) for process in step_processes.find_python_workers()]
    assert {worker["NM_HOST"] for worker in workers} <= {core, spot}
    assert {worker["OMP_NUM_THREADS"] for worker in workers} == {"1"}
    assert {faults.read_command(process)[0] for process in step_processes.find_python_workers()} == {sys.executable}
    containers = {worker["CONTAINER_ID"] for worker in workers}
    assert driver["CONTAINER_ID"] not in containers

    processes = list(find_processes(on_yarn.folder))
    addresses = {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in processes
        for connection in connections_of(process)
        if connection.status == "LISTEN"
    }
    assert addresses
    assert all(address.startswith("127.") for address in addresses), addresses
    daemons = [one for one in processes if re.search(r"(Resource|Node)Manager$", " ".join(faults.read_command(one)))]
    assert len(daemons) == 3
    assert sum(one.memory_info().rss for one in daemons) < 0.9e9

    killed = step_processes.find_busy_executors()[0]
    lost = environ_of(killed)["CONTAINER_ID"]
    worker = next(one for one in step_processes.find_python_workers() if environ_of(one)["CONTAINER_ID"] != lost)
    survivor = environ_of(worker)["CONTAINER_ID"]

    def pids_of_survivor() -> set[int]:
        return {
            process.pid
            for process in step_processes.find_python_workers()
            if environ_of(process).get("CONTAINER_ID") == survivor
        }

    before = pids_of_survivor()
    killed.kill()
    worker.kill()
    # a new worker takes the task: the driver has been told of the old one's end
    until(pids_of_survivor, lambda pids: bool(pids - before), seconds=60)

    def busy_containers() -> set[str]:
        return {environ_of(process).get("CONTAINER_ID", lost) for process in step_processes.find_busy_executors()}

    containers |= until(busy_containers, lambda found: len(found - {lost}) == 2, seconds=60)

    on_yarn.world.emr.cancel_steps(ClusterId=on_yarn.cluster, StepIds=[step_id])
    assert on_yarn.wait(step_id, "CANCELLED", "COMPLETED", "FAILED") == "CANCELLED"
    said = on_yarn.said(step_id)
    assert "was killed by user hadoop at" in said
    assert "(state: KILLED)" in said
    until(step_processes.find_python_workers, lambda left: not left, seconds=30)
    assert on_yarn.log(f"steps/{step_id}/stdout") == ""
    application, master = application_of(said)
    assert driver["CONTAINER_ID"] == master.rpartition("/")[2]
    containers |= {driver["CONTAINER_ID"]}
    until(lambda: {key.split("/")[2] for key in on_yarn.keys(f"containers/{application}/")}, containers.issubset)
    told = on_yarn.log(f"{master}/stderr")
    assert re.search(rf"{lost} .*Exit status: 137", told)
    assert "Python worker exited unexpectedly (crashed)" in told
    written = on_yarn.world.s3.list_objects_v2(Bucket=on_yarn.world.code, Prefix="out/pears/")["Contents"]
    assert any(found["Key"].endswith("_SUCCESS") for found in written)


@pytest.mark.slow
def test_the_pythons_of_an_executor_over_its_memory_end_with_a_cause(on_yarn: OnYarn) -> None:
    limits = ("--conf", "spark.yarn.max.executor.failures=1", "--conf", "spark.task.maxFailures=1")
    step_id = on_yarn.run("hog", *submit(on_yarn, *limits, megabytes=900, seconds=9), wanted="FAILED")
    _, master = application_of(on_yarn.said(step_id))
    assert "Container killed by YARN for exceeding physical memory limits" in on_yarn.log(f"{master}/stderr")


@pytest.mark.slow  # a cluster and two whole runs; the step above runs in YARN's containers, the rehearsal runs the job
@pytest.mark.tensorflow
def test_the_job_on_a_primary_alone_gives_what_run_local_gives(primary_alone: OnYarn, tmp_path: Path) -> None:
    """Driver and executors on the only node, as infra/modules/emr makes it; features bit for bit, PCA, manifests."""
    images = tmp_path / "images"
    draw_once(images, views=3)
    world = primary_alone.world
    for path in images.rglob("*.jpg"):
        key = f"images/{path.parent.name}/{path.name}"
        world.s3.put_object(Bucket=world.code, Key=key, Body=path.read_bytes())
    command = Stage(world, images, world.aws.home).job(output=f"s3://{world.code}/out/job")
    memory = ("--conf", "spark.driver.memoryOverhead=2200m", "--conf", "spark.executor.memoryOverhead=2200m")
    with run_locally(images, tmp_path / "local") as process:
        step_id = primary_alone.run("job", command[0], *memory, *command[1:])
        assert process.wait() == 0
    said = primary_alone.said(step_id)
    assert "final status: SUCCEEDED" in said
    (primary,) = primary_alone.instances("MASTER")
    assert f"ApplicationMaster host: {primary['PrivateDnsName']}" in said
    result = fetch_result(world, "out/job", tmp_path / "fetched")
    assert result.summary["images_ok"] == len(list(images.rglob("*.jpg"))) > 0
    result.check_equal(read_result(tmp_path / "local"))


@pytest.mark.slow
def test_a_lost_spot_node_is_replaced_and_the_step_goes_on(on_yarn: OnYarn) -> None:
    before = on_yarn.instances("TASK")[0]
    server.set_fault(on_yarn.world.aws.endpoint, on_yarn.world.aws.keys, "spot")
    try:
        on_yarn.run("spot", *submit(on_yarn, seconds=8))
    finally:
        server.set_fault(on_yarn.world.aws.endpoint, on_yarn.world.aws.keys, "none")
    after = on_yarn.instances("TASK")[0]
    assert after["Ec2InstanceId"] != before["Ec2InstanceId"]


def environ_of(process: psutil.Process) -> dict[str, str]:
    """A process's environment; empty when it has ended."""
    try:
        return dict(process.environ())
    except psutil.Error:
        return {}


def connections_of(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections())
    except psutil.Error:
        return []


@pytest.mark.parametrize("is_killed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_server_that_ends_while_yarn_starts_leaves_nothing(tmp_path: Path, is_killed: bool) -> None:
    record = server.start(settings_for(tmp_path))
    try:
        world = make_world(Aws(record, tmp_path))
        cluster = world.cluster(Configurations=spark_defaults())
        until(lambda: list(find_processes(tmp_path / "clusters")), bool, seconds=60)
        assert world.state(cluster) in ("STARTING", "BOOTSTRAPPING")
        if is_killed:
            os.kill(record.pid, signal.SIGKILL)
            until(lambda: list(find_processes(tmp_path / "clusters")), lambda left: not left, seconds=60)
    finally:
        assert server.stop(tmp_path) is not is_killed
    assert list(find_processes(tmp_path / "clusters")) == []
