"""A command that a message mentions works on the environment that the message is about, typed as it stands there."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping

import pytest
from rich.table import Table
from rich.text import Text

from ops.cli import main as cli
from ops.cli.commands import COMMANDS, TAKES
from ops.core.console import Console, counting, fail, tell_next, working
from ops.core.errors import OperatorError
from ops.core.mentions import complete_mentions, mentioning
from ops.core.paths import ROOT


def talk(_: Mapping[str, str]) -> int:
    """A command that says everything that there is to say."""
    console = Console(width=200)
    console.print("it bills until make destroy; make watch STEP=s-1 shows it")
    console.print(
        Text.assemble(("no step", "bold red"), ". ", ("make run-step", "green"), " submits one, make steps lists")
    )
    table = Table("storage", "cluster")
    table.add_row("none: make apply", Text("none: make apply"))
    console.print(table)
    with working(console, "waiting: make status shows the nodes"), mentioning({}, {}):
        pass
    with counting(console, "uploading; make logs says more", 1) as add:
        add(1)
    tell_next(console, "make results ENV=prod", "make help")
    fail("a warning. Fix: make doctor.")
    raise OperatorError("there is no cluster. Fix: make apply, or make diagnose and make destroy.")


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    monkeypatch.setattr(cli, "find_function", lambda _: talk)

    def run(**typed: str) -> str:
        assert cli.run(COMMANDS["status"], typed, {}) == OperatorError("").exit_code
        out, err = capsys.readouterr()
        return out + err

    return run


def list_mentions(text: str) -> list[tuple[str, set[str]]]:
    """Every `make …` of a text: its name, and the variables behind it."""
    pieces = re.split(r"(?<![\w'-])make (?=[a-z])", text)[1:]
    return [
        (piece.split()[0].strip(".,;:`"), {word.partition("=")[0] for word in piece.split() if "=" in word})
        for piece in pieces
    ]


def test_every_message_names_the_environment_at_hand(say: Callable[..., str]) -> None:
    text = say(ENV="dev", REGION="eu-west-1")
    mentions = [(name, "ENV" in given) for name, given in list_mentions(text)]
    assert [name for name, is_whole in mentions if not is_whole] == ["help"]
    assert len(mentions) == 14
    assert "make destroy ENV=dev REGION=eu-west-1; make watch ENV=dev REGION=eu-west-1 STEP=s-1 shows" in text
    assert "make results ENV=prod, then make help\n" in text
    assert (
        "Fix: make apply ENV=dev REGION=eu-west-1, or make diagnose ENV=dev REGION=eu-west-1 and make destroy" in text
    )


def test_of_makes_own_environment_nothing_is_said(say: Callable[..., str]) -> None:
    say(ENV="dev")
    for text in (say(), say(ENV="local")):  # nothing is left over of the command before
        assert "ENV=" not in text.replace("ENV=prod", "")


def test_every_mention_in_the_sources_is_completed() -> None:
    """All commands that take ENV and stand in a text of ops, but for names that an apostrophe follows."""
    texts = {
        node.value
        for path in (ROOT / "ops").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and "make " in node.value
    }
    seen = 0
    with mentioning({"ENV": "dev"}, TAKES):
        for text in texts:
            for name, given in list_mentions(complete_mentions(text)):
                if "ENV" in TAKES.get(name, ()):
                    seen += 1
                    assert "ENV" in given, text
    assert seen > 200
