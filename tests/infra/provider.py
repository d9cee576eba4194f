"""One AWS provider for all plans of a process.

Terraform starts the provider for each command and reads its whole schema anew, which is most of what a plan costs. A
provider that runs already ("reattached", as its authors debug it) is asked by all of them, behind `relay`. For plans
alone: what is applied, or compared with another run of the provider, starts its own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from ops.core.target import INVENTED_KEYS
from ops.terraform.binary import PROVIDER, find_mirror, name_platform

NAME = "TF_REATTACH_PROVIDERS"
RELAY = Path(__file__).with_name("relay.py")


def program() -> Path | None:
    """The provider in the mirror; None where it is packed there."""
    mirror = find_mirror()
    if mirror is None:
        return None
    programs = (mirror / PROVIDER).glob(f"5.*/{name_platform()}/terraform-provider-aws*")
    return next((path for path in sorted(programs) if os.access(path, os.X_OK)), None)


_running: list[subprocess.Popen[str]] = []


def start(environ: Mapping[str, str]) -> str | None:
    """A provider with these variables: where it listens, as Terraform wants to be told; None where none can be."""
    provider = program()
    if provider is None:
        return None
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    command = [sys.executable, RELAY, provider]
    started = subprocess.Popen(
        command, env={**kept, **environ}, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    _running.append(started)
    atexit.register(stop)
    assert started.stdout is not None
    return started.stdout.readline().strip() or None


@cache
def address() -> str | None:
    """Where this process's provider for plans without an account listens."""
    return start(INVENTED_KEYS.environment() | {"AWS_EC2_METADATA_DISABLED": "true"})


def stop() -> None:
    """End the providers that run."""
    address.cache_clear()
    while _running:
        _running.pop().communicate()  # the end of its standard input is its own


@contextlib.contextmanager
def attached(to: str | None = "") -> Iterator[bool]:
    """Let Terraform ask this process's provider, or one that `start` gave; whether it does."""
    provider_address = address() if to == "" else to
    if provider_address is None:
        yield False
        return
    os.environ[NAME] = provider_address
    try:
        yield True
    finally:
        del os.environ[NAME]
