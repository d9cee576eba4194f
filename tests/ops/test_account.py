"""An account is a value: making one changes nothing, and its clients go where its target says."""

from __future__ import annotations

import os

import pytest

from ops.aws import account as accounts
from ops.aws.account import Account
from ops.cli.place import open_account, read_place
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
    emulated = Account(EMULATED)  # of the shell's profile, which is not configured here, it asks nothing
    assert emulated.client("s3").meta.region_name == "eu-west-3"
    monkeypatch.delenv("AWS_PROFILE")
    real = Account(REAL)
    for _ in range(2):  # whichever was made, or asked, last
        client = emulated.client("s3")
        assert client.meta.endpoint_url == "http://127.0.0.1:4566"
        assert client._request_signer._credentials.access_key == "AKIAX"
        assert real.client("emr").meta.region_name == "eu-west-1"


@pytest.mark.usefixtures("shell")
def test_a_command_leaves_its_process_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "find_target", lambda *_, **__: EMULATED)
    before = dict(os.environ)
    account = open_account({"ENV": "local", "CURRENCY": "EUR"})
    account.client("s3")
    assert dict(os.environ) == before
    assert account.currency == "EUR"


@pytest.mark.usefixtures("shell")
def test_a_store_of_the_embedded_aws_goes_there_whatever_the_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A profile that is not configured, keys and an endpoint of somebody else: none of them counts."""
    opened: list[dict[str, object]] = []
    monkeypatch.setattr("pyarrow.fs.S3FileSystem", lambda **options: opened.append(options))
    store = Account(EMULATED).store("s3://fruits-local-data-123456789012/results")
    for place in (store, store.child("_run")):
        assert place.fs is None
    names = ("endpoint_override", "scheme", "region", "access_key", "secret_key")
    expected = ("127.0.0.1:4566", "http", "eu-west-3", "AKIAX", "secret")
    assert [tuple(options[name] for name in names) for options in opened] == [expected, expected]
    assert all("session_token" not in options for options in opened)


def test_where_the_embedded_aws_is_can_be_said_by_the_shell_that_the_command_was_given() -> None:
    given = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    assert accounts.find_emulator(read_place(given)) == {"endpoint": "http://127.0.0.1:1", "keys": Keys("a", "b", None)}
