"""What AWS says of one thing: a cluster, a step, its tags. ``emr`` is boto3's client."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from botocore.exceptions import ClientError

from ops.aws.refusals import is_unknown
from ops.core.errors import WrongUseError


def read_tags(thing: Mapping[str, Any]) -> dict[str, str]:
    """Tags as EC2 and EMR answer them."""
    return {tag["Key"]: tag.get("Value", "") for tag in thing.get("Tags") or []}


def list_pages(client: Any, call: str, key: str, **arguments: Any) -> Iterator[dict[str, Any]]:
    """What a listing answers below a key, of all its pages. S3 leaves the key out of an answer that is empty."""
    for page in client.get_paginator(call).paginate(**arguments):
        yield from page.get(key, [])


def describe_cluster(emr: Any, cluster_id: str) -> Mapping[str, Any]:
    """DescribeCluster's answer.

    Raises
    ------
    OperatorError : EMR knows no such cluster
    """
    with known_cluster(cluster_id):
        cluster: Mapping[str, Any] = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]
    return cluster


def describe_step(emr: Any, cluster_id: str, step_id: str) -> Mapping[str, Any]:
    """DescribeStep's answer.

    Raises
    ------
    OperatorError : the cluster has no such step
    """
    with _known(f"{cluster_id} has no step {step_id}. Fix: see `make steps`."):
        step: Mapping[str, Any] = emr.describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]
    return step


def known_cluster(cluster_id: str) -> AbstractContextManager[None]:
    """Say in our words that EMR knows no such cluster."""
    return _known(f"EMR has no cluster {cluster_id}. Fix: make status shows yours.")


@contextmanager
def _known(otherwise: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if is_unknown(error):
            raise WrongUseError(otherwise) from error
        raise
