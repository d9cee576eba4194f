"""Ctrl-C while Terraform works: it is let to end what it does and to save its state. Seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ops.cli import demo
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
