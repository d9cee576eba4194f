"""Executors that never come: Spark waits for them for ever, on a cluster that costs money. This limits the wait.

The limit counts only while Spark has something to run and no executor: executors leave when there is no work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

from fruits.errors import ExecutorsError, UsageError
from fruits.request import parse_decimal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SETTING = "spark.fruits.executors.wait"
"""Seconds, in the session's configuration; 0 waits for ever."""
DEFAULT_SECONDS = 900.0
PAUSE_SECONDS = 5.0


class ExecutorCluster(Protocol):
    """What the watch needs of Spark."""

    def count_executors(self) -> int: ...
    def has_work(self) -> bool: ...
    def cancel(self) -> None: ...


def is_connect(spark: SparkSession) -> bool:
    """Whether it is a session of Spark Connect, which has no context."""
    return ".connect." in type(spark).__module__


def is_on_this_machine(spark: SparkSession) -> bool:
    """Whether the driver runs the tasks itself."""
    return not is_connect(spark) and str(spark.sparkContext.master).partition("[")[0] == "local"


class SparkCluster:
    """The cluster of a session; ``from_session`` gives None where the driver runs tasks itself, or has no context."""

    def __init__(self, spark: SparkSession) -> None:
        self._context = spark.sparkContext

    @classmethod
    def from_session(cls, spark: SparkSession) -> SparkCluster | None:
        return None if is_connect(spark) or is_on_this_machine(spark) else cls(spark)

    def count_executors(self) -> int:
        return int(self._context._jsc.sc().getExecutorMemoryStatus().size()) - 1  # the driver is in it

    def has_work(self) -> bool:
        return bool(self._context.statusTracker().getActiveJobsIds())

    def cancel(self) -> None:
        self._context.cancelAllJobs()


class Watch:
    """Measures how long there has been work and no executor.

    Attributes
    ----------
    is_over : the limit was reached
    """

    def __init__(self, cluster: ExecutorCluster, seconds: float) -> None:
        self.cluster, self.seconds = cluster, seconds
        self.is_over = False
        self._since: float | None = None

    def look(self, now: float) -> bool:
        """Look once, at a monotonic time in seconds; cancels the jobs at the limit, and says whether it is reached."""
        if self.cluster.count_executors() or not self.cluster.has_work():
            self._since = None
        elif self._since is None:
            self._since = now
        elif now - self._since >= self.seconds:
            self.is_over = True
            self.cluster.cancel()
        return self.is_over


def read_limit(text: str) -> float:
    """Seconds in the setting.

    Raises
    ------
    UsageError
        When it is no number, or one below 0: without a limit the job would wait, and cost money, for ever.
    """
    with suppress(ValueError):
        if (seconds := parse_decimal(text)) >= 0:
            return seconds
    raise UsageError(f"{SETTING}={text} is not a number of seconds. Fix: 0 or more, for example {SETTING}=900.")


@contextmanager
def limit_wait(spark: SparkSession) -> Iterator[None]:
    """Run the block, and end it when no executor comes within the session's limit.

    Raises
    ------
    ExecutorsError
        When none came, or all were lost and none came back.
    """
    seconds = read_limit(spark.conf.get(SETTING, None) or str(DEFAULT_SECONDS))
    cluster = SparkCluster.from_session(spark)
    if cluster is None or not seconds:
        yield
        return
    watch, is_done = Watch(cluster, seconds), threading.Event()

    def repeat() -> None:
        with suppress(Exception):  # the context was stopped in the meantime: then nothing waits any more
            while not is_done.wait(min(PAUSE_SECONDS, seconds)) and not watch.look(time.monotonic()):
                pass

    thread = threading.Thread(target=repeat, name="executors", daemon=True)
    thread.start()
    try:
        yield
    except Exception as error:
        if watch.is_over:
            raise ExecutorsError(describe_wait(seconds)) from error
        raise
    finally:
        is_done.set()
        thread.join()


def describe_wait(seconds: float) -> str:
    """The sentence about executors that did not come within some seconds, with what to do."""
    waited = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} s"
    return (
        f"there was work, and no executor came in {waited}: the cluster has no free node for one (no Spot capacity, or "
        f"memory that no node has). Fix: run it again when there is capacity, ask for nodes on demand, or wait longer: "
        f"{SETTING} (seconds)."
    )
