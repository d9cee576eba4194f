"""The causes that are known by name, the most telling rows first: what `causes` looks through."""

from ops.diagnose.cause import Cause
from ops.diagnose.rows import bootstrap, ending, launch, memory, nodes, programs, stores

CAUSES: tuple[Cause, ...] = (
    *bootstrap.ROWS,
    *launch.ROWS,
    *memory.ROWS,
    *stores.ROWS[:-1],
    *programs.ROWS,
    *nodes.ROWS,
    stores.ROWS[-1],  # a service that could not be reached: a symptom of much else
    *ending.ROWS,
)
"""The order is that of their patterns: what names a cause stands before what many causes show."""

BARE: tuple[Cause, ...] = (*ending.BARE, bootstrap.OTHER)
"""What is left where no row fits, and how a step or a cluster ended."""
EVERY = (*CAUSES, *BARE)
NAMES: tuple[str, ...] = tuple(dict.fromkeys(cause.name for cause in EVERY))


def get_cause(name: str, variant: str = "") -> Cause:
    """The row of a name and a variant."""
    return next(cause for cause in EVERY if (cause.name, cause.variant) == (name, variant))
