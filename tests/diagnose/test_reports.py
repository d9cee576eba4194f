"""What people reported: the half that the table learned from is all right; the other half measures it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.diagnose import gather, render, table
from ops.diagnose.causes import Verdict, judge
from tests.diagnose import reports
from tests.diagnose.reports import Report

SEEN, HELD = reports.load("seen"), reports.load("held")


def judged(report: Report, tree: Path) -> tuple[Verdict, str]:
    reports.build(report, tree)
    evidence = gather.of_tree(tree)
    verdict = judge(evidence)
    return verdict, render.as_text(evidence, verdict)


@pytest.mark.parametrize("report", SEEN, ids=lambda report: report.name)
def test_a_report_that_was_seen_is_named(report: Report, tmp_path: Path) -> None:
    verdict, printed = judged(report, tmp_path)
    assert verdict.cause in report.expect, printed
    assert report.line in printed


def test_the_halves_share_no_source_and_every_cause_exists() -> None:
    assert len(SEEN) >= 30
    assert not {report.source for report in SEEN} & {report.source for report in HELD}
    assert {name for report in [*SEEN, *HELD] for name in report.expect} <= set(table.NAMES)
