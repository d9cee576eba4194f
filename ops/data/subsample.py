"""Cut a seeded, balanced subsample from any folder of images: ``make sample SOURCE=dir DEST=dir``.

The class of an image is its parent folder, at any depth. What is chosen depends on the seed and on the names
alone, not on the machine or the order of the listing, and more IMAGES= of a seed contain the fewer ones.
"""

import filecmp
import hashlib
import shutil
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from fruits.errors import StorageError
from fruits.inputs import LeftOut
from fruits.wording import format_count

from ops.core.errors import ExitCode, OperatorError
from ops.data.images import FoundImage, find_images


class SampleError(OperatorError):
    """No sample can be cut; the message says why and what to do."""

    exit_code = ExitCode.USAGE


def choose_images(listed: list[FoundImage], *, classes: int, images: int, seed: int) -> list[FoundImage]:
    """Choose ``images`` images from each of ``classes`` classes.

    Classes with fewer images are not eligible, so that the sample is balanced.

    Raises
    ------
    SampleError : fewer than ``classes`` classes have ``images`` images
    """
    sizes = Counter(image.label for image in listed)
    eligible = [label for label, size in sizes.items() if size >= images]
    if len(eligible) < classes:
        largest = ", ".join(f"{label} ({size})" for label, size in sizes.most_common(3))
        raise SampleError(
            f"{format_count(classes, 'class')} with {format_count(images, 'image')} each cannot be had: of "
            f"{format_count(len(sizes), 'class')} {format_count(len(eligible), 'class', 'has')} that many (largest: "
            f"{largest}). Fix: ask for fewer with CLASSES= or IMAGES=."
        )

    def lot(*what: str) -> bytes:
        return hashlib.sha256("\0".join((str(seed), *what)).encode("utf-8", "surrogateescape")).digest()

    chosen = set(sorted(eligible, key=lot)[:classes])
    by_class: dict[str, list[FoundImage]] = {label: [] for label in chosen}
    for image in listed:
        if image.label in chosen:
            by_class[image.label].append(image)
    return sorted(
        image
        for label, members in by_class.items()
        for image in sorted(members, key=lambda member: lot(label, str(member.path)))[:images]
    )


def cut_subsample(
    source: Path, dest: Path, *, classes: int = 5, images: int = 5, seed: int = 0
) -> tuple[dict[str, int], LeftOut]:
    """Copy a balanced subsample of the images below ``source`` to ``dest``, keeping their relative paths.

    A sample that is already there stays as it is. ``dest`` appears whole or not at all.
    Returned are the images per class, and what else lies below ``source``.

    Raises
    ------
    SampleError : ``source`` holds too little, or ``dest`` is in the way
    """
    if not source.is_dir():
        raise SampleError(f"{source} is not a folder. Fix: give the folder that holds the classes with SOURCE=.")
    origin, target = source.resolve(), dest.resolve()
    if target == origin or origin in target.parents or target in origin.parents:
        raise SampleError(
            f"DEST={dest} and SOURCE={source} lie one inside the other. Fix: give a DEST outside the source."
        )
    try:
        listed, left_out = find_images(source)
        if not listed:
            others = f": {left_out.sentence()}" if left_out else ""
            raise SampleError(f"there is no image below {source}{others.rstrip('.')}. Fix: give a folder of images.")
        chosen = choose_images(listed, classes=classes, images=images, seed=seed)
        counts = dict(Counter(image.label for image in chosen))
        copies = {_place(image): source / image.path for image in chosen}
        if dest.exists() and (not dest.is_dir() or any(dest.iterdir())):
            if _same(dest, copies):
                return counts, left_out
            raise SampleError(f"{dest} already holds something else. Fix: remove it, or give another DEST=.")
        _copy(copies, dest)
    except StorageError as error:
        raise SampleError(str(error)) from error
    except OSError as error:
        raise SampleError(f"{error.filename}: {error.strerror}. Fix: make it accessible, or choose another.") from error
    return counts, left_out


def _place(image: FoundImage) -> PurePosixPath:
    """Where an image goes: its parent folder must keep the name of its class."""
    return image.path if len(image.path.parts) > 1 else image.label / image.path


def _same(dest: Path, copies: Mapping[PurePosixPath, Path]) -> bool:
    present = {PurePosixPath(p.relative_to(dest).as_posix()) for p in dest.rglob("*") if not p.is_dir()}
    return present == copies.keys() and all(
        filecmp.cmp(origin, dest / place, shallow=False) for place, origin in copies.items()
    )


def _copy(copies: Mapping[PurePosixPath, Path], dest: Path) -> None:
    dest.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=dest.parent, prefix=f".{dest.name}.") as half:
        whole = Path(half) / "sample"
        whole.mkdir()
        for place, origin in copies.items():
            (whole / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(origin, whole / place)
        if dest.exists():
            dest.rmdir()
        whole.rename(dest)
