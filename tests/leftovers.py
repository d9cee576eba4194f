"""A plugin of pytest: what a run under xdist leaves behind ends with it."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import psutil
import pytest


@pytest.hookimpl(wrapper=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Ctrl-C ends the processes of xdist before their fixtures can stop what they started: end it here."""
    dealer = session.config.pluginmanager.get_plugin("dsession")
    yield
    if dealer is None:
        return
    left = [process for process in psutil.process_iter() if run_of(process) == dealer.nodemanager.testrunuid]
    for signal in ("terminate", "kill"):
        for process in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                getattr(process, signal)()
        _, left = psutil.wait_procs(left, timeout=10)


def run_of(process: psutil.Process) -> str:
    """The test run that a process belongs to, by the variable that xdist gives to its processes."""
    try:
        return str(process.environ().get("PYTEST_XDIST_TESTRUNUID", ""))
    except psutil.Error:
        return ""  # ended, or another user's
