"""`make diagnose`, and what `run-step` and `apply` print of it, on moto in this process: what is awaited, how long."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ops.aws import poll as polling
from ops.aws.account import Account
from ops.cli import diagnose as main
from ops.cli import run_step, steps
from ops.cli.commands import COMMANDS
from ops.cli.main import run
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.target import Target
from ops.diagnose import render
from ops.diagnose import wait as command
from ops.diagnose.gather import TreeShelf
from ops.lifecycle import step

CORPUS = Path(__file__).parent / "corpus"
REPO = Path(__file__).resolve().parents[2]
REGION = "eu-west-3"
CLUSTER, STEP, LOGS, DATA = "j-2AXXXXXXGAPLF", "s-08812552QZHJ7GG0YUF2", "fruits-logs", "fruits-data"


@dataclass
class Emr:
    """EMR's answers about one cluster and one step, and what was asked."""

    step_status: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=lambda: {"State": "WAITING", "StateChangeReason": {}})
    asked: list[str] = field(default_factory=list)

    def describe_cluster(self, **_: str) -> dict[str, Any]:
        self.asked.append("DescribeCluster")
        return {"Cluster": {"Id": CLUSTER, "Status": self.status, "LogUri": f"s3n://{LOGS}/emr/"}}

    def describe_step(self, **_: str) -> dict[str, Any]:
        self.asked.append("DescribeStep")
        arguments = ["spark-submit", "x.py", "--request", f"s3://{DATA}/requests/r.json"]
        return {"Step": {"Id": STEP, "Config": {"Args": arguments}, "Status": self.step_status}}

    def list_instance_fleets(self, **_: str) -> dict[str, Any]:
        self.asked.append("ListInstanceFleets")
        return {"InstanceFleets": []}

    def get_paginator(self, name: str) -> Any:
        self.asked.append(
            {"list_steps": "ListSteps", "list_instances": "ListInstances", "list_clusters": "ListClusters"}[name]
        )
        page: dict[str, Any] = {
            "Steps": [{"Id": STEP, "Status": self.step_status}] if self.step_status else [],
            "Instances": [],
            "Clusters": [{"Id": "j-OTHER00000000", "Name": "another"}, {"Id": CLUSTER, "Name": "fruits-dev"}],
        }
        return type("Pages", (), {"paginate": lambda _, **__: iter([page])})()


class Known(Account):
    """An account whose stacks are applied, and whose EMR is the one above."""

    emr: Emr
    ended: datetime
    storage: dict[str, Any] = {"buckets": {"data": DATA, "logs": LOGS}}  # noqa: RUF012
    cluster: dict[str, Any] = {"cluster_id": CLUSTER}  # noqa: RUF012

    def client(self, service: str) -> Any:
        return Known.emr if service == "emr" else super().client(service)


@pytest.fixture(autouse=True)
def readable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The job's reader of stores is pyarrow's, which moto in this process cannot answer: S3 through boto3 instead."""
    from fruits.store import Store

    def fetch(store: Store, key: str) -> bytes:
        bucket, _, prefix = store.uri.removeprefix("s3://").partition("/")
        try:
            answer = boto3.client("s3", region_name=REGION).get_object(
                Bucket=bucket, Key=f"{prefix}/{key}" if key else prefix
            )
        except Exception as error:
            raise FileNotFoundError(key) from error
        return bytes(answer["Body"].read())

    monkeypatch.setattr(Store, "read", fetch)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[Known]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(command, "POLL_SECONDS", 0.01)
    Known.ended = datetime.now(UTC) - timedelta(seconds=60)  # of this test: of its module's import it would be long ago
    began = Known.ended - timedelta(minutes=4)
    with mock_aws():
        for bucket in (DATA, LOGS):
            boto3.client("s3", region_name=REGION).create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
        Known.emr = Emr(
            {
                "State": "FAILED",
                "FailureDetails": {"Reason": "Unknown Error."},
                "Timeline": {"StartDateTime": began, "EndDateTime": Known.ended},
            }
        )
        yield Known(Target(env="dev", region=REGION, account_id="123456789012"))


def ship(account: Account, name: str, only: str = "") -> None:
    """Put the logs of a kept failure where EMR puts them."""
    tree = TreeShelf(CORPUS / name / "tree")
    for log in tree.all:
        if only in log.key and log.kind != "other":
            data = (CORPUS / name / "tree" / log.key).read_bytes()
            ours = log.key.replace(log.cluster or CLUSTER, CLUSTER).replace(log.step or STEP, STEP)
            key = ours if log.kind == "cause" else f"emr/{ours}"
            packed = log.key.endswith((".gz", ".json"))
            account.client("s3").put_object(
                Bucket=LOGS, Key=key if packed else f"{key}.gz", Body=data if packed else gzip.compress(data)
            )


def diagnosed(
    account: Account, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environ: str
) -> tuple[int, str]:
    """Type `make diagnose`."""
    monkeypatch.setattr(main, "open_account", lambda _: account)
    code = run(COMMANDS["diagnose"], {"ENV": "dev", **environ}, {})
    out, err = capsys.readouterr()
    return code, out + err


def test_the_newest_failed_step_is_found_and_its_driver_read(
    known: Known, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship(known, "yarn-kills-executor")
    code, said = diagnosed(known, monkeypatch, capsys)
    assert code == 0, said
    assert f"the step {STEP} on {CLUSTER} failed\n" in said
    assert "probable cause out-of-memory-executor: YARN killed an executor's container" in said
    assert "core, task in infra/env/dev.cluster.tfvars" in said
    assert re.search(rf"^log +s3://{LOGS}/emr/{CLUSTER}/containers/\S+_000001/stderr\.gz$", said, re.MULTILINE)


def test_json_is_for_a_program(
    known: Known, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ship(known, "yarn-kills-driver")
    code, said = diagnosed(known, monkeypatch, capsys, JSON="1", STEP=STEP, CLUSTER=CLUSTER)
    told, _ = json.JSONDecoder().raw_decode(said)
    assert code == 0
    assert (told["cause"], told["step_id"], told["certain"]) == ("out-of-memory-driver", STEP, False)
    assert told["logs"][0].startswith(f"s3://{LOGS}/emr/{CLUSTER}/")


def test_late_logs_are_awaited_and_named(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing, then the step's own log, then the driver's: each time it is said what is missing."""
    looks = 0

    def sleep(_: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:
            ship(known, "worker-array-memory", only="/steps/")
        if looks == 4:
            ship(known, "worker-array-memory", only="/containers/")

    # the module's own, not the program's: Spark's threads, in a process that had a session, sleep too
    monkeypatch.setattr(polling, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    out = io.StringIO()
    found = command.diagnose_step(known, CLUSTER, STEP, Console(file=out, width=300), patience=60)
    assert found.verdict.cause == "out-of-memory-python"
    assert looks == 4
    said = out.getvalue()
    folder = f"s3://{LOGS}/emr/{CLUSTER}"
    assert f"waiting for the step's own log ({folder}/steps/{STEP}/stderr.gz); EMR ships logs about every five" in said
    assert f"waiting for the driver's log (below {folder}/containers/application_1795600000000_0001/)" in said


def test_patience_ends_with_what_is_missing_and_how_to_go_on(known: Known) -> None:
    found = command.diagnose_step(known, CLUSTER, STEP, Console(quiet=True), patience=0)
    assert found.verdict.cause == "unknown"
    said = found.as_text("dev")
    assert re.search(
        r"^not there yet +the step's own log .*: EMR ships logs about every five minutes", said, re.MULTILINE
    )
    assert said.splitlines()[-1] == f"next           make diagnose STEP={STEP}, when its logs have arrived"


def end_step(hours: float) -> None:
    """Let the step have ended that long ago."""
    began, end = Known.emr.step_status["Timeline"].values()
    shift = end - (datetime.now(UTC) - timedelta(hours=hours))
    Known.emr.step_status["Timeline"] = {"StartDateTime": began - shift, "EndDateTime": end - shift}


def test_logs_that_will_not_come_any_more_are_not_awaited(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an old step half the logs are gone: nobody waits for them, and nothing says that they are on their way."""
    ship(known, "worker-array-memory", only="/steps/")
    end_step(hours=2)

    def sleep(_: float) -> None:
        raise AssertionError("nothing can come any more")

    monkeypatch.setattr(polling, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    # moto dates what is shipped now: the step's own log is new enough, the driver's is missing
    found = command.diagnose_step(known, CLUSTER, STEP, Console(quiet=True), patience=600)
    printed = found.as_text("dev")
    assert re.search(r"^not there +the driver's log \(below \S+\): EMR ships logs within 15 min", printed, re.MULTILINE)
    assert "not there yet" not in printed
    assert "when its logs have arrived" not in printed
    assert render.as_json(found.evidence, found.verdict)["missing"].startswith("the driver's log")


@pytest.mark.parametrize(("minutes", "limit"), [(0.0, 600.0), (10.0, 300.0), (14.0, 60.0), (16.0, 0.0)])
def test_the_wait_ends_when_no_log_can_come_any_more(
    known: Known, monkeypatch: pytest.MonkeyPatch, minutes: float, limit: float
) -> None:
    end_step(hours=minutes / 60)
    limits: list[float] = []
    monkeypatch.setattr(command, "poll", lambda *_, limit, **__: limits.append(limit))
    command.diagnose_step(known, CLUSTER, STEP, Console(quiet=True), patience=600)
    assert limits == [pytest.approx(limit, abs=5)]


def test_ctrl_c_while_waiting_tells_what_is_known(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    def sleep(_: float) -> None:
        raise KeyboardInterrupt

    # the module's own, not the program's: Spark's threads, in a process that had a session, sleep too
    monkeypatch.setattr(polling, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    out = io.StringIO()
    found = command.diagnose_step(known, CLUSTER, STEP, Console(file=out), patience=60)
    assert found.verdict.cause == "unknown"
    assert "stopped waiting; this is what is known so far" in out.getvalue()


def record(account: Account, run_id: str) -> None:
    """What the job leaves, beside its request."""
    output = f"s3://{DATA}/results/x"
    body = json.dumps({"input": f"s3://{DATA}/images", "output": output}).encode()
    account.client("s3").put_object(Bucket=DATA, Key="requests/r.json", Body=body)
    kept = json.loads((CORPUS / "rejects-over-limit" / "tree" / "error.json").read_text())
    body = json.dumps({**kept, "run_id": run_id}).encode()
    account.client("s3").put_object(Bucket=DATA, Key="results/x/_run/error.json", Body=body)


def test_the_jobs_own_words_need_no_log(known: Known) -> None:
    record(known, f"{known.ended - timedelta(minutes=3):%Y%m%dT%H%M%SZ}-12")
    found = command.diagnose_step(known, CLUSTER, STEP, Console(quiet=True), patience=600)
    assert (found.verdict.cause, found.verdict.certain, found.verdict.exit_code) == ("rejects-over-limit", True, 15)
    said = found.as_text("dev")
    assert "where          jobs/fruits/pipeline.py:" in said
    assert "fix            repair or remove them (all are named in s3://" in said
    assert f"s3://{LOGS}/emr/{CLUSTER}/steps/{STEP}/" in said
    assert re.search(r"^not there yet +the step's own log", said, re.MULTILINE)
    assert said.splitlines()[-1] == "next           make run-step"


def test_an_earlier_runs_words_are_not_taken(known: Known) -> None:
    record(known, f"{known.ended - timedelta(days=1):%Y%m%dT%H%M%SZ}-12")
    found = command.diagnose_step(known, CLUSTER, STEP, Console(quiet=True), patience=0)
    assert found.verdict.cause == "unknown"


def failed(code: str, message: str) -> Emr:
    return Emr(status={"State": "TERMINATED_WITH_ERRORS", "StateChangeReason": {"Code": code, "Message": message}})


def test_a_bootstraps_json_needs_no_log(known: Known, tmp_path: Path) -> None:
    name = "bootstrap-disk"
    instance = json.loads(next((CORPUS / name).rglob("i-*.json")).read_text())["instance"]
    body = next((CORPUS / name).rglob("i-*.json")).read_bytes()
    known.client("s3").put_object(Bucket=LOGS, Key=f"node/bootstrap/{CLUSTER}/{instance}.json", Body=body)
    Known.emr = failed(
        "BOOTSTRAP_FAILURE", f"On the master instance ({instance}), bootstrap action 1 returned a non-zero return code"
    )
    found = command.diagnose(known, Console(quiet=True), patience=600)
    assert (found.verdict.cause, found.verdict.certain) == ("bootstrap-disk", True)
    assert f"s3://{LOGS}/emr/{CLUSTER}/node/{instance}/bootstrap-actions/1/" in found.as_text()


def test_capacity_is_known_at_once(known: Known) -> None:
    Known.emr = failed("INTERNAL_ERROR", "EC2 is out of capacity for m5.xlarge in availability zone eu-west-3a.")
    found = command.diagnose(known, Console(quiet=True), patience=600)
    assert found.verdict.cause == "no-capacity"
    assert "wait and try again, or give more types and zones" in found.as_text()


@pytest.mark.parametrize(
    ("emr", "environ", "sentence"),
    [
        (
            Emr(),
            {},
            "nothing failed: the cluster j-2AXXXXXXGAPLF is WAITING, and none of its steps FAILED. A step that seems",
        ),
        (
            Emr({"State": "COMPLETED", "Timeline": {}}),
            {"STEP": STEP},
            f"nothing failed: the step {STEP} is COMPLETED. make steps ENV=dev names those that have failed.",
        ),
        (Emr({"State": "RUNNING", "Timeline": {}}), {"STEP": STEP}, "still-running: the step still runs"),
    ],
)
def test_where_nothing_failed_that_is_said(
    known: Known,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    emr: Emr,
    environ: dict[str, str],
    sentence: str,
) -> None:
    Known.emr = emr
    code, said = diagnosed(known, monkeypatch, capsys, **environ)
    assert code == 0
    assert sentence in said


def test_a_saved_tree_needs_no_account(
    known: Known, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copytree(CORPUS / "unknown-words" / "tree", tmp_path / "logs")
    code, said = diagnosed(known, monkeypatch, capsys, LOGS=str(tmp_path / "logs"))
    assert code == 28
    assert "unknown: nothing that was found is a known cause" in said
    assert "peel: the moon is full and the tide is out" in said
    code, said = diagnosed(known, monkeypatch, capsys, LOGS=str(tmp_path / "gone"))
    assert code == 2
    assert "there is no folder" in said
    (tmp_path / "empty").mkdir()
    code, said = diagnosed(known, monkeypatch, capsys, LOGS=str(tmp_path / "empty"))
    assert code == 2
    assert "there is no log of EMR below" in said
    code, said = diagnosed(known, monkeypatch, capsys, LOGS="s3://b/logs/")
    assert code == 2
    assert "aws s3 cp --recursive s3://b/logs/ logs" in said


def test_run_step_ends_with_the_cause_and_the_jobs_code(known: Known) -> None:
    ship(known, "yarn-kills-driver")
    out = io.StringIO()
    submitted = step.Submitted(CLUSTER, STEP, f"s3://{DATA}/results/x")
    code = step.conclude(known, submitted, {"State": "FAILED"}, Console(file=out, width=200), patience=0)
    assert code == 23
    assert "probable cause out-of-memory-driver: YARN killed the driver's container" in out.getvalue()
    assert out.getvalue().splitlines()[-1] == "next           make apply, then make run-step"


def test_a_one_shot_cluster_is_destroyed_before_its_logs_are_awaited(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that ends ships its logs at once, and one that waits bills."""
    done: list[str] = []

    def begin(*_: Any, **__: Any) -> step.Submitted:
        done.append("step")
        return step.Submitted(CLUSTER, STEP, f"s3://{DATA}/results/x")

    def destroy(*_: Any) -> None:
        done.append("destroy")
        ship(known, "yarn-kills-driver")

    monkeypatch.setattr(step, "begin", begin)
    monkeypatch.setattr(step, "watch", lambda *_: {"State": "FAILED"})
    monkeypatch.setattr(run_step, "destroy", destroy)
    out = io.StringIO()
    assert run_step.run_once(known, {}, Console(file=out, width=300), step.Terms(one_shot=True)) == 23
    assert done == ["step", "destroy"]
    before, after = out.getvalue().split("waiting for", 1)[0], out.getvalue()
    assert f"next           make diagnose STEP={STEP}, when its logs have arrived" in before
    assert "probable cause out-of-memory-driver" in after


def test_a_cause_that_cannot_be_looked_for_does_not_hide_the_failure(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperatorError("no route")

    monkeypatch.setattr(command, "diagnose_step", refuse)
    out = io.StringIO()
    assert step.tell_why(known, CLUSTER, STEP, Console(file=out, width=200), patience=0) == 23
    assert out.getvalue() == (
        f"the step {STEP} failed, and why could not be found out (no route). Fix: make diagnose STEP={STEP}.\n"
    )


def test_a_cancelled_step_of_a_living_cluster_is_only_cancelled(known: Known) -> None:
    out = io.StringIO()
    submitted = step.Submitted(CLUSTER, STEP, f"s3://{DATA}/results/x")
    assert step.conclude(known, submitted, {"State": "CANCELLED"}, Console(file=out), patience=0) == 24
    assert out.getvalue() == f"the step {STEP} was cancelled\n"


TERRAFORM = (
    "aws_emr_cluster.this: Creating...\n╷\n│ Error: running EMR Job Flow: operation error EMR: RunJobFlow, https "
    "response error StatusCode: 400, RequestID: 1, api error AccessDeniedException: "
    "User: arn:aws:iam::123456789012:user/ana is not authorized to perform: elasticmapreduce:RunJobFlow on resource: "
    "arn:aws:elasticmapreduce:eu-west-3:123456789012:cluster/*\n│\n│   with module.emr.aws_emr_cluster.this,\n╵\n"
)


def test_what_terraform_was_refused_is_named_without_a_cluster(known: Known) -> None:
    found = command.diagnose_start(known, TERRAFORM, Console(quiet=True))
    assert found is not None
    assert found.verdict.cause == "access-denied"
    assert "elasticmapreduce:RunJobFlow on arn:aws:elasticmapreduce:" in found.verdict.meaning
    assert "infra/operators" in found.verdict.fix
    assert command.diagnose_start(known, "╷\n│ Error: Invalid index\n╵\n", Console(quiet=True)) is None


def test_a_cluster_that_terraform_names_is_asked(known: Known) -> None:
    Known.emr = failed(
        "VALIDATION_ERROR",
        "The number of vCPUs for instance type m5.xlarge exceeds the EC2 service quota for that type.",
    )
    printed = f"│ Error: waiting for EMR Cluster ({CLUSTER}) to create: unexpected state 'TERMINATED_WITH_ERRORS'"
    found = command.diagnose_start(known, printed, Console(quiet=True))
    assert found is not None
    assert found.verdict.cause == "quota"
    assert "make doctor says how many are free" in found.verdict.fix


def test_an_apply_that_broke_off_leaves_a_cluster_to_be_found_by_its_name(
    known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_: Account) -> dict[str, Any]:
        from ops.core.errors import NotAppliedError

        raise NotAppliedError("there is no cluster of ENV=dev. Fix: make apply.")

    monkeypatch.setattr(Known, "cluster", property(nothing))
    assert command.find_cluster_id(known) == CLUSTER


def test_operators_may_ask_all_that_is_asked(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls that diagnosing makes are among those that the operators' policies name."""
    ship(known, "yarn-kills-driver")
    called: set[str] = set()
    asked = known.client("s3")
    asked.meta.events.register("before-call.s3", lambda model, **_: called.add(model.name))
    monkeypatch.setattr(Known, "client", lambda _, service: Known.emr if service == "emr" else asked)
    command.diagnose(known, Console(quiet=True), patience=0)
    Known.emr.status = failed("BOOTSTRAP_FAILURE", "x").status
    command.diagnose_cluster(known, CLUSTER, Console(quiet=True), patience=0)
    policies = "".join(path.read_text() for path in (REPO / "infra" / "operators").glob("*.tf"))
    allowed = set(re.findall(r'"((?:elasticmapreduce|s3):\w+)"', policies))
    assert {"DescribeCluster", "DescribeStep", "ListSteps", "ListInstances"} <= set(Known.emr.asked)
    assert {f"elasticmapreduce:{name}" for name in {*Known.emr.asked, "ListClusters"}} <= allowed
    assert called == {"ListObjectsV2", "GetObject"}
    assert {"s3:ListBucket", "s3:GetObject"} <= allowed


def test_the_list_of_steps_bears_the_cause_that_is_known(known: Known) -> None:
    """Without logs what EMR says is all there is; with them the cause, and nothing is awaited."""
    assert steps.find_cause(known, CLUSTER, STEP, logs=True) is None
    ship(known, "yarn-kills-executor")
    found = steps.find_cause(known, CLUSTER, STEP, logs=True)
    assert found is not None
    assert found.startswith("out-of-memory-executor: YARN killed an executor's container for its memory")
    row = {"id": STEP, "state": "FAILED", "seconds": 7, "output": None, "reason": "x"}
    row |= {"submitted": known.ended.isoformat()}
    out = io.StringIO()
    Console(file=out, width=300).print(steps.make_steps_table(CLUSTER, [row | {"cause": found}]))
    assert found in out.getvalue()


def test_an_issues_text_names_no_account_key_address_or_mail(
    known: Known, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tree = shutil.copytree(CORPUS / "unknown-words" / "tree", tmp_path / "logs")
    secrets = {
        "123456789012": "arn:aws:iam::123456789012:role/x",
        "AKIAIOSFODNN7EXAMPLE": "key AKIAIOSFODNN7EXAMPLE",
        "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY": "fs.s3a.secret.key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
        "10.0.1.23": "at ip-10-0-1-23.eu-west-3.compute.internal/10.0.1.23:8020",
        "ip-10-0-1-23": "host ip-10-0-1-23.ec2.internal",
        "ana@example.org": "ana@example.org",
        "f00dfeed": "GET https://b.s3.amazonaws.com/k?X-Amz-Credential=A%2F2&X-Amz-Signature=f00dfeed",
        "2001:db8:0:1:1:1:1:1": "from 2001:db8:0:1:1:1:1:1",
        "/home/ana/": 'File "/home/ana/job.py"',
    }
    driver = next(tree.glob("*/containers/*/*_000001/stderr"))
    driver.write_text("\n".join(["peel: the moon is full", *secrets.values(), "peel: the tide is out"]) + "\n")
    code, said = diagnosed(known, monkeypatch, capsys, LOGS=str(tree), REPORT="1")
    assert code == 28
    assert said.startswith("# unknown: ")
    assert "peel: the moon is full" in said
    assert [secret for secret in secrets if secret in said] == []
