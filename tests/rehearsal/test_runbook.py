"""The runbook: each entry is typed by the history, and what it promises is what was printed."""

from __future__ import annotations

import json
import re

import pytest

from localaws.java import find_java_home
from tests.rehearsal.support import COMMANDS, REPO, RUNBOOK, Operator, entries

ENTRIES = entries(RUNBOOK.read_text())
pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]


FOLLOWED_BY_SLOW_TESTS = {
    "there is no cluster of ENV=…",
    "Nothing of it is needed any more",
    "apply fails with BOOTSTRAP_FAILURE",
}
"""In test_commands.py, where an entry that the runbook lacks is an error."""


def test_every_entry_was_followed(history: Operator) -> None:
    followed = {name.partition(": make ")[0] for name in history.said if ": make " in name}
    assert followed | FOLLOWED_BY_SLOW_TESTS == set(ENTRIES)


@pytest.mark.parametrize("symptom", ENTRIES)
def test_an_entry_has_something_to_type_that_make_knows(symptom: str) -> None:
    lines = ENTRIES[symptom]
    targets = re.findall(r"^([a-z-]+):.*##", (REPO / "Makefile").read_text(), re.MULTILINE)
    assert lines
    assert all(re.fullmatch(r"make [a-z-]+( [A-Z]+=\S+)*", line) for line in lines)
    assert {line.split()[1] for line in lines} <= set(targets) & set(COMMANDS)


def said(history: Operator, symptom: str, line: str) -> str:
    """What a line of an entry printed; it has ended well."""
    code, printed = history.said[f"{symptom}: {line}"]
    assert code == 0, printed
    return printed


def test_nothing_runs(history: Operator) -> None:
    symptom = "the embedded AWS of ENV=local is not running"
    code, printed = history.said["before anything"]
    assert code == 20
    assert symptom in printed
    code, printed = history.said["status before anything"]
    assert code == 0
    assert printed == (
        "the embedded AWS is not running: there is no cluster and no bucket, and nothing bills. Fix: make apply.\n"
    )
    printed = said(history, symptom, "make status")
    for words in ("ENV=local in eu-west-3", "s3://fruits-local-data-", "WAITING", " core, 1 primary", "none is open"):
        assert words in printed
    assert re.search(r"ends +│ with make destroy, at any time", printed)
    assert "when nothing is submitted" in printed
    assert "at the latest" in printed
    assert re.search(r"the cluster j-\w+ is still up \(WAITING\): the embedded AWS bills nothing", printed)


def test_an_upload_goes_on(history: Operator) -> None:
    symptom = "upload-dataset was interrupted, or images were added"
    printed = said(history, symptom, "make upload-dataset INPUT=fruits")
    assert re.search(r"^0 of 40 images sent to s3://.*/images/; the others were there already$", printed, re.MULTILINE)
    assert printed.splitlines()[-2].endswith("the embedded AWS bills nothing")
    assert printed.splitlines()[-1] == "next      make run-step"


def test_logs_before_the_first_step(history: Operator) -> None:
    code, printed = history.said["logs of nothing"]
    assert code == 0
    assert "/bootstrap-actions/1/" in printed


def test_another_step_is_open(history: Operator) -> None:
    symptom = "another step is open on the cluster"
    assert "Fix: wait for it, or QUEUE=1 to run after it." in history.said["refused"][1]
    step = history.said["detached"][1].split("step ")[1].split()[0]
    printed = said(history, symptom, "make steps")
    assert re.search(rf"│ {step} +│ (PENDING|RUNNING) ", printed)
    assert re.search(rf"steps +│ {step} (PENDING|RUNNING)", said(history, symptom, "make status"))


def test_a_step_seems_to_stand_still(history: Operator) -> None:
    printed = said(history, "A step seems to stand still", "make logs FOLLOW=1")
    step = history.said["detached"][1].split("step ")[1].split()[0]
    assert f"waiting: the step {step} is RUNNING; EMR ships logs about every five minutes" in printed
    assert re.search(rf"── s3://fruits-local-logs-\d+/emr/j-\w+/steps/{step}/stderr.gz, \d+ s old", printed)
    assert re.search(r"/containers/application_\d+_0001/container_\d+_0001_01_000001/std\w+.gz, \d+ s old", printed)
    assert printed.splitlines()[-1] == f"these are the last logs of the step {step}"


def test_coming_back_to_a_step(history: Operator) -> None:
    symptom = "Ctrl-C was pressed, or the terminal was closed, while a step ran"
    assert "COMPLETED" in said(history, symptom, "make steps")
    printed = said(history, symptom, "make watch STEP=s-…")
    assert "40 of 8 classes, none rejected" in printed
    assert "k = 5" in printed
    assert "0.00 here; on AWS about 0." in printed
    assert printed.splitlines()[-2].endswith("the embedded AWS bills nothing")
    assert printed.splitlines()[-1] == "next      make results, then make destroy"


def test_a_failed_step_is_explained_again(history: Operator) -> None:
    printed = said(history, "A step failed", "make diagnose STEP=s-…")
    assert re.search(r"^cause +input-missing: the input is missing", printed, re.MULTILINE)
    assert re.search(r"^where +jobs/fruits/inputs\.py:\d+, in require_classes \(driver\)$", printed, re.MULTILINE)
    assert re.search(r"^ +InputError|fruits\.errors\.InputError: no image is of class", printed, re.MULTILINE)
    assert re.search(
        r"^log +s3://fruits-local-logs-\d+/emr/j-\w+/containers/\S+_000001/std\w+\.gz$", printed, re.MULTILINE
    )
    assert printed.splitlines()[-1] == "next           make upload-dataset INPUT=folder, then make run-step"


def test_a_failed_step_shows_its_drivers_log(history: Operator) -> None:
    printed = said(history, "A step failed", "make logs STEP=s-…")
    assert "no image is of class No such fruit" in printed
    assert "logs, as they are in S3 now" in printed


def test_lists_for_machines(history: Operator) -> None:
    code, printed = history.said["steps as JSON"]
    assert code == 0
    newest, first = json.loads(printed)["steps"]
    assert (first["state"], newest["state"]) == ("COMPLETED", "FAILED")
    assert first["output"].endswith("/results/efficientnet_lite0")
    assert first["seconds"] > 0
    code, printed = history.said["status as JSON"]
    assert code == 0
    told = json.loads(printed)
    assert (told["emulated"], told["cluster"]["live"], told["open_steps"]) == (True, True, [])
    assert told["cluster"]["nodes"]["primary"] == 1
    assert told["cluster"]["ends_when_idle"] > told["cluster"]["idle_since"] > told["cluster"]["created"]
    code, printed = history.said["logs as JSON"]
    assert code == 0
    assert {log["kind"] for log in json.loads(printed)["logs"]} == {"step", "container"}


def test_the_shell_is_the_nodes_and_says_what_it_is(history: Operator) -> None:
    printed = said(history, "Something must be looked at on the node itself", "make shell")
    assert "this is a shell of your own machine, in the folder that stands for the primary node of j-" in printed
    assert re.search(r'{"jobFlowId": "j-\w+"}', printed)
    assert "Python 3.11" in printed
    code, printed = history.said["shell after its end"]
    assert code == 21
    assert re.search(r"shell: the cluster j-\w+ is TERMINATED .*: its nodes are gone. Fix: make logs shows", printed)


def test_sparks_pages_hold_the_steps_that_have_ended(history: Operator) -> None:
    code, printed = history.said["A step is slow, and it should be seen where: make ui"]
    assert code == 0, printed
    assert "(only for you; Ctrl-C stops it)" in printed
    assert "stopped; make ui shows it again" in printed
    found = json.loads(history.said["the page"][1])
    assert len(found) == 2, "the step that succeeded and the one that failed"
    assert all(one["attempts"][0]["completed"] for one in found)


def test_results_come_here(history: Operator) -> None:
    printed = said(history, "The results are in S3, and should be here", "make results")
    assert "open runs/local/efficientnet_lite0/report.html" in printed
    assert "opened in the browser" not in printed, "this is no terminal"
    folder = history.folder / "runs/local/efficientnet_lite0"
    run = json.loads((folder / "run.json").read_text())
    assert (run["images_ok"], run["k"]) == (40, 5)
    assert len((folder / "pca/scores.csv").read_text().splitlines()) == 41
    assert (folder / "report.html").stat().st_size > 10_000


def test_what_it_costs(history: Operator) -> None:
    printed = said(history, "What did it cost, and what will it", "make cost IMAGES=3000")
    assert "the ledger (embedded AWS: nothing was billed, this is what AWS would)" in printed


def test_a_cluster_that_ended_by_itself(history: Operator) -> None:
    symptom = "the cluster … is TERMINATED"
    code, printed = history.said["after its end"]
    assert code == 21
    assert re.search(r"the cluster j-\w+ is TERMINATED \(.+\)\. Fix: make apply creates a new one\.", printed)
    printed = said(history, symptom, "make status")
    assert "TERMINATED: Terminated by user request" in printed
    assert "the embedded AWS bills nothing" in printed
    assert re.search(r"^cluster destroyed$", said(history, symptom, "make destroy"), re.MULTILINE)
