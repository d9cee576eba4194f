"""`make logs`: the end of what a step, its driver and a failed bootstrap wrote, and how old that is.

`STEP=` and `CLUSTER=` take others than the newest; `LINES=` shows more of each; `FOLLOW=1` stays, shows what arrives
and waits for what is late; `JSON=1` is for a program. `make diagnose` says what a failure means; this shows the text.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fruits.wording import format_count
from rich.table import Table
from rich.text import Text

from ops.aws.account import Account
from ops.aws.describe import describe_step
from ops.aws.emr import list_steps
from ops.aws.poll import pace, poll
from ops.cli.place import open_account
from ops.cli.values import is_on, read_number
from ops.core.console import Console, working
from ops.core.errors import ExitCode, OperatorError
from ops.core.text import format_duration
from ops.logs import layout, words
from ops.logs.layout import LATER, Log
from ops.logs.reader import Logs, S3Logs

LINES = 60
LATE_SECONDS = layout.SHIPPING.total_seconds()
POLL_SECONDS = 10.0


class NoLogsError(OperatorError):
    """No log has arrived, or the cluster keeps none."""

    exit_code = ExitCode.NO_LOGS


@dataclass(frozen=True)
class LogSource:
    """Whose logs are read.

    Attributes
    ----------
    logs : the place below which the cluster's lie
    cluster_id, step_id : the step is empty where the cluster never had one
    status : EMR's of the step, asked anew by each call
    """

    logs: Logs
    cluster_id: str
    step_id: str
    status: Callable[[], Mapping[str, Any]]

    @property
    def name(self) -> str:
        return f"the step {self.step_id}" if self.step_id else f"the cluster {self.cluster_id}"


def find_source(account: Account, environ: Mapping[str, str]) -> LogSource:
    """What `CLUSTER=` and `STEP=` mean; by default the newest step of the environment's cluster.

    Raises
    ------
    NoLogsError : the cluster keeps no logs
    OperatorError : there is no such cluster or step
    """
    cluster_id, emr = environ.get("CLUSTER") or str(account.cluster["cluster_id"]), account.client("emr")
    steps = list_steps(account, cluster_id)
    step_id = environ.get("STEP") or (str(steps[0]["Id"]) if steps else "")
    place = layout.cluster_uri(emr.describe_cluster(ClusterId=cluster_id)["Cluster"].get("LogUri"), cluster_id)
    if place is None:
        raise NoLogsError(
            f"{cluster_id} was made without a place for logs (LogUri). Fix: make apply makes one with it."
        )

    def status() -> Mapping[str, Any]:
        step_status: Mapping[str, Any] = describe_step(account.client("emr"), cluster_id, step_id)["Status"]
        return step_status

    return LogSource(S3Logs(account.client("s3"), place), cluster_id, step_id, status)


def list_telling_logs(logs: Logs, step_id: str) -> list[Log]:
    """The logs worth reading, the most telling last: the step's own, then its driver's; without a step the bootstrap's.

    In cluster mode the step's own log names the application in whose first container the driver wrote.
    """
    if not step_id:
        return [log for log in logs.list("node/") if log.kind == "bootstrap" and log.stream != "controller"]
    step_logs = [log for log in logs.list(layout.step_folder(step_id)) if log.stream in ("stderr", "stdout")]
    applications = [name for log in step_logs for name in layout.applications_in(logs.read(log).text)]
    drivers = [
        log
        for name in dict.fromkeys(applications)
        for log in logs.list(layout.application_folder(name))
        if log.is_driver and log.stream in ("stderr", "stdout")
    ]
    return [*step_logs, *drivers]


def sort_by_telling(logs: Sequence[Log]) -> list[Log]:
    """Logs, the most telling first: of a step that has ended, what its driver wrote."""
    return sorted(logs, key=lambda log: (not log.is_driver, log.stream != "stdout"))


def describe_age(log: Log, now: float) -> str:
    """How old a log is in S3.

    >>> describe_age(Log("k", "step", "stderr", modified=100.0), 160.4)
    '60 s old'
    """
    return f"{format_duration(max(0.0, now - log.modified))} old"


def cut_tail(text: str, lines: int) -> str:
    r"""The last lines of a text; how many are missing is said.

    >>> cut_tail("a\nb\nc\n", 2)
    '[... 1 line before ...]\nb\nc'
    """
    every = text.rstrip("\n").split("\n") if text.strip() else []
    missing = len(every) - lines
    shown = every[-lines:] if lines > 0 else []
    head = [f"[... {format_count(missing, 'line')} before ...]"] if missing > 0 else []
    return "\n".join([*head, *shown])


def make_logs_table(logs: Logs, listed: Iterable[Log], now: float) -> Table:
    """Which logs there are."""
    table = Table("log", "bytes", "age", title="logs, as they are in S3 now", title_justify="left")
    table.columns[1].justify = "right"
    for log in listed:
        table.add_row(Text(logs.uri(log.key), overflow="fold"), f"{log.size:,}", describe_age(log, now))
    return table


@dataclass
class LogPrinter:
    """Prints what is new in logs that grow."""

    console: Console
    lines: int
    texts: dict[str, str] = field(default_factory=dict)

    def show(self, logs: Logs, log: Log, now: float) -> bool:
        """Print what a log has more than last time; whether that was anything."""
        excerpt = logs.read(log)
        before, text = self.texts.get(log.key, ""), excerpt.text
        self.texts[log.key] = text
        if before and text == before:
            return False
        more = text[len(before) :] if before and text.startswith(before) else text
        problem = f" ({excerpt.problem})" if excerpt.problem else ""
        self.console.print(f"── {logs.uri(log.key)}, {describe_age(log, now)}{problem}", style="bold")
        if log.is_driver and (own_text := words.extract_own_words(more)) and own_text != more.strip("\n"):
            self.console.print(
                f"── of it, in the program's own words:\n{cut_tail(own_text, self.lines)}\n── and the log's end:"
            )
        self.console.print(cut_tail(words.fold_shutdown(more), self.lines) or "(empty)")
        return True


def describe_missing(source: LogSource) -> str:
    """What is said while nothing is there."""
    return f"no log of {source.name} has arrived below {source.logs.root}: {LATER}"


def is_complete(logs: Sequence[Log], ended: datetime) -> bool:
    """Whether what is there was written after the step's end: its own log, and the driver's where there is one.

    S3 tells whole seconds.
    """
    since = ended.timestamp() - 1
    step_logs = [log for log in logs if log.kind == "step" and log.stream == "stderr"]
    drivers = [log for log in logs if log.is_driver]
    return bool(step_logs) and all(log.modified >= since for log in [*step_logs, *drivers])


def follow(source: LogSource, console: Console, *, lines: int, pause: float, late: float = LATE_SECONDS) -> None:
    """Show what arrives until the step has ended and its last logs are there.

    Parameters
    ----------
    pause : seconds between two looks
    late : seconds after the step's end (or, without a step, from now) to wait for logs

    Raises
    ------
    NoLogsError : they did not arrive
    """
    printer, sizes = LogPrinter(console, lines), dict[str, tuple[int, float]]()
    deadline: float | None = None if source.step_id else time.monotonic() + late
    with working(console, f"looking for the logs of {source.name}") as say:

        def look() -> bool | None:
            nonlocal deadline
            status: Mapping[str, Any] = source.status() if source.step_id else {"State": "", "Timeline": {}}
            ended = status["Timeline"].get("EndDateTime")
            logs = list_telling_logs(source.logs, source.step_id)
            for log in logs:
                if sizes.get(log.key) != (log.size, log.modified):
                    sizes[log.key] = (log.size, log.modified)
                    printer.show(source.logs, log, time.time())
            if (ended and is_complete(logs, ended)) or (not source.step_id and logs):
                return True
            if ended and deadline is None:
                deadline = time.monotonic() + late
            if deadline is not None and time.monotonic() > deadline:
                raise NoLogsError(
                    f"the last logs of {source.name} did not arrive within {format_duration(late)}. Fix: make logs, "
                    "later; make destroy ends the cluster, and EMR then ships what is left."
                )
            if ended:
                say(f"waiting for the last logs of {source.name} ({status['State']}); {LATER}")
            else:
                doing = f" is {status['State']}" if source.step_id else " has left none yet"
                say(f"waiting: {source.name}{doing}; {LATER}")
            return None

        poll(look, pause=pause, say=say)
    console.print(f"these are the last logs of {source.name}")


def show_logs(account: Account, environ: Mapping[str, str], console: Console) -> None:
    """What make's variables ask for."""
    lines = int(read_number(environ, "LINES") or LINES)
    source = find_source(account, environ)
    if is_on(environ, "FOLLOW"):
        follow(source, console, lines=lines, pause=pace(POLL_SECONDS, emulated=account.target.emulated))
        return
    logs, now = list_telling_logs(source.logs, source.step_id), time.time()
    if is_on(environ, "JSON"):
        answers = [
            {
                "uri": source.logs.uri(log.key),
                "kind": log.kind,
                "stream": log.stream,
                "bytes": log.size,
                "age_seconds": round(now - log.modified),
                "tail": cut_tail(source.logs.read(log).text, lines),
            }
            for log in logs
        ]
        answer = {"cluster_id": source.cluster_id, "step_id": source.step_id or None, "logs": answers}
        print(json.dumps(answer | {"asked": datetime.fromtimestamp(now, UTC).isoformat()}, indent=1))
        return
    if not logs:
        raise NoLogsError(f"{describe_missing(source)}. Fix: make logs FOLLOW=1 waits for it.")
    printer = LogPrinter(console, lines)
    has_ended = source.step_id and source.status()["Timeline"].get("EndDateTime")
    for log in sort_by_telling(logs) if has_ended else logs:
        printer.show(source.logs, log, now)
    console.print(make_logs_table(source.logs, logs, now))


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0; 2 for an unknown cluster or step; 20 without a cluster; 27 while no log has arrived."""
    show_logs(open_account(environ), environ, Console())
    return 0
