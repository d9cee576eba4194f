"""The one loop that waits for AWS: pace, deadline, and patience with calls that fail.

A lost network, a throttled call and an expired session pass. They are told and tried again, more and more slowly, for
hours: a laptop changes its network, a person logs in again, and the cluster goes on meanwhile.
"""

import time
from collections.abc import Callable
from typing import TypeVar
from urllib.parse import urlsplit

from ops.aws.refusals import is_expired, is_network, is_passing
from ops.core.errors import ExitCode, OperatorError
from ops.core.text import format_duration

Found = TypeVar("Found")
PATIENCE = 4 * 3600.0
"""Seconds for which failing calls are tried again: as long as a cluster lives at most."""
PATIENCE_EMULATED = 60.0
"""The same on the embedded AWS, which is on this machine: it is there, or it is not."""
SLOWEST = 60.0


class LostError(OperatorError):
    """Calls to AWS failed for so long that the wait ended; what was waited for goes on."""

    exit_code = ExitCode.LOST

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(
            f"calls to AWS have failed for {format_duration(seconds)} ({why}). Fix: log in again or check the network, "
            "then run the command again."
        )


def in_words(error: BaseException) -> str:
    """A failure that passes, in a few words."""
    if is_expired(error):
        return "the session has expired: log in again in another terminal (aws sso login)"
    return "AWS cannot be reached" if is_network(error) else "AWS is throttling calls"


def choose_patience(error: BaseException) -> float:
    """Seconds for which calls that fail like this one are tried again."""
    address = str(getattr(error, "kwargs", {}).get("endpoint_url", ""))
    return PATIENCE_EMULATED if urlsplit(address).hostname in ("127.0.0.1", "localhost") else PATIENCE


def pace(seconds: float, *, emulated: bool) -> float:
    """Seconds between two looks: as given at AWS, at most one at the embedded AWS, which is on this machine."""
    return min(seconds, 1.0) if emulated else seconds


def poll(
    look: Callable[[], Found | None],
    *,
    pause: float,
    limit: float | None = None,
    patience: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Found | None:
    """Look until a look finds something.

    Parameters
    ----------
    look : asks AWS; None means "not yet"
    pause : seconds between two looks
    limit : seconds after which the wait ends without result; None is no limit
    patience : seconds for which failing calls are tried again; None for as long as makes sense where they go
    say : is told that a call failed and is tried again, and when one is answered again

    Returns
    -------
    What the look found; None when the limit was reached.

    Raises
    ------
    LostError : every call failed for as long as the patience lasts
    Exception : of a look that fails in a way that does not pass
    """
    began, lost_since, wait = time.monotonic(), None, pause
    while True:
        try:
            if (answer := look()) is not None:
                return answer
            if lost_since is not None:
                say("AWS answers again")
            lost_since, wait = None, pause
        except Exception as error:
            if not is_passing(error):
                raise
            lost_since = time.monotonic() if lost_since is None else lost_since
            why, seconds = in_words(error), time.monotonic() - lost_since
            most = choose_patience(error) if patience is None else patience
            if seconds >= most:
                raise LostError(why, seconds) from error
            say(f"{why}; trying again for {format_duration(max(1.0, most - seconds))}")
            wait = min(SLOWEST, max(wait, pause, 0.01) * 1.5)
        if limit is not None and time.monotonic() - began >= limit:
            return None
        time.sleep(wait)
