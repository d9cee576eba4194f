"""`make local-up`, `local-down`, `local-status`, `local-fault`, `yarn-jars`, `env`: the embedded AWS by itself."""

from collections.abc import Callable, Mapping

from localaws import __main__ as localaws
from ops.cli.values import is_on


def start(environ: Mapping[str, str]) -> int:
    """`make local-up`."""
    return localaws.main(["start", *(["--yarn"] if is_on(environ, "YARN") else [])])


def yarn_jars(environ: Mapping[str, str]) -> int:
    """Fetch what a real YARN needs."""
    settings = environ.get("IVY_SETTINGS")
    return localaws.main(["yarn-jars", *(["--settings", settings] if settings else [])])


def fault(environ: Mapping[str, str]) -> int:
    """Let something go wrong there."""
    return localaws.main(["fault", environ.get("FAULT") or "none"])


def _just(action: str) -> Callable[[Mapping[str, str]], int]:
    return lambda _: localaws.main([action])


stop, status, env = _just("stop"), _just("status"), _just("env")
