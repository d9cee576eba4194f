"""The drawn sample for tests that need pictures and do not ask how they come about: each is drawn once and kept.

Kept below ``build/tests/sample`` under the hash of the program that draws; a picture is the same whatever the number of
views, so that a smaller sample is a part of a larger one.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
from pathlib import Path

from sample import draw

KEPT = Path(__file__).resolve().parents[1] / "build" / "tests" / "sample"


def draw_once(dest: Path, *, views: int) -> dict[str, int]:
    """As `draw_sample` with seed 0, but for its records: pictures below a folder, and how many of each fruit."""
    program = hashlib.sha256(Path(draw.__file__).read_bytes()).hexdigest()[:16]
    kept = KEPT / program
    kept.mkdir(parents=True, exist_ok=True)
    with (kept / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process may be drawing
        if not all((kept / label / f"{views - 1}_{draw.SIZE}.jpg").exists() for label in draw.FRUITS):
            draw.draw_sample(kept, views=views)
    for label in draw.FRUITS:
        (dest / label).mkdir(parents=True, exist_ok=True)
        for view in range(views):
            shutil.copy(kept / label / f"{view}_{draw.SIZE}.jpg", dest / label)
    return dict.fromkeys(draw.FRUITS, views)
