"""Why a step has not begun, in the words of YARN's client as it really wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.logs.waiting import explain_wait
from tests.conftest import SHARED

REPORT = """26/11/27 14:00:04 INFO Client: Submitting application application_1795788536013_0019 to ResourceManager
26/11/27 14:00:05 INFO Client: Application report for application_1795788536013_0019 (state: ACCEPTED)
26/11/27 14:00:05 INFO Client:
    client token: N/A
    diagnostics: {said}
    ApplicationMaster host: N/A
    ApplicationMaster RPC port: -1
    queue: default
    start time: 1795788536013
    final status: UNDEFINED
26/11/27 14:00:35 INFO Client: Application report for application_1795788536013_0019 (state: ACCEPTED)
"""
DETAILS = (
    "[Fri Nov 27 14:00:05 +0000 2026] Application is Activated, waiting for resources to be assigned for AM.  "
    "Details : "
    "AM Partition = {label} ; Partition Resource = <memory:{memory}, vCores:{cores}> ; Queue's Absolute capacity = "
    "100.0 % ; Queue's Absolute used capacity = 0.0 % ; Queue's Absolute max capacity = 100.0 % ; "
)
RUNNING = "26/11/27 14:00:09 INFO Client: Application report for application_1795788536013_0019 (state: RUNNING)\n"


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        (
            DETAILS.format(label="ON_DEMAND", memory=0, cores=0),
            "there is no on-demand node for the driver (AM Partition = ON_DEMAND ; Partition Resource = <memory:0>)",
        ),
        (
            DETAILS.format(label="GPU", memory=0, cores=0),
            "there is no node labelled GPU for the driver (AM Partition = GPU ; Partition Resource = <memory:0>)",
        ),
        (
            DETAILS.format(label="<DEFAULT_PARTITION>", memory=11712, cores=4),
            "no node has room for the driver yet",
        ),
        (
            "[Fri Nov 27 14:00:05 +0000 2026] Application is added to the scheduler and is not yet activated. "
            "Skipping AM assignment as cluster resource is empty.  Details : AM Partition = <DEFAULT_PARTITION>; AM",
            "there is no healthy node (YARN: cluster resource is empty)",
        ),
        (
            "[Fri Nov 27 14:00:05 +0000 2026] Application is added to the scheduler and is not yet activated. "
            "Queue's AM resource limit exceeded.  Details : AM Partition = <DEFAULT_PARTITION>; AM",
            "the drivers of other steps take all the room for drivers; it starts when one of them ends",
        ),
        ("AM container is launched, waiting for AM container to Register with RM", ""),
        ("N/A", ""),
        ("[Fri Nov 27 14:00:05 +0000 2026] The plums are not ripe", "YARN says: The plums are not ripe"),
    ],
)
def test_yarns_reason_in_plain_words(said: str, plain: str) -> None:
    text = REPORT.format(said=said)
    assert explain_wait(text) == plain
    assert explain_wait(text + RUNNING) == "", "it has begun"
    assert explain_wait("\n".join(text.splitlines()[:-1])) == "", "a moment that every application goes through"


def test_a_log_without_a_report_tells_nothing() -> None:
    assert explain_wait("") == ""
    assert (
        explain_wait("26/11/27 14:00:04 INFO Client: Submitting application application_1795788536013_0019 to …") == ""
    )


WAITS = SHARED / "cases" / "yarn" / "master-waits" / "tree"


@pytest.mark.skipif(not WAITS.is_dir(), reason="needs logs: ../shared/cases/yarn is not beside this checkout")
def test_a_real_log_of_a_driver_that_waits_for_its_label() -> None:
    (log,) = Path(WAITS).rglob("steps/*/stderr")
    assert explain_wait(log.read_text()).startswith("there is no on-demand node for the driver")
