"""How a step ended, or what it waits for, from the words of YARN's client alone."""

from __future__ import annotations

import pytest

from ops.diagnose.causes import judge
from ops.diagnose.evidence import Document, Evidence

BEGUN = "2026-11-24T10:00:00.101Z INFO startExec 'hadoop jar command-runner.jar spark-submit job.py'\n"
REPORT = """\
26/11/24 10:00:38 INFO Client: Application report for application_1795600000000_0001 (state: ACCEPTED)
26/11/24 10:00:38 INFO Client:
\t diagnostics: [Tue Nov 24 10:00:37 +0000 2026] {}
\t final status: UNDEFINED
"""


def told(client: str, controller: str = BEGUN, driver: str = "") -> tuple[str, str]:
    documents = [Document("controller", "x/controller", controller), Document("step", "x/stderr", client)]
    documents += [Document("driver", "x/_000001/stderr", driver)] if driver else []
    verdict = judge(Evidence("step", state="FAILED", stated=False, documents=tuple(documents)))
    return verdict.cause, verdict.meaning


@pytest.mark.parametrize(
    ("words", "waits"),
    [
        (
            "Application is Activated, waiting for resources to be assigned for AM.  Details : AM Partition = "
            "ON_DEMAND ; "
            "Partition Resource = <memory:0, vCores:0> ; Queue's Absolute capacity = 100.0 %",
            "there is no on-demand node for the driver (AM Partition = ON_DEMAND ; Partition Resource = <memory:0>)",
        ),
        (
            "Application is added to the scheduler and is not yet activated. Skipping AM assignment as cluster "
            "resource "
            "is empty.  Details : AM Partition = <DEFAULT_PARTITION>; Partition Resource = <memory:0, vCores:0>",
            "there is no healthy node (YARN: cluster resource is empty)",
        ),
        (
            "Application is added to the scheduler and is not yet activated. Queue's AM resource limit exceeded.  "
            "waiting for AM",
            "the drivers of other steps take all the room for drivers; it starts when one of them ends",
        ),
    ],
)
def test_an_application_that_was_accepted_says_what_it_waits_for(words: str, waits: str) -> None:
    cause, says = told(REPORT.format(words))
    assert (cause, says) == ("waits-for-nodes", f"the step still runs, and waits: {waits}")


def test_a_driver_without_executors_waits_for_them() -> None:
    client = "26/11/24 10:01:08 INFO Client: Application report for application_1795600000000_0001 (state: RUNNING)\n"
    driver = "26/11/24 10:01:20 WARN YarnClusterScheduler: Initial job has not accepted any resources; check\n"
    assert told(client, driver=driver)[0] == "waits-for-nodes"
    assert (
        told(client, driver=driver + "26/11/24 10:01:30 INFO X: Registered executor 1 with ID 1\n")[0]
        == "still-running"
    )


def test_the_controllers_exit_code_settles_what_the_logs_leave_open() -> None:
    lost = "26/11/24 10:02:00 ERROR YarnClusterScheduler: Lost executor 2 on x: Container released on a *lost* node\n"
    ended = BEGUN + "2026-11-24T10:04:33.001Z INFO waitProcessCompletion ended with exit code {} : hadoop jar\n"
    assert told("", ended.format(0), lost)[0] == "nothing-failed"
    assert told("", ended.format(1), lost)[0] == "node-lost"


def test_what_emr_says_of_a_step_goes_before_its_logs() -> None:
    evidence = Evidence(
        "step", state="COMPLETED", documents=(Document("driver", "x", "ERROR No space left on device"),)
    )
    assert judge(evidence).cause == "nothing-failed"
    assert judge(evidence).exit_code == 0
