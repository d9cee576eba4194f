"""Evidence of a failure, from a live cluster or from a saved log tree. I/O only: what it means is decided in `causes`.

In a saved tree, what EMR's API says may lie beside the logs, as the command line prints it: ``describe-cluster.json``
(``aws emr describe-cluster``), ``describe-step.json``, ``list-instances.json``; and the job's ``error.json``.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError

from ops.aws.account import Account, read_output_from
from ops.aws.capacity import read_lacks
from ops.aws.describe import describe_cluster, describe_step, list_pages
from ops.diagnose import deaths
from ops.diagnose.evidence import ClusterInstance, Document, ErrorDetail, Evidence, Role
from ops.logs import layout
from ops.logs.layout import SHIPPING, Log
from ops.logs.reader import FolderLogs, Logs, LogsError, S3Logs

MOST_EXECUTORS = 12
"""Containers of executors whose logs are read."""
STREAMS = ("stderr", "stdout", "prelaunch.err")
"""What a container leaves that may tell something: the last is the shell's that started it."""
MOST_NODES, MOST_OF_NODE, MOST_NODE_LINES = 3, 4, 300
"""Nodes whose own logs are read, files of each, and lines that are kept of a file."""
MOST_BYTES = 2_000_000
"""Largest JSON that is read whole."""
SLACK = timedelta(minutes=2)
"""How far the clocks of a node and of EMR may differ."""
NEVER = f"EMR ships logs within {SHIPPING.total_seconds() / 60:.0f} minutes, so it will not come"

# hadoop-yarn-nodemanager-ip-10-0-1-23.log.2026-11-24-10.gz     instance-state.log-2026-11-24-10-00.gz
_NODE_LOG = re.compile(r"nodemanager|instance-state")
_MANAGER_LOG = re.compile("resourcemanager")
# What a node's logs say of processes that were killed there, and of its disks
_NODE_SAYS = re.compile(
    r"[Oo]ut of memory: Kill|oom-kill:|running (?:\d+B )?beyond|usable space|local-dirs|disks? failed|UNHEALTHY|"
    r"used space|No space left|RECEIVED SIGNAL"
)
# INFO …FailoverProxyProvider: Connecting to ResourceManager at ip-10-0-0-5.eu-west-3.compute.internal/10.0.1.1:8032
_MANAGER = re.compile(r"ResourceManager at (\S+)")
# 26/11/27 22:38:27 INFO SparkContext: Running Spark version 3.5.6     INFO YarnClientSchedulerBackend: …
_DRIVER = re.compile(r"^\S+ \S+ [A-Z]+ (?:SparkContext: Running Spark|YarnClientSchedulerBackend: )", re.MULTILINE)
# What the ResourceManager says of a node that it gives up: Expired:ip-10-0-0-5…:8041 Timed out after 600 secs
_MANAGER_SAYS = re.compile(r"Timed out after|Deactivating Node|UNHEALTHY|decommission", re.IGNORECASE)
# 20261124T100000Z-1234
_RUN_ID = re.compile(r"^(\d{8}T\d{6}Z)-")


class ClusterShelf:
    """The logs of a cluster in S3, listed prefix by prefix.

    Parameters
    ----------
    s3 : boto3's client
    uri : of the cluster's logs
    cluster_id : for the causes, which lie beside them
    """

    def __init__(self, s3: Any, uri: str, cluster_id: str) -> None:
        self.logs = S3Logs(s3, uri)
        self._causes = S3Logs(s3, f"s3://{self.logs.bucket}/{layout.cause_folder(cluster_id)}")

    def list_step_logs(self, step_id: str) -> list[Log]:
        """The logs of a step itself."""
        return self.logs.list(layout.step_folder(step_id))

    def list_container_logs(self, application: str) -> list[Log]:
        """The logs of an application's containers."""
        return self.logs.list(layout.application_folder(application))

    def list_bootstrap_logs(self) -> list[Log]:
        """The logs of bootstrap actions, of all instances."""
        return [log for log in self.logs.list("node/") if log.kind == "bootstrap"]

    def read_causes(self) -> list[Mapping[str, Any]]:
        """The JSON that bootstrap scripts left."""
        return [cause for log in self._causes.list() if (cause := _load_json(self._causes, log))]

    def list_node_logs(self, instance: str, host: str) -> list[Log]:
        """The logs of YARN's daemon on a node, and EMR's about its state (memory, disks, the kernel's last words)."""
        folders = ("applications/hadoop-yarn/", "daemons/instance-state/") if instance else ()
        return [log for folder in folders for log in self.logs.list(f"node/{instance}/{folder}")]


class TreeShelf:
    """The same of logs on disk, wherever the tree above them was cut off."""

    def __init__(self, folder: Path) -> None:
        self.logs = FolderLogs(folder)
        self.all = self.logs.list()

    def list_step_logs(self, step_id: str) -> list[Log]:
        return [log for log in self.all if log.step == step_id and log.kind == "step"]

    def list_container_logs(self, application: str) -> list[Log]:
        return [log for log in self.all if log.application == application]

    def list_bootstrap_logs(self) -> list[Log]:
        return [log for log in self.all if log.kind == "bootstrap"]

    def read_causes(self) -> list[Mapping[str, Any]]:
        return [cause for log in self.all if log.kind == "cause" and (cause := _load_json(self.logs, log))]

    def list_node_logs(self, instance: str, host: str) -> list[Log]:
        logs = [log for log in self.all if log.kind == "node"]
        instances = {log.instance for log in logs if host and layout.host_in(log.key.rpartition("/")[2]) == host}
        return [log for log in logs if log.instance in {instance, *instances}]

    def read_json(self, name: str) -> Mapping[str, Any]:
        """A file of this name, anywhere in the tree; empty where there is none that can be read."""
        logs = [log for log in self.all if log.key.rpartition("/")[2] in (name, f"{name}.gz")]
        return next((answer for log in logs if (answer := _load_json(self.logs, log))), {})


Shelf = ClusterShelf | TreeShelf


def _load_json(logs: Logs, log: Log) -> Mapping[str, Any]:
    """A JSON object, or an empty one: a log of another kind may have the name."""
    if log.size > MOST_BYTES:
        return {}
    try:
        content = json.loads(logs.read(log).text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


# -- logs ----------------------------------------
def read_step_documents(shelf: Shelf, step_id: str) -> tuple[tuple[Document, ...], tuple[Log, ...]]:
    """A step's logs that may tell something, and the drivers' among the logs that are there.

    In cluster mode the step's own log names the application in whose first container the driver wrote; of the other
    containers those that the driver names are read, or else the last ones.
    """
    step_logs = [log for log in shelf.list_step_logs(step_id) if log.stream in ("stderr", "stdout", "controller")]
    step_documents = [_read_document(shelf, log, "step") for log in sorted(step_logs, key=_log_order)]
    names = [name for document in step_documents for name in layout.applications_in(document.text)]
    applications = list(dict.fromkeys(names)) or ([] if step_id else _list_applications(shelf))
    drivers: list[Log] = []
    executors: list[Log] = []
    for application in applications:
        logs = [log for log in shelf.list_container_logs(application) if log.stream in STREAMS]
        drivers += [log for log in logs if log.is_driver]
        executors += [log for log in logs if not log.is_driver]
    driver_documents = [_read_document(shelf, log, "driver") for log in sorted(drivers, key=_log_order)]
    chosen = _choose_executor_logs(executors, driver_documents)
    executor_documents = [_read_document(shelf, log, "executor") for log in chosen]
    # in client mode the driver writes to the step's own log, with or without an application on YARN
    is_client_mode = not applications or any(_DRIVER.search(d.text) for d in step_documents)
    step_role: Role = "driver" if is_client_mode and any(d.text for d in step_documents) else "step"
    step_documents = [replace(d, role="controller" if _is_controller(d) else step_role) for d in step_documents]
    return (*driver_documents, *step_documents, *executor_documents), tuple(drivers)


def _choose_executor_logs(executors: list[Log], drivers: list[Document]) -> list[Log]:
    """All that some containers left: of those that a driver says ended early, in that order; then of the last ones."""
    names = [death.container for d in drivers for death in deaths.parse_deaths(d.text) if death.container]
    names += [container[0] for d in drivers for container in layout.CONTAINER.finditer(d.text)]
    latest = sorted({log.container: log.modified for log in executors}.items(), key=lambda pair: pair[1], reverse=True)
    existing = {log.container for log in executors}
    order = [name for name in dict.fromkeys([*names, *(name for name, _ in latest)]) if name in existing]
    chosen = {name: index for index, name in enumerate(order[:MOST_EXECUTORS])}
    picked = [log for log in executors if log.container in chosen]
    return sorted(picked, key=lambda log: (chosen[log.container], _log_order(log)))


def _is_controller(document: Document) -> bool:
    return layout.stream_of(document.uri.rpartition("/")[2]) == "controller"


def _list_applications(shelf: Shelf) -> list[str]:
    logs = shelf.all if isinstance(shelf, TreeShelf) else []
    return list(dict.fromkeys(log.application for log in logs if log.application))[-1:]


def _log_order(log: Log) -> tuple[int, str]:
    order = {"stderr": 0, "stdout": 1, "controller": 2}
    return order.get(log.stream, 3), log.key


def _read_document(shelf: Shelf, log: Log, role: Role) -> Document:
    excerpt = shelf.logs.read(log)
    return Document(role, shelf.logs.uri(log.key), excerpt.text, excerpt.problem)


def read_node_documents(
    shelf: Shelf, nodes: tuple[ClusterInstance, ...], documents: tuple[Document, ...]
) -> tuple[Document, ...]:
    """What the nodes' own logs say, of the nodes that containers ended on which nothing ended on purpose."""
    ends = [death for d in documents if d.role in ("driver", "step") for death in deaths.parse_deaths(d.text)]
    hosts = [layout.host_in(death.host) for death in ends if death.code and not deaths.is_aftermath(death)]
    if any(death.process == "master" and not death.host for death in ends):
        reports = "\n".join(d.text for d in documents if d.role == "step")
        hosts += [layout.host_in(host) for host in deaths.list_master_hosts(reports)]
    picked: list[Document] = []
    hosts = list(dict.fromkeys(filter(None, hosts)))[:MOST_NODES]
    for host in hosts:
        for log in _list_node_logs(shelf, nodes, host, _NODE_LOG):
            document = _read_document(shelf, log, "node")
            picked.append(replace(document, text=_filter_lines(document.text, _NODE_SAYS), host=host))
    manager = next((name for d in documents if d.role == "step" for name in _MANAGER.findall(d.text)), "")
    if any(death.code == -100 for death in ends) and (manager := layout.host_in(manager)):
        for log in _list_node_logs(shelf, nodes, manager, _MANAGER_LOG):
            document = _read_document(shelf, log, "node")
            for host in hosts:
                words = _filter_lines(document.text, _MANAGER_SAYS, f"{host}.")
                picked.append(replace(document, text=words, host=host))
    return tuple(document for document in picked if document.text or document.problem)


def _list_node_logs(shelf: Shelf, nodes: tuple[ClusterInstance, ...], host: str, names: re.Pattern[str]) -> list[Log]:
    """The newest logs of these names of a node."""
    instance = next((node.instance for node in nodes if host in (node.host, node.instance)), "")
    logs = [log for log in shelf.list_node_logs(instance, host) if names.search(log.key)]
    return sorted(logs, key=lambda log: log.modified, reverse=True)[:MOST_OF_NODE]


def _filter_lines(text: str, pattern: re.Pattern[str], also: str = "") -> str:
    return "\n".join([line for line in text.split("\n") if also in line and pattern.search(line)][-MOST_NODE_LINES:])


def read_bootstrap_documents(shelf: Shelf, reason: str) -> tuple[Document, ...]:
    """The logs of the bootstrap action that failed: of the instance that EMR names, or else of those that failed."""
    logs = shelf.list_bootstrap_logs()
    instances = layout.instances_in(reason)
    chosen = [log for log in logs if log.instance in instances] or logs
    chosen.sort(key=lambda log: (log.action, {"controller": 0, "stdout": 1}.get(log.stream, 2), log.key))
    newest = [log for log in chosen[-3 * MOST_EXECUTORS :][::-1] if log.stream != "controller"]
    picked = [_read_document(shelf, log, "bootstrap") for log in newest]
    return tuple(document for document in picked if document.text.strip() or document.problem)


# -- what EMR says ----------------------------------------
def _as_mapping(value: Any) -> Mapping[str, Any]:
    """What should be a JSON object, and in a saved file may be anything."""
    return value if isinstance(value, Mapping) else {}


def _as_mappings(value: Any) -> list[Mapping[str, Any]]:
    """What should be a list of JSON objects."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def parse_details(status: Mapping[str, Any]) -> tuple[ErrorDetail, ...]:
    """``ErrorDetails`` of a cluster's status.

    >>> parse_details({"ErrorDetails": [{"ErrorCode": "X", "ErrorData": [{"instance-type": "m5.xlarge"}]}]})[0].data
    {'instance-type': 'm5.xlarge'}
    """
    details = []
    for detail in _as_mappings(status.get("ErrorDetails")):
        data = {str(key): str(value) for pair in _as_mappings(detail.get("ErrorData")) for key, value in pair.items()}
        details.append(ErrorDetail(str(detail.get("ErrorCode", "")), data, str(detail.get("ErrorMessage", ""))))
    return tuple(details)


def _describe_cluster(status: Mapping[str, Any]) -> Evidence:
    """What EMR's status of a cluster says of a failure."""
    change = _as_mapping(status.get("StateChangeReason"))
    return Evidence(
        subject="cluster",
        state=str(status.get("State") or ""),
        reason_code=str(change.get("Code") or ""),
        reason=str(change.get("Message") or ""),
        details=parse_details(status),
    )


def read_step_reason(status: Mapping[str, Any]) -> str:
    """EMR's words about a step, where it has any that say something.

    >>> [read_step_reason({"FailureDetails": details}) for details in ({"Reason": "Unknown Error."}, {"Message": "x"})]
    ['', 'x']
    """
    details = _as_mapping(status.get("FailureDetails"))
    change = _as_mapping(status.get("StateChangeReason"))
    reason = details.get("Message") or change.get("Message") or details.get("Reason") or ""
    return "" if str(reason).startswith("Unknown Error") else str(reason)


def list_nodes(
    instances: list[Mapping[str, Any]], since: datetime | None, until: datetime | None
) -> tuple[ClusterInstance, ...]:
    """The instances of a cluster, and which of them ended in a span of time, with EMR's words.

    Parameters
    ----------
    since, until : None where that is not known: then every end counts

    >>> list_nodes([{"Ec2InstanceId": "i-1", "Market": "SPOT", "Status": {"State": "TERMINATED"}}], None, None)[0].ended
    True
    """
    nodes = []
    for instance in instances:
        status = _as_mapping(instance.get("Status"))
        end = parse_time(_as_mapping(status.get("Timeline")).get("EndDateTime"))
        change = _as_mapping(status.get("StateChangeReason"))
        is_inside = end is None or ((since is None or since - SLACK <= end) and (until is None or end <= until + SLACK))
        nodes.append(
            ClusterInstance(
                str(instance.get("Ec2InstanceId") or "an instance"),
                str(instance.get("Market") or ""),
                str(change.get("Message") or change.get("Code") or ""),
                ended=is_inside and str(status.get("State") or "") == "TERMINATED",
                host=layout.host_in(f"{instance.get('PrivateDnsName') or ''} {instance.get('PrivateIpAddress') or ''}"),
            )
        )
    return tuple(nodes)


def parse_time(value: Any) -> datetime | None:
    """A time of EMR's API: a datetime, or the text or number that the command line prints.

    >>> parse_time("2026-11-24T10:00:00+00:00").hour, parse_time(0).year, parse_time("soon") is None
    (10, 1970, True)
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    try:
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        time = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def belongs_to_step(record: Mapping[str, Any], since: datetime | None, until: datetime | None) -> bool:
    """Whether a job's record was left in a step's time: one of an earlier run may still lie there.

    >>> noon = datetime(2026, 11, 24, 12, tzinfo=UTC)
    >>> [belongs_to_step({"run_id": f"{day}T120301Z-7"}, noon, None) for day in ("20261124", "20261123")]
    [True, False]
    """
    run = _RUN_ID.match(str(record.get("run_id", "")))
    if run is None or since is None:
        return True
    began = datetime.strptime(run[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return since - SLACK <= began <= (until or datetime.now(UTC)) + SLACK


# -- a live cluster ----------------------------------------
def _find_shelf(account: Account, cluster_id: str, log_uri: str | None) -> ClusterShelf | None:
    """The logs of a cluster; None where it keeps none."""
    place = layout.cluster_uri(log_uri, cluster_id)
    return None if place is None else ClusterShelf(account.client("s3"), place, cluster_id)


def _list_instances(account: Account, cluster_id: str) -> list[Mapping[str, Any]]:
    """The instances of a cluster, ended ones too; empty where EMR does not say."""
    try:
        return list(list_pages(account.client("emr"), "list_instances", "Instances", ClusterId=cluster_id))
    except (ClientError, BotoCoreError):
        return []  # it only makes a cause surer


def gather_step(account: Account, cluster_id: str, step_id: str, *, logs: bool) -> Evidence:
    """What is known now of a step.

    Parameters
    ----------
    logs : read them too; without, only what costs seconds

    Raises
    ------
    OperatorError : EMR knows no such cluster, or it has no such step
    """
    emr = account.client("emr")
    step, cluster = describe_step(emr, cluster_id, step_id), describe_cluster(emr, cluster_id)
    status, timeline = step["Status"], step["Status"].get("Timeline") or {}
    since, until = parse_time(timeline.get("StartDateTime")), parse_time(timeline.get("EndDateTime"))
    evidence = replace(
        _describe_cluster(cluster["Status"]),
        subject="step",
        cluster_id=cluster_id,
        step_id=step_id,
        state=str(status["State"]),
        step_reason=read_step_reason(status),
        job=_read_record(account, step["Config"]["Args"], since, until),
        cluster_state=str(cluster["Status"].get("State") or ""),
        end=until,
        nodes=list_nodes(_list_instances(account, cluster_id), since, until or datetime.now(UTC)) if since else (),
        lacks=() if until else tuple(read_lacks(emr, cluster_id)),
    )
    if (shelf := _find_shelf(account, cluster_id, cluster.get("LogUri"))) is None:
        return evidence
    root = shelf.logs.root
    evidence = replace(evidence, logs=(f"{root}/steps/{step_id}/", f"{root}/containers/"))
    return add_step_logs(evidence, shelf, until) if logs else evidence


def add_step_logs(evidence: Evidence, shelf: Shelf, end: datetime | None) -> Evidence:
    """Add a step's logs to the evidence, and say which of them is missing.

    Parameters
    ----------
    end : when the step ended; logs that are older are not the last ones. None: whatever is there is all there is
    """
    try:
        documents, drivers = read_step_documents(shelf, evidence.step_id)
        documents += read_node_documents(shelf, evidence.nodes, documents)
        step_logs = [log for log in shelf.list_step_logs(evidence.step_id) if log.stream == "stderr"]
    except LogsError as error:
        return replace(evidence, missing=str(error))
    missing = ""
    if end is not None:
        since = end.timestamp() - 1  # S3 tells whole seconds
        applications = [name for d in documents if d.role != "executor" for name in layout.applications_in(d.text)]
        if not any(log.modified >= since for log in step_logs):
            missing = f"the step's own log ({shelf.logs.uri(layout.step_folder(evidence.step_id))}stderr.gz)"
        elif applications and not any(log.modified >= since and log.stream == "stderr" for log in drivers):
            missing = f"the driver's log (below {shelf.logs.uri(layout.application_folder(applications[0]))})"
    telling = [d for d in documents if d.role in ("driver", "step")]
    places = tuple(dict.fromkeys(d.uri for d in telling if d.text.strip() or d.problem))
    return replace(evidence, documents=documents, missing=missing, logs=places[:4] or evidence.logs)


def _read_record(
    account: Account, arguments: list[str], since: datetime | None, until: datetime | None
) -> Mapping[str, Any] | None:
    """The job's own words, if they are of this step."""
    try:
        output = read_output_from(account, arguments)
        record = json.loads(account.store(output).read("_run/error.json")) if output else None
    except (OSError, ValueError, FruitsError):
        return None  # it is not ours, its request is gone, or the job could not leave any
    return record if isinstance(record, dict) and belongs_to_step(record, since, until) else None


def gather_cluster(account: Account, cluster_id: str, *, logs: bool) -> Evidence:
    """What is known now of a cluster's failure.

    Raises
    ------
    OperatorError : EMR knows no such cluster
    """
    cluster = describe_cluster(account.client("emr"), cluster_id)
    evidence = replace(
        _describe_cluster(cluster["Status"]),
        cluster_id=cluster_id,
        end=parse_time(_as_mapping(cluster["Status"].get("Timeline")).get("EndDateTime")),
    )
    shelf = _find_shelf(account, cluster_id, cluster.get("LogUri"))
    if shelf is None or not is_bootstrap_failure(evidence):
        return evidence if shelf is None else replace(evidence, logs=(f"{shelf.logs.root}/node/",))
    return add_bootstrap_logs(evidence, shelf, logs=logs)


def is_bootstrap_failure(evidence: Evidence) -> bool:
    """Whether a bootstrap failed, as far as EMR says."""
    codes = [evidence.reason_code, *(detail.code for detail in evidence.details)]
    return any(code.startswith("BOOTSTRAP_FAILURE") for code in codes)


def add_bootstrap_logs(evidence: Evidence, shelf: Shelf, *, logs: bool) -> Evidence:
    """Add what the bootstrap left to the evidence: its JSON in seconds, its logs when EMR has shipped them."""
    instances = layout.instances_in(evidence.reason)
    try:
        causes = shelf.read_causes()
        node = next((cause for cause in causes if cause.get("instance") in instances), next(iter(causes), None))
        documents = read_bootstrap_documents(shelf, evidence.reason) if logs else ()
    except LogsError as error:
        return replace(evidence, missing=str(error))
    instance = instances[0] if instances else str((node or {}).get("instance") or "<instance>")
    folder = shelf.logs.uri(layout.bootstrap_folder(instance))
    missing = "" if documents or not logs else f"the node's log ({folder}stderr.gz)"
    places = tuple(dict.fromkeys(document.uri for document in documents)) or (folder,)
    return replace(evidence, node=node, documents=documents, missing=missing, logs=places[:4])


# -- a saved tree ----------------------------------------
def gather_tree(folder: Path, *, cluster_id: str = "", step_id: str = "") -> Evidence:
    """What a saved log tree says.

    Parameters
    ----------
    cluster_id, step_id : which, where the tree holds several; by default the last step that failed

    Raises
    ------
    LogsError : there is no such folder
    """
    shelf = TreeShelf(folder)
    if cluster_id:
        shelf.all = [log for log in shelf.all if log.cluster in ("", cluster_id)]
    cluster = _as_mapping(shelf.read_json("describe-cluster.json").get("Cluster"))
    step = _as_mapping(shelf.read_json("describe-step.json").get("Step"))
    status = _as_mapping(cluster.get("Status"))
    ids = [str(cluster.get("Id") or ""), *(log.cluster for log in shelf.all if log.cluster)]
    evidence = replace(
        _describe_cluster(status),
        cluster_id=cluster_id or next(filter(None, ids), ""),
        step_id=step_id or str(step.get("Id") or "") or _find_failed_step(shelf),
        state=str(status.get("State") or "FAILED"),
        job=shelf.read_json("error.json") or None,
        logs=(shelf.logs.root,),
    )
    if _find_subject(evidence, shelf) == "step":
        evidence = replace(evidence, cluster_state=str(status.get("State") or ""))
        return add_step_logs(_add_saved_step(evidence, shelf, _as_mapping(step.get("Status"))), shelf, None)
    full = add_bootstrap_logs(replace(evidence, step_id=""), shelf, logs=True)
    return replace(full, missing="", logs=full.logs if full.documents else evidence.logs)


def _add_saved_step(evidence: Evidence, shelf: TreeShelf, status: Mapping[str, Any]) -> Evidence:
    """The evidence of a cluster as that of its step, by EMR's status; a job's record of another time is left out."""
    timeline = _as_mapping(status.get("Timeline"))
    since, until = parse_time(timeline.get("StartDateTime")), parse_time(timeline.get("EndDateTime"))
    is_of_step = evidence.job is None or since is None or belongs_to_step(evidence.job, since, until)
    instances = _as_mappings(shelf.read_json("list-instances.json").get("Instances"))
    return replace(
        evidence,
        subject="step",
        state=str(status.get("State") or "FAILED"),
        step_reason=read_step_reason(status),
        job=evidence.job if is_of_step else None,
        stated=bool(status.get("State")),
        nodes=list_nodes(instances, since, until),
    )


def _find_subject(evidence: Evidence, shelf: TreeShelf) -> Literal["step", "cluster"]:
    if evidence.step_id or evidence.job is not None:
        return "step"
    return "step" if any(log.application for log in shelf.all) and not is_bootstrap_failure(evidence) else "cluster"


def _find_failed_step(shelf: TreeShelf) -> str:
    """The last step whose controller says that it failed; without such a log the last of all."""
    steps = list(dict.fromkeys(log.step for log in sorted(shelf.all, key=lambda log: log.modified) if log.step))
    controllers = [log for step in steps for log in shelf.list_step_logs(step) if log.stream == "controller"]
    # WARN Step failed with exitCode 1 and took 20 seconds
    failed = [log.step for log in controllers if "Step failed" in shelf.logs.read(log).text]
    return next(iter([*failed[::-1], *steps[::-1]]), "")
