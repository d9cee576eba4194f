"""An account is a value: making one changes nothing, and its clients go where its target says."""

from __future__ import annotations

import os

import pytest

from ops.aws import account as accounts
from ops.aws.account import Account, point_process_at
from ops.core.target import Keys, Target

EMULATED = Target(
    env="local",
    region="eu-west-3",
    account_id="123456789012",
    endpoint="http://127.0.0.1:4566",
    keys=Keys("AKIAX", "secret"),
)
REAL = Target(env="dev", region="eu-west-1", account_id="111122223333")


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that works in somebody else's account."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_PROFILE": "other",
        "AWS_ENDPOINT_URL": "https://elsewhere.example",
        "AWS_ACCESS_KEY_ID": "AKIAOTHER",
        "AWS_SECRET_ACCESS_KEY": "other",
        "AWS_SESSION_TOKEN": "other",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("shell")
def test_making_an_account_leaves_the_environment_alone() -> None:
    before = dict(os.environ)
    Account(EMULATED)
    Account(REAL)
    assert dict(os.environ) == before


@pytest.mark.usefixtures("shell")
def test_a_client_goes_where_its_own_account_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_PROFILE")  # names a profile that is not configured here
    emulated, real = Account(EMULATED), Account(REAL)
    for _ in range(2):  # whichever was made, or asked, last
        client = emulated.client("s3")
        assert client.meta.endpoint_url == "http://127.0.0.1:4566"
        assert client._request_signer._credentials.access_key == "AKIAX"
        assert real.client("emr").meta.region_name == "eu-west-1"


@pytest.mark.usefixtures("shell")
def test_a_command_points_its_process_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "target_from", lambda *_, **__: EMULATED)
    before = dict(os.environ)
    try:
        account = Account.from_environment({"ENV": "local", "CURRENCY": "EUR"})
        assert os.environ["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
        assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIAX"
        assert "AWS_PROFILE" not in os.environ
        assert account.environ["CURRENCY"] == "EUR"
        point_process_at(REAL)
        assert os.environ["AWS_REGION"] == "eu-west-1"
    finally:
        os.environ.clear()
        os.environ.update(before)
