"""`make help-exit`: what the exit code of a command means."""

from __future__ import annotations

from fruits import errors
from rich.console import Console
from rich.table import Table

OPERATOR: dict[int, str] = {
    3: "a program that is needed is not here, or too old (Terraform, Python)",
    4: "no credentials, or AWS does not take them",
    5: "the plan breaks a rule of ops/plan/policies.py",
    6: "make cost: a price that nobody knows",
    7: "make doctor found what will fail",
    8: "make billing found what bills by the hour",
    20: "there is no cluster or no bucket: make apply",
    21: "the cluster has ended or is ending",
    22: "another step is open on the cluster",
    23: "the step failed before the job could report",
    24: "the step was cancelled",
    25: "ui: there is no page of Spark to show",
    26: "shell: there is no way in, or no node to go to",
    27: "logs: none has arrived yet, or the cluster keeps none",
    28: "diagnose: the cause is none of the known ones; what was found is printed",
    30: "verify-aws: something that this repository assumes about AWS does not hold; the record says what",
    31: "verify-aws: something could not be removed and may still bill; the last lines name it",
    32: "plan-report: a cluster would be replaced or data lost, and the label allow-replace is not there",
    33: "drift: what stands differs from the code, or something of ours bills by the hour",
}
MEANING: dict[int, str] = {
    **errors.EXIT_CODES,
    1: "anything else: the message says what (of the job: an unexpected error, its traceback is in _run/error.json)",
    2: "a wrong or missing argument, or a question answered with no",
    **OPERATOR,
    130: "Ctrl-C; what had begun is named, and how to go on",
}


def main() -> None:
    """Entry point."""
    table = Table("code", "meaning", title="Exit codes of the commands", title_justify="left")
    for code, meaning in sorted(MEANING.items()):
        table.add_row(str(code), meaning)
    console = Console()
    console.print(table)
    console.print("make itself ends with 2 whatever failed; the code stands in its last line: Error 22.")


if __name__ == "__main__":
    main()
