"""How tests start what they will interrupt."""

from __future__ import annotations

import signal


def interruptible() -> None:
    """For ``preexec_fn``: a shell that puts tests in the background lets them, and what they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
