"""How the tests are dealt to the processes: in units that share their fixtures, the dearest unit first.

A unit is a file, or the files that share something dear (`SHARED`): an applied environment, a Spark session, a server.
What a unit takes is measured by every whole run and kept in ``build/tests/seconds.json``; a fresh clone starts with
``tests/seconds.json``, a copy of such a file.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

REPO = Path(__file__).resolve().parents[1]
COMMITTED = REPO / "tests" / "seconds.json"
MEASURED = REPO / "build" / "tests" / "seconds.json"
LEAST_WORTH_KEEPING = 2.0
GUESS = 2.0
"""Seconds of a test that is not fast, where its unit was never measured."""

SHARED = (
    ("tests/rehearsal/", "history: Operator", "rehearsal"),
    ("tests/localaws/", "on_yarn: OnYarn", "yarn"),
    ("tests/localaws/", "world: World", "localaws"),
    ("tests/localaws/", "aws: Aws", "localaws"),
    ("tests/job/", "mark.spark", "spark session"),
    ("tests/job/", "mark.tensorflow", "spark session"),
)
"""Folder and words of the files whose tests share something dear, and the unit that they make: one applied environment,
one embedded AWS, one YARN, one Spark session with TensorFlow and the published network."""
FIRST = "rehearsal"
"""The longest chain of deeds, each of which waits for the one before: the run can end no sooner."""
NICENESS = 3


@cache
def unit_of(path: str) -> str:
    """The unit of a file of tests.

    >>> unit_of("tests/rehearsal/test_runbook.py"), unit_of("tests/ops/test_step.py")
    ('rehearsal', 'tests/ops/test_step.py')
    """
    folders = {folder for folder, _, _ in SHARED}
    if not path.startswith(tuple(folders)) or not (file := REPO / path).exists():
        return path
    text = file.read_text()
    for folder, words, unit in SHARED:
        its_own = f"\ndef {words.partition(':')[0]}("  # a fixture of that name in the file itself
        if path.startswith(folder) and words in text and its_own not in text:
            return unit
    return path


def unit_of_test(nodeid: str) -> str:
    return unit_of(nodeid.partition("::")[0])


def known_seconds() -> dict[str, float]:
    """What each unit took, by the last whole run here, or else by the committed measurement."""
    found: dict[str, float] = {}
    for file in (COMMITTED, MEASURED):
        if file.exists():
            found |= json.loads(file.read_text())
    return found


def order(items: list[pytest.Item], seconds: Mapping[str, float]) -> None:
    """Sort tests so that the dearest unit stands first and no unit is divided; within a unit nothing is moved.

    What a new unit takes is guessed from its tests that are not fast.
    """
    dear = Counter(unit_of_test(item.nodeid) for item in items if item.get_closest_marker("fast") is None)

    def rank(item: pytest.Item) -> tuple[bool, float, str]:
        unit = unit_of_test(item.nodeid)
        return unit != FIRST, -seconds.get(unit, dear[unit] * GUESS), unit

    items.sort(key=rank)


class ByUnit(LoadScopeScheduling):
    """Deals whole units, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of_test(nodeid)


def give_way(nodeid: str) -> None:
    """Let the longest chain of deeds go first for the processors: everything else is a little nicer."""
    if unit_of_test(nodeid) != FIRST and os.nice(0) < NICENESS:
        os.nice(NICENESS - os.nice(0))


class Stopwatch:
    """Adds up what each unit takes, and keeps it when all tests have run."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[unit_of_test(report.nodeid)] += report.duration  # type: ignore[assignment]  # a Counter adds floats too

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        config = session.config
        whole = config.args_source is config.ArgsSource.TESTPATHS and not config.option.keyword
        if not whole or exitstatus != 0 or config.option.markexpr != "not slow":
            return
        kept = {unit: round(taken, 1) for unit, taken in self.seconds.most_common() if taken >= LEAST_WORTH_KEEPING}
        MEASURED.parent.mkdir(parents=True, exist_ok=True)
        MEASURED.write_text(json.dumps(kept, indent=1) + "\n")
