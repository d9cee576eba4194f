"""What a row of the table of causes is. Data only."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One row of the table.

    Attributes
    ----------
    name : kebab-case; rows of one name differ in ``variant``
    variant : which of the ways to this cause, where there are several
    patterns : in the failing statement of any log
    meaning : what it means, one sentence; may hold fields of the match in braces
    fix : what to do about it; the same
    distinction : where two causes are possible: what tells them apart
    command : the command to type then
    loud : whether the patterns count anywhere in the logs, not only in the failing statement
    weak : whether it only says what was seen, so that better evidence goes first
    driver_only : whether the patterns count only where the driver, the step's own log or EMR speaks
    cluster_only : whether the patterns count only for a cluster that did not come up
    launch_only : whether the patterns count only in EMR's and Terraform's words, not in what a node wrote
    codes : EMR's error codes (``ErrorDetails`` and ``StateChangeReason``)
    job : causes in ``_run/error.json``
    node : causes in the bootstrap's JSON
    """

    name: str
    variant: str
    patterns: tuple[re.Pattern[str], ...]
    meaning: str
    fix: str
    distinction: str = ""
    command: str = "make run-step"
    loud: bool = False
    weak: bool = False
    driver_only: bool = False
    cluster_only: bool = False
    launch_only: bool = False
    codes: tuple[str, ...] = ()
    job: tuple[str, ...] = ()
    node: tuple[str, ...] = ()


def make_cause(name: str, *patterns: str, **fields: Any) -> Cause:
    """A row: its name, with its variant after a slash, the patterns of the words that show it, and `Cause`'s fields."""
    name, _, variant = name.partition("/")
    return Cause(name=name, variant=variant, patterns=tuple(map(re.compile, patterns)), **fields)


def list_rows(module: Mapping[str, Any]) -> tuple[Cause, ...]:
    """The rows that a module names, in its order; ``module`` is its ``vars()``."""
    return tuple(row for row in module.values() if isinstance(row, Cause))
