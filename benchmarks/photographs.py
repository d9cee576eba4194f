"""Folders with exactly as many photographs as a benchmark wants."""

from __future__ import annotations

import os
import shutil
from itertools import chain, zip_longest
from pathlib import Path

from benchmarks.results import BenchmarkError
from sample.draw import draw_sample

ROOT = Path(__file__).resolve().parent.parent
PHOTOGRAPHS = ROOT.parent / "shared" / "fruits360" / "bench"
DRAWN_VIEWS = 125


def _find_pictures(scratch: Path) -> tuple[str, list[Path]]:
    """Find pictures, the classes in turn; returns where they come from, and their paths."""
    folder, origin = PHOTOGRAPHS, "photographs of Fruits-360"
    if not folder.is_dir():
        folder, origin = scratch / "drawn", "pictures of the drawn sample"
        draw_sample(folder, views=DRAWN_VIEWS)
    by_class: dict[Path, list[Path]] = {}
    for path in sorted(folder.rglob("*.jpg")):
        by_class.setdefault(path.parent, []).append(path)
    turns = chain.from_iterable(zip_longest(*by_class.values()))
    pictures = [path for path in turns if path is not None]
    if not pictures:
        raise BenchmarkError(f"there is no picture below {folder}. Fix: remove the folder; the sample is drawn then.")
    return f"{len(pictures):,} {origin}", pictures


def link_photographs(images: int, scratch: Path) -> tuple[Path, str]:
    """Make a folder of that many photographs; where there are fewer, each appears several times under other names.

    Returns
    -------
    Path, str
        The folder, and a sentence on what is in it.
    """
    origin, pictures = _find_pictures(scratch)
    folder = scratch / f"images-{images}"
    if not folder.exists():
        for number in range(images):
            source = pictures[number % len(pictures)]
            target = folder / source.parent.name / f"{number // len(pictures)}_{source.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(source, target)
    return folder, f"{images:,} files, linked from {origin}"


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
