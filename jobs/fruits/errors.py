"""What can go wrong, as exceptions: each states cause and fix, and has its own exit code."""

from __future__ import annotations


class FruitsError(Exception):
    """An expected failure. ``str()`` is the sentence the user reads; ``exit_code`` is what the job exits with.

    A Spark task raises it in a Python worker; it comes back to the driver as text, so it must survive pickling.
    """

    exit_code = 1
    cause = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)


class UsageError(FruitsError):
    """An argument or a request field that cannot be used."""

    exit_code = 2
    cause = "usage"


class InputError(FruitsError):
    """The input is missing, empty, or holds no image."""

    exit_code = 10
    cause = "input"


class ModelError(FruitsError):
    """An unknown backbone, damaged or missing weights, a model that cannot be used."""

    exit_code = 11
    cause = "model"


class ReductionError(FruitsError):
    """A PCA that is not possible: k larger than n or d, no variance at all, not enough memory."""

    exit_code = 12
    cause = "reduction"


class OutputError(FruitsError):
    """An output that cannot be written or that belongs to another model."""

    exit_code = 13
    cause = "output"


class VersionMismatchError(FruitsError):
    """Driver and workers do not run the same versions."""

    exit_code = 14
    cause = "versions"


class RejectRateError(FruitsError):
    """More images were rejected than allowed."""

    exit_code = 15
    cause = "rejects"


class CheckError(FruitsError):
    """The finished result contradicts its input: counts, classes or values."""

    exit_code = 16
    cause = "check"


class StorageError(FruitsError):
    """A store refused or could not be reached, or a disk is full."""

    exit_code = 17
    cause = "storage"


class DiskFullError(StorageError):
    """A disk has no room left."""


class ExecutorsError(FruitsError):
    """No executor came in the time that a run waits for one."""

    exit_code = 18
    cause = "executors"


ALL: tuple[type[FruitsError], ...] = (
    UsageError,
    InputError,
    ModelError,
    ReductionError,
    OutputError,
    VersionMismatchError,
    RejectRateError,
    CheckError,
    StorageError,
    ExecutorsError,
)
EXIT_CODES: dict[int, str] = {
    0: "done",
    1: "an unexpected error: the traceback is in _run/error.json",
    **{kind.exit_code: (kind.__doc__ or "").splitlines()[0] for kind in ALL},
    130: "interrupted; the next run continues where this one stopped",
}
