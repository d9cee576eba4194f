"""Which machines a cluster has, by name and address, and what each may give to containers."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from localaws.yarn.errors import PortTakenError

# The ports of EMR's nodes: every machine has an address of its own, so nothing has to be moved.
MASTER_PORTS = {"scheduler": 8030, "resource-tracker": 8031, "": 8032, "admin": 8033, "webapp": 8088}
MACHINE_PORTS = {"localizer": 8040, "": 8041, "webapp": 8042}
PROXY_PORT = 20888


@dataclass(frozen=True)
class Machine:
    """The machine of a NodeManager.

    Attributes
    ----------
    name : the host's name
    address : one of 127.0.0.0/8
    memory_mb, vcores : for containers
    label : its partition; empty for none
    """

    name: str
    address: str
    memory_mb: int
    vcores: int
    label: str = ""


@dataclass(frozen=True)
class ClusterPlan:
    """The machines and settings of a cluster.

    Attributes
    ----------
    folder : of everything: configuration, logs, containers
    network : the first three numbers of its addresses
    master_name : host name of the ResourceManager's machine
    labels : partitions that the cluster knows; empty: it has none
    site, scheduler, core : settings that win over ours, for yarn-site, capacity-scheduler and core-site
    passed_on : variables of a NodeManager's environment that containers get
    """

    folder: Path
    network: str
    master_name: str
    labels: tuple[str, ...] = ()
    site: dict[str, str] = field(default_factory=dict)
    scheduler: dict[str, str] = field(default_factory=dict)
    core: dict[str, str] = field(default_factory=dict)
    passed_on: tuple[str, ...] = ()

    @property
    def master_address(self) -> str:
        """The ResourceManager's address."""
        return f"{self.network}.1"

    def locate_folder(self, machine: Machine) -> Path:
        """The folder of a machine."""
        return self.folder / "nodes" / machine.name

    def locate_container_logs(self, machine: Machine) -> Path:
        """The folder of a machine's containers' logs."""
        return self.locate_folder(machine) / "var" / "log" / "hadoop-yarn" / "containers"

    def locate_log(self, machine: Machine) -> Path:
        """The NodeManager's own log."""
        return self.locate_container_logs(machine).parent / f"hadoop-yarn-nodemanager-{machine.name}.log"

    @property
    def master_log(self) -> Path:
        """The ResourceManager's own log."""
        return self.folder / "master" / f"hadoop-yarn-resourcemanager-{self.master_name}.log"

    @property
    def hosts(self) -> Path:
        """The file from which every JVM of the cluster reads names and addresses."""
        return self.folder / "hosts"

    @property
    def conf(self) -> Path:
        """The clients' configuration: HADOOP_CONF_DIR."""
        return self.folder / "conf"


def find_taken_port(address: str, ports: Iterator[int] | list[int]) -> int | None:
    """The first of the ports that cannot be bound at the address."""
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                return port
    return None


def is_listening(address: str, port: int) -> bool:
    """Whether something listens at an address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((address, port)) == 0


def require_ports(address: str, ports: dict[str, int]) -> None:
    """Raise PortTakenError when a daemon could not listen."""
    if port := find_taken_port(address, list(ports.values())):
        raise PortTakenError(address, port)


def choose_network(tries: int = 20) -> str:
    """The first three numbers of addresses at which no other cluster's master listens.

    Raises
    ------
    PortTakenError : none was found
    """
    for _ in range(tries):
        # where no other program has its server: 127.0 and 127.1 have their uses
        network = f"127.{random.randrange(64, 192)}.{random.randrange(1, 255)}"  # noqa: S311
        port = find_taken_port(f"{network}.1", list(MASTER_PORTS.values()))
        if port is None:
            return network
    raise PortTakenError(f"{network}.1", port or 0)
