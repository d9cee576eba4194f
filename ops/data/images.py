"""The images below a folder, by class: the class is the name of the folder that holds the image."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fruits.inputs import NOT_EXPRESSIBLE, LeftOut, read_label, walk
from fruits.store import Store


@dataclass(frozen=True, order=True)
class FoundImage:
    """An image: its class, and its path below the folder searched."""

    label: str
    path: PurePosixPath


def find_images(root: Path) -> tuple[list[FoundImage], LeftOut]:
    """All images below ``root`` at any depth, sorted by class and path.

    What an image is, `fruits.inputs` says; what is none is counted. Images right in ``root`` are of the class that
    ``root`` names.

    Raises
    ------
    StorageError
        If a folder cannot be read: a sample cut from half of the images would not say so.
    """
    images, left = [], LeftOut()
    for entry in walk(Store(str(root)), left):
        path = PurePosixPath(entry.key)
        if entry.size == NOT_EXPRESSIBLE:
            left.add("name that is not UTF-8", entry.key)
        else:
            images.append(FoundImage(path.parent.name or root.resolve().name, path))
    return sorted(images), left


def count_by_class(keys: Iterable[str]) -> dict[str, int]:
    """Images by class, of their keys."""
    return dict(sorted(Counter(read_label(key) for key in keys).items()))
