"""The images below a folder, by class: the class is the name of the folder that holds the image."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})


@dataclass(frozen=True, order=True)
class FoundImage:
    """An image: its class, and its path below the folder searched."""

    label: str
    path: PurePosixPath


def find_images(root: Path) -> list[FoundImage]:
    """All images below ``root`` at any depth, sorted by class and path.

    Hidden files and folders are left out. Images right in ``root`` are of the class that ``root`` names.

    Raises
    ------
    OSError
        If a folder cannot be read: a sample cut from half of the images would not say so.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = []
    for folder, folders, files in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(folder).relative_to(root)
        label = inside.name or root.resolve().name
        found += [
            FoundImage(label, PurePosixPath(inside.as_posix()) / name)
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    return sorted(found)
