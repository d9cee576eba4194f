"""`make doctor` and `make billing`."""

import json
from collections.abc import Mapping, Sequence

from fruits.request import DEFAULT_MODEL

from ops.aws.account import NOT_RUNNING, Account, find_emulator
from ops.cli.place import read_place
from ops.cli.values import is_on, read_size
from ops.core.console import Console
from ops.cost import billing as running_costs
from ops.cost.money import read_currency
from ops.doctor.checkup import Plans, examine, read_running_costs
from ops.doctor.finding import as_json, count_findings, exit_code

COLOURS = {"failure": "red", "warning": "yellow"}


def _show(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, style=COLOURS.get(line.split(" ", 1)[0], ""))


def doctor(environ: Mapping[str, str]) -> int:
    """`make doctor`. Exit code: 0; 7 where something will fail."""
    console, errors, place = Console(), Console(stderr=True), read_place(environ)
    plans = Plans(
        size=read_size(environ),
        images=environ.get("INPUT") or "",
        model=environ.get("MODEL") or DEFAULT_MODEL,
        weights=environ.get("WEIGHTS") or None,
    )
    findings, account = examine(place, plans, errors)
    if is_on(environ, "JSON"):
        costs = read_running_costs(account, errors) if account else None
        answer = {
            "env": place.env,
            "findings": as_json(findings),
            "billing": running_costs.as_json(costs) if costs else None,
        }
        print(json.dumps(answer, indent=1))
        return exit_code(findings)
    _show(console, [finding.line for finding in findings])
    if account is None:
        _show(console, [count_findings(findings), "", "running costs: not checked (no account)"])
    else:
        costs = read_running_costs(account, errors)
        total = running_costs.describe_total(costs, account, read_currency(place.currency))
        each = f". {account.target.command('billing')} names each" if costs.items else ""
        _show(console, [count_findings(findings), "", f"running costs: {total}{each}"])
    return exit_code(findings)


def billing(environ: Mapping[str, str]) -> int:
    """`make billing`. Exit code: 0; 8 where something bills by the hour, 1 where that is unknown (on AWS only)."""
    console, place, as_program = Console(), read_place(environ), is_on(environ, "JSON")
    if place.is_local and not find_emulator(place):
        print(json.dumps(running_costs.as_json(running_costs.RunningCosts()), indent=1) if as_program else NOT_RUNNING)
        return 0
    account = Account.at(place)
    costs = read_running_costs(account, Console(stderr=True))
    if as_program:
        print(json.dumps(running_costs.as_json(costs), indent=1))
    else:
        _show(console, running_costs.render_lines(costs, account, read_currency(place.currency)))
    return 0 if account.target.emulated else running_costs.exit_code(costs)
