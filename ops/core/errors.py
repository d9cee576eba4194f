"""What can go wrong with a command: one tree. Each message says what happened, why, and how to fix it.

`FruitsError` of the job and `LocalAwsError` of the embedded AWS are trees of their own, because neither knows this
package. `ops.cli.main` turns every one of them into a sentence and an exit code.
"""

import errno
from enum import IntEnum
from typing import Self

from fruits.errors import DiskFullError


class ExitCode(IntEnum):
    """What a command ends with; `make help-exit` prints this list, and the job's own codes, 10 to 17."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> Self:
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    DONE = 0, "done"
    FAILED = 1, "anything else: the message says what (of the job: a bug, its traceback is in _run/error.json)"
    USAGE = 2, "a wrong or missing argument, or a question answered with no"
    PROGRAM = 3, "a required program is missing or too old (Terraform, Python)"
    CREDENTIALS = 4, "no credentials, or AWS does not accept them (any more)"
    RULE = 5, "the plan breaks a rule of ops/plan/policies.py"
    UNKNOWN_PRICE = 6, "make cost: a price is unknown"
    WILL_FAIL = 7, "make doctor found what will fail"
    BILLS = 8, "make billing found what bills by the hour"
    NOT_APPLIED = 20, "there is no cluster or no bucket: make apply"
    CLUSTER_ENDED = 21, "the cluster has ended or is ending"
    STEP_OPEN = 22, "another step is open on the cluster"
    STEP_FAILED = 23, "the step failed before the job could report"
    CANCELLED = 24, "the step was cancelled"
    NO_PAGE = 25, "ui: there is no page of Spark to show"
    NO_SHELL = 26, "shell: there is no access, or no node to connect to"
    NO_LOGS = 27, "logs: none has arrived yet, or the cluster keeps none"
    UNKNOWN_CAUSE = 28, "diagnose: the cause is none of the known ones; what was found is printed"
    LOST = 29, "calls to AWS failed for so long that the wait ended; the step and its cluster go on"
    ASSUMPTION = 30, "verify-aws: something that this repository assumes about AWS does not hold; the record says what"
    LEFT = 31, "verify-aws: something could not be removed and may still bill; the last lines name it"
    REPLACES = 32, "plan-report: a cluster would be replaced or data lost, and the label allow-replace is not there"
    DRIFT = 33, "drift: what is deployed differs from the code, or something of ours bills by the hour"
    INTERRUPTED = 130, "Ctrl-C; what had begun is named, and how to go on"


LOGIN = "log in again (aws sso login, or AWS_PROFILE=…), then run the command again."


class OperatorError(Exception):
    """An expected failure of an operator's command: the message says cause and cure, ``exit_code`` what to return."""

    exit_code: int = ExitCode.FAILED

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


_FULL = (errno.ENOSPC, errno.EDQUOT)


def explain_full_disk(error: BaseException) -> tuple[str, int] | None:
    """The sentence and the exit code for what comes of a full disk or a used-up quota, whatever was raised from it.

    >>> explain_full_disk(OSError(errno.ENOSPC, "No space left on device", "/data"))[0]
    'a disk is full: /data. Fix: free some space there, or name a place on another disk; then run the command again.'
    """
    cause: BaseException | None = None if isinstance(error, DiskFullError) else error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            place = cause.filename2 or cause.filename or " ".join(str(cause).split())  # of a copy: its target
            return (
                f"a disk is full: {place}. Fix: free some space there, or name a place on another disk; then run the "
                "command again.",
                DiskFullError.exit_code,
            )
        cause = cause.__cause__
    return None


class NotAppliedError(OperatorError):
    """A stack that the command needs is not there."""

    exit_code = ExitCode.NOT_APPLIED


class UnfinishedError(OperatorError):
    """Something that had begun, and may bill, could not be ended or removed."""


class TerraformError(OperatorError):
    """Something that the user can put right; the message says the cause and the cure."""


class NoCredentialsError(TerraformError):
    """AWS was to be asked, and there is nobody to ask as."""

    exit_code = ExitCode.CREDENTIALS


class WrongUseError(TerraformError):
    """The command was given something that it cannot use."""

    exit_code = ExitCode.USAGE
