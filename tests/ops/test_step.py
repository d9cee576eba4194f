"""What leaves this machine when a step is submitted, and what is refused; on moto, in this process. Seconds."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from fruits.backbones import BACKBONES
from fruits.errors import FruitsError, UsageError
from moto import mock_aws

from ops.aws.account import Account
from ops.cli import run_step
from ops.cli.values import read_fields
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.target import Target
from ops.job.package import job_zip, write_job_zip
from ops.lifecycle import step
from ops.lifecycle.upload import list_images, upload

REGION = "eu-west-3"
BUCKETS = {"data": "fruits-data", "artifacts": "fruits-artifacts", "logs": "fruits-logs"}


class AppliedAccount(Account):
    """An account whose stacks are applied; their outputs are given, not asked of Terraform."""

    storage: dict[str, Any] = {"buckets": BUCKETS}  # noqa: RUF012
    cluster: dict[str, Any] = {}  # noqa: RUF012


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AppliedAccount]:
    for name, value in {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        s3 = boto3.client("s3", region_name=REGION)
        for bucket in BUCKETS.values():
            s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        answer = boto3.client("emr", region_name=REGION).run_job_flow(
            Name="c",
            ReleaseLabel="emr-7.13.0",
            Instances={
                "MasterInstanceType": "m5.xlarge",
                "SlaveInstanceType": "m5.xlarge",
                "InstanceCount": 2,
                "KeepJobFlowAliveWhenNoSteps": True,
            },
            JobFlowRole="r",
            ServiceRole="s",
        )
        found = AppliedAccount(Target(env="dev", region=REGION, account_id="123456789012"))
        found.cluster.update(cluster_id=answer["JobFlowId"], sizing={"worker_vcpus": 14})
        yield found


def keys(account: Account, bucket: str) -> dict[str, Any]:
    found = account.client("s3").list_objects_v2(Bucket=BUCKETS[bucket]).get("Contents", [])
    return {item["Key"]: item["LastModified"] for item in found}


def test_the_zip_is_the_same_bytes_every_time_and_holds_the_whole_package(tmp_path: Path) -> None:
    assert job_zip() == job_zip()
    names = set(zipfile.ZipFile(io.BytesIO(job_zip())).namelist())
    assert {"fruits/__init__.py", "fruits/pipeline.py", "fruits/backbones/lite0.py"} <= names
    assert not any("__pycache__" in name for name in names)
    first = write_job_zip(tmp_path)
    assert write_job_zip(tmp_path) == first
    assert first.read_bytes() == job_zip()


def test_the_job_is_uploaded_once(account: AppliedAccount) -> None:
    entry, packed = step.upload_job(account)
    before = keys(account, "artifacts")
    assert len(before) == 2
    assert step.upload_job(account) == (entry, packed)
    assert keys(account, "artifacts") == before
    assert entry.rpartition("/")[0] == packed.rpartition("/")[0]


def test_a_half_uploaded_file_is_sent_again(account: AppliedAccount) -> None:
    _, packed = step.upload_job(account)
    key = packed.removeprefix(f"s3://{BUCKETS['artifacts']}/")
    account.client("s3").put_object(Bucket=BUCKETS["artifacts"], Key=key, Body=b"half")
    step.upload_job(account)
    body = account.client("s3").get_object(Bucket=BUCKETS["artifacts"], Key=key)["Body"].read()
    assert body == job_zip()


def test_accents_and_commas_travel_in_the_request_not_in_the_arguments(account: AppliedAccount) -> None:
    request = step.request_for(account, read_fields({"CLASSES": "Pomme d'été, verte; Cherry", "LIMIT": "25"}))
    submitted = step.submit(account, request, queue=True)
    answer = account.client("emr").describe_step(ClusterId=submitted.cluster_id, StepId=submitted.step_id)
    arguments = answer["Step"]["Config"]["Args"]
    assert arguments[:3] == ["spark-submit", "--deploy-mode", "cluster"]
    assert all(word.isascii() and "," not in word and word for word in arguments)
    uri = arguments[arguments.index("--request") + 1]
    key = uri.removeprefix(f"s3://{BUCKETS['data']}/")
    fields = json.loads(account.client("s3").get_object(Bucket=BUCKETS["data"], Key=key)["Body"].read())
    assert fields["classes"] == ["Pomme d'été, verte", "Cherry"]
    assert fields["limit"] == 25
    assert fields["parallelism"] == 14
    assert fields["input"] == "s3://fruits-data/images"
    assert submitted.output == fields["output"] == "s3://fruits-data/results/efficientnet_lite0"


def test_a_second_step_is_refused_with_the_first_ones_id_unless_queued(account: AppliedAccount) -> None:
    request = step.request_for(account, {})
    first = step.submit(account, request, queue=False)
    with pytest.raises(OperatorError, match=f"the step {first.step_id} is (PENDING|RUNNING) on j-.*QUEUE=1") as caught:
        step.submit(account, request, queue=False)
    assert caught.value.exit_code == 22
    assert step.submit(account, request, queue=True).step_id != first.step_id


def test_a_cluster_that_has_ended_is_named(account: AppliedAccount) -> None:
    account.client("emr").terminate_job_flows(JobFlowIds=[account.cluster["cluster_id"]])
    with pytest.raises(OperatorError, match=r"is TERMINATED.*Fix: make apply creates a new one") as caught:
        step.submit(account, step.request_for(account, {}), queue=False)
    assert caught.value.exit_code == 21


def test_a_wrong_number_is_refused_before_anything_is_uploaded(account: AppliedAccount) -> None:
    with pytest.raises(UsageError, match="K=many is not a whole number"):
        step.request_for(account, read_fields({"K": "many"}))
    assert not keys(account, "artifacts")


@pytest.mark.parametrize(
    ("variables", "code", "sentence"),
    [
        ({}, 10, "there is nothing at the input s3://fruits-data/images. Fix: make upload-dataset INPUT=folder, or "),
        ({"INPUT": "s3://fruits-data/imag"}, 10, "there is nothing at the input s3://fruits-data/imag. Fix: "),
        ({"INPUT": "s3://no-such-bucket/images"}, 10, "there is nothing at the input s3://no-such-bucket/images. "),
        ({"INPUT": "/data/fruits"}, 10, "there is nothing at the input /data/fruits. Fix: make upload-dataset "),
        ({"INPUT": "s3://fruits-data/here", "MODEL": "vgg17"}, 11, "the model 'vgg17' is unknown. Fix: one of "),
        ({"INPUT": "s3://fruits-data/here", "MODEL": "resnet50"}, 11, "the weights of resnet50 are not where the "),
        (
            {"INPUT": "s3://fruits-data/here", "MODEL": "resnet50", "WEIGHTS": "s3://fruits-data/here"},
            11,
            "the weights of resnet50 are not where the cluster can read them. Fix: make weights MODEL=resnet50, ",
        ),
        ({"INPUT": "s3://fruits-data/here", "MODEL": "s3://fruits-data/x.keras"}, 11, "there is no model s3://fruits-"),
    ],
)
def test_what_is_not_there_costs_a_sentence_and_no_step(
    account: AppliedAccount, variables: dict[str, str], code: int, sentence: str
) -> None:
    s3 = account.client("s3")
    s3.put_object(Bucket="fruits-data", Key="here/Apple/1.jpg", Body=b"x")
    s3.put_object(Bucket="fruits-data", Key="images-of-others/Apple/1.jpg", Body=b"x")
    with pytest.raises(FruitsError) as caught:
        step.run_step(account, read_fields(variables), Console(quiet=True), step.Terms(detach=True))
    assert str(caught.value).startswith(sentence)
    assert caught.value.exit_code == code
    assert not keys(account, "artifacts")


def test_what_is_there_is_submitted(account: AppliedAccount) -> None:
    file = BACKBONES["resnet50"].source.file
    for key in ("images/Apple/1.jpg", f"weights/{file}"):
        account.client("s3").put_object(Bucket="fruits-data", Key=key, Body=b"x")
    variables = {"MODEL": "resnet50", "WEIGHTS": "s3://fruits-data/weights/"}
    assert step.run_step(account, read_fields(variables), Console(quiet=True), step.Terms(detach=True)) == 0
    assert (
        step.run_step(account, {"input": "gs://elsewhere/x"}, Console(quiet=True), step.Terms(detach=True, queue=True))
        == 0
    )


def test_a_request_in_a_file_is_what_the_step_is_given(
    account: AppliedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3, given = account.client("s3"), {"input": "s3://fruits-data/photos", "output": "s3://fruits-data/out", "k": 7}
    s3.put_object(Bucket="fruits-data", Key="photos/Apple/1.jpg", Body=b"x")
    s3.put_object(Bucket="fruits-data", Key="my/request.json", Body=json.dumps(given).encode())
    store = io.BytesIO(s3.get_object(Bucket="fruits-data", Key="my/request.json")["Body"].read())
    monkeypatch.setattr(AppliedAccount, "store", lambda self, uri: SimpleNamespace(read=lambda name: store.read()))
    monkeypatch.setattr(run_step, "open_account", lambda environ: account)
    assert run_step.main({"REQUEST": "s3://fruits-data/my/request.json", "DETACH": "1", "K": "9"}) == 0
    (sent,) = [key for key in keys(account, "data") if key.startswith("requests/")]
    fields = json.loads(s3.get_object(Bucket="fruits-data", Key=sent)["Body"].read())
    assert {name: fields[name] for name in given} == given


def test_images_are_uploaded_once_and_counted(account: AppliedAccount, tmp_path: Path) -> None:
    def send(folder: Path) -> tuple[int, int]:
        paths, _ = list_images(folder)
        counts = upload(account.client("s3"), BUCKETS["data"], folder, paths, Console(quiet=True))
        assert sum(counts.here.values()) == sum(counts.after.values()) == counts.images
        return counts.sent, counts.images

    for name in ("Été 1/a.jpg", "Été 1/b.PNG", "Cherry/c.jpeg", "Cherry/notes.txt", "Cherry/._c.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    assert send(tmp_path) == (3, 3)
    assert set(keys(account, "data")) == {"images/Été 1/a.jpg", "images/Été 1/b.PNG", "images/Cherry/c.jpeg"}
    assert send(tmp_path) == (0, 3)
    (tmp_path / "Cherry/c.jpeg").write_bytes(b"changed, and longer than before")
    assert send(tmp_path) == (1, 3)
    os.utime(tmp_path / "Cherry/c.jpeg", (4e9, 4e9))
    assert send(tmp_path) == (0, 3), "a file of the future has no age"


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(OperatorError, match="there is no image below") as caught:
        list_images(tmp_path)
    assert caught.value.exit_code == 10
    with pytest.raises(OperatorError, match="is not a folder"):
        list_images(tmp_path / "nothing")
