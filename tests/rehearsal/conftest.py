"""One history for all tests here: an embedded AWS of its own, a cluster, steps that run and fail, and its end."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import boto3
import pytest

from localaws import server
from sample.draw import draw_sample
from tests.rehearsal.support import Operator


def applications(address: str) -> str:
    """What Spark's history server knows, by its REST interface."""
    with urllib.request.urlopen(f"{address}/api/v1/applications", timeout=30) as answer:
        return str(answer.read().decode())


def cluster_ends_by_itself(operator: Operator) -> None:
    """What the idle clock or the schedule does, at once."""
    told = json.loads(operator.said["status as JSON"][1])["cluster"]["id"]
    record, _ = server.status(operator.folder / "aws")
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "eu-west-3"}
    emr = boto3.client("emr", endpoint_url=record.endpoint, **keys)
    emr.terminate_job_flows(JobFlowIds=[told])
    emr.get_waiter("cluster_terminated").wait(ClusterId=told, WaiterConfig={"Delay": 1, "MaxAttempts": 300})


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The whole history; whatever fails in it, the server is stopped."""
    operator = Operator(tmp_path_factory.mktemp("rehearsal"))
    draw_sample(operator.folder / "fruits", views=5)
    try:
        operator.types("run-step", name="before anything")
        operator.types("status", name="status before anything")
        code, printed = operator.follows("the embedded AWS of ENV=local is not running")[0]
        assert code == 0, printed
        operator.types("upload-dataset", INPUT="fruits")
        operator.follows("upload-dataset was interrupted, or images were added")
        operator.types("logs", name="logs of nothing")
        code, printed = operator.types("run-step", name="detached", DETACH="1", K="5")
        assert code == 0, printed
        step = printed.split("step ")[1].split()[0]
        operator.types("run-step", name="refused")
        operator.follows("another step is open on the cluster")
        operator.follows("A step seems to stand still", step=step)
        operator.follows("Ctrl-C was pressed, or the terminal was closed, while a step ran", step=step)
        _, printed = operator.types("run-step", name="failed", CLASSES="No such fruit")
        failed = printed.split("step ")[1].split()[0]
        operator.follows("A step failed", step=failed)
        operator.types("steps", name="steps as JSON", JSON="1")
        operator.types("status", name="status as JSON", JSON="1")
        operator.types("logs", name="logs as JSON", JSON="1", LINES="3")
        asked = 'aws s3 ls "s3://$BUCKET/"; cat mnt/var/lib/info/job-flow.json; "$PYTHON" --version'
        operator.follows("Something must be looked at on the node itself", enters=asked)
        operator.looks_at_the_page("A step is slow, and it should be seen where", applications)
        operator.follows("The results are in S3, and should be here")
        operator.follows("What did it cost, and what will it")
        cluster_ends_by_itself(operator)
        operator.types("run-step", name="after its end")
        operator.types("shell", name="shell after its end")
        operator.follows("the cluster … is TERMINATED")
        yield operator
    finally:
        stop = [sys.executable, "-m", "localaws", "stop"]
        subprocess.run(stop, env=operator.environ, cwd=operator.folder, check=False)
