"""Start, find and stop the server process. ``with running(settings) as record`` for tests and tools."""

from __future__ import annotations

import errno
import fcntl
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws import faults, state
from localaws.errors import DidNotStartError, DidNotStopError, NotAnsweringError, NotRunningError, WithoutYarnError
from localaws.interrupts import hold_interrupts
from localaws.keys import Keys
from localaws.settings import ROOT, Settings
from localaws.state import Record
from localaws.yarn.machine import check_machine

START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
LEAST_BYTES = 1 << 20
"""Where the disk has less, a server that did not start had no room for its log."""
ENDINGS = ((signal.SIGTERM, 30.0), (signal.SIGKILL, 5.0))
SERVE = ("-m", "localaws", "serve")
LOG_NAME = "server.log"
_started: list[subprocess.Popen[bytes]] = []


# Variables that would lead a client elsewhere; an empty AWS_PROFILE is one too.
CLEARED = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE")


def make_client_environment(record: Record, region: str) -> dict[str, str]:
    """What a client's environment must hold to reach the embedded AWS and nothing else, once ``CLEARED`` are gone.

    Parameters
    ----------
    record : the server that runs
    region : the region to work in
    """
    return {
        "AWS_ENDPOINT_URL": record.endpoint,
        **record.keys.environment(),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def find_server(home: Path, *, patience: float = ANSWER_SECONDS) -> tuple[Record, list[dict[str, Any]]]:
    """The live server of a home, and its clusters.

    Raises
    ------
    NotRunningError : there is none
    NotAnsweringError : there is one, and it did not answer within ``patience`` seconds
    """
    record = state.read_record(home)
    if record is not None:
        try:
            answer = json.loads(_ask(record.endpoint, record.keys, "status", patience=patience))
            if answer.get("token") == record.token:
                return record, answer["clusters"]
        except (OSError, ValueError, http.client.HTTPException):
            pass  # nothing answers, or another program does
    if pids := list_processes(home):
        raise NotAnsweringError(pids)
    raise NotRunningError(state.locate_record(home))


def list_processes(home: Path) -> list[int]:
    """The server processes of a home, whether they answer, are frozen, or have lost their state file."""
    record = state.read_record(home)
    started_words, foreground_words = [*SERVE, str(home.resolve())], [*SERVE]
    pids = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        is_recorded = record is not None and record.pid == process.pid
        if words[-4:] == started_words or (is_recorded and words[-3:] == foreground_words):
            pids.append(process.pid)
    return pids


def set_clock(endpoint: str, keys: Keys, rate: float) -> None:
    """Let EMR's idle clocks and the scheduler run ``rate`` times as fast as real time from now on."""
    _ask(endpoint, keys, "clock", {"rate": rate})


def set_fault(endpoint: str, keys: Keys, kind: str) -> None:
    """Inject a fault from now on (``faults.KINDS``), or none; raises UnknownFaultError and NeedsYarnError."""
    try:
        _ask(endpoint, keys, "fault", {"fault": faults.parse_fault(kind)})
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.BAD_REQUEST:
            raise faults.NeedsYarnError(kind) from None
        raise


def _ask(
    endpoint: str, keys: Keys, path: str, content: dict[str, Any] | None = None, *, patience: float = ANSWER_SECONDS
) -> bytes:
    """Call a page that steers the emulator; the call is signed, so that a stranger on the port learns no secret."""
    body = json.dumps(content).encode() if content is not None else b""
    headers = {"Content-Type": "application/json"} if body else {}
    url = f"{endpoint}/moto-api/localaws/{path}"
    signed_request = AWSRequest("POST" if body else "GET", url, headers, body)
    SigV4Auth(Credentials(keys.access_key, keys.secret_key), "localaws", "local").add_auth(signed_request)
    request = urllib.request.Request(url, body or None, dict(signed_request.headers), method=signed_request.method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=patience) as answer:  # noqa: S310
        return bytes(answer.read())


def start(settings: Settings) -> Record:
    """Start the server unless one is running; returns when it answers.

    Raises
    ------
    DidNotStartError
    WithoutYarnError : one is running without YARN, which the settings ask for
    YarnError : this machine cannot run YARN
    """
    state.make_home(settings.home)
    with (settings.home / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two makes at once start one server
        try:
            record = find_server(settings.home)[0]
        except NotRunningError:
            if settings.yarn:
                check_machine(settings.yarn_jars)
            return _spawn(settings)
        if settings.yarn and not record.yarn:
            raise WithoutYarnError
        return record


def make_server_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the server's process: with the settings, and of AWS's own variables only the region.

    A profile of the shell that is not configured, or an endpoint, would break boto3 inside the server.
    """
    inherited = {
        name: value
        for name, value in environ.items()
        if not name.startswith("AWS_") or name in ("AWS_REGION", "AWS_DEFAULT_REGION")
    }
    return inherited | {f"LOCALAWS_{f.name.upper()}": _read_text(getattr(settings, f.name)) for f in fields(settings)}


def _spawn(settings: Settings) -> Record:
    log = settings.home / LOG_NAME
    token = secrets.token_hex(8)
    env = make_server_environment(settings, os.environ) | {"LOCALAWS_TOKEN": token}
    # what fails kills it, Ctrl-C too: nobody would know of the server
    with log.open("ab") as out, hold_interrupts() as release, ExitStack() as failure:
        process = subprocess.Popen(
            [sys.executable, *SERVE, str(settings.home.resolve())],
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        failure.callback(process.wait)
        failure.callback(process.kill)
        _started.append(process)  # or Python would warn that it is still running, as it should be
        release()
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            record = state.read_record(settings.home)
            if record and record.token == token:
                record = find_server(settings.home)[0]
                failure.pop_all()
                return record
            time.sleep(0.05)
    if shutil.disk_usage(settings.home).free < LEAST_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(settings.home))
    raise DidNotStartError(log, "\n".join(log.read_text(errors="replace").splitlines()[-8:]))


def _read_text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def stop(home: Path) -> bool:
    """Stop the server, even one that is frozen or has lost its folder, and wait; returns whether there was one."""
    pids = list_processes(home)
    for pid in pids:
        if not any(_end(pid, number, seconds) for number, seconds in ENDINGS):
            raise DidNotStopError(pid)
    state.locate_record(home).unlink(missing_ok=True)
    shutil.rmtree(Settings(home=home).clusters, ignore_errors=True)  # left by a server that was killed with its reaper
    return bool(pids)


def _end(pid: int, number: signal.Signals, seconds: float) -> bool:
    child = next((process for process in _started if process.pid == pid), None)
    try:
        process = psutil.Process(pid)
        process.send_signal(number)
        process.resume()  # a frozen process hears SIGTERM when it goes on
        child.wait(seconds) if child else process.wait(seconds)
    except (psutil.TimeoutExpired, subprocess.TimeoutExpired):
        return False
    except psutil.NoSuchProcess:
        pass
    if child and child.poll() is not None:
        _started.remove(child)
    return True


@contextmanager
def running(settings: Settings) -> Iterator[Record]:
    """A server that runs for the time of a block."""
    try:
        yield start(settings)
    finally:
        stop(settings.home)
