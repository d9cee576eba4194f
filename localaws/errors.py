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
            f"the embedded AWS (process {numbers}) does not answer. If it was only paused, resume it with kill -CONT "
            f"{numbers}. Fix: make local-down ends it and deletes everything in its account."
        )


class DidNotStartError(LocalAwsError):
    """The server process ended, or did not answer, before it was ready."""

    def __init__(self, log: Path, last_lines: str) -> None:
        super().__init__(f"the embedded AWS did not start; its log {log} ends with:\n{last_lines}")


class DidNotStopError(LocalAwsError):
    """The server process did not end, although it was asked to and then killed."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"the embedded AWS (process {pid}) did not stop. Fix: kill -9 {pid}")


class WithoutYarnError(LocalAwsError):
    """The running server does not use YARN, and YARN was asked for."""

    exit_code = 2

    def __init__(self) -> None:
        super().__init__(
            "the running embedded AWS was started without YARN=1. Fix: make local-down (it deletes everything in its "
            "account), then give YARN=1 again."
        )


class MotoMovedError(LocalAwsError):
    """moto differs from the version that the corrections were written for."""
