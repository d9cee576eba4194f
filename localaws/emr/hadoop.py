"""EMR's Hadoop on this machine: core and task instances as NodeManagers of a real YARN (``LOCALAWS_YARN=1``).

The cluster's classifications go to YARN and Spark unchanged. docs/embedded-aws.md lists what must differ here.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import psutil

from localaws.emr import spark
from localaws.emr.model import Cluster, Instance
from localaws.emr.node import Node
from localaws.faults import FULL_DISKS
from localaws.java import find_pyspark
from localaws.processes import find_processes
from localaws.settings import Settings
from localaws.yarn import jars, plan
from localaws.yarn.daemons import MACHINE_VARIABLE, Yarn
from localaws.yarn.plan import ClusterPlan, Machine

LOG = logging.getLogger(__name__)

# EMR's key; Apache's, since Hadoop 3.4.0, begins with yarn.resourcemanager
AM_LABEL = "yarn.node-labels.am.default-node-label-expression"
APACHE_AM_LABEL = "yarn.resourcemanager.node-labels.am.default-node-label-expression"
LABELS = ("ON_DEMAND", "SPOT")

# https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-hadoop-task-config.html, as infra/modules/sizing/sizes.tf
YARN_MB = {
    "xlarge": {"m": 11712, "c": 5632, "r": 23424},
    "2xlarge": {"m": 23424, "c": 11712, "r": 54272},
    "4xlarge": {"m": 54272, "c": 23424, "r": 116736},
}
GIB_PER_VCPU = {"c": 2, "m": 4, "r": 8}
# EMR leaves the node three quarters of an instance's memory, or a little less.
SHARE_OF_MACHINE = 0.75
SHARE_OF_INSTANCE = 0.7

_MEMORY = re.compile(r"spark\.((driver|executor)\.(memory|memoryOverhead)|executor\.pyspark\.memory|yarn\.am\.memory)")
_MEMORY_OPTIONS = {"--driver-memory": "spark.driver.memory", "--executor-memory": "spark.executor.memory"}
# What the job was measured to need (m5.xlarge's sizes, 3,000 photographs with report): a healthy run is never killed
# because this machine is small. Driver: 0.4 GB of JVM, 1.4 of Python (2.4 with ResNet50); an executor: 0.4 and 1.0.
LEAST_MB = {
    "spark.driver.memory": 600,
    "spark.driver.memoryOverhead": 2800,
    "spark.executor.memory": 600,
    "spark.executor.memoryOverhead": 1300,
}
CONTAINER_UNIT_MB = 32  # every container is a multiple of it: yarn.scheduler.minimum-allocation-mb


# ------------------------------------------------------------------------------------------------ sizes, pure


def count_vcpus(instance_type: str) -> int:
    """The vCPUs of an instance type, from its size.

    >>> count_vcpus("m5.xlarge"), count_vcpus("r6g.4xlarge"), count_vcpus("m5.large")
    (4, 16, 2)
    """
    match = re.fullmatch(r"\w+\.(\d*)xlarge", instance_type)
    return 4 * int(match[1] or 1) if match else 2


def compute_yarn_mb(instance_type: str) -> int:
    """The memory (MB) that EMR gives YARN on an instance type: from AWS's table, by rule for what is not in it.

    >>> compute_yarn_mb("m5.xlarge"), compute_yarn_mb("c7g.2xlarge"), compute_yarn_mb("m5.8xlarge")
    (11712, 11712, 91750)
    """
    family, _, size = instance_type.partition(".")
    listed_mb = YARN_MB.get(size, {}).get(family[:1])
    if listed_mb is not None:
        return listed_mb
    return int(count_vcpus(instance_type) * GIB_PER_VCPU.get(family[:1], 4) * 1024 * SHARE_OF_INSTANCE)


def compute_node_mb(instance_type: str, factor: float, defaults: Mapping[str, str] | None = None) -> int:
    """The memory (MB) of an instance's NodeManager here: with room for a driver and an executor, where it has that.

    Parameters
    ----------
    defaults : the cluster's spark-defaults, which say how large these are

    >>> compute_node_mb("m5.xlarge", 1.0), compute_node_mb("m5.xlarge", 0.5)
    (11712, 5856)
    >>> sizes = {"spark.driver.memory": "1g", "spark.driver.memoryOverhead": "4832", "spark.executor.memory": "2g",
    ...          "spark.executor.memoryOverhead": "3808"}
    >>> compute_node_mb("m5.xlarge", 0.1, sizes), compute_node_mb("c5.xlarge", 0.1, sizes)
    (5344, 5344)
    """
    whole_mb, sizes = compute_yarn_mb(instance_type), defaults or {}
    pair = 0
    for side in ("driver", "executor"):
        names = [name for name in LEAST_MB if f".{side}." in name and name in sizes]
        container = sum(parse_mb(scale_setting(name, sizes[name], factor)) for name in names)
        pair += -(-container // CONTAINER_UNIT_MB) * CONTAINER_UNIT_MB
    return min(whole_mb, max(int(whole_mb * factor), pair))


def find_workers(instances: Iterable[Instance]) -> list[Instance]:
    """The instances that run containers: core and task nodes; on a cluster without any the primary itself."""
    all_instances = list(instances)
    return [instance for instance in all_instances if instance.role != "MASTER"] or all_instances


def choose_representatives(instances: Iterable[Instance], most: int) -> list[Instance]:
    """The instances that get a NodeManager: of every kind (role and market) the first, then the second, and so on."""
    kinds: dict[tuple[str, str], list[Instance]] = {}
    for instance in find_workers(instances):
        if instance.ended is None:
            kinds.setdefault((instance.role, instance.market), []).append(instance)
    rounds = zip_longest(*kinds.values())
    return [instance for instance in chain.from_iterable(rounds) if instance is not None][:most]


def find_factor(memories_mb: Iterable[int], machine_mb: int) -> float:
    """The factor by which every memory size is multiplied so that the nodes fit this machine; 1 where they fit.

    >>> find_factor([11712], 32000), find_factor([11712, 11712], 16000)
    (1.0, 0.51)
    """
    total = sum(memories_mb)
    share = SHARE_OF_MACHINE * machine_mb
    return 1.0 if total <= share else int(100 * share / total) / 100


def parse_mb(size: str) -> int:
    """Megabytes of a memory size as Spark writes it (in megabytes where it has no unit); 0 for what is no size.

    >>> parse_mb("2g"), parse_mb("2560"), parse_mb("2048 mb"), parse_mb("lots")
    (2048, 2560, 2048, 0)
    """
    match = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", size.strip().lower())
    return int(match[1]) * {"k": 1, "m": 1024, "": 1024, "g": 1024**2, "t": 1024**3}[match[2]] // 1024 if match else 0


def scale_memory(size: str, factor: float, least_mb: int = 0) -> str:
    """A memory size of Spark's, multiplied; never below the least.

    >>> scale_memory("2g", 0.5), scale_memory("2560", 0.5), scale_memory("2048m", 1.0), scale_memory("lots", 0.5)
    ('1024m', '1280m', '2048m', 'lots')
    >>> scale_memory("2048m", 0.1, 600), scale_memory("500m", 0.1, 600)
    ('600m', '500m')
    """
    size_mb = parse_mb(size)
    if factor == 1 or not size_mb:
        return size
    return f"{min(size_mb, max(int(size_mb * factor), least_mb))}m"


def scale_setting(name: str, value: str, factor: float) -> str:
    """The value of a Spark setting, scaled where it is one of memory.

    >>> scale_setting("spark.driver.memory", "2g", 0.5), scale_setting("spark.executor.cores", "2", 0.5)
    ('1024m', '2')
    """
    return scale_memory(value, factor, LEAST_MB.get(name, 0)) if _MEMORY.fullmatch(name) else value


# ------------------------------------------------------------------------------------------- configuration, pure


def read_yarn_site(configurations: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The cluster's yarn-site, with EMR's one key of its own translated into Apache's."""
    site = spark.read_classification(configurations, "yarn-site")
    if AM_LABEL in site:
        site[APACHE_AM_LABEL] = site.pop(AM_LABEL)
    return site


def choose_labels(site: Mapping[str, str]) -> tuple[str, ...]:
    """The node labels that a cluster with this yarn-site knows: those of EMR where it turns labels on, else none."""
    return LABELS if site.get("yarn.node-labels.enabled") == "true" else ()


@dataclass(frozen=True)
class SparkFiles:
    """The files of this machine that a spark-submit needs.

    Attributes
    ----------
    jars : PySpark's folder of jars
    libraries : the zips of PySpark and Py4J
    connector : jars of S3A
    hosts : the file with the nodes' names
    staging : folder for what the client gives to YARN
    events : folder of the event logs
    factor : by which every memory size is multiplied
    """

    jars: Path
    libraries: tuple[Path, ...]
    connector: tuple[Path, ...]
    hosts: Path
    staging: Path
    events: Path
    factor: float = 1.0


def make_spark_conf(requested: Mapping[str, str], files: SparkFiles) -> dict[str, str]:
    """The configuration of a step: EMR's defaults, what cluster and step ask for, and what must differ here."""
    emr = {"spark.master": "yarn", "spark.dynamicAllocation.enabled": "true"}
    connector = ":".join(str(path) for path in files.connector)
    conf = emr | {name: scale_setting(name, value, files.factor) for name, value in requested.items()}
    conf |= {
        "spark.shuffle.service.enabled": "false",
        "spark.dynamicAllocation.shuffleTracking.enabled": "true",
        "spark.ui.enabled": "false",
        # closes Spark's own ports to this machine's other users; YARN hands the secret to the containers
        "spark.authenticate": "true",
        # on every node already: nothing is uploaded or localized
        "spark.yarn.jars": f"local:{files.jars}/*",
        "spark.yarn.stagingDir": files.staging.as_uri(),
        "spark.driver.extraClassPath": connector,
        "spark.executor.extraClassPath": connector,
        **spark.make_event_log_conf(files.events),
    }
    # the third is for the application's master in client mode, where the driver runs elsewhere
    for name in ("driver.defaultJavaOptions", "executor.defaultJavaOptions", "yarn.am.extraJavaOptions"):
        options = f"-Djdk.net.hosts.file={files.hosts} -XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
        conf[f"spark.{name}"] = f"{conf.get(f'spark.{name}', '')} {options}".strip()
    for variable in ("yarn.appMasterEnv", "executorEnv"):
        # listen on the address of the node's name, and nowhere else
        conf[f"spark.{variable}.SPARK_LOCAL_HOSTNAME"] = "{{NM_HOST}}"
        conf[f"spark.{variable}.SPARK_LOCAL_IP"] = "127.0.0.1"
    return conf


def make_spark_command(submit: spark.Submit, defaults: Mapping[str, str], files: SparkFiles) -> spark.SparkCommand:
    """The step's spark-submit for the YARN of this machine, and its whole configuration."""
    requested = dict(defaults) | submit.conf
    mode = submit.find_option("--deploy-mode") or requested.get("spark.submit.deployMode", "client")
    args: list[str] = []
    for name, value in submit.options:
        args += [name, scale_setting(_MEMORY_OPTIONS.get(name, ""), value, files.factor)]
    words = [*args, *submit.flags, submit.application, *submit.arguments]
    return spark.SparkCommand(words, make_spark_conf(requested, files), {}, mode == "cluster")


def find_application(text: str) -> str | None:
    """The id of the application in a client's log; None where it has none yet.

    >>> find_application("INFO Client: Submitting application application_1795788536013_0001 to ResourceManager")
    'application_1795788536013_0001'
    """
    match = re.search(r"application_\d+_\d+", text)
    return match[0] if match else None


# ------------------------------------------------------------------------------------------------ this machine


class Hadoop:
    """The YARN of one cluster, which follows the cluster's instances.

    Parameters
    ----------
    cluster : whose
    node : its node: folder, environment
    settings : how many NodeManagers
    """

    def __init__(self, cluster: Cluster, node: Node, settings: Settings) -> None:
        self.cluster, self.node, self.settings = cluster, node, settings
        self.factor = 1.0
        self.yarn: Yarn | None = None
        self._owners: dict[str, Instance] = {}
        self._numbers = iter(range(11, 250))
        self._starting: threading.Thread | None = None
        self._problem: Exception | None = None
        self._ended = False
        self._changing = threading.Lock()

    # -- start and end ----------------------------------------
    def start(self) -> None:
        """Start in the background, while the bootstrap actions run."""
        self._starting = threading.Thread(target=self._start, name=f"yarn-{self.cluster.id}", daemon=True)
        self._starting.start()

    def await_start(self) -> None:
        """Return when the daemons are ready; raises the error of a start that failed."""
        if self._starting is not None:
            self._starting.join()
        if self._problem is not None:
            raise self._problem

    def _start(self) -> None:
        try:
            with self._changing:
                self.yarn = self._make_yarn()
                if self._ended:
                    return
                machines = [self._make_machine(instance) for instance in self._choose_instances()]
                self.yarn.start(machines)
                LOG.info("%s", self.describe())
        except Exception as error:
            LOG.exception("YARN of %s", self.cluster.id)
            self._problem = error

    def _choose_instances(self) -> list[Instance]:
        return choose_representatives(self.cluster.instances, self.settings.yarn_nodes)

    def _make_yarn(self) -> Yarn:
        instances = self._choose_instances()
        self.factor = find_factor(
            (compute_yarn_mb(instance.instance_type) for instance in instances), psutil.virtual_memory().total >> 20
        )
        site = read_yarn_site(self.cluster.request.get("Configurations", []))
        environment = self.node.make_environment()
        folder = self.node.root / "hadoop"
        cluster_plan = ClusterPlan(
            folder=folder,
            network=plan.choose_network(),
            master_name=str(self.cluster.primary_dns),
            labels=choose_labels(site),
            site=site | (FULL_DISKS if self.settings.fault == "disk-full" else {}),
            scheduler=self.cluster.read_properties("capacity-scheduler"),
            core=self._make_core_site() | self.cluster.read_properties("core-site"),
            passed_on=(*sorted(environment), "HADOOP_CONF_DIR", MACHINE_VARIABLE),
        )
        pinned = [self.settings.yarn_jars / pin.name for pin in jars.read_own_pins()]
        return Yarn(
            cluster_plan,
            java_home=Path(environment["JAVA_HOME"]),
            classpath=jars.build_classpath(pinned, find_pyspark() / "jars"),
            environment=environment,
        )

    def _make_core_site(self) -> dict[str, str]:
        prefix = "spark.hadoop."
        return {k.removeprefix(prefix): v for k, v in self.node.make_s3a_conf().items() if k.startswith(prefix)}

    def _make_machine(self, instance: Instance) -> Machine:
        assert self.yarn is not None
        defaults = self.cluster.read_properties("spark-defaults")
        machine = Machine(
            name=instance.private_dns,
            address=f"{self.yarn.plan.network}.{next(self._numbers)}",
            memory_mb=compute_node_mb(instance.instance_type, self.factor, defaults),
            vcores=count_vcpus(instance.instance_type),
            label=instance.market if self.yarn.plan.labels else "",
        )
        self._owners[machine.name] = instance
        return machine

    def stop(self) -> None:
        """End daemons and containers, even those that are just being started."""
        self._ended = True
        if self.yarn is not None:
            self.yarn.stop()
        if self._starting is not None:
            self._starting.join()

    def describe(self) -> str:
        """How many NodeManagers stand for how many instances, and how large they are."""
        count = len(self.yarn.machines) if self.yarn else 0
        workers = [instance for instance in find_workers(self.cluster.instances) if instance.ended is None]
        sizes = "EMR's memory sizes" if self.factor == 1 else f"{self.factor:.0%} of EMR's memory sizes"
        if [worker.role for worker in workers] == ["MASTER"]:
            return f"YARN: a NodeManager on the primary, the only node, with {sizes}"
        managers = "1 NodeManager stands" if count == 1 else f"{count} NodeManagers stand"
        instances = "1 instance" if len(workers) == 1 else f"{len(workers)} core and task instances"
        return f"YARN: {managers} for {instances}, with {sizes}"

    # -- processes ----------------------------------------
    def list_processes(self) -> list[psutil.Process]:
        """Everything that runs for the cluster: daemons, containers, clients."""
        return list(find_processes(self.node.root))

    def find_host(self, process: psutil.Process) -> str:
        """The name of the machine that a container's process runs on; empty for any other process."""
        if self.yarn is None:
            return ""
        try:
            root = process.environ().get(MACHINE_VARIABLE, "")
        except psutil.Error:
            return ""
        return next((m.name for m in self.yarn.machines if str(self.yarn.plan.locate_folder(m)) == root), "")

    # -- instances ----------------------------------------
    def follow(self, *, shut_down: bool = False) -> None:
        """End the machines of instances that have ended, and add one for each new instance.

        Parameters
        ----------
        shut_down : the instances were shut down, and did not fail
        """
        if self.yarn is None:
            return
        with self._changing:
            instances = self._choose_instances()
            for machine in list(self.yarn.machines):
                if self._owners[machine.name].ended is not None:
                    self.yarn.lose(machine, shut_down=shut_down)
            machine_names = {machine.name for machine in self.yarn.machines}
            for instance in instances:
                if instance.private_dns not in machine_names and len(self.yarn.machines) < self.settings.yarn_nodes:
                    self.yarn.add(self._make_machine(instance))

    # -- Spark ----------------------------------------
    def list_spark_files(self, events: Path) -> SparkFiles:
        """The files of this machine that a spark-submit needs."""
        assert self.yarn is not None
        home, folder = find_pyspark(), self.yarn.plan.folder
        connector = self.node.make_s3a_conf()["spark.driver.extraClassPath"].split(":")
        return SparkFiles(
            jars=home / "jars",
            libraries=tuple(sorted((home / "python" / "lib").glob("*.zip"))),
            connector=tuple(Path(path) for path in connector),
            hosts=self.yarn.plan.hosts,
            staging=folder / "staging",
            events=events,
            factor=self.factor,
        )

    def list_container_logs(self, application: str) -> Iterable[tuple[str, Path]]:
        """The logs of an application's containers: ``containers/…``, and the file."""
        if self.yarn is not None:
            for key, path in self.yarn.list_container_logs(application):
                yield f"containers/{application}/{key}", path

    def list_node_logs(self) -> Iterable[tuple[str, Path]]:
        """The logs of all daemons: ``node/<instance>/applications/hadoop-yarn/…``, and the file."""
        if self.yarn is None:
            return
        cluster_plan = self.yarn.plan
        primary = next((i.ec2_id for i in self.cluster.instances if i.role == "MASTER"), None)
        logs = [(primary, cluster_plan.master_log)] if primary else []
        for name, instance in self._owners.items():
            folder = cluster_plan.folder / "nodes" / name / "var" / "log" / "hadoop-yarn"
            logs += [(instance.ec2_id, path) for path in folder.glob("*.log")]
        for ec2_id, path in logs:
            yield f"node/{ec2_id}/applications/hadoop-yarn/{path.name}", path


def make_submit_environment(files: SparkFiles, cluster_plan: ClusterPlan) -> dict[str, str]:
    """The variables that a spark-submit for this YARN needs."""
    return {
        "SPARK_HOME": str(files.jars.parent),
        "HADOOP_CONF_DIR": str(cluster_plan.conf),
        "HADOOP_USER_NAME": "hadoop",
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": cluster_plan.master_name,
        "SPARK_DIST_CLASSPATH": ":".join(str(path) for path in files.connector),
        "PYSPARK_ARCHIVES_PATH": ",".join(f"local:{path}" for path in files.libraries),
        "SPARK_SUBMIT_OPTS": f"-Djdk.net.hosts.file={files.hosts} -XX:TieredStopAtLevel=1",
        MACHINE_VARIABLE: str(cluster_plan.folder),
    }
