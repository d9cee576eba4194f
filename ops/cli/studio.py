"""`make studio-notebook`, `make studio-open`, `make studio-stop`: each ends with what bills."""

from __future__ import annotations

from collections.abc import Mapping

from ops.aws.account import Account
from ops.core.console import Console
from ops.cost.bills import last_line
from ops.lifecycle import studio


def _then_last_line(account: Account, console: Console) -> int:
    console.print(last_line(account))
    return 0


def put_command(environ: Mapping[str, str]) -> int:
    """`make studio-notebook`. Exit code: 20 without a cluster or without Studio."""
    account, console = Account.from_environment(environ), Console()
    studio.put(account, console)
    return _then_last_line(account, console)


def open_command(environ: Mapping[str, str]) -> int:
    """`make studio-open`."""
    account, console = Account.from_environment(environ), Console()
    studio.open_(account, environ, console)
    return _then_last_line(account, console)


def stop_command(environ: Mapping[str, str]) -> int:
    """`make studio-stop`."""
    account, console = Account.from_environment(environ), Console()
    studio.end(account, console)
    return _then_last_line(account, console)
