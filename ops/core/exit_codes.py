"""`make help-exit`: what the exit code of a command means."""

from collections.abc import Mapping

from fruits import errors
from rich.table import Table

from ops.core.console import Console
from ops.core.errors import ExitCode

MEANING: dict[int, str] = {
    **errors.EXIT_CODES,
    **{int(code): code.meaning for code in ExitCode if code != ExitCode.DONE},
}


def main(_: Mapping[str, str]) -> int:
    """Entry point."""
    table = Table("code", "meaning", title="Exit codes of the commands", title_justify="left")
    for code, meaning in sorted(MEANING.items()):
        table.add_row(str(code), meaning)
    console = Console()
    console.print(table)
    console.print("make itself ends with 2 whatever failed; the code stands in its last line: Error 22.")
    return 0
