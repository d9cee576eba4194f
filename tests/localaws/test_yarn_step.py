"""Steps on a real YARN: ResourceManager and NodeManagers as processes, PySpark's own client, everything really run.

Some 60 seconds on two cores; skipped where YARN's jars are not beside the checkout.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from localaws import server
from localaws.java import find_java_home
from localaws.processes import find_processes
from localaws.settings import Settings
from tests.conftest import SHARED
from tests.localaws.support import Aws, World, fleet, make_world, step, until

JARS = SHARED / "yarn" / "jars"
pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
    pytest.mark.skipif(not JARS.is_dir(), reason="needs YARN's jars: ../shared/yarn/jars is not beside this checkout"),
]
JOB = """
import json, os, sys, time
from pyspark.sql import SparkSession

target, seconds = sys.argv[1], float(sys.argv[2])
spark = SparkSession.builder.appName("pears").getOrCreate()
sc = spark.sparkContext

def who(rows):
    time.sleep(seconds)
    yield os.environ["NM_HOST"], os.environ["CONTAINER_ID"], os.environ.get("OMP_NUM_THREADS"), sys.executable

workers = sc.parallelize(range(4), 4).mapPartitions(who).collect()
if target != "none":
    spark.range(100).coalesce(1).write.mode("overwrite").parquet(target)
print("TOLD " + json.dumps({
    "driver": [os.environ["NM_HOST"], os.environ["CONTAINER_ID"], os.environ.get("MODE")],
    "workers": sorted(map(list, workers)),
    "user": os.environ.get("USER"),
    "key": os.environ["AWS_ACCESS_KEY_ID"][:4],
}))
"""


def settings_for(home: Any, **more: Any) -> Settings:
    quick = {"starting_seconds": 0.05, "log_delay_seconds": 0.2, "api_delay_seconds": 0}
    return Settings(home=home, yarn=True, yarn_jars=JARS, **{**quick, **more})


def spark_defaults(**more: str) -> list[dict[str, Any]]:
    """A cluster as Terraform makes one with Spot nodes, of small containers."""
    properties = {
        "spark.submit.deployMode": "cluster",
        "spark.yarn.maxAppAttempts": "1",
        "spark.driver.memory": "700m",
        "spark.executor.memory": "700m",
        "spark.executor.memoryOverhead": "512m",
        "spark.executor.cores": "2",
        "spark.dynamicAllocation.maxExecutors": "2",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.yarn.appMasterEnv.MODE": "cluster",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": sys.executable,
        "spark.executorEnv.PYSPARK_PYTHON": sys.executable,
        **more,
    }
    labels = {
        "yarn.node-labels.enabled": "true",
        "yarn.node-labels.am.default-node-label-expression": "ON_DEMAND",
        "yarn.nodemanager.resource.memory.enforced": "false",
        "yarn.nodemanager.vmem-check-enabled": "false",
    }
    return [
        {"Classification": "spark-defaults", "Properties": properties},
        {"Classification": "yarn-site", "Properties": labels},
    ]


@dataclass
class OnYarn:
    """A cluster of one core and one Spot instance whose Spark steps run on YARN."""

    world: World
    cluster: str

    def run(self, name: str, *command: str, wanted: str = "COMPLETED") -> str:
        """Run a step to its end; its id."""
        added = self.world.emr.add_job_flow_steps(JobFlowId=self.cluster, Steps=[step(name, *command)])
        step_id = str(added["StepIds"][0])
        state = self.wait(step_id, "COMPLETED", "FAILED", "CANCELLED")
        assert state == wanted, "\n".join(self.log(key.removesuffix(".gz")) for key in self.keys("containers/"))
        return step_id

    def wait(self, step_id: str, *states: str) -> str:
        def ask() -> str:
            found = self.world.emr.describe_step(ClusterId=self.cluster, StepId=step_id)["Step"]
            return str(found["Status"]["State"])

        return str(until(ask, lambda state: state in states, seconds=240))

    def keys(self, part: str) -> list[str]:
        prefix = f"emr/{self.cluster}/"
        pages = self.world.s3.get_paginator("list_objects_v2").paginate(Bucket=self.world.logs, Prefix=prefix + part)
        return [found["Key"].removeprefix(prefix) for page in pages for found in page.get("Contents", [])]

    def log(self, key: str) -> str:
        until(lambda: self.keys(key), bool)
        body = self.world.s3.get_object(Bucket=self.world.logs, Key=f"emr/{self.cluster}/{key}.gz")["Body"].read()
        return gzip.decompress(body).decode(errors="replace")

    def said(self, step_id: str) -> str:
        """What the step's client said, whole: it is sent while it grows, too."""
        return str(until(lambda: self.log(f"steps/{step_id}/stderr"), lambda text: "Shutdown hook called" in text))

    def instances(self, kind: str) -> list[dict[str, Any]]:
        found = self.world.emr.list_instances(ClusterId=self.cluster, InstanceFleetType=kind)["Instances"]
        return [one for one in found if one["Status"]["State"] == "RUNNING"]


@pytest.fixture(scope="module")
def on_yarn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnYarn]:
    home = tmp_path_factory.mktemp("yarn")
    with server.running(settings_for(home)) as record:
        world = make_world(Aws(record, home))
        world.script("job.py", JOB)
        fleets = [fleet("MASTER", 1), fleet("CORE", 1), fleet("TASK", 0, TargetSpotCapacity=1)]
        cluster = world.cluster(Instances={"InstanceFleets": fleets}, Configurations=spark_defaults())
        world.wait(cluster, "WAITING", seconds=120)
        yield OnYarn(world, cluster)
    assert list(find_processes(home / "clusters")) == []


def submit(on_yarn: OnYarn, target: str = "none", seconds: str = "0") -> tuple[str, ...]:
    return ("spark-submit", f"s3://{on_yarn.world.code}/job.py", target, seconds)


def test_a_step_runs_in_yarns_containers_and_leaves_the_real_logs(on_yarn: OnYarn) -> None:
    out = f"s3://{on_yarn.world.code}/out/pears"
    step_id = on_yarn.run("pears", *submit(on_yarn, out))
    said = on_yarn.said(step_id)
    application = re.findall(r"Submitted application (application_\d+_\d+)", said)[0]
    assert "final status: SUCCEEDED" in said
    assert on_yarn.log(f"steps/{step_id}/stdout") == ""

    master = f"containers/{application}/container_{application.removeprefix('application_')}_01_000001"
    line = next(line for line in on_yarn.log(f"{master}/stdout").splitlines() if line.startswith("TOLD "))
    told = json.loads(line.removeprefix("TOLD "))
    core, task = on_yarn.instances("CORE")[0], on_yarn.instances("TASK")[0]
    assert told["driver"][0] == core["PrivateDnsName"], "the master is where the label wants it"
    assert told["driver"][1:] == [master.rpartition("/")[2], "cluster"]
    assert {worker[0] for worker in told["workers"]} <= {core["PrivateDnsName"], task["PrivateDnsName"]}
    assert {(worker[2], worker[3]) for worker in told["workers"]} == {("1", sys.executable)}
    containers = {worker[1] for worker in told["workers"]}
    assert master.rpartition("/")[2] not in containers
    shipped = {key.split("/")[2] for key in on_yarn.keys(f"containers/{application}/")}
    assert containers <= shipped
    assert told["user"] == "hadoop"
    assert told["key"] == "ASIA", "the role's temporary keys"
    written = on_yarn.world.s3.list_objects_v2(Bucket=on_yarn.world.code, Prefix="out/pears/")["Contents"]
    assert any(found["Key"].endswith("_SUCCESS") for found in written)


def test_a_primary_alone_runs_driver_and_executors(on_yarn: OnYarn) -> None:
    """A cluster of one node, as infra/modules/emr makes it: no labels, and the NodeManager is the primary's."""
    cluster = on_yarn.world.cluster(
        Instances={"InstanceFleets": [fleet("MASTER", 1)]}, Configurations=spark_defaults()[:1]
    )
    on_yarn.world.wait(cluster, "WAITING", seconds=120)
    alone = OnYarn(on_yarn.world, cluster)
    try:
        step_id = alone.run("alone", *submit(alone))
        application = re.findall(r"Submitted application (application_\d+_\d+)", alone.said(step_id))[0]
        master = f"containers/{application}/container_{application.removeprefix('application_')}_01_000001"
        line = next(line for line in alone.log(f"{master}/stdout").splitlines() if line.startswith("TOLD "))
        told = json.loads(line.removeprefix("TOLD "))
        (primary,) = alone.instances("MASTER")
        assert {told["driver"][0], *(worker[0] for worker in told["workers"])} == {primary["PrivateDnsName"]}
    finally:
        on_yarn.world.emr.terminate_job_flows(JobFlowIds=[cluster])
        on_yarn.world.wait(cluster, "TERMINATED", seconds=120)


def test_everything_listens_on_this_clusters_own_addresses(on_yarn: OnYarn) -> None:
    """Daemons, the driver, executors and workers: looked at while a step runs."""
    added = on_yarn.world.emr.add_job_flow_steps(
        JobFlowId=on_yarn.cluster, Steps=[step("slow", *submit(on_yarn, seconds="60"))]
    )
    step_id = added["StepIds"][0]
    folder = on_yarn.world.aws.home / "clusters" / on_yarn.cluster

    def workers() -> list[psutil.Process]:
        return [one for one in find_processes(folder) if "pyspark.daemon" in " ".join(command_of(one))]

    until(workers, bool, seconds=120)
    found = list(find_processes(folder))
    addresses = {
        connection.laddr.ip.removeprefix("::ffff:")
        for one in found
        for connection in connections_of(one)
        if connection.status == "LISTEN"
    }
    assert addresses
    assert all(address.startswith("127.") for address in addresses), addresses
    daemons = [one for one in found if re.search(r"(Resource|Node)Manager$", " ".join(command_of(one)))]
    assert len(daemons) == 3
    assert sum(one.memory_info().rss for one in daemons) < 0.9e9

    on_yarn.world.emr.cancel_steps(ClusterId=on_yarn.cluster, StepIds=[step_id])
    assert on_yarn.wait(step_id, "CANCELLED", "COMPLETED", "FAILED") == "CANCELLED"
    said = on_yarn.said(step_id)
    assert "was killed by user hadoop at" in said
    assert "(state: KILLED)" in said
    until(workers, lambda left: not left, seconds=30)


def test_the_pythons_of_an_executor_over_its_memory_end_with_a_cause(on_yarn: OnYarn) -> None:
    hog = JOB.replace("time.sleep(seconds)", "held = bytearray(b'x') * (900 << 20); time.sleep(9)")
    on_yarn.world.script("hog.py", hog)
    limits = ("--conf", "spark.yarn.max.executor.failures=1", "--conf", "spark.task.maxFailures=1")
    step_id = on_yarn.run(
        "hog", "spark-submit", *limits, f"s3://{on_yarn.world.code}/hog.py", "none", "0", wanted="FAILED"
    )
    application = re.findall(r"application_\d+_\d+", on_yarn.said(step_id))[0]
    master = f"containers/{application}/container_{application.removeprefix('application_')}_01_000001"
    assert "Container killed by YARN for exceeding physical memory limits" in on_yarn.log(f"{master}/stderr")


@pytest.mark.slow
def test_a_lost_spot_node_is_replaced_and_the_step_goes_on(on_yarn: OnYarn) -> None:
    before = on_yarn.instances("TASK")[0]
    server.set_fault(on_yarn.world.aws.endpoint, on_yarn.world.aws.keys, "spot")
    try:
        on_yarn.run("spot", *submit(on_yarn, seconds="8"))
    finally:
        server.set_fault(on_yarn.world.aws.endpoint, on_yarn.world.aws.keys, "none")
    after = on_yarn.instances("TASK")[0]
    assert after["Ec2InstanceId"] != before["Ec2InstanceId"]
    keys = until(lambda: on_yarn.keys("steps/"), bool)
    assert keys


def command_of(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def connections_of(process: psutil.Process) -> list[Any]:
    try:
        return list(process.net_connections())
    except psutil.Error:
        return []


def test_a_server_that_ends_while_yarn_starts_leaves_nothing(tmp_path: Path) -> None:
    record = server.start(settings_for(tmp_path))
    try:
        world = make_world(Aws(record, tmp_path))
        cluster = world.cluster(Configurations=spark_defaults())
        until(lambda: list(find_processes(tmp_path / "clusters")), bool, seconds=60)
        assert world.state(cluster) in ("STARTING", "BOOTSTRAPPING")
    finally:
        assert server.stop(tmp_path)
    assert list(find_processes(tmp_path / "clusters")) == []
