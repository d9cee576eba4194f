"""Ctrl-C while a program works, or is being started: it is ended, and Terraform let to save its state. Seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fruits.request import Request

from localaws import server
from localaws.downloads import run_download
from localaws.interrupts import hold_interrupts
from localaws.settings import Settings
from ops.cli import demo, ui
from ops.core.console import Console
from ops.job import local_spark
from ops.terraform.workspace import run_patiently
from tests.processes import interruptible

REPO = Path(__file__).resolve().parents[2]
SLOW = """#!/usr/bin/env bash
trap 'sleep 1.5; echo saved > "$STATE"; kill "$!"; exit 1' INT
: > "$STARTED"
sleep 30 & wait
"""
CALL = """
import os, sys
from pathlib import Path
from ops.core.programs import end_as_by_ctrl_c
from ops.terraform.workspace import run_patiently
end_as_by_ctrl_c()
run_patiently([sys.argv[1]], cwd=Path("."), env=os.environ, pipe=None)
"""


@pytest.mark.parametrize(
    ("stops", "printed"),
    [
        ([True, False], ["the embedded AWS is stopped; nothing is left running", "interrupted"]),
        ([KeyboardInterrupt, True], ["the embedded AWS is stopped; nothing is left running", "interrupted"]),
        ([False, False], ["interrupted"]),
    ],
    ids=["once", "again while it stops", "before it started"],
)
def test_an_interrupted_demo_says_once_that_the_embedded_aws_is_stopped(
    stops: list[bool | type[BaseException]],
    printed: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stop(_: Path) -> bool:
        answer = stops.pop(0)
        if not isinstance(answer, bool):
            raise answer
        return answer

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "prepare_account", interrupt)
    monkeypatch.setattr("ops.lifecycle.environment.server.stop", stop)
    assert demo.main({}) == 130
    assert capsys.readouterr().out.splitlines()[-len(printed) :] == printed


@pytest.mark.costly
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_terraform_saves_its_state_before_the_command_ends(tmp_path: Path, number: signal.Signals) -> None:
    program, state, started = tmp_path / "terraform", tmp_path / "state", tmp_path / "started"
    program.write_text(SLOW)
    program.chmod(0o755)
    environ = {**os.environ, "STATE": str(state), "STARTED": str(started), "PYTHONPATH": f"{REPO}:{REPO / 'jobs'}"}
    command = [sys.executable, "-c", CALL, str(program)]
    process = subprocess.Popen(
        command, env=environ, start_new_session=True, stderr=subprocess.PIPE, text=True, preexec_fn=interruptible
    )
    deadline = time.monotonic() + 300
    while not started.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, number)  # as a terminal does, when Ctrl-C is pressed and when it is closed
    _, said = process.communicate(timeout=300)
    assert state.read_text() == "saved\n"
    assert "KeyboardInterrupt" in said


LONG = {"sleep", "spark-submit", "spark-class", "localaws"}
"""What runs on until it is ended."""


@pytest.fixture
def _heard() -> Iterator[None]:
    """Ctrl-C is an exception, also where a shell that put the tests in the background lets them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def run_terraform(folder: Path) -> None:
    run_patiently(["sleep", "600"], cwd=folder, env=os.environ, pipe=None)


def run_pip(folder: Path) -> None:
    run_download(["sleep", "600"], [folder], ".whl", lambda _: None)


def run_spark(folder: Path) -> None:
    request = Request(input=str(folder), output=str(folder / "out"))
    if local_spark.run_job(request, Console(quiet=True), "local") == 130:  # it says how to go on
        raise KeyboardInterrupt


def start_embedded_aws(folder: Path) -> None:
    server.start(Settings(home=folder))


def start_history_server(folder: Path) -> None:
    with ui.history_server(folder):
        pytest.fail("it began")


@pytest.mark.usefixtures("_heard")
@pytest.mark.parametrize("start", [run_terraform, run_pip, run_spark, start_embedded_aws, start_history_server])
def test_ctrl_c_while_a_program_is_being_started_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[[Path], None]
) -> None:
    """At the worst moment: it runs, and `Popen` has not returned yet."""
    started = list[subprocess.Popen[Any]]()

    class Popen(subprocess.Popen[Any]):
        def __init__(self, command: Any, **options: Any) -> None:
            if not LONG & {Path(word).name for word in map(str, command)}:
                super().__init__(command, **options)  # one that only asks: java -version
                return
            super().__init__(["sleep", "600"], **options)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    handler = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(KeyboardInterrupt):
            start(tmp_path)
        assert [process.poll() for process in started] != [None]
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        for process in started:
            process.kill()
            process.wait()
    assert len(started) == 1


@pytest.mark.usefixtures("_heard")
def test_what_comes_while_interrupts_are_held_comes_once_they_are_released() -> None:
    with hold_interrupts() as release:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            release()
        release()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), hold_interrupts():
        signal.raise_signal(signal.SIGINT)
