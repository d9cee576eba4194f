"""What a node wrote while it installed, without what it survived: retries, mirrors, locks it waited for. Pure."""

import re
from collections.abc import Iterator

# WARNING: Retrying (Retry(total=4, …)) after connection broken by '…Read timed out.…': /simple/numpy/
_RETRY = re.compile(r"^WARNING: Retrying .*/(?P<package>[\w.-]+)/?$")
# What pip ends with where it found nothing, because it reached nothing
_NOTHING = re.compile(r"(?:distribution found for|satisfies the requirement) (?P<package>[\w.-]+)")
_UNREACHED = re.compile(
    r"^(?!WARNING).*(?:Max retries exceeded|ConnectionError|ReadTimeoutError|Could not fetch URL)", re.M
)
# What yum ends with where no mirror had it
_NO_MIRROR = re.compile(
    r"No more mirrors|Cannot find a valid baseurl|One of the configured repositories failed|All mirrors"
)
_OTHER_MIRROR = "Trying other mirror"
_LOCKED = re.compile(
    r"^(?:Existing lock|Another app is currently holding|Waiting for process with pid)|"
    r"^ +(?:The other application|Memory|Started|State) *[:i]"
)


def drop_survived(text: str) -> str:
    r"""The text without lines about what went well in the end.

    >>> drop_survived("WARNING: Retrying (Retry(total=4)) after x: /simple/numpy/\nerror: command 'gcc' failed")
    "error: command 'gcc' failed"
    >>> drop_survived("Existing lock /var/run/yum.pid: another copy is running\nNo package plum available.")
    'No package plum available.'
    """
    lines = text.rstrip("\n").split("\n")
    end = len(lines)
    while end and _LOCKED.search(lines[end - 1]):
        end -= 1  # it waited until it was ended
    return "\n".join([*_keep_lines(lines[:end], text), *lines[end:]])


def _keep_lines(lines: list[str], text: str) -> Iterator[str]:
    nothing = {words["package"].lower() for words in _NOTHING.finditer(text)}
    is_unreached, is_without_mirror = _UNREACHED.search(text) is not None, _NO_MIRROR.search(text) is not None
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        if retry := _RETRY.match(line):
            if is_unreached or retry["package"].lower() in nothing:
                yield line
        elif line.startswith("WARNING: ") or _LOCKED.search(line):
            continue
        elif not (after.startswith(_OTHER_MIRROR) or line.startswith(_OTHER_MIRROR)) or is_without_mirror:
            yield line
