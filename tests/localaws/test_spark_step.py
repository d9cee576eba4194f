"""Spark steps, really run: several executors, S3A on the embedded S3, the environment that the bootstrap built."""

from __future__ import annotations

import gzip
import io
import json
import shutil
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet
import pytest

from localaws.java import find_java_home
from tests.localaws.support import World, step, until

pytestmark = [
    pytest.mark.slow,  # the rehearsal runs a good step and a failing one through the same runner, and reads their logs
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
    pytest.mark.skipif(shutil.which("python3.11") is None, reason="needs python3.11 on the search path"),
]
BOOTSTRAP = 'set -eu\npython3.11 -m venv --without-pip "$2/venv"\n'
PYTHON = "/opt/fruits/venv/bin/python"
JOB = """
import json, os, sys
from pyspark.sql import SparkSession

target, note = sys.argv[1], sys.argv[2]
spark = SparkSession.builder.appName("rehearsal").getOrCreate()
sc = spark.sparkContext
if note == "fail":
    try:
        spark.range(1).write.parquet(target)
    except Exception as error:
        print("REFUSED", "AccessDenied" in str(error))
    raise ValueError("the peach has a stone")

def who(rows):
    rows = list(rows)
    return [(os.getppid(), sys.executable, os.environ.get("OMP_NUM_THREADS"), os.environ.get("USER"))]

workers = sc.parallelize(range(64), 8).mapPartitions(who).distinct().collect()
spark.range(1000).coalesce(2).write.mode("overwrite").parquet(target)
told = {
    "driver": sys.executable,
    "workers": sorted({w[1] for w in workers}),
    "parents": len({w[0] for w in workers}),
    "threads": sorted({w[2] for w in workers}),
    "user": sorted({w[3] for w in workers}),
    "note": note,
    "mode": os.environ.get("MODE"),
    "rows": spark.read.parquet(target).count(),
    "partitions": spark.conf.get("spark.sql.shuffle.partitions"),
    "authenticates": sc.getConf().get("spark.authenticate"),
    "executors": sc._jsc.sc().getExecutorMemoryStatus().size() - 1,
}
print("TOLD " + json.dumps(told))
print("a word on stderr", file=sys.stderr)
"""


@dataclass
class Rehearsal:
    """A cluster whose steps have ended."""

    world: World
    cluster: str
    node: str
    steps: dict[str, dict[str, Any]]
    logs: dict[str, str]

    def log(self, step_name: str, name: str) -> str:
        return self.logs[f"steps/{self.steps[step_name]['Id']}/{name}.gz"]

    def containers(self, number: int) -> dict[str, str]:
        """The containers' logs of an application, by container and file."""
        part = f"_{number:04d}/"
        return {k.split("/", 2)[2]: v for k, v in self.logs.items() if k.startswith("containers/") and part in k}

    def driver(self, number: int, name: str) -> str:
        return next(v for k, v in self.containers(number).items() if k.endswith(f"_000001/{name}.gz"))


def told(text: str) -> dict[str, Any]:
    line = next(line for line in text.splitlines() if line.startswith("TOLD "))
    found: dict[str, Any] = json.loads(line.removeprefix("TOLD "))
    return found


@pytest.fixture(scope="module")
def rehearsal(world: World) -> Rehearsal:
    bootstrap, job = world.script("venv.sh", BOOTSTRAP), world.script("job.py", JOB)
    action = {"Name": "python", "ScriptBootstrapAction": {"Path": bootstrap, "Args": ["--prefix", "/opt/fruits"]}}
    defaults = {
        "spark.submit.deployMode": "cluster",
        "spark.executor.memory": "18g",
        "spark.executor.cores": "4",
        "spark.executorEnv.OMP_NUM_THREADS": "1",
        "spark.sql.shuffle.partitions": "7",
        "spark.yarn.appMasterEnv.MODE": "cluster",
        "spark.yarn.appMasterEnv.PYSPARK_PYTHON": PYTHON,
        "spark.executorEnv.PYSPARK_PYTHON": PYTHON,
    }
    out = f"s3://{world.code}/out"
    submit = ("spark-submit", "--num-executors", "2", job)
    cluster = world.cluster(
        BootstrapActions=[action],
        Configurations=[
            {"Classification": "spark-defaults", "Properties": defaults},
            {
                "Classification": "spark-env",
                "Configurations": [{"Classification": "export", "Properties": {"PYSPARK_PYTHON": PYTHON}}],
            },
        ],
        Steps=[
            step("good", *submit, f"{out}/good", "Pomme d'été (1), rouge"),
            step("bad", *submit, f"s3://{world.logs}/elsewhere", "fail"),
            step("client", "spark-submit", "--deploy-mode", "client", job, f"{out}/client", ""),
        ],
    )
    open_states = {"PENDING", "RUNNING"}
    until(lambda: world.states(cluster), lambda states: not open_states & set(states), seconds=600)
    node = f"{world.aws.home}/clusters/{cluster}"
    world.emr.terminate_job_flows(JobFlowIds=[cluster])
    world.wait(cluster, "TERMINATED")
    prefix = f"emr/{cluster}/"
    pages = world.s3.get_paginator("list_objects_v2").paginate(Bucket=world.logs, Prefix=prefix)
    logs = {
        found["Key"].removeprefix(prefix): gzip.decompress(
            world.s3.get_object(Bucket=world.logs, Key=found["Key"])["Body"].read()
        ).decode(errors="replace")
        for page in pages
        for found in page["Contents"]
    }
    return Rehearsal(world, cluster, node, {s["Name"]: s for s in world.steps(cluster)}, logs)


def test_the_states_of_the_steps(rehearsal: Rehearsal) -> None:
    states = {name: found["Status"]["State"] for name, found in rehearsal.steps.items()}
    # command-runner drops the empty argument: the client step lacks its second one and fails
    assert states == {"good": "COMPLETED", "bad": "FAILED", "client": "FAILED"}
    assert "IndexError: list index out of range" in rehearsal.log("client", "stdout")


def test_it_ran_on_several_executors_in_the_environment_of_the_bootstrap(rehearsal: Rehearsal) -> None:
    seen = told(rehearsal.driver(1, "stdout"))
    python = f"{rehearsal.node}{PYTHON}"
    assert (seen["driver"], seen["workers"]) == (python, [python])
    assert (seen["executors"], seen["parents"]) == (2, 2)
    assert (seen["threads"], seen["user"], seen["mode"]) == (["1"], ["hadoop"], "cluster")
    assert seen["authenticates"] == "true"
    assert (seen["partitions"], seen["note"]) == ("7", "Pomme d'été (1), rouge")


def test_its_results_are_in_s3(rehearsal: Rehearsal) -> None:
    world = rehearsal.world
    listed = world.s3.list_objects_v2(Bucket=world.code, Prefix="out/good/")["Contents"]
    parts = [found["Key"] for found in listed if found["Key"].endswith(".parquet")]
    tables = [
        pyarrow.parquet.read_table(io.BytesIO(world.s3.get_object(Bucket=world.code, Key=key)["Body"].read()))
        for key in parts
    ]
    assert sorted(v for table in tables for v in table["id"].to_pylist()) == list(range(1000))
    assert told(rehearsal.driver(1, "stdout"))["rows"] == 1000


def test_in_cluster_mode_the_drivers_words_are_in_the_containers_and_not_in_the_step(rehearsal: Rehearsal) -> None:
    for name, number in (("good", 1), ("bad", 2)):
        assert rehearsal.log(name, "stdout") == ""
        assert "TOLD" not in rehearsal.log(name, "stderr")
        assert "REFUSED" not in rehearsal.log(name, "stderr")
        assert any(key.endswith("_000001/stderr.gz") for key in rehearsal.containers(number))
    assert "a word on stderr" in rehearsal.driver(1, "stdout")
    containers = {key.split("/")[0] for key in rehearsal.containers(1)}
    assert len(containers) == 3, "the driver and two executors each have a container"
    assert "final status: SUCCEEDED" in rehearsal.log("good", "stderr")


def test_a_failure_shows_its_traceback_in_the_container_and_little_in_the_step(rehearsal: Rehearsal) -> None:
    assert "ValueError: the peach has a stone" in rehearsal.driver(2, "stdout")
    stderr = rehearsal.log("bad", "stderr")
    assert "peach" not in stderr
    assert "final status: FAILED" in stderr
    details = rehearsal.steps["bad"]["Status"]["FailureDetails"]
    assert details["Reason"] == "Unknown Error."
    assert details["Message"].startswith('Exception in thread "main" org.apache.spark.SparkException: Application app')
    assert details["LogFile"].endswith(f"/steps/{rehearsal.steps['bad']['Id']}/stderr.gz")


def test_the_nodes_rights_hold_for_s3a(rehearsal: Rehearsal) -> None:
    assert "REFUSED True" in rehearsal.driver(2, "stdout")
    world = rehearsal.world
    assert world.s3.list_objects_v2(Bucket=world.logs, Prefix="elsewhere")["KeyCount"] == 0
