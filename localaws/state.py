"""The state file of the embedded AWS: which process serves, and where."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "server.json"


@dataclass(frozen=True)
class Record:
    """A server that was started.

    Attributes
    ----------
    pid : its process
    endpoint : its URL
    token : what it answers with, so that another server on the same port is not taken for it
    started : when, in seconds since the epoch
    """

    pid: int
    endpoint: str
    token: str
    started: float


def path(home: Path) -> Path:
    """Where the state file is."""
    return home / FILE_NAME


def write(home: Path, record: Record) -> None:
    """Write the state file in one piece."""
    home.mkdir(parents=True, exist_ok=True)
    partial = home / f"{FILE_NAME}.{record.pid}"
    partial.write_text(json.dumps(asdict(record)))
    partial.replace(path(home))


def read(home: Path) -> Record | None:
    """The last record, or None; whether the server lives is for the caller to ask."""
    try:
        return Record(**json.loads(path(home).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
