"""The commands of the README as an operator types them, on an embedded AWS of their own (about three minutes).

The history is in conftest.py, and test_runbook.py reads it too. The bootstrap, Spark and Terraform are really run. Each
test is one sentence about what was printed or left behind.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localaws.java import find_java_home
from tests.drawn import draw_once
from tests.rehearsal.support import COMMANDS, TYPED_BY_SLOW_TESTS, Operator

pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]


def test_apply_names_the_cluster_and_what_is_billed(history: Operator) -> None:
    _, printed = history.said["the embedded AWS of ENV=local is not running: make apply"]
    assert "embedded AWS at http://127.0.0.1:" in printed
    assert "(emr-7.13.0) applied" in printed
    *_, bills, following = printed.splitlines()
    assert re.search(r"^the cluster j-\w+ is still up \(\w+\): the embedded AWS bills nothing$", bills)
    assert following == "next      make upload-dataset INPUT=folder, then make run-step"


def test_apply_shows_what_it_does_and_for_how_long(history: Operator) -> None:
    _, printed = history.said["the embedded AWS of ENV=local is not running: make apply"]
    for words in (
        "starting the embedded AWS",
        "storage: buckets, budget",
        "the wheels of a node: ",
        "cluster: planning",
    ):
        assert re.search(rf"^\[ +\d+\.\d s\] {words}", printed, re.MULTILINE), words
    assert len(re.findall(r"^\[ +\d+\.\d s\] cluster: creating", printed, re.MULTILINE)) > 1, "every ten seconds"


def test_images_are_counted_by_class_before_and_after(history: Operator) -> None:
    code, printed = history.said["upload-dataset"]
    assert code == 0
    assert re.search(r"^40 of 40 images sent to s3://.*/images/$", printed, re.MULTILINE)
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in printed.splitlines() if line.startswith("│")]
    assert rows[-1] == ["all", "40", "0", "40"]


def test_a_detached_step_says_how_to_watch_it(history: Operator) -> None:
    code, printed = history.said["detached"]
    assert code == 0
    assert "Watch it: make watch STEP=s-" in printed


def test_a_failed_step_ends_with_the_jobs_own_words_and_code(history: Operator) -> None:
    code, printed = history.said["failed"]
    assert code == 10, printed
    assert re.search(r"^the step s-\w+ on j-\w+ failed$", printed, re.MULTILINE)
    assert re.search(r"^cause +input-missing: the input is missing, empty, or holds no such image$", printed, re.M)
    assert re.search(r"^said +no image is of class No such fruit \(the job, in phase list\)$", printed, re.M)
    assert re.search(r"^where +jobs/fruits/inputs\.py:\d+, in require_classes \(driver\)$", printed, re.M)
    assert re.search(r"^fix +one of Banana, Cherry, ", printed, re.M)
    assert "s3://fruits-local-logs-" in printed


def test_every_command_is_typed(history: Operator) -> None:
    assert history.typed == {*COMMANDS} - TYPED_BY_SLOW_TESTS


def test_destroy_leaves_no_process(history: Operator) -> None:
    code, printed = history.said["the cluster … is TERMINATED: make destroy"]
    assert code == 0, printed
    assert re.search(r"^cluster destroyed$", printed, re.MULTILINE), "its images go too: no promise"
    code, printed = history.said["destroy of nothing"]
    assert code == 0, printed
    assert "there is no cluster stack: nothing to destroy" in printed
    assert "the embedded AWS is stopped; nothing is left running" in printed
    assert "its images and results were deleted with it; what make results fetched is in runs/local/" in printed
    deadline = time.monotonic() + 120
    while left := history.processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.slow
def test_ctrl_c_in_a_one_shot_step_destroys_the_cluster(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    draw_once(tmp_path / "fruits", views=5)
    try:
        code, printed = operator.types("apply")
        assert code == 0, printed
        operator.types("upload-dataset", INPUT="fruits")
        began = time.monotonic()
        code, printed = operator.types("run-step", name="no capacity", FAULT="no-capacity")
        assert code == 18, printed
        assert "there was work, and no executor came in 20 s: the cluster has no free node for one" in printed
        assert "ask for nodes on demand" in printed
        assert time.monotonic() - began < 300  # the cluster's own limits come much later
        process = operator.start("run-step", ONESHOT="1")
        assert process.stdout is not None
        said = ""
        while "starting Spark" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=300)
        assert process.returncode == 130, rest
        assert "ends with its cluster (ONESHOT=1)" in rest
        assert "cluster destroyed" in rest
        asked = [sys.executable, "-m", "localaws", "status"]
        state = subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert "TERMINATED" in state.stdout
        code, printed = operator.types("run-step")
        assert code == 20
        assert "there is no cluster of ENV=local. Fix: make apply." in printed
        (code, printed), (applied, _) = operator.follows("there is no cluster of ENV=…")
        assert (code, applied) == (0, 0)
        assert "none: make apply" in printed
        (code, printed), (_, after) = operator.follows("Nothing of it is needed any more")
        assert code == 0, printed
        assert "storage removed: nothing of this environment is left, and nothing bills" in printed
        assert "the embedded AWS is not running" in after
        assert operator.typed >= TYPED_BY_SLOW_TESTS
    finally:
        asked = [sys.executable, "-m", "localaws", "stop"]
        subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=False)


@pytest.mark.slow
def test_a_failing_bootstrap_fails_apply_and_destroy_clears_up(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    try:
        code, printed = operator.types("apply", FAULT="bootstrap")
        assert code == 1
        assert "BOOTSTRAP_FAILURE" in printed
        cluster = re.findall(r"j-[A-Z0-9]{13}", printed)[0]
        assert "\ncause          bootstrap-other: a bootstrap action failed\n" in printed
        assert re.search(r"^said +the fault bootstrap was asked for \(s3://\S+/stderr\.gz\)$", printed, re.MULTILINE)
        done = operator.follows("apply fails with BOOTSTRAP_FAILURE", cluster=cluster)
        (named, cause), (code, log), (destroyed, last) = done
        assert named == 0, cause
        assert f"the cluster {cluster} terminated with errors" in cause
        assert "said           the fault bootstrap was asked for" in cause
        assert cause.rstrip().splitlines()[-1] == "next           make destroy, then make apply"
        assert code == 0, log
        assert "the fault bootstrap was asked for" in log
        assert destroyed == 0, last
    finally:
        asked = [sys.executable, "-m", "localaws", "stop"]
        subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=False)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"DETACH": "1", "ONESHOT": "1"}, "DETACH=1 leaves before ONESHOT is done. Fix: give one of the two."),
        ({"DETACH": "1", "FAULT": "spot"}, "DETACH=1 leaves before FAULT is done. Fix: give one of the two."),
        ({"FAULT": "bootstrap"}, "Fix: make apply FAULT=bootstrap; here it may be executor-lost, spot"),
        ({"FAULT": "flood"}, "FAULT=flood is not known. Fix: choose one of bootstrap"),
    ],
)
def test_what_cannot_go_together_is_refused(tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
    code, printed = Operator(tmp_path).types("run-step", **variables)
    assert code == 2
    assert sentence in printed
