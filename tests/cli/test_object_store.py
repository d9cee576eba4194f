"""Input and results on an S3 on loopback; no Hadoop connector is installed, none is needed. Half a minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from fruits import listing, pages
from fruits.store import Store
from moto.server import ThreadedMotoServer

from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from tests.drawn import draw_once
from tests.typed import as_typed

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.spark, pytest.mark.tensorflow, pytest.mark.aws]
BUCKET = "fruits-data"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a client; the bucket holds 16 images under a key with spaces and accents."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_REGION": "eu-west-3",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    client = client_of(environment)
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-west-3"})
    folder = tmp_path_factory.mktemp("drawn")
    draw_once(folder, views=2)
    for path in folder.rglob("*.jpg"):
        client.upload_file(str(path), BUCKET, f"images/été 1 #2/{path.parent.name}/{path.name}")
    try:
        yield environment
    finally:
        server.stop()


def client_of(s3: dict[str, str]) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=s3["AWS_ENDPOINT_URL"],
        region_name="eu-west-3",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def run_local(s3: dict[str, str], **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_", "AWS_"))}
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "run-local"],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT / "jobs"), **s3, **as_typed(variables)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def keys(s3: dict[str, str], prefix: str) -> set[str]:
    return {item["Key"] for item in client_of(s3).list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])}


@pytest.mark.slow
def test_images_and_results_on_s3(s3: dict[str, str]) -> None:
    output = f"s3://{BUCKET}/results/run 1"
    process = run_local(s3, INPUT=f"s3://{BUCKET}/images", OUTPUT=output, K="4")
    assert process.returncode == 0, process.stdout + process.stderr
    assert f"results   {output}" in process.stdout
    # pyarrow leaves empty objects "folder/" where it deleted, as other S3 clients do
    found = {key.removeprefix("results/run 1/") for key in keys(s3, "results/") if not key.endswith("/")}
    assert {"run.json", "report.html", "pca/scores.csv", "pca/model.npz", "_run/progress.json"} <= found
    assert not [key for key in found if key.startswith(("_run/listing", "_run/todo", "_run/workers"))]
    again = run_local(s3, INPUT=f"s3://{BUCKET}/images", OUTPUT=output, K="3")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no feature was computed: all 16 were kept" in again.stdout


@pytest.mark.slow
def test_a_flat_folder_of_more_than_a_page_is_listed_by_ranges(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,100 photographs in one folder: S3 names 1,000 at a time."""
    client = client_of(s3)
    pictures = [client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in sorted(keys(s3, "images/"))]
    for number in range(1100):
        client.put_object(Bucket=BUCKET, Key=f"flat/IMG_{number:04d}.jpg", Body=pictures[number % len(pictures)])
    for name, value in s3.items():
        monkeypatch.setenv(name, value)
    pages._make_client.cache_clear()
    walk = listing.walk_down(Store(f"s3://{BUCKET}/flat"), Store(str(tmp_path)))
    assert len(walk.folders) > 1
    assert all(isinstance(folder, pages.Range) for folder in walk.folders)
    assert not walk.parts
    process = run_local(s3, INPUT=f"s3://{BUCKET}/flat", OUTPUT=str(tmp_path / "out"), K="3")
    assert process.returncode == 0, process.stdout + process.stderr
    tables = [pq.read_table(part, columns=["path"]) for part in (tmp_path / "out" / "features").glob("*.parquet")]
    paths = sorted(path for table in tables for path in table.column("path").to_pylist())
    assert paths == [f"s3://{BUCKET}/flat/IMG_{number:04d}.jpg" for number in range(1100)]


@pytest.fixture
def refused(
    s3: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """What `make run-local` answers in this process: exit code, and what it complained of in one line."""
    for name, value in s3.items():
        monkeypatch.setenv(name, value)

    def run(**variables: str) -> tuple[int, str]:
        code = cli.run(COMMANDS["run-local"], {}, as_typed(variables))
        return code, " ".join(capsys.readouterr().err.split())

    return run


def test_a_bucket_that_is_not_there_is_named(refused: Callable[..., tuple[int, str]]) -> None:
    code, text = refused(INPUT="s3://fruits-none/images", OUTPUT=f"s3://{BUCKET}/results/x")
    assert code == 10
    assert "there is nothing at the input s3://fruits-none/images" in text
    code, text = refused(INPUT=f"s3://{BUCKET}/images", OUTPUT="s3://fruits-none/results")  # the job's own word
    assert code == 13
    assert "the results cannot be written" in text
    assert "check the spelling of the bucket" in text
    assert "Traceback" not in text


def test_a_request_is_read_from_s3(s3: dict[str, str], refused: Callable[..., tuple[int, str]]) -> None:
    client = client_of(s3)
    fields = {"input": f"s3://{BUCKET}/images", "output": "nowhere/at-all", "k": 2, "colour": "red"}
    client.put_object(Bucket=BUCKET, Key="requests/é 1.json", Body=json.dumps(fields).encode())
    code, text = refused(REQUEST=f"s3://{BUCKET}/requests/é 1.json")
    assert code == 2
    assert "the request has an unknown field 'colour'" in text
