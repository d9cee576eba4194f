"""What is read of the evidence before a cause is sought, and which of two answers goes first: by hand."""

from __future__ import annotations

import pytest

from ops.diagnose.ends import End
from ops.diagnose.evidence import ClusterInstance, Document, Evidence
from ops.diagnose.scene import find_telling_lines, read_scene
from ops.diagnose.verdict import Fields
from tests.diagnose.reports import HEAD, OURS
from tests.diagnose.test_verdicts import HOST, MASTER, judged

KILLED = "26/11/24 10:00:00 INFO Client: Application report for application_1_0001 (state: KILLED)\n"
PYTHON = f"{HEAD}{OURS}ValueError: a stone\n"
JVM = 'Exception in thread "main" java.lang.IllegalStateException: a stone\n\tat x.y(z)\n'


def test_the_last_forty_telling_lines_and_a_drivers_traceback_are_looked_at() -> None:
    lines = [line for n in range(45) for line in (f"26/11/24 10:00:{n:02} ERROR Client: {n}", "INFO nothing")]
    assert find_telling_lines(Document("step", "step", "\n".join(lines))) == lines[10::2]
    assert find_telling_lines(Document("step", "step", PYTHON)) == []
    assert find_telling_lines(Document("driver", "driver", PYTHON)) == ["ValueError: a stone"]


def test_a_cluster_that_is_asked_about_has_failed_whatever_its_steps_did() -> None:
    controller = Document("controller", "controller", "INFO Step succeeded with exitCode 0 and took 61 seconds\n")
    assert read_scene(Evidence("cluster", documents=(controller,), stated=False), ()).end == End("failed")
    assert read_scene(Evidence("step", documents=(controller,), stated=False), ()).end.outcome == "succeeded"


def test_the_jobs_own_words_may_only_report_a_loss() -> None:
    for message, is_loss in (("ExecutorLostFailure (executor 4 exited)", True), ("no image is there", False)):
        assert read_scene(Evidence("step", job={"message": message}), ()).reports_loss is is_loss


def test_what_yarn_quotes_of_an_executor_is_the_executors_and_the_rest_the_drivers() -> None:
    before, quote, after = "26/11/24 INFO a\nLast 4096 bytes of stderr :\n", "MemoryError", "\n.\n26/11/24 INFO b\n"
    driver, executor = read_scene(
        Evidence("step", documents=(Document("driver", "driver", before + quote + after),)), ()
    ).evidence.documents
    assert (driver.role, driver.text) == ("driver", before + after)
    assert (executor.role, executor.text) == ("executor", quote)


@pytest.mark.parametrize("state", ["COMPLETED", "RUNNING", "CANCELLED"])
def test_of_a_step_that_did_not_fail_no_exception_is_shown(state: str) -> None:
    verdict = judged(("driver", PYTHON + JVM), state=state)
    assert (verdict.raised, verdict.traceback) == ("", None)
    assert judged(("driver", JVM)).cause == "jvm-exception"


def test_an_order_to_end_goes_before_what_the_log_reports_and_says_who_heard_it() -> None:
    verdict = judged(("step", KILLED), ("driver", PYTHON), state="", stated=False)
    assert (verdict.cause, verdict.source) == ("cancelled", "YARN's client")
    verdict = judged(("step", "INFO Kill job job_1 received from hadoop\n"), ("driver", PYTHON), state="CANCELLED")
    assert (verdict.cause, verdict.source) == ("cancelled", "EMR")
    assert "by user hadoop" in verdict.meaning


def test_a_driver_that_waits_is_quoted_by_the_whole_line() -> None:
    line = "26/11/24 10:00:00 WARN YarnScheduler: Initial job has not accepted any resources; check your cluster UI"
    verdict = judged(("driver", f"26/11/24 09:00:00 INFO x\n{line}\n26/11/24 10:01:00 INFO y\n"), state="RUNNING")
    assert (verdict.words, verdict.source) == (line, "the driver")


def test_the_drivers_node_is_the_one_that_yarn_names_and_not_another_that_was_lost() -> None:
    nodes = (
        ClusterInstance("i-1", "ON_DEMAND", "the hardware failed", ended=True, host="ip-10-0-1-23"),
        ClusterInstance("i-2", "SPOT", "terminated by EC2: Spot instance interruption", ended=True, host="ip-10-0-9-9"),
    )
    verdict = judged(("step", HOST + MASTER.format(-100)), nodes=nodes)
    assert verdict.cause == "node-lost"
    assert "the hardware failed" in verdict.meaning


def test_an_exception_of_ones_own_code_goes_before_what_the_client_says() -> None:
    client = "26/11/24 INFO Client: Retrying connect to server: ip-10-0-1-23/10.0.1.23:8032. Already tried 9 time(s)\n"
    assert judged(("step", client)).cause == "resourcemanager-unreachable"
    assert judged(("step", client), ("driver", PYTHON)).cause == "python-exception"


@pytest.mark.parametrize(
    ("field", "words"),
    [("action", "an unknown action"), ("where", ""), ("whose", "a node"), ("grant", "allow it")],
)
def test_a_field_that_was_not_found_is_said_to_be_unknown_or_left_out(field: str, words: str) -> None:
    assert f"{{{field}}}".format_map(Fields()) == words
