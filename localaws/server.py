"""Start, find and stop the server process. ``with running(settings) as endpoint`` for tests and tools."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from localaws import faults, state
from localaws.errors import DidNotStartError, DidNotStopError, NotRunningError
from localaws.settings import ROOT, Settings
from localaws.state import Record

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOG_NAME = "server.log"
_started: list[subprocess.Popen[bytes]] = []


# Variables that would lead a client elsewhere; an empty AWS_PROFILE is one too.
CLEARED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def environment(endpoint: str, region: str) -> dict[str, str]:
    """What a client's environment must hold to reach the embedded AWS and nothing else, once ``CLEARED`` are gone.

    Parameters
    ----------
    endpoint : the server's URL
    region : the region to work in
    """
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def status(home: Path) -> tuple[Record, list[dict[str, Any]]]:
    """The live server of a home, and its clusters; raises NotRunningError."""
    record = state.read(home)
    if record is None:
        raise NotRunningError(state.path(home))
    try:
        with urllib.request.urlopen(f"{record.endpoint}/moto-api/localaws/status", timeout=10) as answer:  # noqa: S310
            told = json.load(answer)
    except (OSError, ValueError, http.client.HTTPException):
        raise NotRunningError(state.path(home)) from None
    if told.get("token") != record.token:
        raise NotRunningError(state.path(home))
    return record, told["clusters"]


def set_clock(endpoint: str, rate: float) -> None:
    """Let EMR's idle clocks and the scheduler run ``rate`` times as fast as real time from now on."""
    _tell(endpoint, "clock", {"rate": rate})


def set_fault(endpoint: str, kind: str) -> None:
    """Inject a fault from now on (``faults.KINDS``), or none; raises UnknownFaultError."""
    _tell(endpoint, "fault", {"fault": faults.known(kind)})


def _tell(endpoint: str, what: str, content: dict[str, Any]) -> None:
    url, headers = f"{endpoint}/moto-api/localaws/{what}", {"Content-Type": "application/json"}
    body = json.dumps(content).encode()
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310


def start(settings: Settings) -> Record:
    """Start the server unless one lives; returns when it answers."""
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once start one server
        try:
            return status(settings.home)[0]
        except NotRunningError:
            return _spawn(settings)


def _spawn(settings: Settings) -> Record:
    log = settings.home / LOG_NAME
    token = secrets.token_hex(8)
    env = dict(os.environ) | {f"LOCALAWS_{f.name.upper()}": _text(getattr(settings, f.name)) for f in fields(settings)}
    env["LOCALAWS_TOKEN"] = token
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "localaws", "serve"],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.append(process)  # kept, or Python warns that it is still running, which is what it is for
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        record = state.read(settings.home)
        if record and record.token == token:
            return status(settings.home)[0]
        time.sleep(0.05)
    if process.poll() is None:
        process.kill()
        process.wait()
    raise DidNotStartError(log, "\n".join(log.read_text(errors="replace").splitlines()[-8:]))


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def stop(home: Path) -> bool:
    """Stop the server and wait for its end; whether there was one."""
    try:
        record = status(home)[0]
    except NotRunningError:
        state.path(home).unlink(missing_ok=True)
        return False
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, 5.0)):
        os.kill(record.pid, number)
        if _gone(record.pid, seconds):
            state.path(home).unlink(missing_ok=True)
            return True
    raise DidNotStopError(record.pid)


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
        time.sleep(0.05)
    return False


@contextmanager
def running(settings: Settings) -> Iterator[str]:
    """A server for the time of a block; the value is its endpoint."""
    record = start(settings)
    try:
        yield record.endpoint
    finally:
        stop(settings.home)
