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


def list_keys(root: Path) -> tuple[list[str], LeftOut]:
    """Every image below ``root`` at any depth, by its path there, in order; what is none is counted.

    Raises
    ------
    StorageError : a folder cannot be read: a sample cut from half of the images would not say so
    """
    keys, left_out = [], LeftOut()
    for entry in walk(Store(str(root)), left_out):
        if entry.size == NOT_EXPRESSIBLE:
            left_out.add("name that is not UTF-8", entry.key)
        else:
            keys.append(entry.key)
    return sorted(keys), left_out


def find_images(root: Path) -> tuple[list[FoundImage], LeftOut]:
    """All images below ``root``, sorted by class and path; see `list_keys`.

    Images right in ``root`` are of the class that ``root`` names.
    """
    keys, left_out = list_keys(root)
    paths = map(PurePosixPath, keys)
    images = [FoundImage(path.parent.name or root.resolve().name, path) for path in paths]
    return sorted(images), left_out


def count_by_class(keys: Iterable[str]) -> dict[str, int]:
    """Images by class, of their keys."""
    return dict(sorted(Counter(read_label(key) for key in keys).items()))
