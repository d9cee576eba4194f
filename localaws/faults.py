"""Faults on demand: what goes wrong on a real cluster, made to go wrong here.

``bootstrap``      every bootstrap action fails
``executor-lost``  one executor process of each Spark step is killed; Spark starts another
``spot``           the same, and an instance of a Spot fleet is taken away for it
``step-oom``       the driver of each Spark step is killed, as the kernel or YARN does when memory runs out
``s3-slow``        every read from S3 takes 0.2 s longer
``s3-503``         every seventh call about an object is answered with 503 SlowDown
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import psutil

from localaws.errors import LocalAwsError
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
KINDS = ("bootstrap", "executor-lost", "spot", "step-oom", "s3-slow", "s3-503")
NONE = ("", "none")
SLOW_SECONDS = 0.2
ONE_IN = 7
# An executor is killed when it has had the time to be given work.
EXECUTOR_AGE_SECONDS = 4.0
_EXECUTOR = "CoarseGrainedExecutorBackend"
_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class UnknownFaultError(LocalAwsError):
    """A fault that is not one of KINDS."""

    exit_code = 2

    def __init__(self, kind: str) -> None:
        super().__init__(f"FAULT={kind} is not known: choose one of {', '.join(KINDS)}, or none")
        self.kind = kind


def known(kind: str) -> str:
    """The fault, or an empty string for none; raises UnknownFaultError.

    >>> known("none"), known("s3-slow")
    ('', 's3-slow')
    """
    if kind in NONE:
        return ""
    if kind not in KINDS:
        raise UnknownFaultError(kind)
    return kind


def is_object_call(environ: dict[str, Any]) -> bool:
    """Whether a request is about an S3 object (and not about a bucket or another service).

    >>> is_object_call({"HTTP_AUTHORIZATION": "… Credential=k/d/eu-west-3/s3/aws4_request", "PATH_INFO": "/b/in/a"})
    True
    """
    signed_for_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
    return signed_for_s3 and "/" in environ.get("PATH_INFO", "").strip("/")


def faulty_s3(application: Wsgi, settings: Settings) -> Wsgi:
    """The application with the S3 faults that the settings ask for at the time of each call."""
    calls = itertools.count(1)

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if settings.fault in ("s3-slow", "s3-503") and is_object_call(environ):
            if settings.fault == "s3-slow" and environ["REQUEST_METHOD"] == "GET":
                time.sleep(SLOW_SECONDS)
            elif settings.fault == "s3-503" and next(calls) % ONE_IN == 0:
                body = b"" if environ["REQUEST_METHOD"] == "HEAD" else _SLOW_DOWN
                headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
                start_response("503 Slow Down", headers)
                return [body]
        return application(environ, start_response)

    return call


def executors_of(pid: int) -> list[psutil.Process]:
    """The executor processes below a driver, the oldest first."""
    try:
        below = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = []
    for process in below:
        try:
            if any(_EXECUTOR in word for word in process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue  # it ended while it was looked at
    return sorted(found, key=lambda p: p.pid)


class Saboteur:
    """Waits for a Spark step's executors and does to them what the fault says, once.

    Parameters
    ----------
    kind : executor-lost, spot or step-oom
    driver : process id of the driver
    take_spot_instance : what else happens with ``spot``
    """

    def __init__(self, kind: str, driver: int, take_spot_instance: Callable[[], None]) -> None:
        self.kind, self.driver, self._take = kind, driver, take_spot_instance
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fault-{kind}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The step has ended."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.2):
            ripe = [p for p in executors_of(self.driver) if _age(p) > EXECUTOR_AGE_SECONDS]
            if ripe:
                self._strike(ripe[0])
                return

    def _strike(self, executor: psutil.Process) -> None:
        if self.kind == "step-oom":
            LOG.info("fault step-oom: the driver %d is killed", self.driver)
            victim = psutil.Process(self.driver)
        else:
            LOG.info("fault %s: the executor %d is killed", self.kind, executor.pid)
            victim = executor
        try:
            victim.kill()
        except psutil.NoSuchProcess:
            return  # it has just ended by itself
        if self.kind == "spot":
            self._take()


def _age(process: psutil.Process) -> float:
    try:
        return time.time() - float(process.create_time())
    except psutil.NoSuchProcess:
        return 0.0
