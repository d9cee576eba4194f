"""From evidence to a cause by name: the finders in their order. Pure, and nothing here raises because a log is odd."""

from collections.abc import Callable

from ops.diagnose.evidence import Evidence
from ops.diagnose.finders import ending as ends
from ops.diagnose.finders import naming, processes, words
from ops.diagnose.hit import Hit, Statement
from ops.diagnose.rows import ending
from ops.diagnose.scene import Scene, read_scene
from ops.diagnose.table import EVERY
from ops.diagnose.verdict import Verdict, make_verdict

Finder = Callable[[Scene], Hit | None]


def judge(evidence: Evidence) -> Verdict:
    """The cause of a failure: that of the first finder who has one."""
    scene = read_scene(evidence, EVERY)
    hit = next((hit for _, find in FINDERS if (hit := find(scene)) is not None), None)
    return make_verdict(scene, hit or Hit(ending.UNKNOWN, Statement("", "")))


FINDERS: tuple[tuple[str, Finder], ...] = (
    ("how the step ended", ends.find_by_end),
    ("what the job, the bootstrap or EMR names", naming.find_by_name),
    ("the exception that ended it, where it is known", words.find_by_exception),
    ("our own or the user's Python", words.find_by_own_exception),
    ("what YARN's client gave up with", words.find_by_client),
    ("the process that ended first", processes.find_by_death),
    ("the words in which the failure was reported", words.find_by_words),
    ("words that tell wherever they stand", words.find_by_loud_words),
    ("an exception that was only reported", words.find_by_report),
    ("what was seen, where no log says why", words.find_by_sign),
    ("what the job, the bootstrap or EMR names in general", naming.find_by_vague_name),
    ("the exception by its own name", words.find_by_bare_exception),
    ("EMR's word that it was cancelled", ends.find_by_cancelling),
    ("the line that reports an error", words.find_by_error_line),
)
"""In the order in which they are asked; the first that has an answer gives it."""
