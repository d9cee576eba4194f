"""What people reported: the half that the table learned from is all right; the other half measures it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.diagnose import gather, render, table
from ops.diagnose.causes import judge
from ops.diagnose.verdict import Verdict
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


def test_of_the_reports_that_were_held_back_seven_in_ten_are_named_and_none_wrongly(tmp_path: Path) -> None:
    """A cause that is not right is wrong, unless it only names the exception or says that nothing is known."""
    modest = {"unknown", "jvm-exception", "python-exception", "bootstrap-other", "cluster-refused", "emr-internal"}
    right, wrong, hidden = [], [], []
    for report in HELD:
        verdict, printed = judged(report, tmp_path / report.name)
        if verdict.cause in report.expect:
            right.append(report.name)
        elif verdict.cause not in modest:
            wrong.append(f"{report.name}: {verdict.cause}")
        if report.line not in printed:
            hidden.append(report.name)
    assert not wrong
    assert not hidden, "the decisive line has to be on the screen, whatever the cause"
    assert len(right) >= 0.7 * len(HELD)


def test_the_halves_share_no_source_and_every_cause_exists() -> None:
    assert len(SEEN) >= 90
    assert not {report.source for report in SEEN} & {report.source for report in HELD}
    assert {name for report in [*SEEN, *HELD] for name in report.expect} <= set(table.NAMES)
