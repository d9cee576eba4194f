"""`fruits` and make: what counts, what is refused, where errors end; the tables written from the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click.testing
import pyarrow as pa
import pytest
from botocore import exceptions as boto
from fruits.errors import DiskFullError, InputError

from localaws.errors import NotRunningError
from ops.cli import main as cli
from ops.cli.boundary import explain
from ops.cli.commands import COMMANDS, TAKES, Command
from ops.cli.main import find_function, make_environment
from ops.cli.options import GIVEN, GOALS, OF_MAKE, OPTIONS, TWICE
from ops.core.errors import ExitCode, OperatorError, WrongUseError
from ops.core.paths import ROOT
from tools import command_tables


def given(command: str, **environ: str) -> dict[str, str]:
    return make_environment(command, {}, environ)


# ------------------------------------------------------------------------------------------------ what counts


def test_what_the_shell_exports_means_nothing() -> None:
    assert given("destroy", ENV="prod", K="3", YES="1", PATH="/bin") == {"PATH": "/bin"}


def test_only_what_stood_on_makes_command_line_counts() -> None:
    assert given("run-step", ENV="prod", LIMIT="9", K="5", **{GIVEN: "K"}) == {"K": "5"}


def test_ci_gives_options_by_name() -> None:
    assert given("plan", FRUITS_ENV="dev", FRUITS_OFFLINE="true", FRUITS_K="3") == {"ENV": "dev", "OFFLINE": "1"}


@pytest.mark.parametrize(
    ("command", "name", "hint"),
    [
        ("run-step", "LIMT", "Did you mean LIMIT?"),
        ("run-local", "CLASES", "Did you mean CLASSES?"),
        ("run-local", "limit", "Did you mean LIMIT?"),
        ("destroy", "EVN", "Did you mean ENV?"),
        ("apply", "ONESHOT", "It takes: "),
        ("local-down", "ENV", "It takes: none."),
    ],
)
def test_a_variable_that_a_command_does_not_take_is_refused(command: str, name: str, hint: str) -> None:
    with pytest.raises(WrongUseError) as caught:
        given(command, **{name: "5", GIVEN: name})
    assert str(caught.value).startswith(f"{name}= is not a variable of make {command}.")
    assert hint in str(caught.value)


def test_a_variable_may_be_meant_for_another_goal_of_the_line() -> None:
    assert given("apply", INPUT="p", ENV="dev", **{GIVEN: "INPUT ENV", GOALS: "apply upload-dataset"}) == {"ENV": "dev"}
    with pytest.raises(WrongUseError):
        given("apply", INPUT="p", **{GIVEN: "INPUT", GOALS: "apply status"})


@pytest.mark.parametrize("text", ["1", "true", "TRUE", "yes", "on"])
def test_flags_take_every_word_for_yes(text: str) -> None:
    assert given("run-step", ONESHOT=text, **{GIVEN: "ONESHOT"})["ONESHOT"] == "1"


@pytest.mark.parametrize("text", ["0", "false", "no", "off"])
def test_flags_and_switches_take_every_word_for_no(text: str) -> None:
    assert given("results", OPEN=text, **{GIVEN: "OPEN"})["OPEN"] == "0"
    assert given("run-step", DETACH=text, **{GIVEN: "DETACH"})["DETACH"] == "0"


def test_a_flag_that_is_neither_is_refused() -> None:
    with pytest.raises(WrongUseError, match=r"ONESHOT=maybe is neither yes nor no\. Fix: ONESHOT=1"):
        given("run-step", ONESHOT="maybe", **{GIVEN: "ONESHOT"})


# ---------------------------------------------------------------------------------------------- make, really


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Run make with a Python that writes down what a command would read."""
    spy = tmp_path / "venv" / "bin" / "python"
    spy.parent.mkdir(parents=True)
    spy.write_text('#!/bin/sh\nprintf "%s|" "$INPUT" "$FRUITS_GIVEN" "$FRUITS_GOALS" "$FRUITS_TWICE"\n')
    spy.chmod(0o755)
    for stamp in (".base", ".runtime", ".localaws", ".dev"):
        (spy.parent.parent / stamp).write_text("")
        os.utime(spy.parent.parent / stamp, (4e9, 4e9))

    def make(*words: str, **environ: str) -> tuple[int, str]:
        done = subprocess.run(
            ["make", f"VENV={spy.parent.parent}", *words],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return make


@pytest.mark.parametrize("path", ["/a b", "/a$b", "/a$(touch pwned)b", "/it's", '/say "x"', "/a;b#c", "/été", "/$$"])
def test_a_path_arrives_as_typed(recorded: Callable[..., tuple[int, str]], path: str) -> None:
    code, printed = recorded("run-local", f"INPUT={path}", INPUT="leaked", LIMIT="3")
    assert code == 0, printed
    value, names, goals, twice, _ = printed.split("|")
    assert (value, twice) == (path, "")
    assert set(names.split()) == {"INPUT", "VENV"}
    assert goals == "run-local"


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="only /proc shows a command line")
@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["K=1", "K=2"], {"K"}),
        (["INPUT=a=b", "LIMIT=K=1", "K=1"], set()),
        (["INPUT=a b", "K=3", "INPUT=c", "K=3", "INPUT=d"], {"INPUT", "K"}),
        (["INPUT=a\nINPUT=b", "K=1"], set()),
        (["K=1", "K:=2"], {"K"}),
    ],
)
def test_what_stands_twice_is_seen(recorded: Callable[..., tuple[int, str]], words: list[str], names: set[str]) -> None:
    code, printed = recorded("run-step", *words, K="5")
    assert code == 0, printed
    assert set(printed.split("|")[3].split()) == names


def test_what_stands_twice_is_refused() -> None:
    """make itself would take the last: half of two folders, or another cluster."""
    with pytest.raises(WrongUseError) as caught:
        given("run-step", INPUT="b", **{GIVEN: "INPUT", TWICE: "INPUT"})
    assert str(caught.value) == "INPUT= was given twice, and make takes only the last. Fix: give INPUT= once."
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["watch", "STEP=$(shell touch {0})"],
        ["watch", "STEP=`touch {0}`; touch {0}"],
        ["local-fault", 'FAULT="; touch {0}; "'],
        ["local-fault", "FAULT=$(touch {0})"],
        ["bench", "ONLY=;touch {0};"],
        ["bench", "ONLY=$(shell touch {0})", "IMAGES=`touch {0}`"],
    ],
)
def test_nothing_of_a_variable_is_run(
    recorded: Callable[..., tuple[int, str]], tmp_path: Path, words: list[str]
) -> None:
    proof = tmp_path / "pwned"
    recorded(*(word.replace("{0}", str(proof)) for word in words))
    assert not proof.exists()


def test_help_shows_the_everyday_commands_and_prints_nothing_that_a_shell_refuses(
    recorded: Callable[..., tuple[int, str]],
) -> None:
    _, short = recorded("help")
    everyday = [name for name, command in COMMANDS.items() if command.everyday]
    assert len(everyday) == 10
    assert [line.split()[0] for line in short.splitlines()[:10]] == everyday
    _, long = recorded("help-all")
    assert set(COMMANDS) <= {line.split()[0] for line in long.splitlines() if line.startswith("  ")}
    assert "$$" not in short + long


# ----------------------------------------------------------------------------------------------- fruits itself


@pytest.mark.parametrize("command", COMMANDS.values(), ids=list(COMMANDS))
def test_every_command_has_its_function_and_a_help(command: Command) -> None:
    assert callable(find_function(command.runs))
    assert set(command.takes) <= set(OPTIONS)
    assert not set(OPTIONS) & set(OF_MAKE)
    answer = click.testing.CliRunner().invoke(cli.cli, [command.name, "--help"], terminal_width=200)
    assert answer.exit_code == 0
    assert command.help in " ".join(answer.output.split())
    assert all(OPTIONS[name].flag in answer.output for name in command.takes)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run-stp"], "Did you mean run-step?"),
        (["run-step", "--lmit", "5"], "--limit"),
        (["nothing-like-it"], "fruits --help lists them."),
    ],
)
def test_what_there_is_not_is_refused_with_the_nearest(words: list[str], said: str) -> None:
    answer = click.testing.CliRunner().invoke(cli.cli, words)
    assert answer.exit_code == 2
    assert said in answer.output


def test_options_reach_the_command_as_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def command(environ: Mapping[str, str]) -> int:
        seen.update({name: environ[name] for name in environ if name in OPTIONS})
        return 21

    monkeypatch.setattr(cli, "find_function", lambda target: command)
    words = ["run-step", "--k", "50", "--classes", "Apple; Cherry, b", "--env", "dev", "--oneshot"]
    assert click.testing.CliRunner().invoke(cli.cli, words).exit_code == 21
    assert seen == {"K": "50", "CLASSES": "Apple; Cherry, b", "ENV": "dev", "ONESHOT": "1"}


def test_the_version_is_the_projects() -> None:
    assert click.testing.CliRunner().invoke(cli.cli, ["--version"]).output == "fruits, version 0.2.0\n"


def test_the_console_script_runs_the_checkout_that_its_environment_stands_in(tmp_path: Path) -> None:
    scripts = tmp_path / "a clone" / ".venv" / "bin"
    scripts.mkdir(parents=True)
    for name in ("ops", "jobs", "localaws", "sample", "pyproject.toml"):
        (tmp_path / "a clone" / name).symlink_to(ROOT / name)
    (scripts / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (scripts / "fruits").write_text((ROOT / "tools" / "fruits").read_text())
    for name in ("python", "fruits"):
        (scripts / name).chmod(0o755)

    def fruits(*words: str) -> tuple[int, str]:
        done = subprocess.run([scripts / "fruits", *words], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    assert fruits("--version") == (0, "fruits, version 0.2.0\n")
    assert fruits("watch") == (2, "watch: no step was given. Fix: make watch STEP=s-…; make steps lists them.\n")


def test_the_tables_are_those_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_tables.main(["--check"]) == 0, capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- where errors end


def refusal(code: str, message: str = "no", operation: str = "DescribeStep", **more: Any) -> boto.ClientError:
    return boto.ClientError({"Error": {"Code": code, "Message": message, **more}}, operation)  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (OperatorError("a. Fix: b.", exit_code=22), 22, "a. Fix: b."),
        (InputError("no image. Fix: INPUT=."), 10, "no image. Fix: INPUT=."),
        (NotRunningError(Path("x")), 1, "start it with make local-up"),
        (refusal("ExpiredTokenException"), 4, "Fix: log in again (aws sso login"),
        (boto.NoCredentialsError(), 4, "Fix: log in again (aws sso login"),
        (boto.UnauthorizedSSOTokenError(), 4, "Fix: log in again (aws sso login"),
        (boto.EndpointConnectionError(endpoint_url="https://x"), 1, "AWS cannot be reached ("),
        (refusal("ThrottlingException"), 1, "Fix: wait a minute"),
        (
            refusal("AccessDenied", operation="PutObject"),
            4,
            "PutObject is not allowed (AccessDenied). Fix: the",
        ),
        (refusal("NoSuchBucket", BucketName="b-1"), 20, "there is no bucket b-1. Fix: check the address"),
        (refusal("ValidationException", "bad"), 1, "DescribeStep answers ValidationException bad. Fix: "),
        (pa.ArrowInvalid("Parquet magic bytes not found"), 1, "Parquet magic bytes not found. Fix: check the address"),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "/x: No such file or directory. Fix: check the"),
        (PermissionError(13, "Permission denied", "/x"), 1, "/x: Permission denied. Fix: give yourself the right"),
        (NotADirectoryError(20, "Not a directory", "/x"), 1, "/x: Not a directory. Fix: remove what is in the way"),
        (OSError(28, "No space left on device"), 17, "a disk is full: [Errno 28] No space left on device. Fix: free"),
        (OSError(28, "No space left on device", "/x"), 17, "a disk is full: /x. Fix: free some space there"),
        (OSError(28, "No space left on device", "/source", None, "/target"), 17, "a disk is full: /target. Fix:"),
        (OSError(122, "Disk quota exceeded", "/x"), 17, "a disk is full: /x. Fix: free some space there"),
        (DiskFullError("a disk is full: x. Fix: y."), 17, "a disk is full: x. Fix: y."),
    ],
)
def test_an_expected_error_is_cause_fix_and_exit_code(error: Exception, code: int, sentence: str) -> None:
    told = explain(error)
    assert told is not None
    assert told[1] == code
    assert sentence in told[0]


def test_a_full_disk_is_named_whoever_hides_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The kernel's own full device; its error wrapped by a command that guesses at the network."""

    def fetch(_: object) -> int:
        try:
            with Path("/dev/full").open("w") as full:
                full.write("x")
        except OSError as error:
            raise OperatorError("the weights cannot be fetched. Fix: check the network.", exit_code=2) from error
        return 0

    monkeypatch.setattr(cli, "find_function", lambda target: fetch)
    assert cli.run(COMMANDS["weights"], {}, {}) == DiskFullError.exit_code == 17
    printed = capsys.readouterr().err
    assert "weights: a disk is full: " in printed
    assert "network" not in printed


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    assert explain(KeyError("x")) is None
    monkeypatch.setattr(cli, "find_function", lambda target: lambda environ: {}["x"])
    with pytest.raises(KeyError):
        cli.run(COMMANDS["status"], {}, {})


def test_the_sentence_bears_the_commands_name_and_what_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(environ: Mapping[str, str]) -> int:
        error = OperatorError("it failed. Fix: again.", exit_code=ExitCode.RULE)
        error.add_note("MAY STILL BILL: look.")
        raise error

    monkeypatch.setattr(cli, "find_function", lambda target: fails)
    assert cli.run(COMMANDS["apply"], {}, {}) == 5
    assert capsys.readouterr().err == "apply: it failed. Fix: again.\nMAY STILL BILL: look.\n"


def test_every_takes_is_of_a_command() -> None:
    assert set(TAKES) == set(COMMANDS)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_whoever_stops_reading_ends_a_command_without_a_word(tmp_path: Path, unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does
    environ = {**os.environ, "LOCALAWS_HOME": str(tmp_path), "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "ops.cli", "status", "--json"]
    process = subprocess.run(command, cwd=ROOT, env=environ, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (process.returncode, process.stderr) == (1, b"")
