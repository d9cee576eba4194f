"""EMR's states, by what they mean for us."""

from typing import Literal

LIVE_STATES = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING")
"""Of a cluster that bills and has not begun to end."""
ENDING_STATE = "TERMINATING"
OPEN_STATES: tuple[Literal["PENDING", "RUNNING", "CANCEL_PENDING"], ...] = ("PENDING", "RUNNING", "CANCEL_PENDING")
"""Of a step that has not ended."""
