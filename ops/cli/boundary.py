"""Where errors end: any of ours, of botocore, of pyarrow and of the operating system, as one sentence and an exit code.

A traceback is a bug: what is not expected here is raised on.
"""

from botocore import exceptions as boto
from fruits.errors import FruitsError

from localaws.errors import LocalAwsError, NotRunningError
from ops.aws import refusals
from ops.aws.refusals import flatten_error
from ops.core.errors import ExitCode, OperatorError, explain_full_disk
from sample.draw import DrawError


def explain(error: BaseException) -> tuple[str, int] | None:
    """An error as the sentence that a user reads (what happened, why, `Fix:`), and the exit code; None for a bug."""
    if full := explain_full_disk(error):
        return full
    if isinstance(error, (OperatorError, FruitsError)):
        return str(error), int(error.exit_code)
    if isinstance(error, (LocalAwsError, DrawError)):
        return str(error), ExitCode.FAILED if isinstance(error, NotRunningError) else ExitCode.USAGE
    if isinstance(error, (boto.BotoCoreError, boto.ClientError)):
        return refusals.explain_refusal(error)
    if isinstance(error, OSError):
        return _of_system(error)
    if type(error).__module__.partition(".")[0] == "pyarrow":
        return (f"a file cannot be read or written: {flatten_error(error)}. Fix: check the address, then run again.", 1)
    return None


_FIXES = (
    (FileNotFoundError, "check the path, or make it first"),
    (PermissionError, "give yourself the right to it (chmod, chown), or name another place"),
)


def _of_system(error: OSError) -> tuple[str, int] | None:
    if error.filename is None and error.strerror is None:
        return f"{flatten_error(error)}. Fix: check the address, then run the command again.", ExitCode.FAILED
    where = f"{error.filename}: " if error.filename is not None else ""
    fix = next(
        (fix for kind, fix in _FIXES if isinstance(error, kind)), "remove what is in the way, or name another place"
    )
    return f"{where}{error.strerror or flatten_error(error)}. Fix: {fix}.", ExitCode.FAILED
