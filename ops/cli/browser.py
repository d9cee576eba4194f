"""Open a page in the browser of whoever sits here, where somebody does and there is one."""

import sys
import webbrowser
from collections.abc import Mapping


def is_wanted(environ: Mapping[str, str], *, terminal: bool, platform: str = sys.platform) -> bool:
    """Whether to open a browser: a person at a terminal, with a display, who did not decline.

    Parameters
    ----------
    environ : ``OPEN=0`` declines; ``CI`` means that nobody is here; a display where the platform needs one
    terminal : whether the command's output is one

    >>> is_wanted({"DISPLAY": ":0"}, terminal=True, platform="linux"), is_wanted({}, terminal=True, platform="linux")
    (True, False)
    """
    if environ.get("OPEN") == "0" or environ.get("CI") or not terminal:
        return False
    if platform in ("darwin", "win32"):
        return not environ.get("SSH_CONNECTION")
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_page(address: str, environ: Mapping[str, str], *, terminal: bool) -> bool:
    """Open an address if that is wanted and possible; whether it was."""
    if not is_wanted(environ, terminal=terminal):
        return False
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False  # no browser is installed: the address was printed anyway
