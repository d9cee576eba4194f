"""Faults on demand: what goes wrong on a real cluster, made to go wrong here.

``bootstrap``      every bootstrap action fails
``executor-lost``  one executor process of each Spark step is killed; Spark starts another
``spot``           the same, and an instance of a Spot fleet is taken away for it
``no-capacity``    no Spot instance comes, so fleets wait for their timeouts; no executor joins a Spark step unless
                   machines on demand came instead, and the job waits 20 s for one, not 15 minutes
``step-oom``       the driver of each Spark step is killed, as the kernel or YARN does when memory runs out
``s3-slow``        every read from S3 takes 0.2 s longer
``s3-503``         every seventh call about an object is answered with 503 SlowDown

On a real YARN (``LOCALAWS_YARN=1``) also:

``driver-memory``   the driver's Python grows until YARN kills its container, and with it the application's master
``executor-heap``   the heap of the executors is too small for what they hold
``worker-memory``   the Python workers grow until YARN kills their executors' containers
``worker-killed``   every Python worker gets SIGKILL, as the kernel does when memory runs out
``master-lost``     the instance on which the driver runs is gone
``disk-full``       the disks of a new cluster's nodes count as full, so that none is healthy
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from localaws.errors import LocalAwsError
from localaws.guard import Wsgi, refuse
from localaws.settings import Settings

LOG = logging.getLogger(__name__)
ON_YARN = ("driver-memory", "executor-heap", "worker-memory", "worker-killed", "master-lost", "disk-full")
KINDS = ("bootstrap", "executor-lost", "spot", "no-capacity", "step-oom", "s3-slow", "s3-503", *ON_YARN)
_SHORT_WAIT = {"spark.fruits.executors.wait": "20"}
UNPLACEABLE_EXECUTORS = {"spark.executor.cores": "1000", **_SHORT_WAIT}
"""An executor that no worker of ``local-cluster`` can take."""
GROWING = str(Path(__file__).with_name("yarn") / "growing")
"""A folder that, on PYTHONPATH, makes every Python take more and more memory."""
SUBMIT_CONF: dict[str, dict[str, str]] = {
    "no-capacity": {"spark.dynamicAllocation.enabled": "false", "spark.executor.instances": "0", **_SHORT_WAIT},
    "driver-memory": {"spark.yarn.appMasterEnv.PYTHONPATH": GROWING},
    # the last of a JVM's options wins, and Spark refuses -Xmx
    "executor-heap": {"spark.executor.extraJavaOptions": "-XX:MaxHeapSize=24m"},
    "worker-memory": {"spark.executorEnv.PYTHONPATH": GROWING},
}
"""What a step on YARN is submitted with, by fault: a Python or a heap that needs more than it may have, or no executor.
Containers that are too small from the start are no fault: the job refuses them before it reads an image."""
FULL_DISKS = {
    "yarn.nodemanager.disk-health-checker.disk-utilization-threshold.enabled": "true",
    "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": "0.01",
    "yarn.nodemanager.disk-health-checker.interval-ms": "1000",
}
NONE = ("", "none")
SLOW_SECONDS = 0.2
SLOW_DOWN_EVERY = 7
_EXECUTOR = "CoarseGrainedExecutorBackend"
_DAEMON = "pyspark.daemon"
STEP_FAULTS = ("executor-lost", "spot", "step-oom", "worker-killed", "master-lost")
"""Faults that strike a step's processes or instances while it runs."""


class NeedsYarnError(LocalAwsError):
    """A fault that only a real YARN can have."""

    exit_code = 2

    def __init__(self, kind: str) -> None:
        super().__init__(f"FAULT={kind} needs a real YARN. Fix: give YARN=1 to make apply or make demo as well.")


class UnknownFaultError(LocalAwsError):
    """A fault that is not one of KINDS."""

    exit_code = 2

    def __init__(self, kind: str) -> None:
        super().__init__(f"FAULT={kind} is not known. Fix: choose one of {', '.join(KINDS)}, or none.")


def parse_fault(kind: str) -> str:
    """The fault, or an empty string for none; raises UnknownFaultError.

    >>> parse_fault("none"), parse_fault("s3-slow")
    ('', 's3-slow')
    """
    if kind in NONE:
        return ""
    if kind not in KINDS:
        raise UnknownFaultError(kind)
    return kind


def require_yarn(kind: str, settings: Settings) -> None:
    """Raise NeedsYarnError when a fault can only happen on YARN and steps do not run there."""
    if kind in ON_YARN and not settings.yarn:
        raise NeedsYarnError(kind)


def is_object_call(environ: dict[str, Any]) -> bool:
    """Whether a request is about an S3 object (and not about a bucket or another service).

    >>> is_object_call({"HTTP_AUTHORIZATION": "… Credential=k/d/eu-west-3/s3/aws4_request", "PATH_INFO": "/b/in/a"})
    True
    """
    signed_for_s3 = "/s3/aws4_request" in environ.get("HTTP_AUTHORIZATION", "")
    return signed_for_s3 and "/" in environ.get("PATH_INFO", "").strip("/")


def wrap_faults(application: Wsgi, settings: Settings) -> Wsgi:
    """The application with the S3 faults that the settings ask for at the time of each call."""
    calls = itertools.count(1)

    def call(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if settings.fault in ("s3-slow", "s3-503") and is_object_call(environ):
            if settings.fault == "s3-slow" and environ["REQUEST_METHOD"] == "GET":
                time.sleep(SLOW_SECONDS)
            elif settings.fault == "s3-503" and next(calls) % SLOW_DOWN_EVERY == 0:
                sentence, method = "Please reduce your request rate.", environ["REQUEST_METHOD"]
                return refuse("503 Slow Down", "SlowDown", sentence, "rest-xml", start_response, method=method)
        return application(environ, start_response)

    return call


@dataclass(frozen=True)
class StepProcesses:
    """The processes of a step, and the instances that a fault can take away with them.

    Attributes
    ----------
    processes : lists all of them
    driver : finds the driver's JVM; None while there is none
    take_spot : takes a Spot instance away
    take_master : takes away the instance on which the driver runs; None where it has no instance of its own
    """

    processes: Callable[[], Iterable[psutil.Process]]
    driver: Callable[[], psutil.Process | None]
    take_spot: Callable[[], None]
    take_master: Callable[[], None] | None = None

    def find(self, word: str) -> list[psutil.Process]:
        """The processes with a word in their command line, the oldest first."""
        return sorted((p for p in self.processes() if word in " ".join(read_command(p))), key=lambda p: p.pid)

    def find_executors(self) -> list[psutil.Process]:
        """The executors' JVMs."""
        return [p for p in self.find(_EXECUTOR) if "java" in read_command(p)[0].rpartition("/")[2]]

    def find_busy_executors(self) -> list[psutil.Process]:
        """The executors' JVMs that have been given work: below them runs a daemon of PySpark's."""

        def is_daemon(process: psutil.Process) -> bool:
            return _DAEMON in read_command(process)

        return [p for p in self.find_executors() if any(map(is_daemon, list_children(p.pid)))]

    def find_python_workers(self) -> list[psutil.Process]:
        """The Python workers: what a daemon of PySpark's has forked."""
        daemons = {p.pid for p in self.find(_DAEMON)}
        return [p for p in self.find(_DAEMON) if find_parent(p) in daemons]


def list_children(pid: int) -> list[psutil.Process]:
    """All descendants of a process; none when it has ended."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def read_command(process: psutil.Process) -> list[str]:
    """A process's command line; one empty word when it has ended."""
    try:
        return [str(word) for word in process.cmdline()] or [""]
    except psutil.Error:
        return [""]


def find_parent(process: psutil.Process) -> int:
    """The id of a process's parent; 0 when it has ended."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return 0


class FaultInjector:
    """Waits until a Spark step's executors are at work, then injects a fault.

    Parameters
    ----------
    kind : one of `STEP_FAULTS`
    processes : the step's
    """

    def __init__(self, kind: str, processes: StepProcesses) -> None:
        self.kind, self._processes = kind, processes
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"fault-{kind}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop waiting: the step has ended."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.2):
            busy = self._processes.find_busy_executors()
            if busy and self._inflict(busy[0]):
                return

    def _inflict(self, executor: psutil.Process) -> bool:
        """Do what the fault says; returns whether that was all."""
        processes = self._processes
        match self.kind:
            case "worker-killed":
                for worker in processes.find_python_workers():
                    self._kill("the Python worker", worker)
                return False  # Spark starts others, which must end too
            case "step-oom":
                self._kill("the driver", processes.driver())
            case "master-lost":
                LOG.info("fault master-lost: the driver's instance is taken away")
                (processes.take_master or processes.take_spot)()
            case "spot" if processes.take_master:
                LOG.info("fault spot: the executor's Spot instance is taken away")
                processes.take_spot()
            case _:
                self._kill("the executor", executor)
                if self.kind == "spot":
                    processes.take_spot()
        return True

    def _kill(self, label: str, process: psutil.Process | None) -> None:
        if process is None:
            return
        LOG.info("fault %s: %s %d is killed", self.kind, label, process.pid)
        try:
            process.kill()
        except psutil.NoSuchProcess:
            return  # it has just ended by itself
