"""Starting, finding and stopping the server, and what a client's shell is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import boto3
import psutil
import pytest

from localaws import server, state
from localaws.__main__ import main
from localaws.errors import DidNotStartError, NotAnsweringError, NotRunningError
from localaws.settings import ROOT, SettingError, Settings
from tests.localaws.support import REGION, Aws, make_world, step, until
from tests.processes import find_below

pytestmark = pytest.mark.aws


def test_two_servers_stand_side_by_side_and_know_nothing_of_each_other(aws: Aws, tmp_path: Path) -> None:
    with server.running(Settings(home=tmp_path / "other")) as record:
        assert record.endpoint != aws.endpoint
        name = aws.bucket("mine")
        other = boto3.client("s3", endpoint_url=record.endpoint, region_name=REGION, **record.keys.arguments())
        assert name not in [b["Name"] for b in other.list_buckets()["Buckets"]]
    with pytest.raises(NotRunningError):
        server.find_server(tmp_path / "other")


def test_starting_twice_is_starting_once_and_stop_ends_the_process(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = server.start(settings)
    try:
        assert server.start(settings) == first
        listening = [c.laddr.ip for c in psutil.Process(first.pid).net_connections() if c.status == "LISTEN"]
        assert listening == ["127.0.0.1"]
    finally:
        assert server.stop(tmp_path) is True
    assert server.stop(tmp_path) is False
    with pytest.raises(ProcessLookupError):
        os.kill(first.pid, 0)


def test_a_server_that_was_killed_is_not_running_and_can_be_started_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    first = server.start(settings)
    os.kill(first.pid, signal.SIGKILL)
    os.waitpid(first.pid, 0)
    with pytest.raises(NotRunningError, match="start it with make local-up"):
        server.find_server(tmp_path)
    left = tmp_path / "clusters" / "j-KILLED" / "opt"
    left.mkdir(parents=True)
    with server.running(settings) as record:
        assert record.endpoint.startswith("http://127.0.0.1:")
        assert not left.exists()


def sleepers(pid: int) -> list[psutil.Process]:
    """What sleeps below a process."""
    return find_below(pid, lambda process: process.name() == "sleep")


def test_a_frozen_server_is_found_named_and_stopped(tmp_path: Path) -> None:
    first = server.start(Settings(home=tmp_path))
    try:
        os.kill(first.pid, signal.SIGSTOP)
        until(lambda: psutil.Process(first.pid).status(), lambda said: said == psutil.STATUS_STOPPED)
        with pytest.raises(NotAnsweringError, match=rf"process {first.pid}\) does not answer.*Fix: make local-down"):
            server.find_server(tmp_path, patience=0.5)
        assert server.list_processes(tmp_path) == [first.pid]
    finally:
        assert server.stop(tmp_path) is True
    assert not psutil.pid_exists(first.pid)
    assert not state.locate_record(tmp_path).exists()


def test_a_frozen_server_whose_folder_was_removed_is_found_and_stopped(tmp_path: Path) -> None:
    home = tmp_path / "build" / "localaws"
    first = server.start(Settings(home=home))
    os.kill(first.pid, signal.SIGSTOP)
    shutil.rmtree(tmp_path / "build")
    assert server.stop(home) is True
    assert not psutil.pid_exists(first.pid)


def test_a_server_whose_folder_is_removed_ends_with_its_processes(tmp_path: Path) -> None:
    home = tmp_path / "build" / "localaws"
    record = server.start(Settings(home=home, starting_seconds=0.05))
    world = make_world(Aws(record, home))
    cluster = world.cluster(Steps=[step("sleeps", "sleep", "600")])
    until(lambda: world.states(cluster), lambda states: states == ["RUNNING"])
    sleeping = until(lambda: sleepers(record.pid), lambda found: len(found) == 1)
    ending = [psutil.Process(record.pid), *sleeping]
    shutil.rmtree(tmp_path / "build")
    _, alive = psutil.wait_procs(ending, timeout=300)
    assert not alive
    assert not (home / "clusters").exists()
    assert server.stop(home) is False


def test_what_a_killed_server_ran_ends_with_it_and_its_folders_go(tmp_path: Path) -> None:
    record = server.start(Settings(home=tmp_path, starting_seconds=0.05))
    world = make_world(Aws(record, tmp_path))
    cluster = world.cluster(Steps=[step("sleeps", "bash", "-c", "sleep 600 & sleep 601")])
    until(lambda: world.states(cluster), lambda states: states == ["RUNNING"])
    below = until(lambda: sleepers(record.pid), lambda found: len(found) == 2)
    assert (tmp_path / "clusters" / cluster).is_dir()
    os.kill(record.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(below, timeout=300)
    assert not alive
    until(lambda: (tmp_path / "clusters").exists(), lambda there: not there)
    assert server.stop(tmp_path) is False


def test_a_stranger_on_the_port_is_not_taken_for_ours(aws: Aws, tmp_path: Path) -> None:
    state.write_record(tmp_path, replace(aws.server, pid=os.getpid(), token="another"))
    with pytest.raises(NotRunningError):
        server.find_server(tmp_path)
    assert server.stop(tmp_path) is False


def test_a_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "waitress.py").write_text("raise ImportError('waitress is broken')\n")
    with pytest.raises(DidNotStartError, match=r"server\.log ends with:(?s:.)*waitress is broken"):
        server.start(Settings(home=tmp_path / "home"))
    monkeypatch.setattr(server.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(OSError, match="No space left on device") as caught:
        server.start(Settings(home=tmp_path / "home"))
    assert caught.value.filename == str(tmp_path / "home")


def test_a_profile_of_the_shell_that_is_not_configured_does_not_keep_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://elsewhere.example")
    with server.running(Settings(home=tmp_path, execute=False)) as record:
        assert server.find_server(tmp_path)[0] == record
    given = server.make_server_environment(Settings(), {"AWS_PROFILE": "x", "AWS_REGION": "eu-west-1", "PATH": "/bin"})
    assert {name for name in given if not name.startswith("LOCALAWS_")} == {"AWS_REGION", "PATH"}


def test_interrupting_the_server_in_the_foreground_ends_it(tmp_path: Path) -> None:
    env = os.environ | {"LOCALAWS_HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "localaws", "serve"], cwd=ROOT, env=env, stderr=subprocess.DEVNULL
    )
    until(lambda: state.read_record(tmp_path), lambda record: record is not None)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=300) == 0


def test_the_shell_is_pointed_at_it_and_aws_emr_too(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {"HOME": str(aws.home), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = f'eval "$({sys.executable} -m localaws env)"; aws emr list-clusters --output text && aws s3 ls'
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=ROOT,
        env=env | {"LOCALAWS_HOME": str(aws.home), "AWS_SESSION_TOKEN": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_commands_without_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOCALAWS_HOME", str(tmp_path))
    assert main(["status"]) == 1
    assert main(["env"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("start it with make local-up") == 2
    assert main(["stop"]) == 0
    assert capsys.readouterr().out == "embedded AWS was not running\n"


def test_settings_come_from_the_environment_and_nonsense_is_refused() -> None:
    read = Settings.from_environment({"LOCALAWS_EXECUTE": "no", "LOCALAWS_LOG_DELAY_SECONDS": "2.5"})
    assert (read.execute, read.log_delay_seconds, read.executors) == (False, 2.5, Settings().executors)
    with pytest.raises(SettingError, match=r"LOCALAWS_EXECUTORS=two is not a whole number from 1\. Fix: for example"):
        Settings.from_environment({"LOCALAWS_EXECUTORS": "two"})
