"""The account that a command works in: clients, buckets, the cluster that runs, as plain values for the other tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ops.terraform.workspace import Target, Workspace, target_from

PROJECT = "fruits"
NOT_RUNNING = "the embedded AWS is not running: there is no cluster and no bucket, and nothing bills. Fix: make apply."
LIVE_STATES = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")


class OperatorError(Exception):
    """An expected failure of an operator's command: the message says cause and cure, ``exit_code`` what to return."""

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class NotAppliedError(OperatorError):
    """A stack that the command needs is not there."""

    exit_code = 20


@dataclass(frozen=True)
class Account:
    """One environment of one account.

    Attributes
    ----------
    target : Target
    """

    target: Target

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Account:
        """The account that ``ENV`` and the credentials at hand mean.

        For ``ENV=local`` this process's own AWS variables are replaced by those of the embedded AWS, so that nothing in
        it can reach the real one.
        """
        return cls.of(target_from(environ, may_be_offline=False))

    @classmethod
    def of(cls, target: Target) -> Account:
        """The account of a target; this process's clients are pointed at it."""
        if target.emulated:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                del os.environ[name]
            os.environ.update(target.environment())
        os.environ["AWS_REGION"] = target.region
        return cls(target)

    def client(self, service: str) -> Any:
        """A boto3 client in this account and region."""
        import boto3

        return boto3.client(service, region_name=self.target.region)

    @cached_property
    def storage(self) -> dict[str, Any]:
        """Outputs of the storage stack.

        Raises
        ------
        NotAppliedError
            When it was never applied.
        """
        outputs = Workspace(target=self.target, stack="storage").outputs()
        if "buckets" not in outputs:
            raise NotAppliedError(f"there are no buckets of ENV={self.target.env}. Fix: make apply.")
        return outputs

    def bucket(self, purpose: str) -> str:
        """``data``, ``artifacts`` or ``logs``."""
        return str(self.storage["buckets"][purpose])

    @cached_property
    def cluster(self) -> dict[str, Any]:
        """Outputs of the cluster stack.

        Raises
        ------
        NotAppliedError
            When there is no cluster.
        """
        outputs = Workspace(target=self.target, stack="cluster").outputs()
        if "cluster_id" not in outputs:
            raise NotAppliedError(f"there is no cluster of ENV={self.target.env}. Fix: make apply.")
        return outputs

    def cluster_state(self) -> tuple[str, str]:
        """State of the cluster, and the reason that EMR gives, which may be empty."""
        status = self.client("emr").describe_cluster(ClusterId=self.cluster["cluster_id"])["Cluster"]["Status"]
        return str(status["State"]), str(status.get("StateChangeReason", {}).get("Message") or "")
