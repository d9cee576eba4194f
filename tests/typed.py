"""Commands as make hands them to the command line."""

from __future__ import annotations

from collections.abc import Mapping

from ops.cli.options import GIVEN, OPTIONS


def as_typed(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment that ``make command NAME=value …`` gives; what is no option stays a variable of the shell."""
    return {**variables, GIVEN: " ".join(name for name in variables if name in OPTIONS)}
