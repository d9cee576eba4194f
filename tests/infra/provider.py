"""One AWS provider for all plans of a process.

Terraform starts the provider for each command and reads its whole schema anew, which is most of what a plan costs. A
provider that runs already ("reattached", as its authors debug it) is asked by all of them. For plans alone: what is
applied, or compared with another run of the provider, starts its own.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from ops.core.target import INVENTED_KEYS
from ops.terraform.binary import PROVIDER, find_mirror, name_platform

NAME = "TF_REATTACH_PROVIDERS"


def program() -> Path | None:
    """The provider in the mirror; None where it is packed there."""
    mirror = find_mirror()
    if mirror is None:
        return None
    found = (mirror / PROVIDER).glob(f"5.*/{name_platform()}/terraform-provider-aws*")
    return next((path for path in sorted(found) if os.access(path, os.X_OK)), None)


_running: list[subprocess.Popen[str]] = []


@cache
def address() -> str | None:
    """Where this process's provider listens, as Terraform wants to be told; None where none can be started."""
    provider = program()
    if provider is None:
        return None
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))}
    environ = kept | INVENTED_KEYS.environment() | {"AWS_EC2_METADATA_DISABLED": "true"}
    started = subprocess.Popen(
        [provider, "-debug"], env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    _running.append(started)
    atexit.register(stop)
    assert started.stdout is not None
    for line in started.stdout:
        # 	TF_REATTACH_PROVIDERS='{"registry.terraform.io/hashicorp/aws":{"Protocol":"grpc",…}}'
        if found := re.search(rf"{NAME}='(.*)'", line):
            threading.Thread(target=started.stdout.read, daemon=True).start()  # it would stop at a full pipe
            return found[1]
    return None


def stop() -> None:
    """End the provider, where one runs."""
    address.cache_clear()
    while _running:
        with _running.pop() as provider:
            provider.kill()


@contextlib.contextmanager
def attached() -> Iterator[bool]:
    """Let Terraform ask this process's provider; whether it does."""
    told = address()
    if told is None:
        yield False
        return
    os.environ[NAME] = told
    try:
        yield True
    finally:
        del os.environ[NAME]
