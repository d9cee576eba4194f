"""What was found about a failure, as plain values: everything that `causes` looks at."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Role = Literal["driver", "executor", "step", "controller", "bootstrap", "node", "terraform"]


@dataclass(frozen=True)
class Document:
    """A log that was read.

    Attributes
    ----------
    role : whose it is; ``step`` is the step's own, in cluster mode YARN's client; ``controller`` EMR's about the step;
        ``node`` a daemon's or the system's
    uri : its address
    text : an excerpt of it
    problem : why not all of it could be read; empty when all is well
    host : of a node's log, whose: ``ip-10-0-1-23``, as `layout.host_in` gives it
    """

    role: Role
    uri: str
    text: str
    problem: str = ""
    host: str = ""


@dataclass(frozen=True)
class ErrorDetail:
    """One of a cluster's ``ErrorDetails``: a code that AWS documents, its data, a sentence not to be parsed."""

    code: str
    data: Mapping[str, str] = field(default_factory=dict)
    message: str = ""

    def list_values(self, key: str) -> list[str]:
        """What its data says under a key, or under its plural, where the values stand in brackets."""
        return [value.strip("[]") for value in (self.data.get(key), self.data.get(f"{key}s")) if value]


@dataclass(frozen=True)
class ClusterInstance:
    """An instance of the cluster, as EMR lists it.

    Attributes
    ----------
    market : ``SPOT`` or ``ON_DEMAND``, empty where it is not said
    reason : EMR's words about its end, with its code
    ended : whether it ended while the step ran
    host : its name in the network, as `layout.host_in` gives it; empty where EMR does not say
    """

    instance: str
    market: str = ""
    reason: str = ""
    ended: bool = False
    host: str = ""

    @property
    def was_taken_back(self) -> bool:
        """Whether EC2 took it back, as it does with Spot instances only.

        >>> ClusterInstance("i-1", "SPOT", "terminated by EC2: Spot instance interruption", True).was_taken_back
        True
        >>> ClusterInstance("i-1", "ON_DEMAND", "FAILED_BY_MASTER", True).was_taken_back
        False
        """
        return self.ended and self.market == "SPOT" and not re.search(_OWN_END, self.reason)

    def describe_end(self) -> str:
        """The instance, its market, and EMR's words about its end."""
        market = {"SPOT": "Spot", "ON_DEMAND": "on demand"}.get(self.market, "of a market that is not named")
        end = f" ({self.reason or 'EMR gives no reason'})" if self.ended else ", which has not ended"
        return f"{self.instance}, {market}{end}"


# Spot instances end for other reasons too: our own scaling, the end of the cluster, an unhealthy disk.
_OWN_END = re.compile(
    r"[Rr]esiz|[Uu]ser request|CLUSTER_TERMINATED|unhealthy|UNHEALTHY|FAILED_BY_MASTER|[Ss]cale|decommission"
)


@dataclass(frozen=True)
class Evidence:
    """All that is known of one failure.

    Attributes
    ----------
    subject : ``step``, or ``cluster`` where it failed before or without a step
    cluster_id, step_id : empty where they are not known
    state : of the step, or of the cluster
    stated : EMR said that state; without, it is to be read from the logs
    cluster_state : of the cluster, where a step is meant
    step_reason : EMR's ``FailureDetails`` or ``StateChangeReason`` of the step
    reason_code, reason : EMR's ``StateChangeReason`` of the cluster
    details : EMR's ``ErrorDetails`` of the cluster
    job : ``_run/error.json``, left by the job
    node : the JSON that the bootstrap script leaves
    nodes : the cluster's instances, where EMR lists them
    lacks : what its fleets lack of their Spot capacity while a step is open, in words
    documents : logs, the most telling first
    logs : the addresses at which all logs lie, or will
    missing : which log is not there, in words; empty when none is
    end : when EMR says that the step or the cluster ended; None while it has not, and in a saved tree
    """

    subject: Literal["step", "cluster"]
    cluster_id: str = ""
    step_id: str = ""
    state: str = ""
    stated: bool = True
    cluster_state: str = ""
    step_reason: str = ""
    reason_code: str = ""
    reason: str = ""
    details: tuple[ErrorDetail, ...] = ()
    job: Mapping[str, Any] | None = None
    node: Mapping[str, Any] | None = None
    nodes: tuple[ClusterInstance, ...] = ()
    lacks: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    logs: tuple[str, ...] = ()
    missing: str = ""
    end: datetime | None = None

    @property
    def lost_spot(self) -> tuple[str, ...]:
        """Instances that EC2 took back while the step ran, with EMR's words."""
        return tuple(f"{node.instance} ({node.reason})" for node in self.nodes if node.was_taken_back)

    @property
    def lost_nodes(self) -> tuple[str, ...]:
        """Instances that ended while the step ran, with EMR's words."""
        return tuple(f"{node.instance} ({node.reason})" for node in self.nodes if node.ended)

    @property
    def is_one_node(self) -> bool:
        """Whether EMR lists one instance alone: a primary that runs everything."""
        return len(self.nodes) == 1

    @property
    def name(self) -> str:
        """What failed, in words."""
        if self.subject == "step":
            return f"the step {self.step_id}".rstrip() + (f" on {self.cluster_id}" if self.cluster_id else "")
        return f"the cluster {self.cluster_id}".rstrip()

    def find_node(self, host: str) -> ClusterInstance | None:
        """The instance that a host means, of several the one that was taken back; None where none is known.

        Parameters
        ----------
        host : as `layout.host_in` gives it
        """
        matching = [node for node in self.nodes if host and host in (node.host, node.instance)]
        return next(iter(sorted(matching, key=lambda node: not node.was_taken_back)), None)

    def describe_ends(self, host: str = "") -> str:
        """What EMR says of the instances that ended, or of the one of a host, with their markets."""
        instance = self.find_node(host)
        nodes = [instance] if instance is not None else [node for node in self.nodes if node.ended]
        return f": {', '.join(node.describe_end() for node in nodes[:5])}" if nodes else ""

    def find_documents(self, *roles: Role) -> list[Document]:
        """The documents of these roles."""
        return [document for document in self.documents if document.role in roles]
