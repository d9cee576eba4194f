"""What AWS's refusals are taken for: each for what it is, in whichever command it comes, and no other for it."""

from __future__ import annotations

import io
from functools import partial
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.exceptions as boto
import pytest
from botocore.awsrequest import AWSResponse
from urllib3 import HTTPResponse

from ops.aws import account, describe, refusals, state_bucket
from ops.aws.state_bucket import NoStateError
from ops.cli import cost, ui
from ops.core import target
from ops.core.console import Console
from ops.core.errors import NoCredentialsError, OperatorError, TerraformError, WrongUseError
from ops.core.target import Target
from ops.cost import ledger
from ops.cost.money import read_currency
from ops.doctor import checkup, cloud
from ops.doctor.finding import attempt
from ops.lifecycle import environment
from ops.lifecycle.environment import Person
from tests.ops import test_money as recorded


def refusal(code: str, operation: str = "DescribeStep") -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": "no"}}, operation)


DENIED, UNKNOWN = refusal("AccessDeniedException"), refusal("InvalidRequestException")
THROTTLED, EXPIRED = refusal("ThrottlingException"), refusal("ExpiredTokenException")
OFFLINE = boto.EndpointConnectionError(endpoint_url="https://x")
MEANINGS = [
    (DENIED, "DescribeStep is not allowed (AccessDeniedException)", "the policies of infra/operators"),
    (EXPIRED, "AWS does not accept these credentials any more (", "log in again (aws sso login"),
    (refusal("400", "HeadBucket"), "AWS does not accept these credentials any more (", "log in again (aws sso login"),
    (refusal("400"), "DescribeStep answers 400 no", "read the message"),
    (boto.NoCredentialsError(), "AWS does not accept these credentials any more (", "log in again (aws sso login"),
    (THROTTLED, "AWS is throttling calls (", "wait a minute"),
    (OFFLINE, "AWS cannot be reached (", "check the network"),
    (boto.NoRegionError(), "AWS was not asked: You must specify a region", "read the message"),
    (UNKNOWN, "DescribeStep answers InvalidRequestException no", "read the message"),
]


@pytest.mark.parametrize(("error", "meaning", "fix"), MEANINGS)
def test_the_doctor_and_the_last_line_mean_the_same(error: Exception, meaning: str, fix: str) -> None:
    """One describes (a list goes on), the other ends a command; what happened and what to do are the same."""
    what, cure = refusals.describe_refusal(error)
    assert what.startswith(meaning)
    assert cure.startswith(fix)
    assert refusals.explain_refusal(error)[0] == f"{what}. Fix: {cure}"


def refusing(error: Exception) -> Any:
    """A client whose every call is refused."""

    def refuse(**_: Any) -> Any:
        raise error

    return SimpleNamespace(
        describe_step=refuse, head_bucket=refuse, get_caller_identity=refuse, create_persistent_app_ui=refuse
    )


def test_a_step_that_may_not_be_seen_is_not_one_that_is_not_there() -> None:
    with pytest.raises(WrongUseError, match=r"^j-1 has no step s-1\. Fix: see `make steps`\.$"):
        describe.describe_step(refusing(UNKNOWN), "j-1", "s-1")
    for error in (DENIED, THROTTLED, EXPIRED):
        with pytest.raises(boto.ClientError) as caught:
            describe.describe_step(refusing(error), "j-1", "s-1")
        assert caught.value is error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UNKNOWN, "EMR no longer knows this cluster"),
        (DENIED, "DescribeStep is not allowed (AccessDeniedException)"),
        (THROTTLED, "AWS is throttling calls (An error occurred (ThrottlingException) when calling"),
        (recorded.UnknownPriceError("no price is known for x9.large"), "no price is known for x9.large"),
    ],
)
def test_the_ledger_says_why_a_cluster_is_not_in_the_sum(
    monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    step = {
        "cluster_id": "j-1", "step_id": "s-1", "to": "2026-11-24T09:00:00+00:00", "emulated": False, "inferred": [],
        "images": 10, "usd": {"total": "1.50", "bootstrap": "0", "work": "1.50", "idle": "0"},
        "seconds": {"bootstrap": 0, "work": 60, "idle": 0},
    }  # fmt: skip
    monkeypatch.setattr(ledger, "read_ledger", lambda *_: [step])

    def refuse(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(ledger, "record_rest", refuse)
    records, interim = cost.read_spending(recorded.Recorded(answers={"s3": None}), recorded.BOOK)
    texts = cost.render_ledger(records, interim, read_currency("USD"))
    assert [text for text in texts if "is not in the sum" in text] == [next(t for t in texts if reason in t)]
    assert texts[-1] == "  together 1.50 USD in 1 step"


def test_without_a_network_nobody_is_told_to_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3.session.Session, "client", lambda *_: refusing(OFFLINE))
    with pytest.raises(TerraformError) as caught:
        account.find_account_id("eu-west-3", without=", or OFFLINE=1")
    assert str(caught.value).startswith("AWS cannot be reached (")
    assert str(caught.value).endswith("; or ENV=local, which needs no account, or OFFLINE=1.")
    assert "log in" not in str(caught.value)
    assert not isinstance(caught.value, NoCredentialsError)
    monkeypatch.setattr(boto3.session.Session, "client", lambda *_: refusing(EXPIRED))
    with pytest.raises(NoCredentialsError, match="aws sso login"):
        account.find_account_id("eu-west-3")


@pytest.mark.parametrize(
    ("service", "operation"),
    [("sts", "get_caller_identity"), ("emr", "list_clusters"), ("ec2", "describe_vpcs"), ("s3", "list_buckets")],
)
def test_a_web_page_is_no_answer_in_which_nothing_is_listed(
    monkeypatch: pytest.MonkeyPatch, service: str, operation: str
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    session = target.open_shell_session("eu-west-3")
    session.events.register("before-send", partial(answer_with_page, PAGE))
    with pytest.raises(boto.HTTPClientError, match="the answer is a web page") as caught:
        getattr(session.client(service), operation)()
    assert refusals.is_network(caught.value)
    report = session.client("s3").get_object(Bucket="b", Key="report.html")["Body"]
    assert report.read() == PAGE


def test_an_answer_without_a_text_is_no_web_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the embedded AWS, and others that imitate S3, confirm a change: their servers call everything HTML."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    session = target.open_shell_session("us-east-1")
    session.events.register("before-send", partial(answer_with_page, b""))
    s3 = session.client("s3")
    assert s3.create_bucket(Bucket="b")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.head_bucket(Bucket="b")["ResponseMetadata"]["HTTPStatusCode"] == 200


PAGE = b"<html><body>Log in</body></html>"


def answer_with_page(page: bytes, request: Any, **_: Any) -> AWSResponse:
    """What a proxy sends that wants a login; an empty page is what a server of Python's confirms with."""
    headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(page))}
    return AWSResponse(request.url, 200, headers, HTTPResponse(io.BytesIO(page), preload_content=False))


@pytest.mark.parametrize("error", [DENIED, OFFLINE, EXPIRED])
def test_make_state_gives_each_refusal_its_own_fix(error: Exception) -> None:
    asked = recorded.Recorded(answers={"s3": refusing(error)})
    with pytest.raises((NoStateError, boto.ClientError, boto.BotoCoreError)) as caught:
        state_bucket.make_visibly(asked, Console(file=io.StringIO()))
    if error is not DENIED:
        assert caught.value is error


def test_no_bucket_is_offered_where_one_is_there_that_may_not_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = recorded.Recorded(
        target=Target(env="dev", region="eu-west-3", account_id="123456789012"),
        answers={"s3": refusing(refusal("403", "HeadBucket"))},
    )
    console = Console(file=io.StringIO())
    monkeypatch.setattr(console, "input", lambda _: pytest.fail("a question whose answer cannot help"))
    with pytest.raises(NoStateError, match=r"cannot be used \(403\)"):
        environment.ensure_state(asked, Person(is_present=True), console)


def test_the_doctor_takes_no_throttling_for_wrong_credentials_or_a_bucket_of_others() -> None:
    asked = recorded.Recorded(answers={"s3": refusing(THROTTLED)})
    for check, look, *more in (
        ("credentials", cloud.check_caller, refusing(THROTTLED)),
        ("bucket", cloud.check_names, refusing(THROTTLED), ["b"], [], "eu-west-3", "dev"),
        ("states", checkup.examine_states, asked),
    ):
        options = {"emulated": False} if check == "credentials" else {}
        (finding,) = attempt(check, look, *more, **options)
        assert (finding.check, finding.state) == (check, "warning")
        assert finding.cause.startswith("not checked: AWS is throttling calls (")
    (finding, _) = cloud.check_caller(refusing(EXPIRED), emulated=False)
    assert finding.state == "failure"
    assert "log in" in finding.cure


@pytest.mark.parametrize(
    ("env", "state", "cause"),
    [
        ("dev", "failure", "AWS cannot be reached (x)."),
        ("local", "warning", "not checked: the embedded AWS of ENV=local is"),
    ],
)
def test_the_doctor_says_why_aws_was_not_asked(
    monkeypatch: pytest.MonkeyPatch, env: str, state: str, cause: str
) -> None:
    def refuse(_: object) -> account.Account:
        raise TerraformError("AWS cannot be reached (x). Fix: check the network.")

    monkeypatch.setattr(checkup.Account, "at", refuse)
    (finding,), _ = checkup.find_account(account.Place(env=env))
    assert finding.state == state
    assert finding.cause.startswith(cause)


def test_a_page_is_refused_for_what_it_lacks_alone() -> None:
    with pytest.raises(OperatorError, match="it needs the right elasticmapreduce:CreatePersistentAppUI"):
        ui.wait_for_address(refusing(DENIED), "arn")
    with pytest.raises(boto.ClientError):
        ui.wait_for_address(refusing(EXPIRED), "arn")
