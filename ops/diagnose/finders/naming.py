"""What the job, the bootstrap or EMR names itself. Pure."""

from dataclasses import replace

from ops.diagnose import firsts
from ops.diagnose.hit import Hit, Statement
from ops.diagnose.rows import bootstrap
from ops.diagnose.scene import Scene
from ops.diagnose.table import BARE

# Names that cover more than one cause: better words, where there are any, go first.
_VAGUE = frozenset(
    {"output-unusable", "storage-unreachable", "bootstrap-wheelhouse", "bootstrap-python", *(c.name for c in BARE)}
    | {"instance-failed"}
)


def find_by_name(scene: Scene) -> Hit | None:
    """The row that the job, the bootstrap or EMR names, unless the name covers several causes."""
    hit = scene.named
    return None if hit is None or hit.cause.name in _VAGUE else hit


def find_by_vague_name(scene: Scene) -> Hit | None:
    """The row that the job, the bootstrap or EMR names, also a vague one: for when nothing better was found."""
    hit = scene.named
    if hit is not None and hit.cause is bootstrap.OTHER and scene.node is None:
        for document in scene.evidence.find_documents("bootstrap"):
            if line := firsts.find_last_error(document.text) or firsts.find_last_words(document.text):
                return replace(hit, statement=Statement(document.text, document.uri), line=line)
    return hit
