"""Whether this machine can run YARN, checked before anything is started."""

from __future__ import annotations

import platform
from pathlib import Path

import psutil

from localaws.java import find_java_home
from localaws.yarn import jars
from localaws.yarn.errors import JavaVersionError, MemoryTooSmallError, OtherUsersError, UnsupportedSystemError

# Measured: daemons 0.8 GB, the driver's container 2.0, two executors' 0.8 each; with less the machine begins to swap.
LEAST_AVAILABLE_MB = 4500


def check_machine(folder: Path) -> None:
    """Raise the YarnError that says why YARN cannot run here, with the jars of a folder."""
    if platform.system() != "Linux":
        raise UnsupportedSystemError(platform.system())
    if find_java_home() is None:
        raise JavaVersionError
    jars.verify_jars(folder, jars.read_own_pins())
    if others := {user.name for user in psutil.users()} - {psutil.Process().username(), "root"}:
        raise OtherUsersError(others)
    available = psutil.virtual_memory().available >> 20
    if available < LEAST_AVAILABLE_MB:
        raise MemoryTooSmallError(available, LEAST_AVAILABLE_MB)
