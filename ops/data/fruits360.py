"""Fruits-360 in a folder: what its readme states, which images are there, what a killed run left.

``Training/<class>/*.jpg`` and ``Test/<class>/*.jpg``, the data set's readme and licence beside them, and a hidden file
that names every image and its checksum. Where the images come from is `ops.data.fetch`'s and
`ops.data.kaggle`'s.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from fruits.wording import format_count

from ops.core.console import Console, counting
from ops.core.errors import ExitCode, OperatorError
from ops.core.files import hold_lock, write_whole

SPLITS = ("Training", "Test")
MANIFEST = ".fruits-360.json"


class DatasetError(OperatorError):
    """The data set is not complete; the message says why and what to do."""

    exit_code = ExitCode.USAGE


class SourceUnreachableError(DatasetError):
    """The source cannot be reached or refuses; what was fetched so far is kept."""

    exit_code = ExitCode.PROGRAM


@dataclass(frozen=True)
class Release:
    """A pinned version of the data set: the commit fixes every byte."""

    version: str
    url: str
    commit: str
    licence: str


RELEASES = {
    release.version: release
    for release in (
        Release(
            version="2020.05.18.0",
            url="https://github.com/Horea94/Fruit-Images-Dataset",
            commit="8f127c5043b29237313f87268f16106b16cbd8c6",
            licence="MIT, © 2017-2020 Mihai Oltean, Horea Muresan",
        ),
        Release(
            version="2025.03.09.0",
            url="https://github.com/fruits-360/fruits-360-100x100",
            commit="019ab6f4eec0f6b9bdae4efe8ee55f377bef8812",
            licence="CC BY-SA 4.0, © 2017- Mihai Oltean",
        ),
    )
}
DEFAULT_VERSION = "2020.05.18.0"


@dataclass(frozen=True)
class Stated:
    """What the data set's readme states about itself."""

    version: str
    training: int
    test: int
    classes: int


def parse_readme(text: str) -> Stated:
    """The version and counts that a Fruits-360 readme states.

    Raises
    ------
    DatasetError : one of them is not there
    """
    patterns = {
        # ## Version: 2020.05.18.0 ##
        "version": r"Version:\s*([\d.]*\d)",
        # Training set size: 67692 images (one fruit or vegetable per image).
        "training": r"Training set size:\s*(\d+)",
        # Test set size: 22688 images (one fruit or vegetable per image).
        "test": r"Test set size:\s*(\d+)",
        # Number of classes: 131 (fruits and vegetables).
        "classes": r"Number of classes:\s*(\d+)",
    }
    stated = {}
    for name, pattern in patterns.items():
        if (match := re.search(pattern, text)) is None:
            raise DatasetError(
                f"The data set's readme does not state its {name}, so nothing can be checked against it."
                " Fix: choose another VERSION=."
            )
        stated[name] = match[1]
    return Stated(stated["version"], int(stated["training"]), int(stated["test"]), int(stated["classes"]))


@dataclass(frozen=True)
class DatasetImage:
    """An image of the pinned version: its path, and the checksum of its content that the source names."""

    path: PurePosixPath
    oid: str

    @property
    def label(self) -> str:
        return self.path.parts[1]


def require_stated_counts(stated: Stated, images: Iterable[DatasetImage], where: str) -> None:
    """Compare the counts of a listing with those stated.

    Raises
    ------
    DatasetError : they differ
    """
    per_split = dict.fromkeys(SPLITS, 0)
    classes = set()
    for image in images:
        per_split[image.path.parts[0]] += 1
        classes.add(image.label)
    counts = (per_split["Training"], per_split["Test"], len(classes))
    if counts != (stated.training, stated.test, stated.classes):
        raise DatasetError(
            f"{where} holds {counts[0]} Training and {format_count(counts[1], 'Test image')} of "
            f"{format_count(counts[2], 'class')}, but its readme states {stated.training}, {stated.test} and "
            f"{stated.classes}. Fix: choose another VERSION=, or another source."
        )


def lock_folder(dest: Path) -> AbstractContextManager[None]:
    """One fetch per folder at a time."""
    refusal = DatasetError(f"Another run is fetching into {dest}. Fix: wait for it, or give another DEST=.")
    return hold_lock(dest / ".lock", refusal)


def list_strangers(dest: Path, images: Iterable[DatasetImage]) -> list[str]:
    """Files in the splits' folders that are not of the data set: they would be taken for its images."""
    known = {str(image.path) for image in images}
    present = (p.relative_to(dest).as_posix() for s in SPLITS for p in (dest / s).rglob("*") if p.is_file())
    # Hidden ones are not: the desktop's own (.DS_Store) must not be in the way.
    return sorted(name for name in present if name not in known and not name.rpartition("/")[2].startswith("."))


def remove_parts(dest: Path) -> None:
    """Remove the half-written files of a killed run."""
    for split in SPLITS:
        for part in (dest / split).rglob(".*.part"):
            part.unlink()


def read_manifest(path: Path) -> tuple[str, list[DatasetImage], Stated] | None:
    """The pin, the images and the counts of an earlier run; None where there is none, or it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        images = [DatasetImage(PurePosixPath(name), oid) for name, oid in content["images"].items()]
        return str(content["commit"]), images, Stated(**content["stated"])
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_manifest(path: Path, pin: str, release: Release, images: Iterable[DatasetImage], stated: Stated) -> None:
    """Keep what was learnt, under the pin."""
    content = asdict(release) | {
        "commit": pin,
        "stated": asdict(stated),
        "images": {str(image.path): image.oid for image in images},
    }
    write_whole(path, json.dumps(content, indent=0, ensure_ascii=True).encode())


class DatasetSource(Protocol):
    """Where a version comes from.

    Attributes
    ----------
    pin : what the version is there, in a word: kept beside the images
    where : its name in a sentence
    """

    @property
    def pin(self) -> str: ...

    @property
    def where(self) -> str: ...

    def open(self) -> None:
        """Make ready; raises `SourceUnreachableError`."""

    def listing(self) -> tuple[list[DatasetImage], dict[str, bytes]]:
        """The images of both splits, and the contents of readme and licence by name."""

    def checksum(self, data: bytes) -> str:
        """What the source would name this content."""

    def fetch(self, images: list[DatasetImage]) -> Iterator[tuple[DatasetImage, bytes]]:
        """The contents of images, each with its own checksum."""

    def close(self) -> None:
        """Remove what is needed no more."""


def complete_dataset(source: DatasetSource, release: Release, dest: Path, console: Console) -> Stated:
    """Bring the data set below ``dest``, as ``Training/<class>/*.jpg`` and ``Test/<class>/*.jpg``.

    Complete and right: nothing is asked of the network. Incomplete: only what is missing is fetched.
    Returned are the counts, as stated and as found.

    Raises
    ------
    DatasetError : the source cannot be reached, or it, or ``dest``, holds something other than its readme states
    """
    with lock_folder(dest):
        return _complete(source, release, dest, console)


def _complete(source: DatasetSource, release: Release, dest: Path, console: Console) -> Stated:
    remove_parts(dest)
    manifest = read_manifest(dest / MANIFEST)
    if manifest and manifest[0] != source.pin:
        raise DatasetError(
            f"{dest} holds another version of Fruits-360, or the same from another source. Fix: give another DEST=, or"
            " remove it."
        )
    if manifest:
        images, stated = manifest[1], manifest[2]
    else:
        console.print(f"asking {source.where} for the list of images of version {release.version}")
        source.open()
        images, papers = source.listing()
        readme = next((papers[name] for name in sorted(papers) if name.lower() == "readme.md"), None)
        if readme is None:
            raise DatasetError(f"{source.where} holds no readme to check against. Fix: choose another VERSION=.")
        stated = parse_readme(readme.decode(errors="replace"))
        if stated.version != release.version:
            raise DatasetError(
                f"{source.where} is version {stated.version}, not {release.version}. Fix: choose another VERSION=."
            )
        require_stated_counts(stated, images, source.where)
        for name, text in papers.items():
            write_whole(dest / name, text)
        write_manifest(dest / MANIFEST, source.pin, release, images, stated)

    if unknown := list_strangers(dest, images):
        raise DatasetError(
            f"{dest} holds {format_count(len(unknown), 'file')} beside those of the data set (such as {unknown[0]})."
            " Fix: move what is not of it, or give another DEST=."
        )
    missing: dict[str, list[DatasetImage]] = {}
    for image in images:
        if not _right(dest / image.path, image.oid, source.checksum):
            missing.setdefault(image.label, []).append(image)
    if missing:
        source.open()
        _bring(source, missing, dest, len(images), console)
    source.close()
    return stated


def _right(path: Path, oid: str, checksum: Callable[[bytes], str]) -> bool:
    try:
        return checksum(path.read_bytes()) == oid
    except (FileNotFoundError, NotADirectoryError):
        return False


def _bring(
    source: DatasetSource, missing: Mapping[str, list[DatasetImage]], dest: Path, total: int, console: Console
) -> None:
    here = total - sum(map(len, missing.values()))
    if here:
        console.print(f"{here} of {format_count(total, 'image')} {'is' if here == 1 else 'are'} here already")
    with counting(console, "images", total) as advance:
        advance(here)
        for _, images in sorted(missing.items()):
            for image, data in source.fetch(images):
                write_whole(dest / image.path, data)
                advance(1)
