"""Make the part of the corpus that is made by really failing: ``python -m tests.diagnose.capture [NAME …]``, with
``PYTHONPATH=jobs``.

An embedded AWS is started, clusters and steps fail on it one way each, and what lies in the log bucket afterwards is
kept below ``corpus/<name>/tree``, with what EMR's API said. Names of this machine are replaced by a node's. It takes
some four minutes, and some ten more for `ON_YARN`; the tests replay what it left and do not run it.
"""

from __future__ import annotations

import getpass
import gzip
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil

from localaws import faults, server
from localaws.processes import find_processes
from localaws.settings import Settings
from ops.diagnose import gather
from ops.diagnose.causes import judge
from ops.diagnose.render import as_json
from ops.job.package import ENTRY, job_zip
from sample.draw import draw_sample
from tests.conftest import SHARED
from tests.localaws.support import Aws, World, allow, fleet, make_world, step, until

REPO = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
SCRIPT = (REPO / "bootstrap" / "install_tensorflow.sh").read_text()
NODE_PYTHON = "/opt/fruits/venv/bin/python"
YARN = "the real job on a real YARN (Hadoop 3.4.2, Spark 3.5.6)"
EXAMPLE = "https://s3.eu-west-3.amazonaws.com"

HEAD = """
import os, signal, sys
from pyspark.sql import SparkSession

spark = SparkSession.builder.appName("failing").getOrCreate()
numbers = spark.sparkContext.parallelize(range(64), 4)
"""
JOBS = {
    "python-exception": HEAD
    + """
def weigh(rows):
    for row in rows:
        if row == 40:
            raise ValueError(f"the peach {row} has a stone")
        yield row

numbers.mapPartitions(weigh).count()
""",
    "out-of-memory-python": HEAD
    + """
def grow(rows):
    return [len(bytearray(1 << 50)) for _ in rows]

numbers.mapPartitions(grow).count()
""",
    "out-of-memory-python-killed": HEAD
    + """
def killed(rows):
    os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does to the largest process
    return rows

numbers.mapPartitions(killed).count()
""",
    "out-of-memory-executor-killed": HEAD
    + """
def killed(rows):
    executor = os.getppid()
    while b"CoarseGrainedExecutorBackend" not in open(f"/proc/{executor}/cmdline", "rb").read():
        executor = int(open(f"/proc/{executor}/stat").read().rpartition(")")[2].split()[1])
    os.kill(executor, signal.SIGKILL)
    return rows

numbers.mapPartitions(killed).count()
""",
    "out-of-memory-driver-heap": HEAD
    + """
jvm = spark.sparkContext._jvm
kept = [spark.sparkContext._gateway.new_array(jvm.byte, 400_000_000) for _ in range(64)]
""",
    "step-oom": HEAD
    + """
import time

def work(rows):
    time.sleep(1.5)
    return rows

spark.sparkContext.parallelize(range(800), 32).mapPartitions(work).count()
""",
    "access-denied-spark": HEAD
    + """
spark.range(10).write.parquet(sys.argv[1])
""",
    "module-missing": """
from fruits.pipeline import run
""",
}


@dataclass
class Stage:
    """An embedded AWS whose clusters fail."""

    world: World
    sample: Path
    home: Path

    def node_may(self, *actions: str, on: list[str]) -> None:
        self.world.aws.client("iam").put_role_policy(
            RoleName=self.world.profile, PolicyName="more", PolicyDocument=allow(*actions, on=on)
        )

    def script(self, name: str, text: str) -> str:
        return self.world.script(name, text)

    def bootstrap(self, *arguments: str, text: str = SCRIPT, **changes: Any) -> str:
        """A cluster whose bootstrap action fails."""
        path = self.script("install_tensorflow.sh", text)
        action = {"Name": "tensorflow", "ScriptBootstrapAction": {"Path": path, "Args": list(arguments)}}
        cluster = self.world.cluster(BootstrapActions=[action], **changes)
        self.world.wait(cluster, "TERMINATED_WITH_ERRORS", seconds=120)
        return cluster

    def steps(self, *commands: tuple[str, ...], python: str | None = sys.executable, **more: str) -> str:
        """A cluster whose steps fail, one after the other."""
        properties = {"spark.submit.deployMode": "cluster", **more}
        if python:
            properties |= {
                "spark.yarn.appMasterEnv.PYSPARK_PYTHON": python,
                "spark.executorEnv.PYSPARK_PYTHON": python,
            }
        cluster = self.world.cluster(
            Configurations=[{"Classification": "spark-defaults", "Properties": properties}],
            Steps=[step(f"fruits-{number}", *command) for number, command in enumerate(commands)],
        )
        until(
            lambda: self.world.states(cluster),
            lambda states: not {"PENDING", "RUNNING"} & set(states),
            seconds=400,
        )
        self.world.end(cluster)
        return cluster

    def job(self, **fields: Any) -> tuple[str, ...]:
        """The real job's command line."""
        s3, code = self.world.s3, self.world.code
        s3.put_object(Bucket=code, Key="jobs/fruits.zip", Body=job_zip())
        s3.put_object(Bucket=code, Key="jobs/featurize_pca.py", Body=ENTRY.read_bytes())
        mode = fields.pop("mode", "cluster")
        asked = {"input": f"s3://{code}/images", "output": f"s3://{code}/out/results", "parallelism": 2, **fields}
        key = f"requests/{hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:8]}.json"
        s3.put_object(Bucket=code, Key=key, Body=json.dumps(asked).encode())
        folder = f"s3://{code}/jobs"
        submit = ("spark-submit", "--deploy-mode", mode, "--py-files", f"{folder}/fruits.zip")
        return (*submit, f"{folder}/featurize_pca.py", "--request", f"s3://{code}/{key}")

    def plain(self, name: str, *arguments: str) -> tuple[str, ...]:
        """A small job's command line."""
        path = self.script(f"jobs/{name}.py", JOBS[name])
        return ("spark-submit", "--deploy-mode", "cluster", path, *arguments)


def wheelhouse(stage: Stage, files: dict[str, bytes], *, damage: str = "") -> str:
    """A wheelhouse of small files below our code bucket; one of them may be damaged."""
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items())
    for name, data in {**files, "SHA256SUMS": sums.encode()}.items():
        body = data[:-1] + b"!" if name == damage else data
        stage.world.s3.put_object(Bucket=stage.world.code, Key=f"wheelhouse/own/{name}", Body=body)
    return f"s3://{stage.world.code}/wheelhouse/own/"


WHEELS = {"requirements.txt": b"numpy==2.4.6\n", "numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl": b"a wheel"}


def bootstrap_disk(stage: Stage) -> str:
    logs = f"s3://{stage.world.logs}/node/"
    stage.node_may("s3:PutObject", on=[f"arn:aws:s3:::{stage.world.logs}/node/*"])
    uri = wheelhouse(stage, WHEELS)
    return stage.bootstrap("--wheelhouse", uri, "--prefix", "/opt/fruits", "--logs", logs, "--need-mb", "99999999")


def bootstrap_hash(stage: Stage) -> str:
    uri = wheelhouse(stage, WHEELS, damage="numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl")
    logs = f"s3://{stage.world.logs}/node/"
    stage.node_may("s3:PutObject", on=[f"arn:aws:s3:::{stage.world.logs}/node/*"])
    return stage.bootstrap("--wheelhouse", uri, "--prefix", "/opt/fruits", "--logs", logs, "--need-mb", "1")


def bootstrap_python(stage: Stage) -> str:
    """For another processor; and no right to leave the cause: only the node's stderr tells."""
    wheels = {"requirements.txt": b"x\n", "numpy-2.4.6-cp311-cp311-manylinux_2_28_aarch64.whl": b"a wheel"}
    uri = wheelhouse(stage, wheels)
    return stage.bootstrap("--wheelhouse", uri, "--prefix", "/opt/fruits", "--need-mb", "1")


def bootstrap_denied(stage: Stage) -> str:
    uri = f"s3://{stage.world.logs}/wheelhouse/0123456789abcdef/"
    return stage.bootstrap("--wheelhouse", uri, "--prefix", "/opt/fruits", "--need-mb", "1")


def bootstrap_other(stage: Stage) -> str:
    server.set_fault(stage.world.aws.endpoint, stage.world.aws.keys, "bootstrap")
    try:
        return stage.bootstrap("--wheelhouse", "s3://x/", "--prefix", "/opt/fruits")
    finally:
        server.set_fault(stage.world.aws.endpoint, stage.world.aws.keys, "none")


def bootstrap_script(stage: Stage) -> str:
    action = {"Name": "gone", "ScriptBootstrapAction": {"Path": f"s3://{stage.world.code}/bootstrap/gone.sh"}}
    cluster = stage.world.cluster(BootstrapActions=[action])
    stage.world.wait(cluster, "TERMINATED_WITH_ERRORS")
    return cluster


def service_role_denied(stage: Stage) -> str:
    """A cluster whose subnet does not bear the tag that the managed policy asks for."""
    untagged = make_world(stage.world.aws, tags=[])
    cluster = untagged.cluster()
    untagged.wait(cluster, "TERMINATED_WITH_ERRORS")
    return cluster


def step_oom(stage: Stage) -> str:
    server.set_fault(stage.world.aws.endpoint, stage.world.aws.keys, "step-oom")
    try:
        return stage.steps(stage.plain("step-oom"))
    finally:
        server.set_fault(stage.world.aws.endpoint, stage.world.aws.keys, "none")


def wrong_packages(stage: Stage) -> str:
    """Executors that find another numpy's description first on their path."""
    other = stage.home / "other"
    (other / "numpy-1.26.4.dist-info").mkdir(parents=True, exist_ok=True)
    (other / "numpy-1.26.4.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 1.26.4\n")
    return stage.steps(stage.job(), **{"spark.executorEnv.PYTHONPATH": str(other)})


def rejects(stage: Stage) -> str:
    s3, code = stage.world.s3, stage.world.code
    for number in range(20):
        s3.put_object(Bucket=code, Key=f"torn/Apple Red 1/{number}_100.jpg", Body=b"\xff\xd8 torn")
    for path in sorted(stage.sample.rglob("*.png"))[:20] or sorted(stage.sample.rglob("*.jpg"))[:20]:
        s3.put_object(Bucket=code, Key=f"torn/{path.parent.name}/{path.name}", Body=path.read_bytes())
    return stage.steps(stage.job(input=f"s3://{code}/torn"))


def job_denied(stage: Stage) -> str:
    return stage.steps(stage.job(output=f"s3://{stage.world.logs}/results"))


def no_such_class(stage: Stage) -> str:
    return stage.steps(stage.job(classes=["No such fruit"]))


CASES: dict[str, tuple[Callable[[Stage], str], str]] = {
    "bootstrap-disk": (bootstrap_disk, "bootstrap-disk"),
    "bootstrap-hash": (bootstrap_hash, "bootstrap-hash"),
    "bootstrap-python-processor": (bootstrap_python, "bootstrap-python"),
    "bootstrap-access-denied": (bootstrap_denied, "access-denied"),
    "bootstrap-other": (bootstrap_other, "bootstrap-other"),
    "bootstrap-script-gone": (bootstrap_script, "bootstrap-script"),
    "service-role-denied": (service_role_denied, "access-denied"),
    "rejects-over-limit": (rejects, "rejects-over-limit"),
    "job-access-denied": (job_denied, "access-denied"),
    "job-input-missing": (no_such_class, "input-missing"),
    "job-version-mismatch": (wrong_packages, "version-mismatch"),
    "step-oom": (step_oom, "out-of-memory-driver"),
    "python-missing": (
        lambda stage: stage.steps(stage.plain("python-exception"), python=NODE_PYTHON),
        "python-missing",
    ),
    "wrong-arguments": (lambda stage: stage.steps(("spark-submit", "--memory", "2g", "x.py")), "wrong-arguments"),
    "job-file-missing": (
        lambda stage: stage.steps(("spark-submit", f"s3://{stage.world.code}/jobs/gone.py")),
        "file-missing",
    ),
    **{
        name: (
            lambda stage, name=name: stage.steps(stage.plain(name, f"s3://{stage.world.logs}/elsewhere")),
            cause,
        )
        for name, cause in {
            "python-exception": "python-exception",
            "out-of-memory-python": "out-of-memory-python",
            "out-of-memory-python-killed": "python-crash",
            "out-of-memory-executor-killed": "out-of-memory-executor",
            "out-of-memory-driver-heap": "out-of-memory-driver",
            "access-denied-spark": "access-denied",
            "module-missing": "module-missing",
        }.items()
    },
}


@dataclass(frozen=True)
class Accident:
    """What happens to the real job on a real YARN.

    Attributes
    ----------
    cause : that must be named
    fault : FAULT=, as docs/embedded-aws.md has them
    signal : what each executor's JVM gets once it works; None for nothing
    master : market of the nodes that may hold the driver
    settings : Spark's, of the step's cluster
    request : fields of the job's request; ``mode`` is spark-submit's deploy mode
    """

    cause: str
    fault: str = "none"
    signal: signal.Signals | None = None
    master: str = "ON_DEMAND"
    settings: Mapping[str, str] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)


# An executor that answers no more is given up after seconds, where Spark's own are two minutes.
HURRIED = {
    "spark.network.timeout": "16s",
    "spark.network.timeoutInterval": "4s",
    "spark.executor.heartbeatInterval": "2s",
    "spark.task.maxFailures": "1",
}
ON_SPOT = {"spark.yarn.executor.nodeLabelExpression": "SPOT", "spark.task.maxFailures": "1"}
ON_YARN = {
    "yarn-kills-driver": Accident("out-of-memory-driver", "driver-memory"),
    "yarn-kills-executor": Accident("out-of-memory-executor", "worker-memory"),
    "yarn-executor-heap": Accident("out-of-memory-executor", "executor-heap"),
    "yarn-worker-killed": Accident("python-crash", "worker-killed"),
    "yarn-driver-killed": Accident("out-of-memory-driver", "step-oom"),
    "yarn-driver-node-lost": Accident("node-lost", "master-lost"),
    "yarn-nodes-unhealthy": Accident("waits-for-nodes", "disk-full"),
    "spot-nodes-lost": Accident("lost-spot-nodes", "master-lost", master="SPOT"),
    "kernel-kills-executor": Accident("out-of-memory-executor", signal=signal.SIGKILL),
    "executors-lost": Accident("executor-lost", signal=signal.SIGSTOP, settings=HURRIED),
    "spot-node-killed-executor": Accident("lost-spot-nodes", "spot", settings=ON_SPOT),
    # too little for a PCA in each worker: the job refuses it, and nothing is killed
    "client-mode": Accident(
        "reduction-impossible", settings={"spark.executor.memoryOverhead": "900m"}, request={"mode": "client"}
    ),
}
# Sizes for the drawn sample: TensorFlow lives in the driver's overhead, a worker in the executor's.
SMALL = {
    "spark.driver.memory": "900m",
    "spark.driver.memoryOverhead": "2200m",
    "spark.executor.memory": "600m",
    "spark.executor.memoryOverhead": "1400m",
    "spark.dynamicAllocation.maxExecutors": "2",
    "spark.yarn.maxAppAttempts": "1",
    "spark.python.worker.faulthandler.enabled": "true",
}
LABELS = {
    "yarn.node-labels.enabled": "true",
    "yarn.node-labels.am.default-node-label-expression": "ON_DEMAND",
    "yarn.nodemanager.resource.memory.enforced": "false",
    "yarn.nodemanager.vmem-check-enabled": "false",
}


def on_yarn(stage: Stage, accident: Accident, name: str = "results", seconds: float = 400) -> str:
    """A cluster whose step, the real job, meets an accident, to its end; one whose step waits is left waiting."""
    world = stage.world
    server.set_fault(world.aws.endpoint, world.aws.keys, accident.fault)
    try:
        python = {f"spark.{side}.PYSPARK_PYTHON": sys.executable for side in ("yarn.appMasterEnv", "executorEnv")}
        exports = {"Classification": "export", "Properties": {"PYSPARK_PYTHON": sys.executable}}
        job = stage.job(**{"output": f"s3://{world.code}/out/{name}", **accident.request})
        cluster = world.cluster(
            Instances={
                "InstanceFleets": [fleet("MASTER", 1), fleet("CORE", 1), fleet("TASK", 0, TargetSpotCapacity=1)]
            },
            Configurations=[
                {"Classification": "spark-defaults", "Properties": {**SMALL, **python, **accident.settings}},
                {"Classification": "spark-env", "Configurations": [exports]},
                {
                    "Classification": "yarn-site",
                    "Properties": LABELS | {"yarn.node-labels.am.default-node-label-expression": accident.master},
                },
            ],
            Steps=[step("fruits", *job)],
        )
        ended = ("COMPLETED", "FAILED", "CANCELLED")
        if accident.fault == "disk-full":
            until(lambda: world.states(cluster), lambda states: states[0] == "RUNNING", seconds=120)
            until(lambda: _waits(stage, cluster), bool, seconds=120)
        else:
            with striking(stage.home / "clusters" / cluster, accident.signal):
                until(lambda: world.states(cluster), lambda states: states[0] in ended, seconds=seconds)
            world.end(cluster)  # all logs are in the bucket then
    finally:
        server.set_fault(world.aws.endpoint, world.aws.keys, "none")
    return cluster


@contextmanager
def striking(folder: Path, number: signal.Signals | None) -> Iterator[None]:
    """Send each executor's JVM a signal, once it works, for the time of a block."""
    over, struck = threading.Event(), set[int]()
    step_processes = faults.StepProcesses(lambda: find_processes(folder), lambda: None, lambda: None)

    def strike() -> None:
        while number is not None and not over.wait(0.3):
            for process in step_processes.find_busy_executors():
                if process.pid not in struck:
                    struck.add(process.pid)
                    with suppress(psutil.NoSuchProcess):
                        process.send_signal(number)

    thread = threading.Thread(target=strike, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _waits(stage: Stage, cluster: str) -> bool:
    """Whether the client's second report is in the log bucket: the step waits, and not for a moment only."""
    found = stage.world.steps(cluster)[0]["Id"]
    key = f"emr/{cluster}/steps/{found}/stderr.gz"
    listed = stage.world.s3.list_objects_v2(Bucket=stage.world.logs, Prefix=key)
    if not listed.get("KeyCount"):
        return False
    text = gzip.decompress(stage.world.s3.get_object(Bucket=stage.world.logs, Key=key)["Body"].read()).decode()
    return text.count("(state: ACCEPTED)") > 1


def plain(value: Any) -> Any:
    """An answer of the API as the command line prints it."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k != "ResponseMetadata"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value.isoformat() if isinstance(value, datetime) else value


def keep(stage: Stage, name: str, cluster: str, cause: str, corpus: Path = CORPUS, made: str = "rehearsal") -> Path:
    """Fetch a cluster's logs, and write its manifest; the value is the tree."""
    target = corpus / name
    shutil.rmtree(target, ignore_errors=True)
    tree = target / "tree"
    world = stage.world
    described = world.emr.describe_cluster(ClusterId=cluster)["Cluster"]
    bucket = str(described["LogUri"]).split("/")[2]
    objects = world.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    for item in (item for page in objects for item in page.get("Contents", []) if cluster in item["Key"]):
        body = world.s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        packed = item["Key"].endswith(".gz")
        text = neutral((gzip.decompress(body) if packed else body).decode(errors="replace"), stage, cluster)
        path = tree / item["Key"].removeprefix("emr/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode(), mtime=0) if packed else text.encode())
    tree.mkdir(parents=True, exist_ok=True)
    answers = {"describe-cluster.json": {"Cluster": described}}
    steps = world.steps(cluster)
    if steps:
        found = world.emr.describe_step(ClusterId=cluster, StepId=steps[0]["Id"])
        answers["describe-step.json"] = {"Step": found["Step"]}
    for file, answer in answers.items():
        kept = json.dumps(plain(answer), indent=1)
        (tree / file).write_text(neutral(kept, stage, cluster) + "\n")
    record = world.s3.list_objects_v2(Bucket=world.code, Prefix="out/results/_run/error.json").get("Contents")
    if record:
        body = world.s3.get_object(Bucket=world.code, Key="out/results/_run/error.json")["Body"].read()
        (tree / "error.json").write_text(neutral(body.decode(), stage, cluster) + "\n")
        world.s3.delete_object(Bucket=world.code, Key="out/results/_run/error.json")
    instances = world.emr.list_instances(ClusterId=cluster)["Instances"]
    if made == YARN:
        kept = json.dumps(plain({"Instances": instances}), indent=1)
        (tree / "list-instances.json").write_text(neutral(kept, stage, cluster) + "\n")
    verdict = judge(gather.gather_tree(tree))
    where = as_json(gather.gather_tree(tree), verdict)["where"]
    manifest = {
        "made": made,
        "cause": cause,
        "says": verdict.meaning,
        "fix": verdict.fix,
        "where": where and f"{where['path']}:{where['line']}",
        "said": verdict.words[:120],
    }
    (target / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return tree


def neutral(text: str, stage: Stage, cluster: str) -> str:
    """A log without names of this machine."""
    node = stage.home / "clusters" / cluster
    prefix = Path(sys.prefix)
    replaced = {
        str(node): "",
        str(stage.home): "/mnt",
        str(prefix.resolve()): "/opt/fruits/venv",
        str(prefix): "/opt/fruits/venv",
        sys.base_prefix: "/usr",
        str(SHARED / "yarn" / "jars"): "/usr/lib/hadoop/client",
        str(REPO): "/home/hadoop/fruits",
        f"{Path.home()}/": "/home/hadoop/",
        stage.world.aws.endpoint: EXAMPLE,
        stage.world.aws.endpoint.removeprefix("http://"): EXAMPLE.removeprefix("https://"),
        os.environ.get("JAVA_HOME", "\0"): "/usr/lib/jvm/java-17",
    }
    for word, instead in replaced.items():
        text = text.replace(word, instead)
    text = re.sub(rf"(?<![\w.-]){re.escape(socket.gethostname())}(?![\w.-])", "ip-10-0-0-7", text)
    text = re.sub(rf"\b{getpass.getuser()}, ?hadoop\b", "hadoop", text)
    text = re.sub(r"/hadoop/nodes/ip-[\w.-]+?(?=/)", "", text)  # a machine's folder stands for its root
    return re.sub(r"\b127\.\d+\.\d+\.(\d+)\b(?<!127\.0\.0\.1)", r"10.0.1.\1", text)


@contextmanager
def staged(**more: Any) -> Iterator[Stage]:
    """An embedded AWS with the drawn sample in it; more settings, as YARN's."""
    with tempfile.TemporaryDirectory(prefix="fruits-corpus-") as name:
        home = Path(name)
        settings = Settings(
            home=home / "aws", starting_seconds=0.05, log_delay_seconds=0.2, api_delay_seconds=0, **more
        )
        with server.running(settings) as record:
            world = make_world(Aws(record, home / "aws"))
            sample = home / "sample"
            draw_sample(sample, views=5)
            for path in sorted(p for p in sample.rglob("*") if p.suffix in (".jpg", ".png")):
                key = f"images/{path.parent.name}/{path.name}"
                world.s3.put_object(Bucket=world.code, Key=key, Body=path.read_bytes())
            yield Stage(world, sample, home / "aws")


def main(names: list[str]) -> int:
    """Make cases again: all of local-cluster's, or those named, on YARN too where its jars are."""
    for on, kinds in ((True, ON_YARN), (False, CASES)):
        wanted = [name for name in names if name in kinds] or ([] if names or on else list(kinds))
        if not wanted:
            continue
        with staged(**({"yarn": True, "yarn_jars": SHARED / "yarn" / "jars"} if on else {})) as stage:
            for name in wanted:
                began = time.monotonic()
                cluster, cause = make(stage, name)
                keep(stage, name, cluster, cause, made=YARN if on else "rehearsal")
                if on:
                    stage.world.end(cluster)
                print(f"{name}: {cluster}, {time.monotonic() - began:.0f} s", flush=True)
    return 0


def make(stage: Stage, name: str) -> tuple[str, str]:
    """Let a case happen; the cluster, and the cause."""
    if name in ON_YARN:
        return on_yarn(stage, ON_YARN[name]), ON_YARN[name].cause
    fail, cause = CASES[name]
    return fail(stage), cause


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
