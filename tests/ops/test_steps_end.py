"""States of steps and clusters against EMR's own list, and what a step's watcher says when it stops watching."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from fruits.store import Store

from ops.aws.account import Account, read_output_from
from ops.aws.states import LIVE_STATES, OPEN_STATES
from ops.cli import run_step
from ops.cli.run_step import read_terms
from ops.core.console import Console
from ops.core.target import Target
from ops.lifecycle import step
from ops.lifecycle.step import Submitted

SUBMITTED = Submitted("j-1", "s-1", "s3://b/results/m")
AWS = Account(Target(env="dev", region="eu-west-3", account_id="123456789012"))
EMULATED = Account(Target(env="local", region="eu-west-3", account_id="123456789012", endpoint="http://127.0.0.1:1"))


def states(shape: str) -> set[str]:
    """What EMR's model lists."""
    return set(botocore.session.get_session().get_service_model("emr").shape_for(shape).enum)


@pytest.mark.parametrize(
    ("output", "goal"),
    [
        ("s3://fruits-local-data-123456789012/results/efficientnet_lite0", "results"),
        ("s3://fruits-local-data-123456789012/results/efficientnet_lite0/", "results"),
        ("s3://fruits-local-data-123456789012/results/resnet50", "results OUTPUT={}"),
        ("s3://fruits-local-data-123456789012/results/mine", "results OUTPUT={}"),
    ],
)
def test_the_next_command_finds_the_results_of_this_step(
    output: str, goal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_step, "tell_upkeep", lambda _: "nothing bills")
    account, printed = replace(EMULATED), io.StringIO()
    account.__dict__["storage"] = {"buckets": {"data": "fruits-local-data-123456789012"}}  # whatever is applied here
    assert run_step.tell_end(account, 0, Console(file=printed), output) == 0
    assert printed.getvalue() == f"nothing bills\nnext      make {goal.format(output)}, then make destroy\n"


def test_a_step_is_open_until_emr_says_that_it_ended() -> None:
    assert set(OPEN_STATES) == states("StepState") - {"COMPLETED", "CANCELLED", "FAILED", "INTERRUPTED"}
    assert len(OPEN_STATES) == 3


def test_a_cluster_is_live_until_it_ends() -> None:
    assert set(LIVE_STATES) == states("ClusterState") - {"TERMINATING", "TERMINATED", "TERMINATED_WITH_ERRORS"}


def test_a_step_that_is_not_ours_has_no_output() -> None:
    for arguments in ([], ["spark-submit", "x.py"], ["bash", "x.sh", "--request"]):
        assert read_output_from(AWS, arguments) is None


def console() -> Console:
    return Console(file=io.StringIO(), width=300)


def text(of: Console) -> str:
    assert isinstance(of.file, io.StringIO)
    return of.file.getvalue()


@pytest.mark.parametrize(
    ("account", "environ", "said"),
    [
        (AWS, {}, "continues, and the cluster bills until make destroy. Watch it: make watch STEP=s-1"),
        (
            EMULATED,
            {},
            "continues, and the cluster is the embedded AWS's: nothing is billed. Watch it: make watch STEP",
        ),
        (AWS, {"ONESHOT": "1"}, "ends with its cluster (ONESHOT=1)"),
    ],
)
def test_ctrl_c_says_what_becomes_of_the_step(
    monkeypatch: pytest.MonkeyPatch, account: Account, environ: dict[str, str], said: str
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "watch", interrupted)
    out = console()
    assert step.watch_to_the_end(account, SUBMITTED, out, read_terms(environ)) == 130
    assert f"stopped watching; the step s-1 {said}" in text(out)


def test_a_step_that_no_node_takes_is_cancelled_and_why_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled: list[dict[str, Any]] = []
    emr = SimpleNamespace(cancel_steps=lambda **arguments: cancelled.append(arguments))
    monkeypatch.setattr(Account, "client", lambda *_: emr)
    out = console()
    step.give_up(AWS, SUBMITTED, "no node has room", out)
    assert cancelled == [{"ClusterId": "j-1", "StepIds": ["s-1"], "StepCancellationOption": "TERMINATE_PROCESS"}]
    assert text(out) == (
        "the step waited 15 minutes (no node has room) and is being cancelled: waiting bills. Fix: make status shows "
        "the nodes; more types and zones, or on demand (infra/env), then make run-step.\n"
    )


def test_nothing_is_done_that_was_not_asked_for() -> None:
    terms = step.Terms()
    assert (terms.queue, terms.detach, terms.one_shot, terms.cost) == (False, False, False, True)


@pytest.mark.parametrize(
    ("account", "environ", "waits"),
    [(AWS, {}, True), (AWS, {"ONESHOT": "1"}, False), (EMULATED, {"ONESHOT": "1"}, True)],
)
def test_late_logs_are_not_awaited_while_a_cluster_of_one_step_bills(
    monkeypatch: pytest.MonkeyPatch, account: Account, environ: dict[str, str], waits: bool
) -> None:
    asked: dict[str, Any] = {}

    def conclude(*_: Any, patience: float, cost: bool) -> int:
        asked["patience"] = patience
        assert cost
        return 10

    monkeypatch.setattr(step, "watch", lambda *_: {"State": "FAILED"})
    monkeypatch.setattr(step, "conclude", conclude)
    assert step.watch_to_the_end(account, SUBMITTED, console(), read_terms(environ)) == 10
    assert (asked["patience"] > 0) is waits


@pytest.mark.parametrize(
    ("environ", "code", "queued", "said"),
    [
        (
            {"DETACH": "1"},
            0,
            False,
            "it continues, and the cluster bills until make destroy. Watch it: make watch STEP=s-1",
        ),
        ({"DETACH": "1", "QUEUE": "1"}, 0, True, "it continues"),
        ({}, 7, False, "step s-1 on j-1, results below s3://b/results/m"),
    ],
)
def test_a_step_is_watched_unless_it_is_detached(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], code: int, queued: bool, said: str
) -> None:
    given: dict[str, Any] = {}

    def submit(*_: Any, queue: bool) -> Submitted:
        given["queue"] = queue
        return SUBMITTED

    monkeypatch.setattr(step, "submit", submit)
    monkeypatch.setattr(step, "request_for", lambda *_: None)
    monkeypatch.setattr(step, "require_inputs", lambda *_: None)
    monkeypatch.setattr(step, "watch_to_the_end", lambda *_, **__: 7)
    out = console()
    assert step.run_step(AWS, {}, out, read_terms(environ)) == code
    assert given["queue"] is queued
    assert said in text(out)


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("WAITING", "ready", "the step s-1 was cancelled\n"),
        (
            "TERMINATED",
            "ended by schedule",
            "the step s-1 was cancelled: the cluster is TERMINATED (ended by schedule)\n",
        ),
        ("TERMINATED", "", "the step s-1 was cancelled\n"),
    ],
)
def test_a_cancelled_step_has_a_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, state: str, reason: str, said: str
) -> None:
    monkeypatch.setattr(Account, "cluster_state", lambda _: (state, reason))
    out = console()
    assert step.conclude(AWS, SUBMITTED, {"State": "CANCELLED"}, out) == 24
    assert text(out) == said


def test_a_step_cancelled_by_a_failed_cluster_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Account, "cluster_state", lambda _: ("TERMINATED_WITH_ERRORS", "bootstrap"))
    monkeypatch.setattr(step, "tell_why", lambda *_, patience: 25)
    assert step.conclude(AWS, SUBMITTED, {"State": "CANCELLED"}, console()) == 25
    assert step.conclude(AWS, SUBMITTED, {"State": "FAILED"}, console()) == 25


class Waiting:
    """EMR with a step whose driver no node takes, and with others beside it; it runs until it is cancelled."""

    def __init__(self, others: int = 0) -> None:
        self.others, self.cancelled, self.looks = others, [], 0

    def describe_step(self, **_: str) -> dict[str, Any]:
        self.looks += 1
        ended = self.cancelled or self.looks > 60
        return {"Step": {"Status": {"State": "CANCELLED" if ended else "RUNNING"}}}

    def list_instance_fleets(self, **_: str) -> dict[str, Any]:
        return {"InstanceFleets": []}

    def cancel_steps(self, **asked: Any) -> None:
        self.cancelled.append(asked)


@pytest.mark.parametrize(("others", "cancelled"), [(0, True), (1, False)])
def test_a_driver_that_no_node_takes_is_not_waited_for_until_the_clock_strikes(
    monkeypatch: pytest.MonkeyPatch, others: int, cancelled: bool
) -> None:
    emr, now = Waiting(others), iter(range(0, 100_000, 30))
    monkeypatch.setattr(Account, "client", lambda self, service: emr)
    monkeypatch.setattr(Account, "store", lambda self, uri: None)
    monkeypatch.setattr(step, "Watcher", lambda store: None)
    monkeypatch.setattr(step, "list_open_steps", lambda account: [{}] * (1 + others))
    monkeypatch.setattr(
        step, "describe_progress_or_wait", lambda watcher, waiting: ("waiting", "no node is there and healthy")
    )
    monkeypatch.setattr(step, "time", SimpleNamespace(monotonic=lambda: next(now)))
    monkeypatch.setattr(step, "poll", lambda look, **_: next(found for found in iter(look, 1) if found))
    out = console()
    assert step.watch(AWS, SUBMITTED, out)["State"] == "CANCELLED"
    wanted = {"ClusterId": "j-1", "StepIds": ["s-1"], "StepCancellationOption": "TERMINATE_PROCESS"}
    assert emr.cancelled == ([wanted] if cancelled else [])
    said = "the step waited 15 minutes (no node is there and healthy) and is being cancelled: waiting bills. Fix: "
    assert (said in text(out)) is cancelled
    assert emr.looks == (32 if cancelled else 61), "900 s at 30 s a look"


class Report:
    """The job's own report, or none."""

    def __init__(self, report: dict[str, Any] | None) -> None:
        self._report = report

    def report(self) -> dict[str, Any] | None:
        return self._report


class Queue:
    """What YARN lets a step wait for."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def explain(self) -> str:
        return self._reason


@pytest.mark.parametrize(
    ("report", "reason", "said", "waits"),
    [
        ({"phase": "list"}, "no node is there", "listing the images", ""),
        (None, "no node is there", "waiting: no node is there. make status shows the nodes; Ctrl-C leaves ", "no node"),
        (None, "", "starting Spark", ""),
    ],
)
def test_the_jobs_own_report_goes_before_what_yarn_says(
    report: dict[str, Any] | None, reason: str, said: str, waits: str
) -> None:
    told, waited = step.describe_progress_or_wait(Report(report), Queue(reason))  # type: ignore[arg-type]
    assert told.startswith(said)
    assert waited.startswith(waits)
    assert bool(waited) is bool(waits)


@pytest.mark.parametrize(("account", "pause"), [(AWS, 10.0), (EMULATED, 1.0)])
def test_aws_is_asked_every_ten_seconds_and_the_embedded_one_every_second(
    monkeypatch: pytest.MonkeyPatch, account: Account, pause: float
) -> None:
    asked: dict[str, float] = {}

    def poll(look: Any, *, pause: float, say: Any) -> dict[str, str]:
        asked.update(pause=pause)
        return {"State": "COMPLETED"}

    monkeypatch.setattr(Account, "client", lambda self, service: None)
    monkeypatch.setattr(Account, "store", lambda self, uri: None)
    monkeypatch.setattr(step, "Watcher", lambda store: None)
    monkeypatch.setattr(step, "poll", poll)
    assert step.watch(account, SUBMITTED, console()) == {"State": "COMPLETED"}
    assert asked == {"pause": pause}


@pytest.mark.parametrize("cost", [True, False])
def test_a_completed_step_says_what_came_out_and_what_it_cost_where_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cost: bool
) -> None:
    def after(account: Account, cluster: str, of: str, summary: dict[str, Any], out: Console) -> None:
        out.print(f"cost of {of} on {cluster}: {summary['k']}")

    (tmp_path / "run.json").write_text('{"k": 3}')
    monkeypatch.setattr(Account, "store", lambda self, uri: Store(str(tmp_path)))
    monkeypatch.setattr(step, "describe_run", lambda summary, output: f"k = {summary['k']} at {output.uri}")
    monkeypatch.setattr(step, "tell_step_cost", after)
    out = console()
    assert step.conclude(AWS, SUBMITTED, {"State": "COMPLETED"}, out, cost=cost) == 0
    assert text(out).splitlines() == [f"k = 3 at {tmp_path}", *(["cost of s-1 on j-1: 3"] if cost else [])]


def test_a_completed_step_whose_summary_is_not_here_has_not_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Account, "store", lambda self, uri: Store(str(tmp_path)))
    out = console()
    assert step.conclude(AWS, SUBMITTED, {"State": "COMPLETED"}, out) == 0
    assert text(out).startswith("the step is COMPLETED; its summary could not be read here (")
    assert text(out).endswith("). Fix: make results fetches it.\n")
