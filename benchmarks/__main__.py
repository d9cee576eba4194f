"""``python -m benchmarks [NAME …]``: measure, show a table, write JSON; exit code 1 when a number is not reached."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fruits.errors import FruitsError
from rich.console import Console

from benchmarks import rivals
from benchmarks.photographs import ROOT
from benchmarks.results import BenchmarkError, BenchmarkResult, Check, Options
from tools import bench_tables

NAMES = (
    "notebook",
    "bare",
    "guard",
    "latency",
    "pca",
    "fixed",
    "memory",
    "scale",
    "rivals",
    "diagnose",
    "uploads",
    "node_bootstrap",
)
COMMITTED = ROOT / "benchmarks" / "results"
TRIALS = ROOT / "build" / "bench"
REPEATS = 3


def load_benchmarks() -> dict[str, Callable[[Options], BenchmarkResult]]:
    """What can be measured, in the order in which it is."""
    return {name: importlib.import_module(f"benchmarks.{name}").measure for name in NAMES}


def _parse_positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return int(text)


def read_make_options(environ: Mapping[str, str]) -> list[str]:
    """make's ONLY=, IMAGES= and REPEATS= as arguments: none of them passes through a shell.

    >>> read_make_options({"FRUITS_GIVEN": "ONLY IMAGES", "ONLY": "pca", "IMAGES": "5", "REPEATS": "9"})
    ['pca', '--images', '5']
    """
    typed = {name: environ.get(name, "") for name in environ.get("FRUITS_GIVEN", "").split()}
    sizes = [[f"--{name.lower()}", typed[name]] for name in ("IMAGES", "REPEATS") if typed.get(name)]
    return [*typed.get("ONLY", "").split(), *(word for pair in sizes for word in pair)]


def parse_options(arguments: list[str], names: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--images", type=_parse_positive, help="instead of each benchmark's full number")
    parser.add_argument("--repeats", type=_parse_positive, default=REPEATS, help="of each side (%(default)s)")
    parser.add_argument(
        "--results",
        type=Path,
        help="folder for the JSON (benchmarks/results; build/bench when --images or --repeats make it a trial)",
    )
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in names]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(names)}")
    trial = options.images is not None or options.repeats < REPEATS
    options.results = options.results or (TRIALS if trial else COMMITTED)
    return options


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit code: 0, 1 when a number is not reached, 2 when one cannot be measured."""
    console = Console()
    measures = load_benchmarks()
    options_given = parse_options(arguments, list(measures))
    missed: list[Check] = []
    with tempfile.TemporaryDirectory(prefix="fruits-bench-") as scratch:
        options = Options(
            scratch=Path(scratch),
            images=options_given.images,
            repeats=options_given.repeats,
            say=lambda line: console.print(f"  {line}", style="dim", highlight=False),
        )
        installed = [name for name in measures if name != "rivals" or rivals.PYTHON.exists()]
        for name in options_given.names or installed:
            began = time.monotonic()
            console.print(f"{name} …")
            try:
                result = measures[name](options)
            except (BenchmarkError, FruitsError) as error:
                Console(stderr=True).print(
                    f"bench: {name}: {error}", style="red", markup=False, highlight=False, soft_wrap=True
                )
                return 2
            result.show(console)
            path = result.write(options_given.results)
            path_text = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
            console.print(f"in {path_text}, after {time.monotonic() - began:.0f} s\n", highlight=False, soft_wrap=True)
            missed += [check for check in result.checks if not check.reached]
    for check in missed:
        console.print(check.sentence, style="bold red", highlight=False, soft_wrap=True)
    if options_given.results.resolve() == COMMITTED and bench_tables.main():
        text = "the tables of README and docs were not written from these results. Fix: make bench-tables"
        console.print(text, style="bold red", soft_wrap=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main([*read_make_options(os.environ), *sys.argv[1:]]))
