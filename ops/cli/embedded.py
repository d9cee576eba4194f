"""`make local-up`, `local-down`, `local-status`, `local-fault`, `env`: the embedded AWS by itself."""

from __future__ import annotations

from collections.abc import Mapping

from localaws import __main__ as localaws


def start(_: Mapping[str, str]) -> int:
    """Start it."""
    return localaws.main(["start"])


def stop(_: Mapping[str, str]) -> int:
    """Stop it."""
    return localaws.main(["stop"])


def status(_: Mapping[str, str]) -> int:
    """Where it listens, and its clusters."""
    return localaws.main(["status"])


def fault(environ: Mapping[str, str]) -> int:
    """Let something go wrong there."""
    return localaws.main(["fault", environ.get("FAULT") or "none"])


def env(_: Mapping[str, str]) -> int:
    """Print what points a shell at it."""
    return localaws.main(["env"])
