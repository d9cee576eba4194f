"""What people reported: the half that the table learned from is all right; the other half measures it."""

from __future__ import annotations

from dataclasses import replace
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
    evidence = gather.gather_tree(tree)
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


SURVIVED = """\
26/11/24 09:00:00 WARN NativeCodeLoader: Unable to load native-hadoop library for your platform... using builtin-java
26/11/24 09:00:00 WARN Utils: Service 'SparkUI' could not bind on port 4040. Attempting port 4041.
26/11/24 09:00:01 WARN TaskSetManager: Lost task 1.0 in stage 1.0 (TID 4) (ip-10-0-0-9 executor 1): \
java.io.IOException: Connection reset by peer
\tat sun.nio.ch.FileDispatcherImpl.read0(Native Method)
26/11/24 09:00:02 INFO TaskSetManager: Finished task 1.1 in stage 1.0 (TID 5) in 7 ms on ip-10-0-0-9 (executor 1) (2/2)
26/11/24 09:00:03 WARN S3RetryPolicy: attempt 1: com.amazonaws.services.s3.model.AmazonS3Exception: Slow Down (\
Service: Amazon S3; Status Code: 503; Error Code: 503 Slow Down)
26/11/24 09:00:06 WARN DataFrameReader: java.lang.ClassNotFoundException: org.example.Optional, going on without
"""
SURVIVED_BY_A_NODE = """\
Existing lock /var/run/yum.pid: another copy is running as pid 2335.
Another app is currently holding the yum lock; waiting for it to exit...
  The other application is: yum
WARNING: Retrying (Retry(total=4, connect=None)) after connection broken by 'ReadTimeoutError("HTTPSConnectionPool(\
host=x, port=443): Read timed out. (read timeout=15)")': /simple/plums/
http://mirror.example/x/repodata/repomd.xml: [Errno 14] HTTP Error 404 - Not Found
Trying other mirror.
  WARNING: The script plum is installed in '/home/hadoop/.local/bin' which is not on PATH.
ls: cannot access '/mnt/optional': No such file or directory
"""


AFTERMATH = """
26/11/24 11:00:00 ERROR CoarseGrainedExecutorBackend: RECEIVED SIGNAL TERM
26/11/24 11:00:01 INFO SparkContext: Invoking stop() from shutdown hook
26/11/24 11:00:01 WARN TaskSetManager: Lost task 9.0 in stage 9.0 (TID 99) (ip-10-0-0-9 executor 1): TaskKilled (x)
26/11/24 11:00:02 ERROR TransportClient: Failed to send RPC 7 to /10.0.0.9:33: java.nio.channels.ClosedChannelException
java.nio.channels.ClosedChannelException
\tat io.netty.channel.AbstractChannel$AbstractUnsafe.write(Unknown Source)
26/11/24 11:00:02 WARN Dispatcher: Message RemoteProcessDisconnected dropped. Could not find CoarseGrainedScheduler.
26/11/24 11:00:03 ERROR Utils: Uncaught exception in thread shutdown-hook-0
java.lang.InterruptedException
\tat java.lang.Object.wait(Native Method)
26/11/24 11:00:03 WARN ShutdownHookManager: ShutdownHook '$anon$2' failed, java.io.IOException: Filesystem closed
"""
AFTERMATH_OF_A_NODE = """
cleaning up
rm: cannot remove '/tmp/build': No such file or directory
WARNING: You are using pip version 21.3; however, version 24.0 is available.
"""


def around(report: Report, when: str) -> Report:
    """A report with what a log holds before or after what failed."""
    is_node = report.place == "bootstrap"
    if when == "before":
        return replace(report, text=(SURVIVED_BY_A_NODE if is_node else SURVIVED) + report.text)
    own, mark, executors = report.text.partition("==> executor ")
    return replace(report, text=f"{own}{AFTERMATH_OF_A_NODE if is_node else AFTERMATH}{mark}{executors}")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.costly
def test_what_was_survived_and_what_follows_is_never_the_cause(when: str, tmp_path: Path) -> None:
    """Each report after warnings, retries and a lost task that was tried again, or before a shutdown."""
    changed = set()
    for report in [*SEEN, *HELD]:
        if not report.place.startswith("cluster"):
            verdict, _ = judged(around(report, when), tmp_path / report.name)
            if verdict.cause not in report.expect:
                changed.add((report.name, verdict.cause))
    silent = {("customer-view-2", "jvm-exception"), ("snowplow-3395", "jvm-exception")}
    assert changed <= silent, "these texts say nothing: then what was reported is shown"


def test_the_halves_share_no_source_and_every_cause_exists() -> None:
    assert len(SEEN) >= 90
    assert not {report.source for report in SEEN} & {report.source for report in HELD}
    assert {name for report in [*SEEN, *HELD] for name in report.expect} <= set(table.NAMES)
