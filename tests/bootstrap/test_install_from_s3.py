"""The bootstrap script with S3: the real aws command against moto's server on loopback."""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from ops.core.console import Console
from ops.job.wheelhouse import S3Store, Wheelhouse, sync

if TYPE_CHECKING:
    import subprocess

pytestmark = pytest.mark.aws


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def environment(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-west-3",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "no_proxy": "127.0.0.1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }


@pytest.fixture
def client(environment: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="eu-west-3",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


@pytest.fixture
def bucket(client: Any) -> str:
    name = f"fruits-{uuid.uuid4()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    return name


@pytest.mark.slow
def test_a_node_installs_from_the_bucket_what_the_laptop_uploaded(
    tmp_path: Path,
    bootstrap: Callable[..., subprocess.CompletedProcess[str]],
    tiny_wheelhouse: Callable[..., Wheelhouse],
    client: Any,
    bucket: str,
    environment: dict[str, str],
) -> None:
    store = S3Store(client, bucket, "wheelhouse")
    uri = sync(tiny_wheelhouse(), f"s3://{bucket}/wheelhouse", store=store, console=Console(quiet=True)).uri
    done = bootstrap("--wheelhouse", uri, env=environment)
    assert done.returncode == 0, done.stderr
    ready = json.loads((tmp_path / "opt" / "ready.json").read_text())
    assert ready["wheelhouse"] == uri.rstrip("/")
    assert not list(tmp_path.glob("opt/.staging.*")), "the fetched wheels take half a GB"

    # The key says which lock it is, so the second run needs no store at all.
    elsewhere = environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    again = bootstrap("--wheelhouse", uri, env=elsewhere)
    assert again.returncode == 0
    assert "is ready already" in again.stdout


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("s3://{bucket}/wheelhouse/0123456789abcdef/", "holds no complete wheelhouse: run `make wheelhouse`"),
        (
            "s3://no-such-bucket/wheelhouse/",
            "could not be fetched: check the endpoint, the instance role and the key.",
        ),
    ],
)
def test_a_failure_leaves_its_cause_in_the_log_bucket(
    tmp_path: Path,
    bootstrap: Callable[..., subprocess.CompletedProcess[str]],
    client: Any,
    bucket: str,
    environment: dict[str, str],
    uri: str,
    sentence: str,
) -> None:
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "job-flow.json").write_text('{"jobFlowId": "j-1"}')
    (tmp_path / "info" / "instance.json").write_text('{"instanceId": "i-1"}')
    uri = uri.replace("{bucket}", bucket)
    done = bootstrap("--wheelhouse", uri, "--logs", f"s3://{bucket}/node/", env=environment)
    assert done.returncode == 14
    told = json.loads(client.get_object(Bucket=bucket, Key="node/bootstrap/j-1/i-1.json")["Body"].read())
    assert (told["cause"], told["phase"]) == ("wheelhouse", "fetch")
    assert sentence in told["message"]


def test_a_log_bucket_that_cannot_be_reached_does_not_hide_the_cause(
    tmp_path: Path, bootstrap: Callable[..., subprocess.CompletedProcess[str]], environment: dict[str, str]
) -> None:
    away = environment | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    done = bootstrap("--wheelhouse", tmp_path, "--logs", "s3://logs/node/", env=away)
    assert done.returncode == 14
    assert "(wheelhouse, exit 14)" in done.stderr
    assert "the cause could not be left in s3://logs/node/bootstrap/no-cluster/" in done.stderr
