"""What an image of an input is: the one definition, for the job and for every command that looks at images.

An image is a file whose name ends in one of `formats.ENDINGS`, in any case, at any depth. Left out, and counted with
the reason, are files of other endings; what is hidden (a name on the way begins with a dot); what a NAS, macOS or
Windows keeps beside the photographs; and what is no file. A link to a file counts as the file. A link to a folder is
followed where it leads out of the input, to a folder that is not listed already: no loop is endless, and nothing
counts twice.

An image whose address cannot be expressed (an empty folder name, as in ``a//b.jpg``, or a name that is not UTF-8) is an
image: its size is `NOT_EXPRESSIBLE`, and the job rejects it by name.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fruits.errors import InputError, StorageError
from fruits.formats import ENDINGS, ENDINGS_TEXT
from fruits.store import Entry, Store
from fruits.wording import format_count

NOT_EXPRESSIBLE = -1
"""Stands for the size of an image that the store's layer has no address for."""
_SYSTEM_FOLDERS = frozenset(
    {
        "@eadir",
        "#recycle",
        "#snapshot",
        "@recycle",
        "__macosx",
        "$recycle.bin",
        "system volume information",
        "lost+found",
    }
)
OWN_MARKS = (".drawn.json", ".fruits-360.json")
"""Files that mark images which this project drew or fetched: no user would miss them in the results."""
HIDDEN, BESIDE, LINK, SPECIAL = "hidden", "left by a NAS or a desktop", "link to a folder", "no regular file"
_MOST_KINDS = 100
"""Kinds of left out files that are counted separately; all others together are one kind."""
_OTHERS = "other endings"
_LONGEST_ENDING = 12


def is_image(key: str) -> bool:
    """Whether a key names an image.

    >>> is_image("Apple/1.HEIC"), is_image("Apple/._1.jpg"), is_image("@eaDir/1.jpg"), is_image("1.mov")
    (True, False, False, False)
    """
    return find_exclusion(key) is None


def find_exclusion(key: str) -> str | None:
    """Why a key is no image (its ending, or what hides it): the kind it is counted under. None for an image.

    >>> find_exclusion("Apple/IMG_0001.MOV")
    '.mov'
    """
    names = key.split("/")
    if any(name.startswith(".") and name not in (".", "..") for name in names):
        return HIDDEN
    if any(name.lower() in _SYSTEM_FOLDERS for name in names[:-1]) or names[-1].lower() in ("thumbs.db", "desktop.ini"):
        return BESIDE
    if key.lower().endswith(ENDINGS):
        return None
    stem, dot, ending = names[-1].rpartition(".")
    return f".{ending.lower()}" if dot and stem and 0 < len(ending) <= _LONGEST_ENDING else "no ending"


def is_expressible(key: str) -> bool:
    """Whether a store can address a key: no empty name, ``.`` or ``..`` in its path, nothing that is not UTF-8."""
    if any(name in ("", ".", "..") for name in key.split("/")):
        return False
    return not any("\ud800" <= letter <= "\udfff" for letter in key)


def to_text(key: str) -> str:
    r"""A key as text: bytes that are not UTF-8 as ``\xe9``."""
    return key.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def read_label(path: str) -> str:
    """The folder a file lies in, in Unicode's composed form (macOS stores accents decomposed).

    >>> read_label("s3://b/Training/Apple Golden 1/3_100.jpg")
    'Apple Golden 1'
    """
    folder = path.rpartition("/")[0]
    return unicodedata.normalize("NFC", folder.rpartition("/")[2])


@dataclass
class LeftOut:
    """Files that were found and left out: how many of each kind, and the first of each."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, key: str, count: int = 1) -> None:
        if key.rpartition("/")[2] in OWN_MARKS:
            return
        if kind not in self.counts and len(self.counts) >= _MOST_KINDS:
            kind = _OTHERS
        self.counts[kind] += count
        self.first[kind] = min(self.first.get(kind, key), key)

    def __bool__(self) -> bool:
        return bool(self.counts)

    @property
    def total(self) -> int:
        return self.counts.total()

    def as_json(self) -> dict[str, dict[str, object]]:
        return {kind: {"files": n, "first": self.first[kind]} for kind, n in self._sort_kinds()}

    def _sort_kinds(self) -> list[tuple[str, int]]:
        """Kinds with their numbers, the most frequent first; the same whatever the order of a listing."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))

    @classmethod
    def from_json(cls, values: Mapping[str, Mapping[str, object]]) -> LeftOut:
        firsts = {kind: str(value["first"]) for kind, value in values.items()}
        return cls(Counter({kind: int(str(value["files"])) for kind, value in values.items()}), firsts)

    def sentence(self, limit: int = 8) -> str:
        """What was left out, by kind, the most frequent first; empty where nothing was.

        >>> LeftOut(Counter({".mov": 30, "hidden": 1}), {".mov": "a/1.mov", "hidden": ".x"}).sentence()
        '31 files are left out: 30 .mov, 1 hidden (first: a/1.mov)'
        """
        if not self:
            return ""
        kinds = self._sort_kinds()
        listed = ", ".join(f"{n:,} {kind}" for kind, n in kinds[:limit])
        others = sum(n for _, n in kinds[limit:])
        verb = "is" if self.total == 1 else "are"
        others_text = f", {others:,} of other kinds" if others else ""
        return (
            f"{format_count(self.total, 'file')} {verb} left out: {listed}{others_text} "
            f"(first: {to_text(self.first[kinds[0][0]])})"
        )


def filter_images(entries: Iterable[Entry], left_out: LeftOut) -> Iterator[Entry]:
    """The images among some entries; the others are counted. One without an address has the size `NOT_EXPRESSIBLE`."""
    for entry in entries:
        if not entry.is_file:
            continue
        kind = entry.kind or find_exclusion(entry.key)
        if kind is not None:
            left_out.add(kind, to_text(entry.key))
        elif is_expressible(entry.key):
            yield entry
        else:
            yield Entry(to_text(entry.key), True, NOT_EXPRESSIBLE, entry.mtime)


def walk(store: Store, left_out: LeftOut) -> Iterator[Entry]:
    """Every image below a store, in this process; what is left out is counted.

    Raises
    ------
    StorageError
        When a folder cannot be listed.
    """
    entries = walk_folder(Path(store.path(""))) if store.is_local else store.list(recursive=True)
    yield from filter_images(entries, left_out)


def walk_folder(base: Path) -> Iterator[Entry]:
    """Every file below a local folder, a folder at a time; links to folders last, see the module.

    An entry whose ``kind`` is set is no image whatever its name: a link that is not followed, a pipe, a socket.
    """
    root = os.path.realpath(base)
    visited: set[tuple[int, int]] = set()
    folders: list[str] = [""]
    links: list[str] = []
    while folders or links:
        if folders:
            key = folders.pop()
        else:
            key = links.pop(0)
            target = os.path.realpath(base / key)
            inside = f"{root.rstrip('/')}/".startswith(f"{target.rstrip('/')}/")
            if inside or _read_identity(base / key) in visited:
                yield Entry(key, True, 0, 0, LINK)
                continue
        visited.add(_read_identity(base / key))
        try:
            with os.scandir(base / key) as items:
                for item in items:
                    name = f"{key}/{item.name}" if key else item.name
                    if item.is_dir(follow_symlinks=False):
                        folders.append(name)
                    elif item.is_symlink() and not _leads_somewhere(item):
                        yield Entry(name, True, 0, 0, SPECIAL)
                    elif item.is_dir():
                        links.append(name)
                    else:
                        yield _make_entry(name, item)
        except OSError as error:
            raise StorageError(
                f"cannot list {to_text(str(base / key))}: {error.strerror}. Fix: make it readable."
            ) from error
        folders.sort(reverse=True)
        links.sort()


def _read_identity(folder: Path) -> tuple[int, int]:
    facts = folder.stat()
    return facts.st_dev, facts.st_ino


def _leads_somewhere(link: os.DirEntry[str]) -> bool:
    try:
        link.stat()
    except OSError:  # the target is missing, a circle of links, below a file, or has too long a name
        return False
    return True


def _make_entry(key: str, item: os.DirEntry[str]) -> Entry:
    if not item.is_file():
        return Entry(key, True, 0, 0, SPECIAL)
    if find_exclusion(key) is not None:
        return Entry(key, True, 0, 0)
    facts = item.stat()
    return Entry(key, True, facts.st_size, facts.st_mtime_ns)


def require_folder(source: Store) -> None:
    """Refuse an input that is not there.

    Raises
    ------
    InputError
        When there is nothing, or a file.
    """
    kind = source.kind()
    if kind == "file":
        raise InputError(f"the input {source.uri} is a file. Fix: give the folder that holds the images.")
    if kind == "missing" and (source.is_local or not source.list()):
        raise InputError(f"there is nothing at the input {source.uri}. Fix: check the address.")


def require_classes(classes: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names of classes that do not exist.

    Raises
    ------
    InputError
        Naming them, and the classes there are.
    """
    names = sorted(known)
    if missing := sorted(set(classes) - set(names)):
        raise InputError(
            f"no image is of class {', '.join(missing)}. Fix: one of "
            f"{', '.join(names[:40])}{' …' if len(names) > 40 else ''}."
        )


def require_image(source: Store) -> None:
    """Refuse a local folder that holds no image; the search stops at the first one.

    Raises
    ------
    InputError
        When there is none.
    """
    require_folder(source)
    left_out = LeftOut()
    if source.is_local and next(walk(source, left_out), None) is None:
        raise explain_no_image(source, left_out)


def explain_no_image(source: Store, left_out: LeftOut) -> InputError:
    """The error about an input without an image, which says what else is there."""
    exclusions = f" {left_out.sentence()}." if left_out else ""
    return InputError(
        f"there is no image below {source.uri}: no file ends in {ENDINGS_TEXT}.{exclusions} Fix: check the address; "
        "images lie in <class>/<name>.jpg."
    )
