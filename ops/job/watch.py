"""Show what a running job reports in `_run/progress.json`: a bar on a terminal, plain timed lines elsewhere."""

import time
from collections.abc import Callable
from typing import Any

from fruits.errors import FruitsError
from fruits.progress import LEAST_FOR_A_RATE, read_progress
from fruits.store import Store
from fruits.wording import format_count
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

from ops.core.console import CommandClock, Console, stamp

PHASES = {
    "start": "starting Spark",
    "model": "preparing the network",
    "list": "listing the images",
    "plan": "comparing with earlier results",
    "featurize": "featurizing",
    "tidy": "tidying up",
    "reduce": "principal components",
    "check": "checking the result",
    "report": "drawing the report",
    "done": "done",
}
PLAIN_INTERVAL = 10.0
READ_SECONDS = 0.5


class Watcher:
    """Reads the reports of one run; those of an earlier run at the same output are not taken for its own."""

    def __init__(self, output: Store) -> None:
        self._output = output
        self._last: dict[str, Any] | None = None
        self._earlier = (self._read() or {}).get("run_id")

    def _read(self) -> dict[str, Any] | None:
        try:
            return read_progress(self._output)
        except FruitsError:
            return None  # the store did not answer this time

    def report(self) -> dict[str, Any] | None:
        """The newest report, the one before where this cannot be read now, or None while there is none."""
        report = self._read()
        if report is not None and report.get("run_id") != self._earlier:
            self._last = report
        return self._last


def describe_progress(report: dict[str, Any] | None) -> str:
    """One line for one report."""
    if report is None:
        return PHASES["start"]
    text = PHASES.get(report["phase"], str(report["phase"]))
    if report["phase"] == "featurize" and report.get("images_to_featurize"):
        text += f": {report['images_done']:,} of {format_count(report['images_to_featurize'], 'image')}"
        if report["images_rejected"]:
            text += f", {report['images_rejected']:,} rejected"
        if report["images_per_second"] and report["images_to_featurize"] >= LEAST_FOR_A_RATE:
            text += f", {report['images_per_second']:.0f}/s"
        if report["seconds_left"]:
            text += f", {report['seconds_left']} s left"
    return text


def show_progress(watcher: Watcher, ended: Callable[[], int | None], console: Console) -> int:
    """Show reports until the job has ended; returns its exit code."""
    return _show_bar(watcher, ended, console) if console.is_terminal else _show_lines(watcher, ended, console)


def _show_bar(watcher: Watcher, ended: Callable[[], int | None], console: Console) -> int:
    columns = (SpinnerColumn(), CommandClock(), BarColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(PHASES["start"], total=None)
        while (code := ended()) is None:
            report = watcher.report()
            working = report is not None and report["phase"] == "featurize" and report["images_to_featurize"]
            done = report["images_done"] + report["images_rejected"] if report is not None and working else 0
            total = report["images_to_featurize"] if report is not None and working else None
            bar.update(task, description=describe_progress(report), total=total, completed=done)
            time.sleep(READ_SECONDS)
    return code


def _show_lines(watcher: Watcher, ended: Callable[[], int | None], console: Console) -> int:
    last_phase: str | None = None
    next_line = 0.0
    while (code := ended()) is None:
        report = watcher.report()
        phase = report["phase"] if report else "start"
        now = time.monotonic()
        if phase != last_phase or now >= next_line:
            console.print(f"{stamp()} {describe_progress(report)}")
            last_phase, next_line = phase, now + PLAIN_INTERVAL
        time.sleep(READ_SECONDS)
    return code
