"""What was found about a failure, as plain values: everything that `causes` looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["driver", "executor", "step", "bootstrap", "terraform"]


@dataclass(frozen=True)
class Document:
    """A log that was read.

    Attributes
    ----------
    role : whose it is; ``step`` is the step's own, in cluster mode YARN's client
    uri : its address
    text : an excerpt of it
    problem : why not all of it could be read; empty when all is well
    """

    role: Role
    uri: str
    text: str
    problem: str = ""


@dataclass(frozen=True)
class ErrorDetail:
    """One of a cluster's ``ErrorDetails``: a code that AWS documents, its data, a sentence not to be parsed."""

    code: str
    data: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True)
class Evidence:
    """All that is known of one failure.

    Attributes
    ----------
    subject : ``step``, or ``cluster`` where it failed before or without a step
    cluster_id, step_id : empty where they are not known
    state : of the step, or of the cluster
    step_reason : EMR's ``FailureDetails`` or ``StateChangeReason`` of the step
    reason_code, reason : EMR's ``StateChangeReason`` of the cluster
    details : EMR's ``ErrorDetails`` of the cluster
    job : ``_run/error.json``, left by the job
    node : the JSON that the bootstrap script leaves
    lost_spot : instances that EC2 took back while the step ran, with EMR's words
    documents : logs, the most telling first
    logs : the addresses at which all logs lie, or will
    missing : what is not there yet, in words; empty when nothing is awaited
    """

    subject: Literal["step", "cluster"]
    cluster_id: str = ""
    step_id: str = ""
    state: str = ""
    step_reason: str = ""
    reason_code: str = ""
    reason: str = ""
    details: tuple[ErrorDetail, ...] = ()
    job: Mapping[str, Any] | None = None
    node: Mapping[str, Any] | None = None
    lost_spot: tuple[str, ...] = ()
    documents: tuple[Document, ...] = ()
    logs: tuple[str, ...] = ()
    missing: str = ""

    @property
    def name(self) -> str:
        """What failed, in words."""
        if self.subject == "step":
            return f"the step {self.step_id}".rstrip() + (f" on {self.cluster_id}" if self.cluster_id else "")
        return f"the cluster {self.cluster_id}".rstrip()

    def of_role(self, *roles: Role) -> list[Document]:
        """The documents of these roles."""
        return [document for document in self.documents if document.role in roles]
