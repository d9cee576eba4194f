"""From Spark's exceptions to the job's own: a worker's exception comes back as text inside another one."""

from __future__ import annotations

import re

from fruits import errors
from fruits.errors import DiskFullError, FruitsError

# fruits.errors.ModelError: the published network s3://b/out/_model/ab.pb is damaged. Fix: delete it, run again.
_WORKER_ERROR = re.compile(r"fruits\.errors\.(\w+): (.+)")
# java.io.IOException: No space left on device      OSError: [Errno 28] Error writing bytes to file. Detail: …
_DISK_FULL = re.compile(r"^.*(?:No space left on device|Disk quota exceeded|\[[Ee]rrno (?:28|122)\]).*$", re.M)


def translate_error(error: BaseException) -> FruitsError | None:
    """The known failure behind an exception, or None.

    Looks at the exception, at its causes, and at the worker's traceback in its text.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, FruitsError):
            return cause
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    errors_raised = _WORKER_ERROR.findall(text)
    if not errors_raised and (full := _DISK_FULL.search(text)):
        return DiskFullError(
            f"a disk is full: {full[0].strip()[:200]}. Fix: free some, below the output and where Spark keeps its own "
            "files (spark.local.dir), then run it again; what is done is kept."
        )
    if not errors_raised:
        return None
    name, message = errors_raised[-1]
    kind = getattr(errors, name, None)
    if isinstance(kind, type) and issubclass(kind, FruitsError):
        return kind(message.strip())
    return None
