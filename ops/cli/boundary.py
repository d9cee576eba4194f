"""Where errors end: any of ours, of botocore, of pyarrow and of the operating system, as one sentence and an exit code.

A traceback is a bug: what is not expected here is raised on.
"""

from __future__ import annotations

from typing import Any

from botocore import exceptions as boto
from fruits.errors import FruitsError

from localaws.errors import LocalAwsError, NotRunningError
from ops.aws.refusals import is_denied, is_expired, is_network, is_throttled, why_not
from ops.core.errors import ExitCode, OperatorError
from sample.draw import DrawError

LOGIN = "Fix: log in again (aws sso login, or AWS_PROFILE=…), then run the command again."


def explain(error: BaseException) -> tuple[str, int] | None:
    """An error as the sentence that a user reads, and the exit code; None for what is a bug.

    Returns
    -------
    (str, int) or None
        What happened and why, then ``Fix:``.
    """
    if isinstance(error, (OperatorError, FruitsError)):
        return str(error), int(error.exit_code)
    if isinstance(error, (LocalAwsError, DrawError)):
        return str(error), ExitCode.FAILED if isinstance(error, NotRunningError) else ExitCode.USAGE
    if isinstance(error, (boto.BotoCoreError, boto.ClientError)):
        return _of_aws(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if type(error).__module__.partition(".")[0] == "pyarrow":
        return f"a file cannot be read or written: {_plain(error)}. Fix: check the address, then run again.", 1
    return None


def _of_aws(error: Exception) -> tuple[str, int]:
    if is_expired(error):
        return f"AWS does not accept these credentials any more ({_plain(error)}). {LOGIN}", ExitCode.CREDENTIALS
    if is_network(error):
        return f"AWS cannot be reached ({_plain(error)}). Fix: check the network, then run the command again.", 1
    if is_throttled(error):
        return f"AWS asks for fewer calls ({_plain(error)}). Fix: wait a minute, then run the command again.", 1
    if isinstance(error, boto.ClientError):
        told: dict[str, Any] = dict(error.response.get("Error") or {})
        if told.get("Code") == "NoSuchBucket":
            bucket = told.get("BucketName") or "named"
            text = f"there is no bucket {bucket}" if bucket != "named" else "there is no such bucket"
            return f"{text}. Fix: check the address; make apply creates the environment's own.", ExitCode.NOT_APPLIED
        what, fix = why_not(error)
        return f"{what}. Fix: {fix}", ExitCode.CREDENTIALS if is_denied(error) else ExitCode.FAILED
    return f"AWS was not asked: {_plain(error)}. Fix: look at the message, then run the command again.", 1


def _of_system(error: OSError) -> tuple[str, int] | None:
    if error.filename is None and error.strerror is None:
        return f"{_plain(error)}. Fix: check the address, then run the command again.", ExitCode.FAILED
    where = f"{error.filename}: " if error.filename is not None else ""
    return f"{where}{error.strerror or _plain(error)}. Fix: free the way or the space, or name another place.", 1


def _plain(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")
