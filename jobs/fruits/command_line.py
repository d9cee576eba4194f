"""The job's command line and its request file: each gives a `Request`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import MISSING, fields
from typing import Any

from fruits.errors import EXIT_CODES, StorageError, UsageError
from fruits.request import MEANINGS, Meaning, Request
from fruits.store import Store


def read_request(uri: str, open_store: Callable[[str], Store] = Store) -> Request:
    """Read the request in a JSON file; ``open_store`` opens its folder.

    Raises
    ------
    UsageError
        When it is missing, not JSON, or not a request.
    """
    folder, _, name = uri.rpartition("/")
    store = open_store(folder or ".")
    try:
        text = store.read(name).decode()
        return Request.from_json(json.loads(text))
    except FileNotFoundError:
        raise UsageError(f"there is no request at {uri}. Fix: check the address.") from None
    except OSError as error:
        raise StorageError(f"the request {uri} cannot be read ({error}). Fix: check the address and rights.") from error
    except ValueError as error:  # not UTF-8, not JSON, or a number of thousands of digits
        raise UsageError(f"the request {uri} is not JSON ({error}). Fix: repair the file.") from None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise UsageError(f"{message}. Fix: --help lists the arguments.")


def _make_reader(meaning: Meaning) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return meaning.read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def make_parser() -> argparse.ArgumentParser:
    """The command line of the job file: an argument for each field of the request, and ``--request``."""
    codes = "\n".join(f"  {code:>3}  {text}" for code, text in EXIT_CODES.items())
    p = _Parser(
        prog="featurize_pca.py",
        description="A folder of photographs to CNN features and their PCA, on Spark.",
        epilog=f"exit codes:\n{codes}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    p.add_argument("--request", metavar="URI", help="a JSON file with these fields; then no other argument is read")
    for f in fields(Request):
        meaning = MEANINGS[f.name]
        if meaning.kind == "names":
            p.add_argument(
                "--class", dest=f.name, action="append", default=[], metavar="NAME", help="only this class; repeatable"
            )
            continue
        default = "" if f.default is MISSING else f.default
        usual = default or meaning.otherwise
        p.add_argument(
            f"--{f.name.replace('_', '-')}",
            type=_make_reader(meaning),
            default=default,
            metavar=meaning.shown,
            help=f"{meaning.plain}{f' ({usual})' if usual else ''}".replace("%", "%%"),
        )
    return p


def parse(arguments: Sequence[str]) -> Request:
    """Read the request in a command line.

    Raises
    ------
    UsageError
        Saying which argument is wrong.
    """
    values = vars(make_parser().parse_args(arguments))
    uri = values.pop("request")
    if uri:
        return read_request(uri)
    values["classes"] = tuple(values["classes"])
    return Request(**values)
