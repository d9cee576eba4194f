"""Commands that messages mention, as they are to be typed for the environment at hand.

A message says `make destroy`; typed so, it is ENV=local's. While a command for another environment runs, whatever it
prints names that environment beside each command, in one place for all messages.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

# a name that an apostrophe follows is no command to type: "make apply's own"
_MENTION = re.compile(r"(?<![\w'-])make (?P<name>[a-z][a-z-]*[a-z])(?![\w'’])(?=(?P<rest>[^.;,)`\n]*))")
_place: dict[str, str] = {}
_takes: dict[str, Collection[str]] = {}


@contextmanager
def mentioning(place: Mapping[str, str], takes: Mapping[str, Collection[str]]) -> Iterator[None]:
    """Complete mentions of commands until the end.

    Parameters
    ----------
    place : the variables that say where, with their values: ENV, REGION; empty where make's defaults do
    takes : the variables of each command, by its name
    """
    global _place, _takes
    before = _place, _takes
    _place, _takes = dict(place), dict(takes)
    try:
        yield
    finally:
        _place, _takes = before


def complete_mentions(text: str) -> str:
    """A text in which each command bears the environment at hand, unless it names one itself.

    >>> with mentioning({"ENV": "dev"}, {"apply": ["ENV", "YES"], "destroy": ["ENV"], "demo": []}):
    ...     complete_mentions("Fix: make destroy, then make apply YES=1. make demo, make apply ENV=prod; `make apply`")
    'Fix: make destroy ENV=dev, then make apply ENV=dev YES=1. make demo, make apply ENV=prod; `make apply ENV=dev`'
    """
    pieces, at = [], 0
    for offset, words in list_completions(text):
        pieces += [text[at:offset], words]
        at = offset
    return "".join([*pieces, text[at:]])


def list_completions(text: str) -> list[tuple[int, str]]:
    """What a text lacks: the offset at which a command's name ends, and the words that belong there."""
    completions = []
    for match in _MENTION.finditer(text) if _place else ():
        given = dict(re.findall(r"\b([A-Z_]+)=(\S*)", match["rest"].partition(" make ")[0]))
        if given.get("ENV", _place.get("ENV")) != _place.get("ENV"):
            continue  # it is about another one
        takes = _takes.get(match["name"], ())
        if missing := [f" {key}={value}" for key, value in _place.items() if key in takes and key not in given]:
            completions.append((match.end(), "".join(missing)))
    return completions
