"""What EMR is asked: the steps of a cluster, and where a step puts its results."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from ops.aws.account import Account, read_output_from
from ops.aws.describe import describe_step, known_cluster, list_pages
from ops.aws.states import OPEN_STATES
from ops.core.errors import WrongUseError

SHOWN = 20
"""Steps that are listed."""


def list_open_steps(account: Account) -> Sequence[Mapping[str, Any]]:
    """Steps of the cluster that have not ended, the newest first."""
    emr, cluster_id = account.client("emr"), account.cluster["cluster_id"]
    steps: Sequence[Mapping[str, Any]] = emr.list_steps(ClusterId=cluster_id, StepStates=list(OPEN_STATES))["Steps"]
    return steps


def read_output(account: Account, step_id: str) -> str:
    """Where a step puts its results: read from the request that it was given.

    Raises
    ------
    OperatorError : the step is not one of ours
    """
    step = describe_step(account.client("emr"), str(account.cluster["cluster_id"]), step_id)
    output = read_output_from(account, step["Config"]["Args"])
    if output is None:
        raise WrongUseError(f"the step {step_id} was not submitted by make run-step. Fix: see `make steps`.")
    return output


def list_steps(account: Account, cluster_id: str, limit: int = SHOWN) -> list[Mapping[str, Any]]:
    """Steps as EMR lists them, the newest first.

    Raises
    ------
    OperatorError : EMR knows no such cluster
    """
    with known_cluster(cluster_id):
        return list(islice(list_pages(account.client("emr"), "list_steps", "Steps", ClusterId=cluster_id), limit))
