"""Which tests are fast, and what a fast test must not do.

A test is fast unless a marker or a fixture says that it needs something dear. `make test-fast` runs the fast ones; in
every run a fast test fails that imports TensorFlow, starts Java, Terraform or an embedded AWS, or takes more than
`MOST_SECONDS` of processor time by itself: such a test wants its marker.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from functools import wraps
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

DEAR_MARKERS = ("slow", "spark", "tensorflow", "terraform", "aws", "photos", "costly")
DEAR_FIXTURES = {
    "spark": "spark",
    "small_model": "tensorflow",
    "small_published": "tensorflow",
    "default_model": "tensorflow",
    "terraform": "terraform",
    "drawn": "costly",
    "jvm": "costly",
}
"""Fixtures that need something dear, and the marker that says what."""
DEAR_PACKAGES = ("tensorflow", "keras")
DEAR_PROGRAMS = ("java", "terraform", "spark-submit")
DEAR_MODULES = ("localaws",)
MOST_SECONDS = 10.0
"""Of the processor, by this process and those that it waited for: a test that waits costs nothing. Twice what any
fast test needs, because a processor that others share counts generously."""


def mark(item: pytest.Item) -> None:
    """Give a test the markers that its fixtures imply, and `fast` if nothing of it is dear."""
    for fixture in getattr(item, "fixturenames", ()):
        if marker := DEAR_FIXTURES.get(fixture):
            item.add_marker(marker)
    if not any(item.get_closest_marker(name) for name in DEAR_MARKERS):
        item.add_marker("fast")


def dear_program(command: Any) -> str | None:
    """What is dear about a command, or None; to ask a program for its version is cheap.

    >>> dear_program(["/usr/bin/java", "-cp", "x"]), dear_program(["python", "-m", "localaws", "start"])
    ('java', 'localaws')
    >>> dear_program(["git", "status"]), dear_program("terraform version")
    (None, None)
    """
    is_one_text = isinstance(command, (str, bytes, os.PathLike))
    words = os.fsdecode(command).split() if is_one_text else [os.fsdecode(word) for word in command or ()]
    program = Path(words[0]).name if words else ""
    if program in DEAR_PROGRAMS and words[1:2] not in (["-version"], ["version"]):
        return program
    modules = (module for flag, module in pairwise(words) if flag == "-m")
    return next((module for module in modules if module in DEAR_MODULES), None)


class Watch:
    """Fails a fast test for what it imports, starts or takes."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        self._hear()

    def _hear(self) -> None:
        """Be told of every program that is started, until the process ends.

        Not by an audit hook: one of Python's makes two threads that begin at once fail under coverage ("Cannot install
        a trace function while another trace function is being installed").
        """
        honest = subprocess.Popen.__init__

        @wraps(honest)
        def start(process: Any, args: Any, *others: Any, **options: Any) -> None:
            if self.on and (what := dear_program(args)):
                self.seen.append(f"starts {what}")
            honest(process, args, *others, **options)

        subprocess.Popen.__init__ = start  # type: ignore[method-assign]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        yield from self._watch(item)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        yield from self._watch(item)

    def _watch(self, item: pytest.Item) -> Generator[None, None, None]:
        loaded = set(sys.modules)
        self.seen, self.on, before = [], item.get_closest_marker("fast") is not None, processor_seconds()
        try:
            yield
        finally:
            watched, self.on = self.on, False
        if not watched:
            return
        self.seen += [f"imports {name}" for name in DEAR_PACKAGES if name in sys.modules and name not in loaded]
        if (taken := processor_seconds() - before) > MOST_SECONDS:
            self.seen.append(f"takes {taken:.1f} s of processor time, more than {MOST_SECONDS:.0f}")
        if self.seen:
            what = " and ".join(dict.fromkeys(self.seen))
            pytest.fail(f"a fast test {what}. Fix: mark it {' or '.join(DEAR_MARKERS)}.", pytrace=False)


def processor_seconds() -> float:
    """Of this process, and of the processes that it started and waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
