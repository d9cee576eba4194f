"""What a command's options mean: plain values and small records for the rooms, which never see the environment."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from fruits.errors import UsageError
from fruits.request import MEANINGS

from ops.cli.options import OPTIONS, is_amount, is_whole_number
from ops.core.console import Person
from ops.core.errors import WrongUseError
from ops.terraform.variables import Size


def is_on(environ: Mapping[str, str], name: str) -> bool:
    """Whether a flag is given."""
    return environ.get(name) == "1"


def read_env(environ: Mapping[str, str]) -> str:
    """The environment that ENV names."""
    return environ.get("ENV") or "local"


def read_whole_number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    """A number that an option gives.

    Raises
    ------
    UsageError : it is none, or too small

    >>> read_whole_number({"COUNT": "3"}, "COUNT", 10), read_whole_number({}, "SEED", 0, least=0)
    (3, 0)
    """
    text = environ.get(name, "").strip() or str(default)
    if not is_whole_number(text, least):
        raise UsageError(f"{name}={text} is not a whole number from {least}. Fix: for example {name}={default}.")
    return int(text)


def read_classes(text: str) -> list[str]:
    """Class names in CLASSES: separated by semicolons, or a JSON list (for names that hold one).

    >>> read_classes("Apple Red 1; Cherry, black")
    ['Apple Red 1', 'Cherry, black']
    >>> read_classes('["a;b"]')
    ['a;b']
    """
    if text.lstrip().startswith("["):
        try:
            names = json.loads(text)
        except json.JSONDecodeError as error:
            raise UsageError(
                f"CLASSES looks like a JSON list but is not one ({error}). Fix: names separated by semicolons."
            ) from None
        return [str(name) for name in names]
    return [name.strip() for name in text.split(";") if name.strip()]


def read_fields(environ: Mapping[str, str]) -> dict[str, Any]:
    """The request's fields among the options.

    Raises
    ------
    UsageError : a value is not what its name says
    """
    fields: dict[str, Any] = {}
    for name, meaning in MEANINGS.items():
        text = environ.get(name.upper())
        if not text or not meaning.typed:
            continue
        try:
            fields[name] = read_classes(text) if meaning.kind == "names" else meaning.read(text)
        except ValueError:
            usual = {"whole": 50, "share": 0.95, "image_size": 224, "max_reject_rate": 0.05}
            example = f"{name.upper()}={usual.get(name, usual.get(meaning.kind))}"
            number = "whole number" if meaning.kind == "whole" else "number"
            raise UsageError(f"{name.upper()}={text} is not a {number}. Fix: for example {example}.") from None
    return fields


def read_number(environ: Mapping[str, str], name: str) -> float | int | None:
    """A number from 0 on, such as ``IMAGES=90000``; None where it is not given.

    Raises
    ------
    WrongUseError : it is none

    >>> read_number({"IMAGES": "90000"}, "IMAGES"), read_number({"MINUTES": "7.5"}, "MINUTES"), read_number({}, "K")
    (90000, 7.5, None)
    """
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not is_amount(text):
        example = OPTIONS[name].count or OPTIONS[name].amount
        raise WrongUseError(f"{name}={text} is not a number. Fix: for example {name}={example}.")
    value = float(text)
    return int(value) if value.is_integer() else value


def read_size(environ: Mapping[str, str]) -> Size:
    """The size that IMAGES, MINUTES, PRECISION and ARCH name."""
    return Size(
        images=read_number(environ, "IMAGES"),
        minutes=read_number(environ, "MINUTES"),
        precision=environ.get("PRECISION") or None,
        arch=environ.get("ARCH") or "x86_64",
    )


def read_person(environ: Mapping[str, str]) -> Person:
    """Who may be asked: nobody in CI or without a terminal; YES=1 answers beforehand."""
    return Person(has_agreed=is_on(environ, "YES"), is_present=not environ.get("CI") and sys.stdin.isatty())


def read_repository(environ: Mapping[str, str]) -> dict[str, str]:
    """What the stack of GitHub's roles is given: REPOSITORY, SUBJECT and BRANCH.

    Raises
    ------
    WrongUseError : no repository is named
    """
    if not environ.get("REPOSITORY"):
        raise WrongUseError("no repository was given. Fix: REPOSITORY=owner/name.")
    return {name.lower(): environ[name] for name in ("REPOSITORY", "SUBJECT", "BRANCH") if environ.get(name)}
