"""The daemons as processes: start, add a machine, lose one, kill an application, logs, stop."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from localaws.processes import end_processes, find_processes
from localaws.yarn import configuration
from localaws.yarn.errors import DaemonError
from localaws.yarn.plan import MACHINE_PORTS, MASTER_PORTS, ClusterPlan, Machine, is_listening, require_ports

RESOURCE_MANAGER = "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager"
NODE_MANAGER = "org.apache.hadoop.yarn.server.nodemanager.NodeManager"
ADMIN = "org.apache.hadoop.yarn.client.cli.RMAdminCLI"
APPLICATIONS = "org.apache.hadoop.yarn.client.cli.ApplicationCLI"
MACHINE_VARIABLE = "YARN_NODE_ROOT"
"""The variable that marks every process of a machine, those of its containers too."""
READY = "Registered with ResourceManager as"
START_SECONDS = 90.0
SHUT_DOWN_SECONDS = 2.0
# Half the memory and half the processor time of Java's own defaults, for daemons with little to do.
LEAN = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Djava.net.preferIPv4Stack=true")
# Java 17: Guice's cglib calls ClassLoader.defineClass by reflection.
OPENS = ("--add-opens", "java.base/java.lang=ALL-UNNAMED", "--add-opens", "java.base/java.util=ALL-UNNAMED")
# The processes write files with keys in them: only their owner may read these.
_OWNER_ONLY = 0o700


class Yarn:
    """A cluster's daemons.

    Parameters
    ----------
    plan : names, addresses and settings
    java_home : a Java 17
    classpath : the daemons' jars
    environment : what the daemons get, and containers as far as ``plan.passed_on`` says
    """

    def __init__(
        self, plan: ClusterPlan, *, java_home: Path, classpath: list[Path], environment: Mapping[str, str]
    ) -> None:
        self.plan, self._java_home, self._classpath = plan, java_home, classpath
        self._environment = dict(environment)
        self.machines: list[Machine] = []
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.RLock()
        self._stopped = False

    # -- start ----------------------------------------
    def start(self, machines: list[Machine]) -> None:
        """Start the ResourceManager and the machines; returns when all have registered.

        Raises
        ------
        DaemonError : a daemon ended or was not ready in time; nothing of it is left
        PortTakenError
        """
        try:
            self._start_master(machines)
            if self.plan.labels:
                labels = ",".join(f"{label}(exclusive=false)" for label in self.plan.labels)
                self._run_admin_tool("-addToClusterNodeLabels", labels)
            for machine in machines:
                self._start_machine(machine)
            for machine in machines:
                self._await_machine(machine)
        except BaseException:
            self.stop()
            raise

    def _start_master(self, machines: list[Machine]) -> None:
        plan = self.plan
        for folder in (plan.folder, plan.conf, plan.folder / "tmp", plan.folder / "home", plan.folder / "labels"):
            folder.mkdir(parents=True, exist_ok=True)
        plan.folder.chmod(_OWNER_ONLY)
        plan.master_log.parent.mkdir()
        # not in HADOOP_CONF_DIR: Spark ships that folder, and would log in the daemons' format
        (plan.folder / "log4j2.properties").write_text(configuration.LOG4J2)
        self.machines = list(machines)
        self._write_hosts()
        self._site = configuration.make_yarn_site(plan, machines, self._classpath)
        self._write_conf(plan.conf, self._site)
        require_ports(plan.master_address, MASTER_PORTS)
        command = self._make_jvm_command(plan.conf, 320, RESOURCE_MANAGER)
        self._spawn("master", command, plan.master_log.parent, plan.master_log)
        self._await("the ResourceManager", "master", plan.master_log, self._is_master_listening)

    def _is_master_listening(self) -> bool:
        """Whether all its services listen: the administrator's does so seconds before that of NodeManagers."""
        return all(is_listening(self.plan.master_address, port) for port in MASTER_PORTS.values())

    def _write_hosts(self) -> None:
        text = configuration.write_hosts(self.plan, self.machines, socket.gethostname())
        partial = self.plan.hosts.with_suffix(".new")
        partial.write_text(text)
        partial.replace(self.plan.hosts)  # in one piece: JVMs read it at any time

    def _write_conf(self, folder: Path, site: Mapping[str, object]) -> None:
        for name, values in (
            ("core-site", configuration.make_core_site(self.plan)),
            ("capacity-scheduler", configuration.make_capacity_scheduler(self.plan)),
            ("yarn-site", site),
        ):
            (folder / f"{name}.xml").write_text(configuration.write_xml(values))

    def add(self, machine: Machine) -> None:
        """Start one more machine; returns when it has registered. Raises DaemonError and PortTakenError."""
        with self._lock:
            if self._stopped:
                return
            self.machines.append(machine)
            self._write_hosts()
        self._start_machine(machine)
        self._await_machine(machine)

    def _start_machine(self, machine: Machine) -> None:
        plan, root = self.plan, self.plan.locate_folder(machine)
        for folder in (root / "mnt" / "yarn", plan.locate_container_logs(machine), root / "tmp", root / "conf"):
            folder.mkdir(parents=True, exist_ok=True)
        self._write_conf(root / "conf", configuration.make_machine_site(self._site, plan, machine))
        require_ports(machine.address, MACHINE_PORTS)
        command = self._make_jvm_command(root / "conf", 192, NODE_MANAGER)
        self._spawn(machine.name, command, root, plan.locate_log(machine))

    def _await_machine(self, machine: Machine) -> None:
        log = self.plan.locate_log(machine)
        self._await(
            f"the NodeManager {machine.name}", machine.name, log, lambda: READY in log.read_text(errors="replace")
        )

    # -- processes ----------------------------------------
    def _make_jvm_command(self, conf: Path, heap_mb: int, *words: str) -> list[str]:
        return [
            str(self._java_home / "bin" / "java"),
            f"-Xmx{heap_mb}m",
            *LEAN,
            *OPENS,
            f"-Djava.io.tmpdir={self.plan.folder / 'tmp'}",
            f"-Djdk.net.hosts.file={self.plan.hosts}",
            f"-Dlog4j2.configurationFile={self.plan.folder / 'log4j2.properties'}",
            "-cp",
            os.pathsep.join(str(path) for path in (conf, *self._classpath)),
            *words,
        ]

    def _make_environment(self, root: Path) -> dict[str, str]:
        return {
            **self._environment,
            "JAVA_HOME": str(self._java_home),
            "HADOOP_CONF_DIR": str(self.plan.conf),
            "HADOOP_USER_NAME": configuration.OWNER,
            MACHINE_VARIABLE: str(root),
        }

    def _spawn(self, name: str, command: list[str], root: Path, log: Path) -> None:
        with self._lock, log.open("ab") as out:
            if self._stopped:
                raise DaemonError(name, "is not started: the cluster has been stopped", log, "")
            self._processes[name] = subprocess.Popen(
                command,
                cwd=root,
                env=self._make_environment(root),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _await(self, label: str, name: str, log: Path, is_ready: Callable[[], bool]) -> None:
        process, deadline = self._processes[name], time.monotonic() + START_SECONDS
        while not is_ready():
            has_ended, is_late = process.poll() is not None, time.monotonic() > deadline
            if has_ended or is_late:
                tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
                problem = "ended" if has_ended else f"was not ready after {START_SECONDS:.0f} s"
                raise DaemonError(label, problem, log, tail)
            time.sleep(0.1)

    def _run_tool(self, *words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """A command of YARN's own tools, as the owner."""
        return subprocess.run(
            self._make_jvm_command(self.plan.conf, 96, *words),
            env=self._make_environment(self.plan.folder),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def _run_admin_tool(self, *words: str) -> None:
        completed = self._run_tool(ADMIN, *words)
        if completed.returncode:
            printed = completed.stdout + completed.stderr
            raise DaemonError(f"rmadmin {' '.join(words)}", "failed", self.plan.master_log, printed)

    # -- accidents and ends ----------------------------------------
    def lose(self, machine: Machine, *, shut_down: bool = False) -> int:
        """End a machine's NodeManager and containers; returns how many processes there were.

        Parameters
        ----------
        shut_down : the containers end first, and the NodeManager can still report that; else all end at once
        """
        with self._lock:
            if shut_down:
                daemon = self._processes.get(machine.name)
                for process in find_processes(self.plan.locate_folder(machine), MACHINE_VARIABLE):
                    if daemon is None or process.pid != daemon.pid:
                        with contextlib.suppress(psutil.NoSuchProcess):
                            process.terminate()
                time.sleep(SHUT_DOWN_SECONDS)
            count = end_processes(self.plan.locate_folder(machine), MACHINE_VARIABLE)
            process = self._processes.pop(machine.name, None)
            if process is not None:
                process.wait()
            self.machines = [other for other in self.machines if other.name != machine.name]
        return count

    def kill_application(self, application: str) -> bool:
        """End an application as its owner; returns whether YARN agreed."""
        return self._run_tool(APPLICATIONS, "application", "-kill", application).returncode == 0

    def stop(self) -> None:
        """Kill every daemon and every container."""
        with self._lock:
            self._stopped = True
        if self.plan.folder.exists():
            end_processes(self.plan.folder, MACHINE_VARIABLE)
        for process in self._processes.values():
            process.wait()

    # -- logs ----------------------------------------
    def list_container_logs(self, application: str) -> Iterator[tuple[str, Path]]:
        """The logs of an application's containers, on lost machines too: ``<container>/<file>``, and the file."""
        for folder in sorted((self.plan.folder / "nodes").glob(f"*/var/log/hadoop-yarn/containers/{application}/*")):
            for path in sorted(folder.iterdir()):
                if path.is_file():
                    yield f"{folder.name}/{path.name}", path
