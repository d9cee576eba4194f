"""A ResourceManager that only listens: it tells what a spark-submit asks of YARN, and reports any end that is wanted.

It speaks Hadoop's own RPC with the jars that PySpark brings, its answers are given from here through Py4J; none of
YARN's daemons' jars is needed.
"""

from __future__ import annotations

import io
import os
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from py4j.java_gateway import CallbackServerParameters, JavaGateway

from localaws.java import find_java_home, find_pyspark

RECORDS = "org.apache.hadoop.yarn.api.records"
REQUESTS = "org.apache.hadoop.yarn.api.protocolrecords"
PROTOCOL = "org.apache.hadoop.yarn.api.ApplicationClientProtocol"


@dataclass(frozen=True)
class Asked:
    """What was asked for an application's master, and what its containers will be asked with.

    Attributes
    ----------
    memory_mb, vcores : of the master's container
    attempts, queue, label : of the application; label None where the ResourceManager's default decides
    command : the master's
    environment : the master's
    properties : Spark's own, as the master reads them
    """

    memory_mb: int
    vcores: int
    attempts: int
    queue: str
    label: str | None
    command: str
    environment: dict[str, str]
    properties: dict[str, str]


@dataclass
class ListeningRM:
    """The client's half of a ResourceManager."""

    gateway: Any
    largest_mb: int
    diagnostics: str = "only asked, not run"
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._id = getattr(self._jvm, f"{RECORDS}.ApplicationId").newInstance(int(time.time() * 1000), 1)

    @property
    def _jvm(self) -> Any:
        return self.gateway.jvm

    def _make(self, name: str, *args: Any) -> Any:
        return getattr(self._jvm, name).newInstance(*args)

    # -- the protocol's methods, named by it ----------------------------------------
    def getNewApplication(self, request: Any) -> Any:
        least, most = (
            self._make(f"{RECORDS}.Resource", mb, vcores) for mb, vcores in ((32, 1), (self.largest_mb, 128))
        )
        return self._make(f"{REQUESTS}.GetNewApplicationResponse", self._id, least, most)

    def getClusterMetrics(self, request: Any) -> Any:
        metrics = self._make(f"{RECORDS}.YarnClusterMetrics", 3)
        return self._make(f"{REQUESTS}.GetClusterMetricsResponse", metrics)

    def submitApplication(self, request: Any) -> Any:
        context = request.getApplicationSubmissionContext()
        master = context.getAMContainerSpec()
        files = {str(key): str(one.getResource().getFile()) for key, one in dict(master.getLocalResources()).items()}
        resource = context.getResource()
        self.asked.append(
            Asked(
                memory_mb=int(resource.getMemorySize()),
                vcores=int(resource.getVirtualCores()),
                attempts=int(context.getMaxAppAttempts()),
                queue=str(context.getQueue()),
                label=context.getNodeLabelExpression(),
                command=" ".join(str(word) for word in master.getCommands()),
                environment={str(k): str(v) for k, v in dict(master.getEnvironment()).items()},
                properties=read_properties(Path(unquote(urlsplit(files["__spark_conf__"]).path))),
            )
        )
        return self._make(f"{REQUESTS}.SubmitApplicationResponse")

    def getApplicationReport(self, request: Any) -> Any:
        report = self._make(
            f"{RECORDS}.ApplicationReport",
            self._id,
            self._make(f"{RECORDS}.ApplicationAttemptId", self._id, 1),
            "hadoop",
            "default",
            "asked",
            "N/A",
            -1,
            None,
            getattr(self._jvm, f"{RECORDS}.YarnApplicationState").FAILED,
            self.diagnostics,
            "http://nowhere/",
            self._id.getClusterTimestamp(),
            0,
            0,
            getattr(self._jvm, f"{RECORDS}.FinalApplicationStatus").FAILED,
            None,
            "N/A",
            1.0,
            "SPARK",
            None,
        )
        return self._make(f"{REQUESTS}.GetApplicationReportResponse", report)

    class Java:
        """What Py4J asks for."""

        implements: ClassVar = [PROTOCOL]


def read_properties(archive: Path) -> dict[str, str]:
    """Spark's properties in the archive that its client hands to YARN."""
    with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as packed:
        text = packed.read("__spark_conf__.properties").decode()
    rows = (line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {key.strip(): value.replace("\\", "") for key, value in rows}


@contextmanager
def listening(conf: Path, hosts: Path, address: str, largest_mb: int) -> Iterator[ListeningRM]:
    """One that listens at an address, with the clients' configuration and the file of names."""
    home = find_java_home()
    assert home is not None
    sparks = find_pyspark() / "jars"
    gateway = JavaGateway.launch_gateway(
        classpath=f"{conf}:{sparks}/*",
        javaopts=[f"-Djdk.net.hosts.file={hosts}", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"],
        java_path=str(home / "bin" / "java"),
        die_on_exit=True,
        enable_auth=True,
        redirect_stderr=subprocess.DEVNULL,
    )
    gateway.start_callback_server(CallbackServerParameters(port=0, daemonize=True))
    callback = gateway.java_gateway_server.getCallbackClient()
    port = gateway.get_callback_server().get_listening_port()
    gateway.java_gateway_server.resetCallbackClient(callback.getAddress(), port)
    made = ListeningRM(gateway, largest_mb)
    jvm = gateway.jvm
    conf_object = jvm.org.apache.hadoop.yarn.conf.YarnConfiguration()
    conf_object.setBoolean("hadoop.security.authorization", False)  # the list of protocols is the daemons' own
    server = jvm.org.apache.hadoop.yarn.ipc.YarnRPC.create(conf_object).getServer(
        jvm.java.lang.Class.forName(PROTOCOL),
        made,
        jvm.java.net.InetSocketAddress(address, 8032),
        conf_object,
        None,
        2,
    )
    server.start()
    try:
        yield made
    finally:
        server.stop()
        gateway.shutdown()
        process = gateway.java_process
        process.stdin.close()
        process.wait(timeout=300)


def submit(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run PySpark's own spark-submit."""
    home = find_java_home()
    environ = {"PATH": os.environ["PATH"], "JAVA_HOME": str(home), **environment}
    program = str(find_pyspark() / "bin" / "spark-submit")
    return subprocess.run([program, *command], env=environ, capture_output=True, text=True, check=False, timeout=600)
