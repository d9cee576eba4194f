"""What can go wrong with a command: one tree. Each message says what happened, why, and how to fix it.

`FruitsError` of the job and `LocalAwsError` of the embedded AWS are trees of their own, because neither knows this
package. `ops.cli.main` turns every one of them into a sentence and an exit code.
"""

from __future__ import annotations


class OperatorError(Exception):
    """An expected failure of an operator's command: the message says cause and cure, ``exit_code`` what to return."""

    exit_code = 1

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        if exit_code is not None:
            self.exit_code = exit_code


class NotAppliedError(OperatorError):
    """A stack that the command needs is not there."""

    exit_code = 20


class TerraformError(Exception):
    """Something that the user can put right; the message says the cause and the cure."""

    exit_code = 1


class NoCredentialsError(TerraformError):
    """AWS was to be asked, and there is nobody to ask as."""

    exit_code = 4


class WrongUseError(TerraformError):
    """The command was given something that it cannot use."""

    exit_code = 2
