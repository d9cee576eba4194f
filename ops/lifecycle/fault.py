"""`FAULT=` of make apply, run-step and demo: what goes wrong on a real cluster, for the time of one command."""

from collections.abc import Iterator
from contextlib import contextmanager

from localaws import faults, server
from ops.aws.account import Account
from ops.core.errors import WrongUseError

AT_START = ("bootstrap", "disk-full")
"""What can only strike while a cluster comes up; the others strike while a step runs."""
IN_STEP = tuple(kind for kind in faults.KINDS if kind not in AT_START)


def parse_fault(text: str, kinds: tuple[str, ...] = faults.KINDS) -> str:
    """The fault that a command was given; empty for none.

    Raises
    ------
    UnknownFaultError : there is none of that name
    OperatorError : it strikes at another time than the command's, and so would never happen
    """
    kind = faults.parse_fault(text)
    if kind and kind not in kinds:
        when, command = ("a cluster starts", "apply") if kind in AT_START else ("a step runs", "run-step")
        raise WrongUseError(
            f"FAULT={kind} happens while {when}. Fix: make {command} FAULT={kind}; here it may be {', '.join(kinds)}."
        )
    return kind


@contextmanager
def injected(account: Account, kind: str, kinds: tuple[str, ...]) -> Iterator[None]:
    """A fault while the block runs, if it is one of these kinds.

    Raises
    ------
    OperatorError : on a real account
    """
    if kind and not account.target.emulated:
        raise WrongUseError("FAULT= is for the embedded AWS: a real cluster has its own. Fix: ENV=local.")
    if kind not in kinds:
        yield
        return
    endpoint, keys = str(account.target.endpoint), account.target.keys
    server.set_fault(endpoint, keys, kind)
    try:
        yield
    finally:
        server.set_fault(endpoint, keys, "none")
