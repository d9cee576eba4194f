"""What local-cluster's steps say in YARN's words is what YARN's client says: line for line against captured logs."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime

import pytest

from localaws.emr.client import Application, describe_master_end
from tests.conftest import REPO

CORPUS = REPO / "tests" / "diagnose" / "corpus"
NOW = datetime(2026, 11, 27, 19, 5, 38, tzinfo=UTC)
SHOWN = re.compile(
    r"Client: |^\t |Exception in thread|^Failing|Killed by external|Container exited|^\. Failing|Shutdown hook"
)
UPLOADS = re.compile(r"Verifying|Will allocate|Setting up|Preparing|Uploading|Deleted staging|YarnClientImpl")
# What differs from run to run, and what a client says that uploads, which here nobody does.
VARIES = (
    (r"\d\d/\d\d/\d\d [\d:]+", "DATE"),
    (r"\[[\d-]+ [\d:.]+\]", "[DATE]"),
    (r"(application|appattempt)_\d+_\d+", r"\1_N"),
    (r"ip-[\d-]+\.[\w.-]+", "HOST"),
    (r"http://\S+", "URL"),
    (r"RPC port: \d+", "RPC port: N"),
    (r"start time: \d+", "start time: N"),
    (r"queue: (root\.)?default", "queue: default"),
    (r"at [\d.]+$", "at HOST"),
    (r"diagnostics: .*(has assigned a container for AM|AM container is launched).*", "diagnostics: WAITS"),
)


def shape(text: str) -> list[str]:
    """The client's lines, each report of a state once, without what varies."""
    lines: list[str] = []
    for line in text.splitlines():
        for pattern, instead in VARIES:
            line = re.sub(pattern, instead, line)
        again = "Application report for" in line and line in lines  # every half minute without a change
        if SHOWN.search(line) and not UPLOADS.search(line) and not again:
            lines.append(line)
    return lines


def captured(name: str) -> str:
    (log,) = (CORPUS / name / "tree").glob("j-*/steps/*/stderr.gz")
    return gzip.decompress(log.read_bytes()).decode()


def application() -> Application:
    return Application("application_1795806208981_0001", NOW, "ip-10-0-0-4.example", "ip-10-0-0-6.example")


@pytest.mark.parametrize(("name", "code"), [("yarn-kills-executor", 1), ("yarn-driver-killed", -9)])
def test_a_failure_reads_as_yarns_client_tells_it(name: str, code: int) -> None:
    imitated = application().format_submission(NOW) + application().format_end(NOW, code)
    assert shape(imitated) == shape(captured(name))


def test_a_success_and_a_cancelled_step_read_as_theirs() -> None:
    good = application().format_end(NOW, 0)
    assert "final status: SUCCEEDED" in good
    assert "Exception" not in good
    killed = application().format_end(NOW, -15, cancelled=True)
    assert shape(killed)[0].endswith("(state: KILLED)")
    assert "Application application_1795806208981_0001 is killed" in killed
    assert "(state: FINISHED)" not in killed


def test_a_killed_master_says_nothing_more() -> None:
    assert describe_master_end(NOW, -9) == describe_master_end(NOW, 0) == ""
    assert "exitCode: 3, (reason: User application exited with status 3)" in describe_master_end(NOW, 3)
