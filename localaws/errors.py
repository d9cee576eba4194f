"""What can go wrong with the embedded AWS; each message says the cause and the fix."""

from __future__ import annotations

from pathlib import Path


class LocalAwsError(Exception):
    """Anything that the user of the embedded AWS can act upon."""

    exit_code = 1


class NotRunningError(LocalAwsError):
    """No server answers for this state file."""

    def __init__(self, state_file: Path) -> None:
        super().__init__(
            f"the embedded AWS is not running (no live server in {state_file}). Fix: start it with make local-up"
        )


class NotAnsweringError(LocalAwsError):
    """The server process lives and does not answer: it was stopped (Ctrl-Z, a paused container), or is overloaded."""

    def __init__(self, pids: list[int]) -> None:
        numbers = ", ".join(map(str, pids))
        super().__init__(
            f"the embedded AWS (process {numbers}) does not answer. If it was only paused, let it go on (kill -CONT "
            f"{numbers}). Fix: make local-down ends it, and what it holds is gone."
        )


class DidNotStartError(LocalAwsError):
    """The server process ended, or did not answer, before it was ready."""

    def __init__(self, log: Path, last_lines: str) -> None:
        super().__init__(f"the embedded AWS did not start; its log {log} ends with:\n{last_lines}")


class DidNotStopError(LocalAwsError):
    """The server process is still there after it was asked and then forced to end."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"the embedded AWS (process {pid}) did not stop: end it with kill -9 {pid}")
        self.pid = pid


class WithoutYarnError(LocalAwsError):
    """The server that lives runs steps without YARN, and they are wanted on it."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "the embedded AWS that runs was started without YARN=1. Fix: make local-down ends it, with all that is in "
            "its account; then give YARN=1 again."
        )


class MotoMovedError(LocalAwsError):
    """moto is not the version, or not of the shape, that the corrections were written for."""
