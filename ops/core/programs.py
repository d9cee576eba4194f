"""What the programs that a command starts are given: Terraform, git, spark-submit."""

import os


def inherited_environment() -> dict[str, str]:
    """The shell's variables, for a program to inherit, and for the settings of Terraform that are the shell's own.

    A command's options are not read here: they come from `ops.cli`, which alone knows what was typed.
    """
    return dict(os.environ)


def count_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
