"""The state file of the embedded AWS: which process serves, where, and the keys of this start. Private."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from localaws.keys import Keys

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
    keys : what the account's owner signs calls with
    yarn : whether its Spark steps run on YARN
    """

    pid: int
    endpoint: str
    token: str = field(repr=False)
    started: float
    keys: Keys
    yarn: bool = False


def locate_record(home: Path) -> Path:
    """Where the state file is."""
    return home / FILE_NAME


def write_record(home: Path, record: Record) -> None:
    """Write the state file in one piece; nobody but its owner may read it."""
    make_home(home)
    partial = home / f"{FILE_NAME}.{record.pid}"
    partial.unlink(missing_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    partial.write_text(json.dumps(asdict(record)))
    partial.replace(locate_record(home))


def make_home(home: Path) -> None:
    """Make the home, closed to other users: logs, states and the nodes' folders hold keys, too."""
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o700)


def read_record(home: Path) -> Record | None:
    """The last record, or None; whether that server still runs is for the caller to find out."""
    try:
        content = json.loads(locate_record(home).read_text())
        return Record(**{**content, "keys": Keys(**content["keys"])})
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return None
