"""The commands of the README as an operator types them, on an embedded AWS of their own (about three minutes).

One history: apply, upload, a step that runs while a second is refused, a failed step, results, destroy. The bootstrap,
Spark and Terraform are really run. Each test is one sentence about what was printed or left behind.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from ops.datasets.draw import draw_sample
from ops.java import find_java_home
from tests.processes import interruptible

REPO = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]
MODULES = {
    "apply": "ops.deploy apply",
    "upload-dataset": "ops.dataset_upload",
    "run-step": "ops.run_step",
    "watch": "ops.run_step",
    "results": "ops.deploy results",
    "destroy": "ops.deploy destroy",
}


@dataclass
class Operator:
    """Somebody with a terminal in an empty folder; every process started bears the folder's name in its environment."""

    folder: Path
    said: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'jobs'}",
            "LOCALAWS_HOME": str(self.folder / "aws"),
            "LOCALAWS_LOG_DELAY_SECONDS": "0.5",
            "COLUMNS": "200",
        }

    def start(self, target: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *MODULES[target].split()],
            cwd=self.folder,
            env={**self.environ, **variables},
            preexec_fn=interruptible,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def types(self, target: str, name: str = "", **variables: str) -> tuple[int, str]:
        """Run a target of the Makefile; its exit code and what it printed are also kept under a name."""
        process = self.start(target, **variables)
        printed, _ = process.communicate(timeout=420)
        self.said[name or target] = process.returncode, printed
        return process.returncode, printed

    def processes(self) -> list[psutil.Process]:
        """Whatever still runs for this folder."""
        home, found = self.environ["LOCALAWS_HOME"], []
        for process in psutil.process_iter():
            try:
                if home in " ".join([*process.cmdline(), process.environ().get("LOCALAWS_HOME", "")]):
                    found.append(process)
            except psutil.Error:
                continue  # ended meanwhile, or somebody else's
        return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """The whole history; whatever fails in it, the server is stopped."""
    operator = Operator(tmp_path_factory.mktemp("rehearsal"))
    draw_sample(operator.folder / "fruits", views=5)
    try:
        code, printed = operator.types("apply")
        assert code == 0, printed
        operator.types("upload-dataset", INPUT="fruits")
        operator.types("upload-dataset", name="upload again", INPUT="fruits")
        code, printed = operator.types("run-step", name="detached", DETACH="1", K="5")
        assert code == 0, printed
        operator.types("run-step", name="refused")
        step = printed.split("step ")[1].split()[0]
        operator.types("watch", STEP=step)
        operator.types("run-step", name="failed", CLASSES="No such fruit")
        operator.types("results")
        operator.types("destroy")
        yield operator
    finally:
        subprocess.run(
            [sys.executable, "-m", "ops.localaws", "stop"], env=operator.environ, cwd=operator.folder, check=False
        )


def test_apply_names_the_cluster_and_what_is_billed(history: Operator) -> None:
    _, printed = history.said["apply"]
    assert "embedded AWS at http://127.0.0.1:" in printed
    assert "(emr-7.13.0): on the embedded AWS; nothing is billed" in printed


def test_images_are_counted_by_class_before_and_after(history: Operator) -> None:
    code, printed = history.said["upload-dataset"]
    assert code == 0
    assert "40 of 40 images sent" in printed
    rows = [[cell.strip() for cell in line.split("│")[1:5]] for line in printed.splitlines() if line.startswith("│")]
    assert rows[-1] == ["all", "40", "0", "40"]
    code, printed = history.said["upload again"]
    assert code == 0
    assert "0 of 40 images sent" in printed


def test_a_detached_step_says_how_to_watch_it(history: Operator) -> None:
    code, printed = history.said["detached"]
    assert code == 0
    assert "Watch it: make watch STEP=s-" in printed


def test_a_second_step_is_refused_with_the_first_ones_id(history: Operator) -> None:
    code, printed = history.said["refused"]
    assert code == 22
    assert "QUEUE=1 to run after it" in printed


def test_a_watched_step_ends_with_its_result_and_its_cost(history: Operator) -> None:
    code, printed = history.said["watch"]
    assert code == 0, printed
    assert "40 of 8 classes, none rejected" in printed
    assert "k = 5" in printed
    assert "would have cost on AWS" in printed


def test_a_failed_step_ends_with_the_jobs_own_words_and_code(history: Operator) -> None:
    code, printed = history.said["failed"]
    assert code == 10, printed
    assert "no image is of class No such fruit. Cure: one of" in printed
    assert "s3://fruits-local-logs-" in printed


def test_results_are_fetched(history: Operator) -> None:
    code, printed = history.said["results"]
    assert code == 0, printed
    folder = history.folder / "runs/local/efficientnet_lite0"
    run = json.loads((folder / "run.json").read_text())
    assert (run["images_ok"], run["k"]) == (40, 5)
    assert len((folder / "pca/scores.csv").read_text().splitlines()) == 41
    assert (folder / "report.html").stat().st_size > 10_000


def test_destroy_leaves_no_process(history: Operator) -> None:
    code, printed = history.said["destroy"]
    assert code == 0, printed
    assert "cluster destroyed; images and results are untouched" in printed
    assert "the embedded AWS is stopped; nothing is left running" in printed
    deadline = time.monotonic() + 10
    while left := history.processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


@pytest.mark.slow
def test_ctrl_c_in_a_one_shot_step_destroys_the_cluster(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    draw_sample(tmp_path / "fruits", views=5)
    try:
        code, printed = operator.types("apply")
        assert code == 0, printed
        operator.types("upload-dataset", INPUT="fruits")
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
        asked = [sys.executable, "-m", "ops.localaws", "status"]
        state = subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=True, capture_output=True, text=True)
        assert "TERMINATED" in state.stdout
    finally:
        asked = [sys.executable, "-m", "ops.localaws", "stop"]
        subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=False)


@pytest.mark.slow
def test_a_failing_bootstrap_fails_apply_and_destroy_clears_up(tmp_path: Path) -> None:
    operator = Operator(tmp_path)
    try:
        code, printed = operator.types("apply", FAULT="bootstrap")
        assert code == 1
        assert "BOOTSTRAP_FAILURE" in printed
        code, printed = operator.types("destroy")
        assert code == 0, printed
    finally:
        asked = [sys.executable, "-m", "ops.localaws", "stop"]
        subprocess.run(asked, env=operator.environ, cwd=tmp_path, check=False)


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"DETACH": "1", "ONESHOT": "1"}, "DETACH=1 leaves before ONESHOT is done. Cure: give one of the two."),
        ({"DETACH": "1", "FAULT": "spot"}, "DETACH=1 leaves before FAULT is done. Cure: give one of the two."),
        ({"FAULT": "bootstrap"}, "Cure: make apply FAULT=bootstrap; for a step there are executor-lost, spot"),
        ({"FAULT": "flood"}, "FAULT=flood is not known: choose one of bootstrap"),
    ],
)
def test_what_cannot_go_together_is_refused(tmp_path: Path, variables: dict[str, str], sentence: str) -> None:
    code, printed = Operator(tmp_path).types("run-step", **variables)
    assert code == 2
    assert sentence in printed
