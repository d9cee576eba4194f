"""The texts of YARN's configuration. Pure: a plan in, texts out.

Three layers, the later wins: what makes YARN run here at all, what the plan says, and what keeps strangers out and
every socket on the cluster's own addresses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from localaws.yarn.plan import MACHINE_PORTS, MASTER_PORTS, PROXY_PORT, ClusterPlan, Machine

OWNER = "hadoop"
NOBODY = "dr.who"
HTTP_FILTERS = (
    "org.apache.hadoop.security.HttpCrossOriginFilterInitializer",
    "org.apache.hadoop.http.lib.StaticUserWebFilter",
)
_QUEUE = "yarn.scheduler.capacity.root"
# Seconds here, ten minutes on a real cluster: on a laptop nobody waits so long to see a lost node.
LIVENESS_MS = 12_000

LOG4J2 = """\
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %p %c (%t): %m%n%ex
logger.jetty.name = org.apache.hadoop.shaded.org.eclipse.jetty
logger.jetty.level = warn
logger.metrics.name = org.apache.hadoop.metrics2
logger.metrics.level = warn
"""


def write_xml(values: Mapping[str, object]) -> str:
    """Hadoop's own form of a configuration.

    >>> print(write_xml({"a": "b&c"}), end="")
    <?xml version="1.0"?>
    <configuration>
      <property><name>a</name><value>b&amp;c</value></property>
    </configuration>
    """
    rows = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(str(value))}</value></property>\n"
        for name, value in values.items()
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{rows}</configuration>\n'


def write_hosts(plan: ClusterPlan, machines: Iterable[Machine], host_name: str) -> str:
    """The text of the file for ``jdk.net.hosts.file``, which needs neither root nor /etc/hosts.

    This machine's own name means the master: the ResourceManager uses it for the addresses of its pages.
    """
    rows = [f"{plan.master_address} {plan.master_name} {host_name}", *(f"{m.address} {m.name}" for m in machines)]
    return "\n".join([*rows, "127.0.0.1 localhost"]) + "\n"


def make_core_site(plan: ClusterPlan) -> dict[str, object]:
    """core-site.xml."""
    return {
        "fs.defaultFS": "file:///",
        "ipc.client.connect.max.retries": 3,
        "ipc.client.connect.retry.interval": 500,
        **plan.core,
        "hadoop.tmp.dir": plan.folder / "tmp",
        # A caller by HTTP is nobody, who may do nothing: by default the REST interface runs programs for anybody.
        # To the default filters the ResourceManager adds one that trusts ?user.name=; to these it does not.
        "hadoop.http.filter.initializers": ",".join(HTTP_FILTERS),
        "hadoop.http.staticuser.user": NOBODY,
        "hadoop.user.group.static.mapping.overrides": f"{NOBODY}=;{OWNER}={OWNER};",
        "hadoop.security.authorization": "true",
        "hadoop.security.instrumentation.requires.admin": "true",
    }


def make_capacity_scheduler(plan: ClusterPlan) -> dict[str, object]:
    """capacity-scheduler.xml: one queue, which only the owner may use."""
    values: dict[str, object] = {
        "yarn.scheduler.capacity.maximum-applications": 100,
        "yarn.scheduler.capacity.maximum-am-resource-percent": "1.0",
        # only memory is counted, as on EMR
        "yarn.scheduler.capacity.resource-calculator": "org.apache.hadoop.yarn.util.resource.DefaultResourceCalculator",
        "yarn.scheduler.capacity.node-locality-delay": -1,
        f"{_QUEUE}.queues": "default",
        f"{_QUEUE}.default.capacity": 100,
        f"{_QUEUE}.default.maximum-capacity": 100,
        f"{_QUEUE}.default.user-limit-factor": 1,
        f"{_QUEUE}.default.state": "RUNNING",
    }
    if plan.labels:
        values |= {f"{_QUEUE}.accessible-node-labels": "*", f"{_QUEUE}.default.accessible-node-labels": "*"}
    for label in plan.labels:
        values |= {
            f"{_QUEUE}.accessible-node-labels.{label}.capacity": 100,
            f"{_QUEUE}.default.accessible-node-labels.{label}.capacity": 100,
            f"{_QUEUE}.default.accessible-node-labels.{label}.maximum-capacity": 100,
            f"{_QUEUE}.default.accessible-node-labels.{label}.maximum-am-resource-percent": "1.0",
        }
    # a queue's list adds to its parent's, whose default is everybody
    closed = {f"{_QUEUE}.acl_{right}": " " for right in ("submit_applications", "administer_queue")}
    owned = {f"{_QUEUE}.default.acl_{right}": OWNER for right in ("submit_applications", "administer_queue")}
    return values | plan.scheduler | closed | owned


_DEFAULTS: Mapping[str, object] = {
    "yarn.resourcemanager.nodemanagers.heartbeat-interval-ms": 250,
    "yarn.nm.liveness-monitor.expiry-interval-ms": LIVENESS_MS,
    "yarn.am.liveness-monitor.expiry-interval-ms": 60_000,
    "yarn.resourcemanager.connect.max-wait.ms": 30_000,
    "yarn.resourcemanager.connect.retry-interval.ms": 1000,
    "yarn.client.nodemanager-connect.max-wait-ms": 5000,
    "yarn.client.nodemanager-connect.retry-interval-ms": 500,
    "yarn.scheduler.minimum-allocation-mb": 32,
    "yarn.scheduler.maximum-allocation-vcores": 128,
    "yarn.nodemanager.container-monitor.interval-ms": 1000,
    # a laptop's disk that is 91 % full would make every node unhealthy
    "yarn.nodemanager.disk-health-checker.disk-utilization-threshold.enabled": "false",
    "yarn.nodemanager.disk-health-checker.min-free-space-per-disk-mb": 0,
    "yarn.nodemanager.log.retain-seconds": 86_400,
    # it would copy each container's launch script, which has keys in it, to its logs
    "yarn.nodemanager.log-container-debug-info.enabled": "false",
}
"""What makes YARN run here; a plan may change it."""
_FIXED: Mapping[str, object] = {
    "yarn.acl.enable": "true",
    "yarn.admin.acl": OWNER,
    "yarn.resourcemanager.webapp.rest-csrf.enabled": "true",
    "yarn.nodemanager.webapp.rest-csrf.enabled": "true",
    # Spark's shuffle service, which EMR runs here, would listen on every address of the machine
    "yarn.nodemanager.aux-services": "",
    "yarn.nodemanager.container-executor.class": "org.apache.hadoop.yarn.server.nodemanager.DefaultContainerExecutor",
    "yarn.log-aggregation-enable": "false",
    "yarn.timeline-service.enabled": "false",
}
"""What keeps strangers out; no plan changes it."""


def make_yarn_site(plan: ClusterPlan, machines: Iterable[Machine], classpath: Iterable[Path]) -> dict[str, object]:
    """yarn-site.xml of the ResourceManager and of clients."""
    largest = max((machine.memory_mb for machine in machines), default=1024)
    values = {
        **_DEFAULTS,
        "yarn.scheduler.maximum-allocation-mb": largest,
        **plan.site,
        **_FIXED,
        "yarn.resourcemanager.hostname": plan.master_name,
        # the tracking address looks as on EMR, and nothing listens there
        "yarn.web-proxy.address": f"{plan.master_name}:{PROXY_PORT}",
        "yarn.nodemanager.env-whitelist": ",".join(plan.passed_on),
        "yarn.nodemanager.user-home-dir": plan.folder / "home",
        "yarn.application.classpath": ",".join(str(path) for path in classpath),
        **{_make_address_key("resourcemanager", n): f"{plan.master_name}:{port}" for n, port in MASTER_PORTS.items()},
    }
    if plan.labels:
        values |= {
            "yarn.node-labels.enabled": "true",
            "yarn.node-labels.fs-store.root-dir": (plan.folder / "labels").as_uri(),
            "yarn.node-labels.configuration-type": "distributed",
        }
    return values


def _make_address_key(daemon: str, name: str) -> str:
    return f"yarn.{daemon}.{f'{name}.' if name else ''}address"


def make_machine_site(site: Mapping[str, object], plan: ClusterPlan, machine: Machine) -> dict[str, object]:
    """yarn-site.xml of one NodeManager, from that of the cluster."""
    values: dict[str, object] = {
        "yarn.nodemanager.hostname": machine.name,
        "yarn.nodemanager.resource.memory-mb": machine.memory_mb,
        "yarn.nodemanager.resource.cpu-vcores": machine.vcores,
        "yarn.nodemanager.local-dirs": plan.locate_folder(machine) / "mnt" / "yarn",
        "yarn.nodemanager.log-dirs": plan.locate_container_logs(machine),
        **{_make_address_key("nodemanager", n): f"{machine.name}:{port}" for n, port in MACHINE_PORTS.items()},
    }
    if plan.labels:
        values |= {
            "yarn.nodemanager.node-labels.provider": "config",
            "yarn.nodemanager.node-labels.provider.configured-node-partition": machine.label,
            "yarn.nodemanager.node-labels.resync-interval-ms": 5000,
        }
    return {**site, **values}
