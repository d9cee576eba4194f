"""`make apply` of a real account asks before anything is there, and a no leaves nothing."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.aws.account import Account, Place
from ops.aws.state_bucket import MissingStateError
from ops.cli import environment as commands
from ops.cli import verify
from ops.core.console import Console, Person
from ops.core.errors import OperatorError, WrongUseError
from ops.core.target import Target
from ops.lifecycle import environment
from ops.lifecycle.environment import Order
from ops.terraform.variables import Size

DEV = Target(env="dev", region="eu-west-3", account_id="000000000000")
ASKED = Order(person=Person(is_present=True))
BUCKETS = {purpose: f"fruits-dev-{purpose}-000000000000" for purpose in ("data", "artifacts", "logs")}


class Stack:
    """A stack that notes what is done to it."""

    done: list[str]
    changes = True
    mails: list[str] = []  # noqa: RUF012  # set anew by each test
    folder: Path

    def __init__(self, *, target: Target, stack: str, extra: Any = None, capture: bool = False) -> None:
        self.stack, self.extra, self.capture = stack, extra or {}, capture

    @contextmanager
    def plan_file(self) -> Iterator[Path]:
        yield self.folder / f"{self.stack}.tfplan"

    def plan(self, *, out: Path) -> bool:
        self.done.append(f"plan {self.stack}")
        self.planned = self.extra
        return self.changes

    def show(self, path: Path) -> dict[str, Any]:
        return {
            "planned_values": {"root_module": {}},
            "resource_changes": [{"type": "aws_budgets_budget"}] if self.stack == "storage" else [],
            "variables": {"budget_emails": {"value": self.mails}},
            "stack": self.stack,
        }

    def outputs(self) -> dict[str, Any]:
        made = f"apply {self.stack}" in self.done
        return {"buckets": BUCKETS} if made and self.stack == "storage" else {}

    def apply(self) -> None:
        self.done.append(f"apply {self.stack}")


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    seen: list[str] = []
    monkeypatch.setattr(Stack, "done", seen, raising=False)
    monkeypatch.setattr(Stack, "folder", tmp_path, raising=False)
    monkeypatch.setattr(environment, "Workspace", Stack)
    monkeypatch.setattr(environment, "require_state", lambda account: seen.append("state looked for"))
    monkeypatch.setattr(environment, "find_boundary", lambda target: None)
    monkeypatch.setattr(environment, "describe_before_apply", lambda *given: ["   an hour costs at most 0.90 USD"])
    monkeypatch.setattr(environment, "summarize", lambda *given: ["   an hour costs 0.88", "   vCPUs: core 8"])

    def upload(*given: Any) -> dict[str, str]:
        seen.append("upload wheels")
        raise OperatorError("far enough")

    monkeypatch.setattr(environment, "upload_artifacts", upload)
    return seen


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> Console:
    console = Console(file=io.StringIO(), width=200)
    monkeypatch.setattr(console, "input", lambda prompt: answer)
    return console


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_no_leaves_nothing(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    console = answering(monkeypatch, "no")
    with pytest.raises(OperatorError, match=r"^nothing was created\.$"):
        environment.apply(Account(DEV), ASKED, console)
    assert done == ["state looked for", "plan storage", "plan cluster"]
    assert said(console).count("an hour costs") == 1, "one price"
    assert "wheels of a node (some 530 MB)" in said(console)
    assert "budget_emails, infra/env/dev.storage.tfvars" in said(console)


def test_a_yes_makes_buckets_first(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "mails", ["ana@example.org"])
    console = answering(monkeypatch, "yes")
    with pytest.raises(OperatorError, match="far enough"):
        environment.apply(Account(DEV), ASKED, console)
    assert done[3:] == ["apply storage", "upload wheels"]
    assert "budget_emails" not in said(console)


def test_nobody_there_is_a_no(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match=r"there is no terminal to confirm the price on. Fix: YES=1"):
        environment.apply(Account(DEV), Order(), answering(monkeypatch, "yes"))
    assert "apply storage" not in done
    with pytest.raises(OperatorError, match="far enough"):
        environment.apply(Account(DEV), Order(person=Person(has_agreed=True)), answering(monkeypatch, "no"))


def test_nothing_to_change_is_no_question(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Stack, "changes", False)
    with pytest.raises(OperatorError, match="far enough"):
        environment.apply(Account(DEV), ASKED, answering(monkeypatch, "no"))


@pytest.mark.parametrize(("answer", "made"), [("yes", ["made"]), ("no", [])])
def test_the_bucket_of_the_states_is_asked_for(
    done: list[str], monkeypatch: pytest.MonkeyPatch, answer: str, made: list[str]
) -> None:
    def missing(account: Account) -> None:
        raise MissingStateError("there is no bucket for Terraform's state yet")

    bucket: list[str] = []
    monkeypatch.setattr(environment, "require_state", missing)
    monkeypatch.setattr(environment, "make_state_bucket", lambda s3, target: bucket.append("made"))
    monkeypatch.setattr(Account, "client", lambda self, service: None)
    console = answering(monkeypatch, answer)
    with pytest.raises(OperatorError, match="far enough" if made else "nothing was created"):
        environment.apply(Account(DEV), ASKED, console)
    assert bucket == made
    assert "fruits-tfstate-000000000000" in said(console)


def test_a_no_after_that_names_what_was_made(done: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(account: Account) -> None:
        raise MissingStateError("there is no bucket for Terraform's state yet")

    monkeypatch.setattr(environment, "require_state", missing)
    monkeypatch.setattr(environment, "make_state_bucket", lambda s3, target: None)
    monkeypatch.setattr(Account, "client", lambda *_: None)
    console = Console(file=io.StringIO(), width=200)
    answers = iter(["yes", "no"])
    monkeypatch.setattr(console, "input", lambda prompt: next(answers))
    with pytest.raises(
        OperatorError, match=rf"^nothing was created but {DEV.state_bucket}, which is empty and stays\.$"
    ):
        environment.apply(Account(DEV), ASKED, console)
    assert done == ["plan storage", "plan cluster"]


@pytest.mark.parametrize(
    ("machine", "arch", "sentence"),
    [
        ("x86_64", "arm64", "which is x86_64 and not aarch64. Fix: ARCH=x86_64."),
        ("arm64", "x86_64", "which is aarch64 and not x86_64. Fix: ARCH=arm64."),
    ],
)
def test_nodes_of_another_processor_are_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, machine: str, arch: str, sentence: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(environment, "start_embedded", lambda *_: pytest.fail("it was started"))
    with pytest.raises(WrongUseError, match=re.escape(sentence)):
        environment.prepare_account(Place(), Order(size=Size(arch=arch)), Console(quiet=True))
    monkeypatch.setenv("LOCALAWS_EXECUTE", "0")
    environment.require_processor(arch, "nothing is run")


def test_graviton_is_not_rehearsed_on_another_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(environment, "start_embedded", lambda *_: pytest.fail("it was started"))
    with pytest.raises(WrongUseError, match=re.escape("Fix: leave arm64 out of WITH=, or look in an account: ENV=ver")):
        verify.verify(Place(), "arm64,ssm", Person(), Console(quiet=True))


@pytest.mark.parametrize(
    ("is_gone", "buckets", "stops"), [(True, BUCKETS, True), (False, BUCKETS, False), (False, {}, True)]
)
def test_images_of_the_embedded_aws_outlive_a_destroy_that_finds_no_cluster(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_gone: bool, buckets: Any, stops: bool
) -> None:
    here = Account(Target(env="local", region="eu-west-3", account_id="123456789012", endpoint="http://127.0.0.1:1"))
    stopped: list[bool] = []
    monkeypatch.setattr(environment, "stop_embedded", lambda _: stopped.append(True))
    monkeypatch.setattr(commands.Workspace, "outputs", lambda _: {"buckets": buckets} if buckets else {})
    commands.stop_after_removal(here, Console(), is_gone=is_gone)
    assert bool(stopped) == stops
    assert ("make local-down stops it" in capsys.readouterr().out) != stops
