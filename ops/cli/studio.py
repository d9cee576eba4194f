"""`make studio-notebook`, `make studio-open`, `make studio-stop`: each ends with what bills."""

from collections.abc import Mapping

from ops.aws.account import Account
from ops.cli import browser
from ops.cli.place import open_account
from ops.core.console import Console
from ops.cost.upkeep import tell_upkeep
from ops.lifecycle import studio


def _then_last_line(account: Account, console: Console) -> int:
    console.print(tell_upkeep(account))
    return 0


def put_command(environ: Mapping[str, str]) -> int:
    """`make studio-notebook`. Exit code: 20 without a cluster or without Studio."""
    account, console = open_account(environ), Console()
    studio.put_notebook(account, console)
    return _then_last_line(account, console)


def open_command(environ: Mapping[str, str]) -> int:
    """`make studio-open`."""
    account, console = open_account(environ), Console()
    address = studio.print_address(account, console)
    if not account.target.emulated:
        browser.open_page(address, environ, terminal=console.is_terminal)
    return _then_last_line(account, console)


def stop_command(environ: Mapping[str, str]) -> int:
    """`make studio-stop`."""
    account, console = open_account(environ), Console()
    studio.stop_studio(account, console)
    return _then_last_line(account, console)
