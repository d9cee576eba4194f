"""A node's own evidence is asked before a cause is claimed: its market and end, YARN's daemon, kernel and disks."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from ops.diagnose import gather, render
from ops.diagnose.causes import judge
from ops.diagnose.evidence import Evidence
from ops.diagnose.verdict import Verdict
from tests.diagnose.reports import CLUSTER, STEP, Report, build

APPLICATION = "application_1795600000000_0001"
LOST, OTHER = "i-0b22a22eec53224bd", "i-0c33b33ffd64335ce"
CONTAINER = "container_1795600000000_0001_01_000002"
YARN_LOG = "applications/hadoop-yarn/hadoop-yarn-nodemanager-ip-10-0-1-23.eu-west-3.compute.internal.log.gz"
STATE_LOG = "daemons/instance-state/instance-state.log-2026-11-24-10-00.gz"
DRIVER = (
    "26/11/24 10:00:00 WARN YarnAllocator: Container from a bad node: {container} on host: "
    "ip-10-0-1-23.eu-west-3.compute.internal. Exit status: {code}. Diagnostics: x\n"
    "26/11/24 10:00:01 ERROR ApplicationMaster: Max number of executor failures (3) reached\n"
)
BEYOND = (
    "2026-11-24 09:59:59,001 WARN ContainersMonitorImpl: Container [pid=77,containerID={container}] is running "
    "1024B beyond the 'PHYSICAL' memory limit. Current usage: 12.1 GB of 12 GB physical memory used; 14 GB of 60 GB\n"
)
KERNEL = "[Tue Nov 24 09:59:59 2026] Out of memory: Killed process 4711 (python3.11) total-vm:9999kB, anon-rss:1kB\n"
DISK = "2026-11-24 09:59:00,001 WARN DirectoryCollection: /mnt/yarn error, used space above threshold of 90.0%"
UNHEALTHY = f"{DISK}\n2026-11-24 09:59:00,002 ERROR LocalDirsHandlerService: Most of the disks failed. 1/1 local-dirs\n"


def tree_of(tree: Path, code: int, logs: dict[str, str], nodes: list[dict[str, object]] | None = None) -> Path:
    """A step whose executor ended with a code, with the logs of its node."""
    build(Report("x", "x", "driver", (), "", DRIVER.format(container=CONTAINER, code=code)), tree)
    for name, text in logs.items():
        path = tree / CLUSTER / "node" / LOST / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
    if nodes is not None:
        (tree / "list-instances.json").write_text(json.dumps({"Instances": nodes}))
    return tree


def instance(name: str, host: str, market: str, state: str, reason: str = "") -> dict[str, object]:
    status = {"State": state, "StateChangeReason": {"Message": reason}}
    return {"Ec2InstanceId": name, "PrivateDnsName": host, "Market": market, "Status": status}


def judged(tree: Path) -> tuple[Verdict, str]:
    evidence = gather.gather_tree(tree)
    verdict = judge(evidence)
    return verdict, render.as_text(evidence, verdict)


@pytest.mark.parametrize(
    ("code", "logs", "cause", "words"),
    [
        (143, {YARN_LOG: BEYOND.format(container=CONTAINER)}, "out-of-memory-executor", "12.1 GB of 12 GB"),
        (143, {YARN_LOG: BEYOND.format(container=CONTAINER[:-1] + "9")}, "out-of-memory-executor", "told to end"),
        (137, {YARN_LOG: "x\n", STATE_LOG: KERNEL}, "out-of-memory-executor", "killed python3.11"),
        (-100, {YARN_LOG: UNHEALTHY}, "disk-full", "used space above threshold"),
        (137, {YARN_LOG: "2026-11-24 RECEIVED SIGNAL 15: SIGTERM\n"}, "out-of-memory-executor", "name no kill by the"),
    ],
)
def test_what_a_nodes_logs_say_decides(code: int, logs: dict[str, str], cause: str, words: str, tmp_path: Path) -> None:
    verdict, printed = judged(tree_of(tmp_path, code, logs))
    assert verdict.cause == cause, printed
    assert words in printed


MANAGER = "26/11/24 09:50:00 INFO ProxyProvider: Connecting to ResourceManager at ip-10-0-1-9.x/10.0.1.9:8032"
SILENT = "2026-11-24 09:59:00,001 INFO AbstractLivelinessMonitor: Expired:ip-10-0-1-{}.x:8041 Timed out after 600 secs"
SICK = (
    "2026-11-24 09:59:00,001 INFO RMNodeImpl: Node ip-10-0-1-23.x:8041 reported UNHEALTHY with details: 1/1 local-dirs "
    "usable space is below configured utilization percentage"
)


@pytest.mark.parametrize(
    ("words", "cause", "says"),
    [
        (SILENT.format(23), "node-lost", "YARN heard nothing from it for 600 secs"),
        (SILENT.format(24), "node-lost", "was lost, or left the cluster"),
        (SICK, "disk-full", "a node's disk is full"),
    ],
)
def test_what_yarns_resourcemanager_says_of_a_lost_node(words: str, cause: str, says: str, tmp_path: Path) -> None:
    tree = tree_of(tmp_path, -100, {YARN_LOG: "x"})
    client = tree / CLUSTER / "steps" / STEP / "stderr"
    client.write_text(f"{MANAGER}\n{client.read_text()}")
    log = tree / CLUSTER / "node" / OTHER / YARN_LOG.replace("nodemanager-ip-10-0-1-23", "resourcemanager-ip-10-0-1-9")
    log.parent.mkdir(parents=True)
    log.write_text(f"{words}\n")
    verdict, printed = judged(tree)
    assert verdict.cause == cause, printed
    assert verdict.meaning.endswith(says), verdict.meaning


def test_a_kill_on_another_node_is_no_evidence(tmp_path: Path) -> None:
    tree = tree_of(tmp_path, 137, {})
    path = tree / CLUSTER / "node" / OTHER / YARN_LOG.replace("10-0-1-23", "10-0-1-24")
    path.parent.mkdir(parents=True)
    path.write_text("x")
    state = path.parents[2] / STATE_LOG
    state.parent.mkdir(parents=True)
    state.write_bytes(gzip.compress(KERNEL.encode()))
    _, printed = judged(tree)
    assert "4711" not in printed


@pytest.mark.parametrize(
    ("market", "state", "cause"),
    [
        ("SPOT", "TERMINATED", "lost-spot-nodes"),
        ("ON_DEMAND", "TERMINATED", "node-lost"),
        ("SPOT", "RUNNING", "node-lost"),
    ],
)
def test_only_the_lost_nodes_own_market_and_end_count(market: str, state: str, cause: str, tmp_path: Path) -> None:
    """Another node was taken back at the same time: that is not why this one was lost."""
    nodes = [
        instance(LOST, "ip-10-0-1-23.eu-west-3.compute.internal", market, state),
        instance(OTHER, "ip-10-0-1-24.eu-west-3.compute.internal", "SPOT", "TERMINATED", "Spot instance interruption"),
    ]
    verdict, printed = judged(tree_of(tmp_path, -100, {}, nodes))
    assert verdict.cause == cause, printed
    assert LOST in printed or cause == "lost-spot-nodes"


@mock_aws
def test_a_live_clusters_nodes_are_read_from_its_log_bucket_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    tree = tree_of(tmp_path, 143, {YARN_LOG: BEYOND.format(container=CONTAINER), STATE_LOG: "all is well\n"})
    s3 = boto3.client("s3", region_name="eu-west-3", aws_access_key_id="x", aws_secret_access_key="y")
    s3.create_bucket(Bucket="fruits-logs", CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    for path in (path for path in tree.rglob("*") if path.is_file()):
        s3.put_object(Bucket="fruits-logs", Key=path.relative_to(tree).as_posix(), Body=path.read_bytes())
    s3.put_object(Bucket="fruits-logs", Key=f"{CLUSTER}/node/{OTHER}/{STATE_LOG}", Body=KERNEL.encode())
    shelf = gather.ClusterShelf(s3, f"s3://fruits-logs/{CLUSTER}/", CLUSTER)
    nodes = gather.list_nodes(
        [instance(LOST, "ip-10-0-1-23.eu-west-3.compute.internal", "SPOT", "RUNNING")], None, None
    )
    evidence = gather.add_step_logs(Evidence("step", CLUSTER, STEP, "FAILED", nodes=nodes), shelf, None)
    read = [document.uri for document in evidence.find_documents("node")]
    assert read == [f"s3://fruits-logs/{CLUSTER}/node/{LOST}/{YARN_LOG}"], "the other says nothing of it"
    assert "12.1 GB of 12 GB" in judge(evidence).meaning


def test_few_nodes_few_files_and_few_lines_are_read(tmp_path: Path) -> None:
    logs = {f"daemons/instance-state/instance-state.log-2026-11-24-{hour:02d}": KERNEL * 1000 for hour in range(20)}
    tree = tree_of(tmp_path, 137, {**logs, YARN_LOG: "x"})
    documents = gather.gather_tree(tree).find_documents("node")
    assert len(documents) <= gather.MOST_OF_NODE
    assert all(len(document.text.split("\n")) <= gather.MOST_NODE_LINES for document in documents)


def test_the_fix_names_the_fleets_that_the_cluster_has(tmp_path: Path) -> None:
    """A cluster of one node has neither core nor task fleet: only its primary can be larger."""
    host = "ip-10-0-1-23.eu-west-3.compute.internal"
    alone = [instance(LOST, host, "ON_DEMAND", "RUNNING")]
    _, printed = judged(tree_of(tmp_path / "one", -104, {}, alone))
    assert "for the primary node, which is alone (primary in infra/env/<env>.cluster.tfvars;" in printed
    assert "core" not in printed.partition("\nfix")[2].partition("\n")[0]
    several = [*alone, instance(OTHER, "ip-10-0-1-24.eu-west-3.compute.internal", "SPOT", "RUNNING")]
    for nodes in (several, None):
        _, printed = judged(tree_of(tmp_path / f"{len(nodes or [])}", -104, {}, nodes))
        assert "for the core and task fleets (core, task in infra/env/<env>.cluster.tfvars;" in printed
