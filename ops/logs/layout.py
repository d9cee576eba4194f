"""Addresses and ids in EMR's logs, and when these come. No I/O.

The layout, below the cluster's ``LogUri``
(https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-manage-view-web-log-files.html)::

    <cluster>/steps/<step>/{controller,stdout,stderr,syslog}.gz
    <cluster>/containers/<application>/<container>/{stdout,stderr}.gz
    <cluster>/node/<instance>/bootstrap-actions/<n>/{controller,stdout,stderr}.gz
    <cluster>/node/<instance>/applications/hadoop-yarn/…    YARN's daemons: nodemanager, on the primary resourcemanager
    <cluster>/node/<instance>/daemons/instance-state/…      EMR's snapshots of memory, disks and the kernel's last words
    <cluster>/node/<instance>/…                             provisioning, other daemons

In cluster mode the step's own log is YARN's client only: it names the application, in whose first container the driver
runs. Beside them lie the causes that our bootstrap script leaves: ``node/bootstrap/<cluster>/<instance>.json``.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

SHIPPING = timedelta(minutes=15)
"""After an end EMR ships the last logs within this time (`log-delay` in docs/assumptions.md)."""
LATER = "EMR ships logs about every five minutes and when the cluster ends"

Kind = Literal["step", "bootstrap", "container", "node", "cause", "other"]

# j-2AXXXXXXGAPLF, as EMR and the embedded AWS make them
CLUSTER = re.compile(r"j-[A-Z0-9]{8,20}")
# s-1ABCDEFGHIJKL, and since 2023 s-08812552QZHJ7GG0YUF2
STEP = re.compile(r"s-[A-Z0-9]{8,24}")
# i-0b22a22eec53224bd
INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")
# ip-10-0-1-23     10.0.1.23     i-0b22a22eec53224bd
_HOST = re.compile(r"ip-\d{1,3}(?:-\d{1,3}){3}(?!\d)|(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?![\w-])|i-[0-9a-f]{8,17}")
# application_1732450000000_0001
APPLICATION = re.compile(r"application_\d{10,}_\d{4,}")
# container_1732450000000_0001_01_000001, and after a restart of the ResourceManager container_e02_1732450000000_…
CONTAINER = re.compile(r"container_(?:e\d+_)?(?P<application>\d{10,}_\d{4,})_\d{2,}_(?P<number>\d{6,})")


@dataclass(frozen=True)
class Log:
    """One log by its address.

    Attributes
    ----------
    key : the address below the place that was listed
    kind : step, bootstrap (an action's), container, node (anything else of an instance), cause (the JSON that our
        bootstrap script leaves), other
    stream : controller, stdout, stderr, syslog; for others the file's name without ``.gz``
    cluster, step, instance, application, container : ids; empty where the address has none
    action : number of the bootstrap action, 0 for none
    size : bytes as stored
    modified : seconds since 1970, 0 where unknown
    """

    key: str
    kind: Kind
    stream: str
    cluster: str = ""
    step: str = ""
    instance: str = ""
    application: str = ""
    container: str = ""
    action: int = 0
    size: int = 0
    modified: float = 0.0

    @property
    def is_driver(self) -> bool:
        """Whether it is a container that the application master runs in: the driver, in cluster mode."""
        container = CONTAINER.fullmatch(self.container)
        return container is not None and int(container["number"]) == 1


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an S3 address.

    >>> split_s3_uri("s3n://logs/emr/x.gz"), split_s3_uri("s3://logs")
    (('logs', 'emr/x.gz'), ('logs', ''))
    """
    bucket, _, key = uri.partition("://")[2].partition("/")
    return bucket, key


def is_s3(uri: str) -> bool:
    """Whether an address lies in S3.

    >>> is_s3("s3a://b/k"), is_s3("/tmp/logs")
    (True, False)
    """
    return uri.startswith(("s3://", "s3n://", "s3a://"))


def cluster_uri(log_uri: str | None, cluster_id: str) -> str | None:
    """Where a cluster's logs lie, with a trailing slash; None where EMR keeps none.

    ``DescribeCluster`` may answer ``s3n://`` for ``s3://``, and the string ``None`` for nothing.

    >>> cluster_uri("s3n://logs/emr/", "j-1ABCDEFGHIJKL")
    's3://logs/emr/j-1ABCDEFGHIJKL/'
    >>> cluster_uri("None", "j-1ABCDEFGHIJKL") is None
    True
    """
    if not log_uri or not is_s3(log_uri):
        return None
    bucket, key = split_s3_uri(log_uri)
    return f"s3://{'/'.join(part for part in (bucket, key.strip('/'), cluster_id) if part)}/"


def step_folder(step_id: str) -> str:
    """A step's own logs, below the cluster's folder."""
    return f"steps/{step_id}/"


def application_folder(application: str) -> str:
    """The containers of an application, below the cluster's folder."""
    return f"containers/{application}/"


def bootstrap_folder(instance: str, action: int = 1) -> str:
    """The logs of an instance's bootstrap action, below the cluster's folder."""
    return f"node/{instance}/bootstrap-actions/{action}/"


def cause_folder(cluster_id: str) -> str:
    """Where our bootstrap script leaves the cause of a failure, from the log bucket's root."""
    return f"node/bootstrap/{cluster_id}/"


def shipping_seconds(end: datetime | None) -> float:
    """Seconds for which EMR may still ship logs: until `SHIPPING` after an end; without one, that long."""
    passed = datetime.now(UTC) - end if end else timedelta()
    return max(0.0, (SHIPPING - passed).total_seconds())


def applications_in(text: str) -> list[str]:
    """The YARN applications that a step's log names, in the order of their first mention.

    >>> applications_in("INFO Client: Submitting application application_1732450000000_0001 to ResourceManager")
    ['application_1732450000000_0001']
    """
    return list(dict.fromkeys(APPLICATION.findall(text)))


def instances_in(text: str) -> list[str]:
    """The EC2 instances that a sentence of EMR names.

    >>> instances_in("On the master instance (i-0b22a22eec53224bd), bootstrap action 1 returned a non-zero return code")
    ['i-0b22a22eec53224bd']
    """
    return list(dict.fromkeys(INSTANCE.findall(text)))


def host_in(text: str) -> str:
    """The first host that a text names, without its domain: by its address, or by its instance.

    >>> [host_in(text) for text in ("ip-10-0-1-23.ec2.internal:8041", "10.0.1.23", "i-0b22a22eec53224bd.ec2.internal")]
    ['ip-10-0-1-23', 'ip-10-0-1-23', 'i-0b22a22eec53224bd']
    >>> host_in("hadoop-yarn-nodemanager-ip-10-0-1-23.log.gz"), host_in("x")
    ('ip-10-0-1-23', '')
    """
    host = _HOST.search(text)
    if host is None:
        return ""
    return host[0] if host[0].startswith("i") else f"ip-{host[0].replace('.', '-')}"


def stream_of(name: str) -> str:
    """What a file holds, from its name; rolled and dated pieces count for the whole.

    >>> [stream_of(name) for name in ("stderr.gz", "stdout", "stderr-2026-11-24-10.gz", "controller.2026-11-24-10.gz")]
    ['stderr', 'stdout', 'stderr', 'controller']
    >>> stream_of("hadoop-hdfs-namenode-ip-10-0-0-7.log.gz")
    'hadoop-hdfs-namenode-ip-10-0-0-7.log'
    """
    bare = name.removesuffix(".gz")
    # stderr, stderr.2, stderr-2026-11-24-10
    match = re.match(r"(controller|stdout|stderr|syslog|prelaunch\.out|prelaunch\.err)(?=[.\-_]|$)", bare)
    return match[1] if match else bare


def parse_key(key: str, size: int = 0, modified: float = 0.0) -> Log:
    """What an address means, wherever the tree above it was cut off.

    >>> parse_key("j-1ABCDEFGHIJKL/steps/s-1ABCDEFGHIJKL/stderr.gz").kind
    'step'
    >>> log = parse_key("containers/application_1732450000000_0001/container_1732450000000_0001_01_000001/stdout.gz")
    >>> log.kind, log.stream, log.is_driver
    ('container', 'stdout', True)
    >>> parse_key("i-0b22a22eec53224bd/bootstrap-actions/1/stderr.gz").action
    1
    >>> parse_key("notes.txt").kind
    'other'
    """
    parts = [part for part in key.split("/") if part]
    name = parts[-1] if parts else ""
    folders = parts[:-1]

    def first(pattern: re.Pattern[str]) -> str:
        return next((part for part in folders if pattern.fullmatch(part)), "")

    ids: dict[str, Any] = {"cluster": first(CLUSTER), "size": size, "modified": modified}
    stream = stream_of(name)
    # i-0b22a22eec53224bd.json, below the cluster whose node left it; a node that does not know its id gives its name
    if name.endswith(".json") and "bootstrap" in folders:
        return Log(key, "cause", stream, instance=name.removesuffix(".json"), **ids)
    if (container := first(CONTAINER)) and (match := CONTAINER.fullmatch(container)):
        application = first(APPLICATION) or f"application_{match['application']}"
        return Log(key, "container", stream, application=application, container=container, **ids)
    if application := first(APPLICATION):
        return Log(key, "container", stream, application=application, **ids)
    if step := first(STEP):
        return Log(key, "step", stream, step=step, **ids)
    if instance := first(INSTANCE):
        if "bootstrap-actions" in folders:
            action = int(folders[-1]) if re.fullmatch(r"[0-9]{1,3}", folders[-1]) else 0
            return Log(key, "bootstrap", stream, instance=instance, action=action, **ids)
        return Log(key, "node", stream, instance=instance, **ids)
    return Log(key, "other", stream, **ids)
