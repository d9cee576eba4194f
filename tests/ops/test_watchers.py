"""What the commands that look say and refuse: bills, logs, shell, pages, progress. Pure, or on stubs of the service."""

from __future__ import annotations

import gzip
import io
import itertools
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from fruits.errors import StorageError
from fruits.store import Store

from ops.aws.account import Account
from ops.aws.poll import LostError
from ops.cli import browser, shell, ui
from ops.cli import environment as commands
from ops.cli import logs as read_logs
from ops.core import console as console_room
from ops.core.console import Console, counting, working
from ops.core.errors import NotAppliedError, OperatorError, UnfinishedError, WrongUseError
from ops.core.target import Target
from ops.cost import upkeep
from ops.job import watch
from ops.job.wheelhouse import WheelhouseError
from ops.logs.reader import FolderLogs

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CLUSTER = upkeep.ClusterUpkeep(
    id="j-ABCDEFGHIJKL1",
    state="WAITING",
    reason="",
    created=NOON - timedelta(hours=1),
    idle_since=NOON,
    ends_idle=NOON + timedelta(minutes=15),
    ends_latest="2026-11-24T15:00:00Z",
    nodes={"core": 2, "primary": 1},
    usd_hour=Decimal("0.80"),
    usd_so_far=Decimal("0.75"),
)
ENDED = replace(CLUSTER, state="TERMINATED", usd_hour=Decimal(0))
NETWORK = {"endpoint elasticmapreduce vpce-1": Decimal("0.011")}


class Applied(Account):
    """A real account whose cluster stack is applied; its outputs are given, not asked of Terraform."""

    cluster: dict[str, Any] = {}  # noqa: RUF012


@pytest.fixture
def dev(monkeypatch: pytest.MonkeyPatch) -> Applied:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    found = Applied(Target(env="dev", region="eu-west-3", account_id="123456789012"))
    monkeypatch.setattr(Applied, "cluster", {"cluster_id": CLUSTER.id, "endpoints": ["s3", "ssm"]})
    return found


def stubbed(service: str) -> tuple[Any, Stubber]:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    client = boto3.client(service, region_name="eu-west-3", **keys)
    return client, Stubber(client)


# -- what bills ----------------------------------------
@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (
            upkeep.Upkeep(emulated=False, cluster=CLUSTER, network=NETWORK, buckets=["a", "b"]),
            "STILL BILLING: the cluster j-ABCDEFGHIJKL1 (WAITING), 0.81 USD an hour before tax, until make destroy; "
            "about 2026-11-24 12:15 UTC when nothing is submitted; 2026-11-24 15:00 UTC at the latest; the contents of "
            "a, b by the month, until make purge",
        ),
        (
            upkeep.Upkeep(emulated=False, cluster=replace(CLUSTER, usd_hour=None, ends_idle=None)),
            "STILL BILLING: the cluster j-ABCDEFGHIJKL1 (WAITING), at an unknown price, until make destroy; "
            "2026-11-24 15:00 UTC at the latest",
        ),
        (
            upkeep.Upkeep(emulated=False, cluster=ENDED, network=NETWORK),
            "STILL BILLING: endpoint elasticmapreduce vpce-1, 0.01 USD an hour before tax, until make destroy",
        ),
        (
            upkeep.Upkeep(emulated=False, cluster=ENDED, buckets=["a"]),
            "STILL BILLING: only the contents of a, by the month, until make purge",
        ),
        (upkeep.Upkeep(emulated=False), "nothing of this environment bills"),
        (
            upkeep.Upkeep(emulated=True, cluster=CLUSTER),
            "the cluster j-ABCDEFGHIJKL1 is still up (WAITING): the embedded AWS bills nothing",
        ),
        (upkeep.Upkeep(emulated=True, cluster=ENDED), "the embedded AWS bills nothing"),
    ],
)
def test_the_last_line_says_what_bills_and_what_ends_it(found: upkeep.Upkeep, sentence: str) -> None:
    assert upkeep.describe_upkeep(found) == sentence


def test_a_last_line_that_cannot_be_asked_warns(dev: Applied, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Account) -> upkeep.Upkeep:
        raise OperatorError("no route")

    monkeypatch.setattr(upkeep, "read_upkeep", refuse)
    assert upkeep.tell_upkeep(dev) == "MAY STILL BILL: what bills could not be checked (no route). Fix: make status."


@pytest.mark.parametrize(
    ("command", "local", "sentence"),
    [
        ("apply", False, "MAY STILL BILL: what is there so far; make status says what, make destroy removes it"),
        ("purge", False, "MAY STILL BILL: what is there so far; make status says what, make purge removes it"),
        ("apply", True, "what was made so far is kept: make destroy removes it; the embedded AWS bills nothing"),
    ],
)
def test_a_command_that_broke_off_says_what_may_bill(command: str, local: bool, sentence: str) -> None:
    assert commands.describe_leftovers(command, local) == sentence


@pytest.mark.parametrize(
    ("error", "may_bill"),
    [
        (UnfinishedError("spaces are still there"), True),
        (LostError("AWS cannot be reached", 14_400), True),
        (WheelhouseError("the wheels could not be downloaded"), True),
        (OSError(28, "No space left on device"), True),
        (WrongUseError("nothing was created."), False),
        (NotAppliedError("there is no cluster"), False),
    ],
)
def test_whatever_broke_off_what_may_bill_is_said(
    monkeypatch: pytest.MonkeyPatch, error: Exception, may_bill: bool
) -> None:
    def destroy(*_: object) -> None:
        raise error

    monkeypatch.setenv("ENV", "dev")
    with pytest.raises(type(error)):
        commands.changes_environment(destroy)({"ENV": "dev"})
    notes = getattr(error, "__notes__", [])
    assert notes == ([commands.describe_leftovers("destroy", local=False)] if may_bill else [])


def steps(*ends: datetime | None) -> list[Mapping[str, Any]]:
    return [{"Status": {"Timeline": {"EndDateTime": end}}} for end in ends]


def test_a_cluster_is_idle_since_its_last_step_ended() -> None:
    later = NOON + timedelta(minutes=5)
    assert upkeep.find_idle_since(NOON, steps(later, NOON)) == later
    assert upkeep.find_idle_since(NOON, []) == NOON
    assert upkeep.find_idle_since(NOON, steps(later, None)) is None, "a step is open"
    assert upkeep.find_idle_since(None, []) is None, "it is not ready"


# -- progress ----------------------------------------
def test_plain_lines_bear_the_commands_seconds_and_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_room, "_BEGAN", time.monotonic() - 70)
    out = io.StringIO()
    console = Console(file=out, width=80)
    with working(console, "first", seconds=0.01) as say:
        say("second")
        while out.getvalue().count("second") < 3:
            time.sleep(0.01)
    lines = out.getvalue().splitlines()
    matches = [re.fullmatch(r"\[ {1,2}(\d+\.\d) s\] (first|second)", line) for line in lines]
    assert all(match and 70 <= float(match[1]) < 600 for match in matches), lines


def test_a_long_phase_has_a_clock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.count(100.0, 4.0)
    monkeypatch.setattr(console_room, "_BEGAN", 90.0)
    monkeypatch.setattr(console_room.time, "monotonic", lambda: next(now))
    out = io.StringIO()
    texts = iter(["creating: 1 of 3", "creating: 2 of 3", "waiting"])
    lines = console_room.PlainLines(Console(file=out, width=80), lambda: next(texts))
    for _ in range(3):
        lines.say()
    assert out.getvalue().splitlines() == [
        "[  18.0 s] creating: 1 of 3",
        "[  26.0 s] creating: 2 of 3 (8 s)",
        "[  34.0 s] waiting",
    ]


def test_what_is_counted_is_told_with_its_whole() -> None:
    out = io.StringIO()
    with counting(Console(file=out), "fetching", 3_000_000, in_bytes=True, seconds=0.01) as add:
        add(2_000_000)
        while "2 of 3 MB" not in out.getvalue():
            time.sleep(0.01)
    assert "] fetching: 0 of 3 MB" in out.getvalue()


def test_a_terminal_gets_a_live_line_that_leaves_nothing() -> None:
    out = io.StringIO()
    with working(Console(file=out, force_terminal=True, width=60), "creating the cluster") as say:
        say("still creating")
    assert "creating" in out.getvalue()
    assert "s] " not in out.getvalue()


def test_what_shows_its_own_progress_is_left_alone() -> None:
    out = io.StringIO()
    with working(Console(file=out), "terraform", quiet=True) as say:
        say("more")
    assert out.getvalue() == ""


def test_a_report_that_cannot_be_read_now_does_not_lead_back_to_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def report(run_id: str, phase: str) -> dict[str, Any]:
        return {"run_id": run_id, "phase": phase, "images_to_featurize": 10, "images_done": 4, "images_rejected": 0,
                "images_per_second": 9.0, "seconds_left": None}  # fmt: skip

    answers: list[Any] = [report("old", "done"), report("old", "done"), StorageError("busy")]
    answers += [report("new", "featurize"), StorageError("busy"), None, report("new", "check")]

    def answer(_: Store) -> Any:
        given = answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr(watch, "read_progress", answer)
    watcher = watch.Watcher(Store(str(tmp_path)))
    told = [watch.describe_progress(watcher.report()) for _ in range(6)]
    assert told[:2] == ["starting Spark", "starting Spark"], "an earlier run's report is not ours"
    assert told[2:5] == ["featurizing: 4 of 10 images"] * 3, "and no rate of so few"
    assert told[5] == "checking the result"


# -- the browser ----------------------------------------
@pytest.mark.parametrize(
    ("environ", "terminal", "platform", "opened"),
    [
        ({"DISPLAY": ":0"}, True, "linux", True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, "linux", True),
        ({"DISPLAY": ":0", "OPEN": "0"}, True, "linux", False),
        ({"DISPLAY": ":0", "CI": "true"}, True, "linux", False),
        ({"DISPLAY": ":0"}, False, "linux", False),
        ({}, True, "linux", False),
        ({}, True, "darwin", True),
        ({"SSH_CONNECTION": "a b"}, True, "darwin", False),
    ],
)
def test_a_page_is_opened_only_where_somebody_sits(
    environ: dict[str, str], terminal: bool, platform: str, opened: bool
) -> None:
    assert browser.is_wanted(environ, terminal=terminal, platform=platform) is opened


# -- logs ----------------------------------------
APPLICATION = "application_1732450000000_0001"
DRIVER = f"containers/{APPLICATION}/container_1732450000000_0001_01_000001/stdout.gz"


def log(folder: Path, key: str, text: str) -> None:
    path = folder / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()))


def source(folder: Path, *statuses: Mapping[str, Any]) -> read_logs.LogSource:
    left = list(statuses)
    return read_logs.LogSource(
        FolderLogs(folder), CLUSTER.id, "s-ABCDEFGHIJKL1", lambda: left.pop(0) if len(left) > 1 else left[0]
    )


def test_following_shows_what_is_new_and_waits_for_the_driver(tmp_path: Path) -> None:
    log(tmp_path, "steps/s-ABCDEFGHIJKL1/stderr.gz", f"Submitting application {APPLICATION}\n")
    ended = datetime.now(UTC)
    running = {"State": "RUNNING", "Timeline": {}}
    out = io.StringIO()

    class Late(FolderLogs):
        """The driver's log comes between the third look and the fourth."""

        looks = 0

        def list(self, prefix: str = "") -> list[Any]:
            if prefix.startswith("steps/"):
                self.looks += 1
                if self.looks == 2:
                    log(tmp_path, DRIVER, "line 1\n")
                if self.looks == 4:
                    log(tmp_path, DRIVER, "line 1\nValueError: a stone\n")
                    log(tmp_path, "steps/s-ABCDEFGHIJKL1/stderr.gz", f"Submitting application {APPLICATION}\nend\n")
            return super().list(prefix)

    failed = {"State": "FAILED", "Timeline": {"EndDateTime": ended + timedelta(seconds=0.5)}}
    found = replace(source(tmp_path, running, running, running, failed), logs=Late(tmp_path))
    read_logs.follow(found, Console(file=out, width=200), lines=10, pause=0.2)
    said = out.getvalue()
    assert said.count("line 1\n") == 1, "what was shown is not shown again"
    assert "ValueError: a stone\n" in said
    assert "waiting: the step s-ABCDEFGHIJKL1 is RUNNING; EMR ships logs about every five minutes" in said
    assert said.endswith("these are the last logs of the step s-ABCDEFGHIJKL1\n")


def test_logs_that_never_come_are_named(tmp_path: Path) -> None:
    status = {"State": "FAILED", "Timeline": {"EndDateTime": NOON}}
    with pytest.raises(read_logs.NoLogsError) as error:
        read_logs.follow(source(tmp_path, status), Console(quiet=True), lines=5, pause=0.01, late=0.05)
    assert str(error.value) == (
        "the last logs of the step s-ABCDEFGHIJKL1 did not arrive within 0 s. Fix: make logs, later; make destroy "
        "ends the cluster, and EMR then ships what is left."
    )
    assert read_logs.describe_missing(source(tmp_path, status)).startswith(
        "no log of the step s-ABCDEFGHIJKL1 has arrived below"
    )


# -- the shell ----------------------------------------
def test_a_cluster_without_a_way_in_says_how_to_get_one(dev: Applied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Applied, "cluster", {"cluster_id": CLUSTER.id, "endpoints": ["s3"]})
    with pytest.raises(
        shell.NoShellError, match=r"without access for a shell\. Fix: enable_ssm = true in infra/env/dev\.cluster"
    ):
        shell.start_session(dev, {}, Console(quiet=True))


def test_a_missing_plugin_is_named_before_aws_is_asked(dev: Applied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(shell.NoShellError, match=r"session-manager-plugin is not installed\. Fix: https://") as error:
        shell.start_session(dev, {}, Console(quiet=True))
    assert error.value.exit_code == 3


def test_an_agent_that_does_not_answer_is_a_refusal() -> None:
    ssm, stub = stubbed("ssm")
    stub.add_response("describe_instance_information", {"InstanceInformationList": []})
    stub.add_response("describe_instance_information", {"InstanceInformationList": [{"PingStatus": "ConnectionLost"}]})
    stub.add_response("describe_instance_information", {"InstanceInformationList": [{"PingStatus": "Online"}]})
    with stub:
        for said in ("not known to Systems Manager", "ConnectionLost"):
            with pytest.raises(shell.NoShellError, match=said):
                shell.require_reachable(ssm, "i-0123456789abcdef0")
        shell.require_reachable(ssm, "i-0123456789abcdef0")


def test_the_plugin_gets_what_aws_cli_gives_it() -> None:
    answer = {"SessionId": "s", "TokenValue": "t", "StreamUrl": "wss://x", "ResponseMetadata": {}}
    given = shell.list_plugin_arguments(answer, region="eu-west-3", profile="", target="i-1", endpoint="https://ssm")
    assert given == [
        '{"SessionId": "s", "TokenValue": "t", "StreamUrl": "wss://x"}',
        "eu-west-3",
        "StartSession",
        "",
        '{"Target": "i-1"}',
        "https://ssm",
    ]


# -- Spark's pages ----------------------------------------
ARN = "arn:aws:elasticmapreduce:eu-west-3:123456789012:cluster/j-ABCDEFGHIJKL1"


def test_the_persistent_page_is_waited_for() -> None:
    emr, stub = stubbed("emr")
    page = {"PersistentAppUIId": "p-1", "PersistentAppUIType": "SHS"}
    asked = {"TargetResourceArn": ARN, "ProfilerType": "SHS"}
    stub.add_response("create_persistent_app_ui", {"PersistentAppUIId": "p-1"}, asked)
    stub.add_response("get_persistent_app_ui_presigned_url", {"PresignedURLReady": False}, page)
    ready = {"PresignedURLReady": True, "PresignedURL": "https://p-1.example"}
    stub.add_response("get_persistent_app_ui_presigned_url", ready, page)
    with stub:
        assert ui.wait_for_address(emr, ARN, pause=0) == "https://p-1.example"
    stub.assert_no_pending_responses()


def test_a_page_that_does_not_come_says_emrs_reason() -> None:
    emr, stub = stubbed("emr")
    stub.add_response("create_persistent_app_ui", {"PersistentAppUIId": "p-1"})
    stub.add_response("get_persistent_app_ui_presigned_url", {"PresignedURLReady": False})
    told = {"PersistentAppUI": {"PersistentAppUIStatus": "CREATING", "LastStateChangeReason": "no event logs"}}
    stub.add_response("describe_persistent_app_ui", told)
    with stub, pytest.raises(ui.NoPageError, match=r"was not ready after -1 s \(no event logs\)\. Fix: make ui again"):
        ui.wait_for_address(emr, ARN, patience=-1, pause=0)


def test_a_refused_page_names_the_right() -> None:
    emr, stub = stubbed("emr")
    stub.add_client_error("create_persistent_app_ui", "AccessDeniedException")
    with stub, pytest.raises(ui.NoPageError, match="it needs the right elasticmapreduce:CreatePersistentAppUI"):
        ui.wait_for_address(emr, ARN)


def test_a_server_that_ends_by_itself_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def ended(events: Path) -> Iterator[tuple[Any, Any]]:
        yield SimpleNamespace(address="http://127.0.0.1:1/?key=k"), SimpleNamespace(wait=lambda: 137)

    (tmp_path / "events").write_text("")
    monkeypatch.setattr(ui, "locate_events", lambda *_: tmp_path)
    monkeypatch.setattr(ui, "history_server", ended)
    with pytest.raises(ui.NoPageError, match=r"^Spark's history server has ended \(137\)\. Fix: make ui again\.$"):
        ui.serve_pages("j-1", {"OPEN": "0"}, Console(quiet=True))


def test_no_page_before_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path))
    with pytest.raises(
        ui.NoPageError, match=r"no Spark step has run on j-1 yet, so there is no page\. Fix: make run-step"
    ):
        ui.serve_pages("j-1", {}, Console(quiet=True))
