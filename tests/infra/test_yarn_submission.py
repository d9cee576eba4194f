"""What Terraform configures is what YARN is asked for: spark-submit speaks to a ResourceManager that only listens.

No jar of YARN's daemons is needed. A submission takes some four seconds of the processor.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from localaws.emr import hadoop, spark
from localaws.java import find_java_home, find_pyspark
from localaws.yarn import configuration, plan
from localaws.yarn.plan import ClusterPlan, Machine
from tests.infra.planning import Planner
from tests.localaws.listening_rm import Asked, listening, submit

pytestmark = [
    pytest.mark.terraform,
    pytest.mark.spark,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]

FLEETS: dict[str, dict[str, Any]] = {
    "one node": {"core": {"units": 4}, "task": {"units": 0}},
    "on demand": {"core": {"units": 8}, "task": {"units": 8, "market": "ON_DEMAND"}},
    "spot": {"core": {"units": 8, "types": ["r5.2xlarge"]}, "task": {"units": 16, "types": ["r5.2xlarge"]}},
}


def configurations_of(terraform_plan: dict[str, Any]) -> list[dict[str, Any]]:
    for change in terraform_plan["resource_changes"]:
        if change["type"] == "aws_emr_cluster":
            found: list[dict[str, Any]] = json.loads(change["change"]["after"]["configurations_json"])
            return found
    raise AssertionError("no cluster in the plan")


def write_cluster(folder: Path, configurations: list[dict[str, Any]]) -> ClusterPlan:
    """The configuration that the embedded AWS writes for a cluster."""
    site = hadoop.read_yarn_site(configurations)
    cluster_plan = ClusterPlan(
        folder=folder,
        network=plan.choose_network(),
        master_name="ip-10-0-0-10.ec2.internal",
        labels=hadoop.choose_labels(site),
        site=site,
    )
    machines = [Machine("ip-10-0-1-11.ec2.internal", f"{cluster_plan.network}.11", 54272, 8)]
    cluster_plan.conf.mkdir(parents=True)
    cluster_plan.hosts.write_text(configuration.write_hosts(cluster_plan, machines, socket.gethostname()))
    for name, values in (
        ("core-site", configuration.make_core_site(cluster_plan)),
        ("yarn-site", configuration.make_yarn_site(cluster_plan, machines, [])),
    ):
        (cluster_plan.conf / f"{name}.xml").write_text(configuration.write_xml(values))
    return cluster_plan


def ask(folder: Path, configurations: list[dict[str, Any]], *options: str) -> tuple[Asked, ClusterPlan, str]:
    """What a step of the job asks for on a cluster with these classifications."""
    cluster_plan = write_cluster(folder, configurations)
    home = find_pyspark()
    zips = tuple(sorted((home / "python" / "lib").glob("*.zip")))
    here = hadoop.SparkFiles(home / "jars", zips, (), cluster_plan.hosts, folder / "staging", folder)
    job = folder / "job.py"
    job.write_text("")
    step = spark.parse_submit(["--deploy-mode", "cluster", *options, str(job), "--request", "s3://b/r.json"])
    command = hadoop.make_spark_command(step, spark.read_classification(configurations, "spark-defaults"), here)
    (folder / "spark-defaults.conf").write_text(spark.format_properties(command.conf))
    environment = hadoop.make_submit_environment(here, cluster_plan) | {"SPARK_CONF_DIR": str(folder)}
    with listening(cluster_plan.conf, cluster_plan.hosts, cluster_plan.master_address, 54272) as rm:
        done = submit(command.args, environment)
        assert rm.asked, done.stderr
        return rm.asked[0], cluster_plan, done.stderr


@pytest.mark.parametrize("fleets", sorted(FLEETS))
def test_yarn_is_asked_for_what_terraform_configures(planner: Planner, tmp_path: Path, fleets: str) -> None:
    planned = planner.plan("cluster", **FLEETS[fleets])
    configurations = configurations_of(planned)
    sizes = planned["planned_values"]["outputs"]["sizing"]["value"]
    asked, cluster_plan, said = ask(tmp_path, configurations)
    driver, executor = sizes["driver"], sizes["executor"]

    assert asked.memory_mb == driver["memory_mb"] + driver["overhead_mb"]
    assert asked.vcores == driver["cores"]
    assert (asked.attempts, asked.queue) == (1, "default")
    assert f"-Xmx{driver['memory_mb']}m" in asked.command
    assert "--request" in asked.command
    assert asked.properties["spark.executor.cores"] == str(executor["cores"])
    assert asked.properties["spark.executor.memory"] == f"{executor['memory_mb']}m"
    assert asked.properties["spark.executor.memoryOverhead"] == f"{executor['overhead_mb']}m"
    assert asked.properties["spark.dynamicAllocation.enabled"] == "true"
    assert asked.properties["spark.python.worker.faulthandler.enabled"] == "true"
    assert "spark.executor.instances" not in asked.properties

    assert asked.environment["OMP_NUM_THREADS"] == str(driver["cores"])
    assert asked.properties["spark.executorEnv.OMP_NUM_THREADS"] == "1"
    assert asked.environment["PYSPARK_PYTHON"].endswith("/venv/bin/python")
    assert asked.environment["AWS_REGION"] == "eu-west-3"

    # the master's label is the ResourceManager's to give: the client asks for none
    site = configuration.make_yarn_site(cluster_plan, [], [])
    assert asked.label is None
    label = site.get("yarn.resourcemanager.node-labels.am.default-node-label-expression")
    assert label == ("ON_DEMAND" if fleets == "spot" else None)
    assert "yarn.node-labels.am.default-node-label-expression" not in site
    assert site["yarn.nodemanager.resource.memory.enforced"] == "false"
    assert "to YARN : only asked, not run" in said, said


def test_the_steps_own_options_win_over_the_clusters(tmp_path: Path) -> None:
    defaults = {"spark.driver.memory": "2048m", "spark.executor.memory": "2g", "spark.yarn.maxAppAttempts": "2"}
    configurations = [{"Classification": "spark-defaults", "Properties": defaults}]
    asked, _, _ = ask(
        tmp_path,
        configurations,
        *("--driver-memory", "900m", "--conf", "spark.yarn.maxAppAttempts=1", "--conf", "spark.executor.memory=600m"),
        *("--conf", "spark.driver.memoryOverhead=500m", "--name", "pears and plums"),
    )
    assert (asked.memory_mb, asked.attempts) == (1400, 1)
    assert asked.properties["spark.executor.memory"] == "600m"
    assert asked.properties["spark.app.name"] == "pears and plums"


def test_a_request_larger_than_the_largest_container_is_refused_by_the_client(tmp_path: Path) -> None:
    configurations = [{"Classification": "spark-defaults", "Properties": {"spark.executor.memory": "60g"}}]
    with pytest.raises(AssertionError, match="is above the max threshold"):
        ask(tmp_path, configurations)
