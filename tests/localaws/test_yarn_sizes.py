"""How a cluster's instances become NodeManagers of this machine: sizes, representatives, factor, settings. Pure."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from localaws.emr import hadoop, spark
from localaws.emr.model import Instance
from localaws.settings import Settings
from localaws.yarn import configuration
from localaws.yarn.plan import ClusterPlan, Machine
from tests.conftest import REPO
from tests.infra.test_prices_and_sizes import SIZES

PLACE = hadoop.SparkFiles(
    jars=Path("/spark/jars"),
    libraries=(Path("/spark/pyspark.zip"),),
    connector=(Path("/s3a.jar"),),
    hosts=Path("/run/hosts"),
    staging=Path("/run/staging"),
    events=Path("/run/events"),
)


def test_the_sizes_are_those_of_terraforms_table() -> None:
    text = SIZES.read_text()
    shapes = re.findall(r'^ +"?(\w+)"? = \{\n.*\n.*\n +yarn_mb = \{ (.*) \}$', text, re.MULTILINE)
    assert len(shapes) == 3
    for shape, row in shapes:
        for kind, letter in (("general", "m"), ("compute", "c"), ("memory", "r")):
            (mb,) = re.findall(rf"{kind} = (\d+)", row)
            assert hadoop.compute_yarn_mb(f"{letter}5.{shape}") == int(mb)
            assert hadoop.count_vcpus(f"{letter}5.{shape}") == int(
                re.findall(rf'{shape}"? = \{{\n +vcpu +. (\d+)', text)[0]
            )


def instance(number: int, role: str, market: str = "ON_DEMAND") -> Instance:
    return Instance(f"i-{number}", f"10.0.0.{number}", f"ip-10-0-0-{number}", "m5.xlarge", market, role)


def test_every_kind_of_instance_is_represented_before_a_second_of_one() -> None:
    fleet = [instance(1, "MASTER"), *(instance(n, "CORE") for n in range(2, 6))]
    fleet += [instance(n, "TASK", "SPOT") for n in range(6, 9)]
    chosen = hadoop.choose_representatives(fleet, 3)
    assert [one.ec2_id for one in chosen] == ["i-2", "i-6", "i-3"]
    assert len(hadoop.choose_representatives(fleet, 99)) == 7, "the primary runs no containers"


@pytest.mark.parametrize(
    ("workers", "machines", "factor", "sentence"),
    [
        (0, 1, 1.0, "YARN: a NodeManager on the primary, the only node, with EMR's memory sizes"),
        (1, 1, 0.5, "YARN: 1 NodeManager stands for 1 instance, with 50% of EMR's memory sizes"),
        (8, 1, 1.0, "YARN: 1 NodeManager stands for 8 core and task instances, with EMR's memory sizes"),
        (8, 3, 1.0, "YARN: 3 NodeManagers stand for 8 core and task instances, with EMR's memory sizes"),
    ],
)
def test_the_status_says_what_stands_for_what(workers: int, machines: int, factor: float, sentence: str) -> None:
    instances = [instance(1, "MASTER"), *(instance(number, "CORE") for number in range(2, 2 + workers))]
    yarn: Any = SimpleNamespace(machines=[None] * machines)
    cluster: Any = SimpleNamespace(instances=instances)
    here = hadoop.Hadoop(cluster, node=None, settings=Settings())  # type: ignore[arg-type]
    here.yarn, here.factor = yarn, factor
    assert here.describe() == sentence


@pytest.mark.parametrize("machine_mb", [6_000, 8_000, 12_000, 16_000, 20_000, 24_000, 64_000])
@pytest.mark.parametrize(
    ("instance_type", "place", "heap"),
    [("m5.xlarge", 5856, 2048), ("c5.xlarge", 2816, 1304), ("m5.2xlarge", 11712, 4096), ("r5.xlarge", 11712, 2048)],
)
@pytest.mark.parametrize("nodes", [1, 3])
def test_on_a_smaller_machine_a_driver_and_an_executor_still_fit_a_node(
    machine_mb: int, instance_type: str, place: int, heap: int, nodes: int
) -> None:
    """Terraform's sizes: the driver has an executor's place, on c5.xlarge two: a node of its own."""
    whole = place if place >= 3584 else 2 * place
    asked = {
        "spark.driver.memory": "1024m",
        "spark.driver.memoryOverhead": f"{whole - 1024}m",
        "spark.executor.memory": f"{heap}m",
        "spark.executor.memoryOverhead": f"{place - heap}m",
    }
    factor = hadoop.find_factor([hadoop.compute_yarn_mb(instance_type)] * nodes, machine_mb)
    sizes = {name: int(hadoop.scale_setting(name, value, factor).rstrip("m")) for name, value in asked.items()}
    driver = sizes["spark.driver.memory"] + sizes["spark.driver.memoryOverhead"]
    executor = sizes["spark.executor.memory"] + sizes["spark.executor.memoryOverhead"]
    node = hadoop.compute_node_mb(instance_type, factor, asked)
    rounded = sum(-(-container // 32) * 32 for container in (driver, executor))  # as YARN does
    assert min(rounded, hadoop.compute_yarn_mb(instance_type)) <= node <= hadoop.compute_yarn_mb(instance_type)
    assert driver >= 2826 * 1.2, "what the job was measured to need with ResNet50, and a fifth"
    assert executor >= 1344 * 1.2
    assert all(sizes[name] <= int(value.rstrip("m")) for name, value in asked.items())


def test_only_the_differences_differ() -> None:
    asked = {
        "spark.executor.memory": "2048m",
        "spark.yarn.maxAppAttempts": "1",
        "spark.shuffle.service.enabled": "true",
    }
    conf = hadoop.make_spark_conf(asked, PLACE)
    both = {"spark.master", "spark.dynamicAllocation.enabled"}  # EMR's own defaults
    different = {name for name, value in conf.items() if asked.get(name) != value} - both
    assert different == {
        "spark.shuffle.service.enabled",
        "spark.dynamicAllocation.shuffleTracking.enabled",
        "spark.ui.enabled",
        "spark.authenticate",
        "spark.yarn.jars",
        "spark.yarn.stagingDir",
        "spark.yarn.am.extraJavaOptions",
        "spark.eventLog.enabled",
        "spark.eventLog.dir",
        *(
            f"spark.{side}.{what}"
            for side in ("driver", "executor")
            for what in ("extraClassPath", "defaultJavaOptions")
        ),
        *(
            f"spark.{side}.SPARK_LOCAL_{what}"
            for side in ("yarn.appMasterEnv", "executorEnv")
            for what in ("HOSTNAME", "IP")
        ),
    }
    assert conf["spark.shuffle.service.enabled"] == "false"
    for name in ("driver.defaultJavaOptions", "executor.defaultJavaOptions", "yarn.am.extraJavaOptions"):
        assert "-Djdk.net.hosts.file=/run/hosts" in conf[f"spark.{name}"], f"{name}: its JVM would know no node"
    assert (conf["spark.master"], conf["spark.dynamicAllocation.enabled"]) == ("yarn", "true")
    assert hadoop.make_spark_conf({"spark.dynamicAllocation.enabled": "false"}, PLACE)[
        "spark.dynamicAllocation.enabled"
    ] == ("false")
    page = (REPO / "docs" / "embedded-aws.md").read_text()
    ours = ("spark.shuffle.service.enabled", "spark.ui.enabled", "spark.authenticate", "yarn.acl.enable")
    for what in (hadoop.AM_LABEL, *ours, "memory", "addresses", "class paths, staging folder, event log, JVM options"):
        assert what in page, f"docs/embedded-aws.md does not say that {what} differs"


def test_a_steps_own_words_reach_the_client() -> None:
    step = spark.parse_submit(
        ["--driver-memory", "2g", "--conf", "spark.x=y", "-v", "s3://b/job.py", "--driver-memory", "mine"]
    )
    command = hadoop.make_spark_command(step, {"spark.submit.deployMode": "cluster"}, PLACE)
    assert command.cluster_mode
    assert command.args == ["--driver-memory", "2g", "-v", "s3://b/job.py", "--driver-memory", "mine"]
    assert command.conf["spark.x"] == "y"


def test_labels_of_terraform_become_apaches() -> None:
    labelled = [
        {
            "Classification": "yarn-site",
            "Properties": {"yarn.node-labels.enabled": "true", hadoop.AM_LABEL: "ON_DEMAND", "a.b": "c"},
        }
    ]
    site = hadoop.read_yarn_site(labelled)
    assert site[hadoop.APACHE_AM_LABEL] == "ON_DEMAND"
    assert hadoop.AM_LABEL not in site
    assert site["yarn.node-labels.enabled"] == "true"
    assert hadoop.read_yarn_site([]) == {}
    assert hadoop.choose_labels(site) == hadoop.LABELS
    assert hadoop.choose_labels({}) == ()

    plan = ClusterPlan(Path("/run"), "127.64.1", "ip-10-0-0-4", labels=hadoop.LABELS, site=site)
    machine = Machine("ip-10-0-0-5", "127.64.1.11", 11712, 4, "SPOT")
    own = configuration.make_machine_site(configuration.make_yarn_site(plan, [machine], []), plan, machine)
    assert own["yarn.nodemanager.node-labels.provider.configured-node-partition"] == "SPOT"
    assert own["a.b"] == "c"
    assert "yarn.scheduler.capacity.root.accessible-node-labels.SPOT.capacity" in configuration.make_capacity_scheduler(
        plan
    )


def test_what_keeps_strangers_out_cannot_be_configured_away() -> None:
    opened = {"yarn.acl.enable": "false", "yarn.admin.acl": "*", "yarn.nodemanager.aux-services": "spark_shuffle"}
    queue = {"yarn.scheduler.capacity.root.acl_submit_applications": "*"}
    plan = ClusterPlan(
        Path("/run"),
        "127.64.1",
        "ip-10-0-0-4",
        site=opened,
        scheduler=queue,
        core={"hadoop.http.staticuser.user": "hadoop"},
    )
    site = configuration.make_yarn_site(plan, [], [])
    assert (site["yarn.acl.enable"], site["yarn.admin.acl"]) == ("true", "hadoop")
    assert site["yarn.nodemanager.aux-services"] == ""
    assert configuration.make_capacity_scheduler(plan)["yarn.scheduler.capacity.root.acl_submit_applications"] == " "
    assert configuration.make_core_site(plan)["hadoop.http.staticuser.user"] == "dr.who"
