"""Waiting for AWS: calls that fail are told and tried again, and never end a cluster."""

from __future__ import annotations

import ast
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as boto
from fruits.store import Store

from ops.aws import poll as polling
from ops.aws.poll import LostError, poll
from ops.cli import run_step
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.core.target import Target
from ops.lifecycle import step


def refusal(code: str) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": "m"}}, "DescribeStep")


OFFLINE = boto.EndpointConnectionError(endpoint_url="https://elasticmapreduce.eu-west-3.amazonaws.com")
PASSING = [
    OFFLINE,
    boto.ConnectTimeoutError(endpoint_url="https://x"),
    boto.ReadTimeoutError(endpoint_url="https://x"),
    boto.ConnectionClosedError(endpoint_url="https://x"),
    refusal("ThrottlingException"),
    refusal("RequestLimitExceeded"),
    refusal("ExpiredTokenException"),
    refusal("UnrecognizedClientException"),
    boto.UnauthorizedSSOTokenError(),
    boto.NoCredentialsError(),
]


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now, self.pauses = 0.0, list[float]()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def looks(*answers: object) -> Callable[[], Any]:
    """A look that gives these one after the other, the last one for ever; an exception is raised."""
    left = list(answers)

    def look() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return look


def waited(look: Callable[[], Any], **options: Any) -> tuple[Any, Time, list[str]]:
    told: list[str] = []
    found = poll(look, pause=10, say=told.append, **options)
    return found, polling.time, told  # type: ignore[return-value]


def test_looks_at_its_pace_until_something_is_found() -> None:
    found, time, told = waited(looks(None, None, {"State": "COMPLETED"}))
    assert (found, time.pauses, told) == ({"State": "COMPLETED"}, [10, 10], [])


def test_a_limit_ends_the_wait_without_result() -> None:
    found, time, _ = waited(looks(None), limit=25)
    assert (found, time.now) == (None, 30)


@pytest.mark.parametrize("error", PASSING, ids=lambda error: str(error)[:40])
def test_what_passes_is_told_and_tried_again(error: Exception) -> None:
    found, time, told = waited(looks(None, error, error, "done"))
    assert found == "done"
    assert len(told) == 2
    assert "trying again" in told[0]
    assert time.pauses[0] == 10 < time.pauses[1] < time.pauses[2] <= polling.SLOWEST


def test_an_expired_session_is_told_what_to_do() -> None:
    _, _, told = waited(looks(refusal("ExpiredToken"), "done"))
    assert told == [
        "the session has expired: log in again in another terminal (aws sso login); trying again for 4 h 0 min"
    ]


def test_hours_without_an_answer_end_the_wait() -> None:
    with pytest.raises(LostError) as caught:
        waited(looks(OFFLINE))
    assert str(caught.value) == (
        "calls to AWS have failed for 4 h 0 min (AWS cannot be reached). Fix: log in again or check the network, then "
        "run the command again."
    )
    assert polling.PATIENCE <= polling.time.monotonic() < polling.PATIENCE + 61


def test_an_embedded_aws_that_has_ended_is_not_waited_for() -> None:
    gone = boto.EndpointConnectionError(endpoint_url="http://127.0.0.1:38375/")
    with pytest.raises(LostError, match=r"calls to AWS have failed for 7\d s \(AWS cannot be reached\)"):
        waited(looks(None, gone))


def test_what_was_told_of_a_lost_network_does_not_stay() -> None:
    _, _, told = waited(looks(OFFLINE, None, None, "done"))
    assert told == ["AWS cannot be reached; trying again for 4 h 0 min", "AWS answers again"]


def test_one_answer_in_between_begins_the_patience_anew() -> None:
    answers = [OFFLINE, OFFLINE, None] * 5
    found, _, _ = waited(looks(*answers, "done"), patience=40)
    assert found == "done"


@pytest.mark.parametrize("error", [refusal("AccessDeniedException"), refusal("InvalidRequestException"), KeyError("x")])
def test_what_does_not_pass_is_raised_at_once(error: Exception) -> None:
    with pytest.raises(type(error)):
        waited(looks(error))


# ---------------------------------------------------------------------------------------------------- a step


class Emr:
    """EMR whose DescribeStep gives these answers one after the other."""

    def __init__(self, *answers: object) -> None:
        self._look = looks(*answers)

    def describe_cluster(self, **_: str) -> dict[str, Any]:
        return {"Cluster": {}}  # it keeps no logs

    def list_instance_fleets(self, **_: str) -> dict[str, Any]:
        return {"InstanceFleets": []}

    def describe_step(self, **_: str) -> dict[str, Any]:
        return {"Step": {"Status": self._look()}}


class Cloud:
    """As much of an account as watching needs."""

    def __init__(self, *answers: object, endpoint: str | None = None) -> None:
        self.target = Target(env="dev", region="eu-west-3", account_id="111122223333", endpoint=endpoint)
        self.cluster = {"cluster_id": "j-1"}
        self._emr = Emr(*answers)

    def client(self, _: str) -> Emr:
        return self._emr

    def store(self, uri: str) -> Store:
        return Store(uri)

    def cluster_state(self) -> tuple[str, str]:
        return "WAITING", ""


SUBMITTED = step.Submitted("j-1", "s-1", "/nowhere")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "time", Time())


def test_a_laptop_that_changes_its_network_goes_on_watching() -> None:
    account: Any = Cloud({"State": "RUNNING"}, OFFLINE, OFFLINE, {"State": "RUNNING"}, {"State": "COMPLETED"})
    out = io.StringIO()
    assert step.watch(account, SUBMITTED, Console(file=out, width=200)) == {"State": "COMPLETED"}
    assert "AWS cannot be reached; trying again" in out.getvalue()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OFFLINE, "calls to AWS have failed for 4 h 0 min (AWS cannot be reached)"),
        (
            refusal("ExpiredTokenException"),
            "calls to AWS have failed for 4 h 0 min (the session has expired: log in again",
        ),
        (refusal("AccessDeniedException"), "DescribeStep is not allowed (AccessDeniedException)"),
    ],
)
def test_a_step_that_cannot_be_looked_at_goes_on_and_says_how_to_come_back(error: Exception, cause: str) -> None:
    account: Any = Cloud({"State": "RUNNING"}, error)
    with pytest.raises(step.NotEndedError) as caught:
        step.watch(account, SUBMITTED, Console(quiet=True))
    assert str(caught.value).startswith(cause)
    assert str(caught.value).endswith(
        "The step s-1 continues, and the cluster bills until make destroy. Fix: log in again or check the network, "
        "then make watch ENV=dev STEP=s-1."
    )
    assert caught.value.exit_code == 29


def test_a_step_of_an_embedded_aws_that_was_killed_ended_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path))
    account: Any = Cloud({"State": "RUNNING"}, OFFLINE, endpoint="http://127.0.0.1:1")
    with pytest.raises(step.NotEndedError) as caught:
        step.watch(account, SUBMITTED, Console(quiet=True))
    assert str(caught.value) == (
        "the embedded AWS has ended, and the step s-1, its cluster and all images with it. Fix: make apply starts "
        "a new one."
    )
    assert caught.value.exit_code == 20
    monkeypatch.setattr(step.server, "list_processes", lambda _: [1])  # it is there, and does not answer
    account = Cloud({"State": "RUNNING"}, OFFLINE, endpoint="http://127.0.0.1:1")
    with pytest.raises(step.NotEndedError, match="continues, and the cluster is the embedded AWS's"):
        step.watch(account, SUBMITTED, Console(quiet=True))


# ---------------------------------------------------------------------------------------------------- ONESHOT=1


ONE_SHOT = step.Terms(one_shot=True)


@pytest.fixture
def destroyed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    done: list[str] = []
    monkeypatch.setattr(run_step, "destroy", lambda *_: done.append("destroy"))
    monkeypatch.setattr(run_step, "replace", lambda account: account)
    monkeypatch.setattr(run_step, "fetch_results", lambda *_, **__: done.append("results"))
    monkeypatch.setattr(run_step, "end_as_by_ctrl_c", lambda: None)
    monkeypatch.setattr(step, "request_for", lambda *_: None)
    monkeypatch.setattr(step, "require_inputs", lambda *_: None)
    monkeypatch.setattr(step, "submit", lambda *_, **__: SUBMITTED)
    monkeypatch.setattr(step, "conclude", lambda *_, **__: 0)
    return done


@pytest.mark.parametrize(
    "error", [OFFLINE, refusal("ExpiredToken"), refusal("AccessDenied"), OSError("odd"), KeyError("a bug")], ids=str
)
def test_a_look_that_fails_destroys_nothing(destroyed: list[str], error: Exception) -> None:
    account: Any = Cloud({"State": "RUNNING"}, error)
    with pytest.raises((step.NotEndedError, OSError, KeyError)) as caught:
        run_step.run_once(account, {}, Console(quiet=True), ONE_SHOT)
    assert destroyed == []
    assert caught.value.__notes__ == ["ONESHOT=1 destroyed nothing: the cluster bills until make destroy."]


@pytest.mark.parametrize(
    "error",
    [OperatorError("the step s-0 is RUNNING on j-1.", exit_code=22), OSError("no space left"), OFFLINE],
    ids=str,
)
def test_a_step_that_never_began_destroys_nothing(
    destroyed: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(step, "submit", refuse)
    account: Any = Cloud({"State": "RUNNING"})
    with pytest.raises(type(error)) as caught:
        run_step.run_once(account, {}, Console(quiet=True), ONE_SHOT)
    assert (destroyed, caught.value) == ([], error)
    assert caught.value.__notes__ == ["ONESHOT=1 destroyed nothing: the cluster bills until make destroy."]


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "INTERRUPTED"])
def test_a_step_that_has_ended_ends_the_cluster(destroyed: list[str], state: str) -> None:
    account: Any = Cloud({"State": "RUNNING"}, {"State": state})
    run_step.run_once(account, {}, Console(quiet=True), ONE_SHOT)
    assert destroyed == ["results", "destroy"]


def test_ctrl_c_ends_the_cluster(destroyed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(step, "watch", interrupted)
    account: Any = Cloud({"State": "RUNNING"})
    assert run_step.run_once(account, {}, Console(quiet=True), ONE_SHOT) == 130
    assert destroyed == ["destroy"]


def test_results_that_cannot_be_fetched_do_not_keep_the_cluster(
    destroyed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OFFLINE

    monkeypatch.setattr(run_step, "fetch_results", fails)
    account: Any = Cloud({"State": "COMPLETED"})
    with pytest.raises(boto.EndpointConnectionError):
        run_step.run_once(account, {}, Console(quiet=True), ONE_SHOT)
    assert destroyed == ["destroy"]


def test_every_wait_tells_of_calls_that_fail() -> None:
    calls = [
        (path.name, {keyword.arg for keyword in node.keywords})
        for path in (ROOT / "ops").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "poll"
    ]
    assert len(calls) > 8
    assert [name for name, keywords in calls if "say" not in keywords] == []
