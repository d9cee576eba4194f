"""Which lines and branches the tests run, room by room, and that no room falls below its floor.

``python -m tools.coverage_rooms`` reads ``.coverage``, which `make test-all` leaves, prints a table, and ends with 1
where a room runs less than ``coverage_rooms.json`` asks for, or where a test has a loop of assertions that was never
entered: such a test would pass whatever the code does. ``--no-floor`` after a part of the tests; ``--raise``, when the
tests have come to run more, writes floors a point below what was run.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import coverage

ROOT = Path(__file__).resolve().parents[1]
FLOORS = Path(__file__).with_suffix(".json")
LINES = ROOT / "build" / "coverage.txt"


def find_room(path: str) -> str:
    """The room of a file: its folder, or the two uppermost.

    >>> find_room("ops/cost/period.py"), find_room("jobs/fruits/backbones/lite0.py"), find_room("localaws/app.py")
    ('ops/cost', 'jobs/fruits', 'localaws')
    """
    return "/".join(path.split("/")[:-1][:2])


def measure_rooms(files: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """The percentages of lines and of branches of each room that were run.

    Parameters
    ----------
    files : of coverage's JSON report, without the tests themselves
    """
    sums: dict[str, Counter[str]] = {}
    for path, file in files.items():
        sums.setdefault(find_room(path), Counter()).update(
            {name: value for name, value in file["summary"].items() if isinstance(value, int)}
        )
    return {
        room: (
            _compute_percent(counts["covered_lines"], counts["num_statements"]),
            _compute_percent(counts["covered_branches"], counts["num_branches"]),
        )
        for room, counts in sorted(sums.items())
    }


def raise_floors(floors: Sequence[float], run: Sequence[float]) -> list[int]:
    """New floors: a point below what was run, or the old ones where they are higher.

    >>> raise_floors([50, 80], [72.9, 80.4])
    [71, 80]
    """
    return [max(int(floor), int(percent) - 1) for floor, percent in zip(floors, run, strict=True)]


def _compute_percent(run: int, total: int) -> float:
    return round(100 * run / total, 1) if total else 100.0


def find_idle_loops(source: str, run: set[int]) -> Iterator[int]:
    """Lines of loops that were reached and never entered, although they assert something."""
    for loop in ast.walk(ast.parse(source)):
        if (
            isinstance(loop, ast.For)
            and loop.lineno in run
            and loop.body[0].lineno not in run
            and any(isinstance(node, ast.Assert) for node in ast.walk(loop))
        ):
            yield loop.lineno


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, or 1 where a room is below its floor or a loop of a test ran over nothing."""
    parser = argparse.ArgumentParser(prog="python -m tools.coverage_rooms", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--no-floor", action="store_true", help="only print, because only some of the tests were run")
    parser.add_argument("--raise", action="store_true", dest="raises", help="raise the floors to what was run")
    options = parser.parse_args(arguments)
    report = LINES.with_suffix(".json")
    report.parent.mkdir(exist_ok=True)
    data = coverage.Coverage(messages=False)
    data.load()
    data.json_report(outfile=str(report))
    files = json.loads(report.read_text())["files"]
    floors = json.loads(FLOORS.read_text())
    bad = 0
    print(f"{'room':22}{'lines':>8}{'branches':>10}")
    measured = measure_rooms({name: file for name, file in files.items() if not name.startswith("tests/")})
    if options.raises:
        floors = {room: raise_floors(floors.get(room, [0, 0]), run) for room, run in measured.items()}
        rows = (f" {json.dumps(room)}: {json.dumps(floor)}" for room, floor in floors.items())
        FLOORS.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    for room, run in measured.items():
        floors_of_room = [0, 0] if options.no_floor else floors.get(room, [0, 0])
        below = "".join(
            f"  below {floor}" for percent, floor in zip(run, floors_of_room, strict=True) if percent < floor
        )
        bad += bool(below)
        print(f"{room:22}{run[0]:8.1f}{run[1]:10.1f}{below}")
    with LINES.open("w") as lines:
        data.report(show_missing=True, omit=["tests/*"], file=lines)
    print(f"which lines no test runs: {LINES.relative_to(ROOT)}")
    for name, file in files.items():
        if name.startswith("tests/"):
            for line in find_idle_loops((ROOT / name).read_text(), set(file["executed_lines"])):
                bad += not options.no_floor
                print(f"{name}:{line}: this loop ran over nothing. Fix: assert first that there is something.")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
