"""The arithmetic of the benchmarks: medians, ratios, verdicts, and what is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fruits.parts import read_batches
from fruits.pca import to_matrix
from fruits.store import Store

from benchmarks.__main__ import COMMITTED, TRIALS, main, parse_options
from benchmarks.bare import _require_equal
from benchmarks.latency import DELAY, DelayedStore
from benchmarks.pca import COLUMNS, write_matrix
from benchmarks.photographs import link_photographs
from benchmarks.results import (
    BenchmarkError,
    BenchmarkResult,
    Check,
    Options,
    Series,
    alternate,
    compute_ratio,
    describe_machine,
)
from benchmarks.whole import choose_sizes, find_role
from sample import draw


def test_median_is_not_moved_by_one_odd_repeat() -> None:
    assert Series("s", (2.0, 100.0, 1.0)).median == 2.0
    assert Series("s", (1.0, 4.0)).median == 2.5


def test_ratio_is_of_medians_and_of_one_unit() -> None:
    assert compute_ratio(Series("s", (30.0, 20.0, 10.0)), Series("s", (4.0, 5.0, 500.0))) == 4.0
    with pytest.raises(ValueError, match="s and images/s have no ratio"):
        compute_ratio(Series("s", (1.0,)), Series("images/s", (1.0,)))


@pytest.mark.parametrize(
    ("value", "at_least", "reached"),
    [(8.0, True, True), (7.999, True, False), (8.0, False, True), (8.001, False, False)],
)
def test_a_bound_is_reached_when_it_is_met_exactly(value: float, at_least: bool, reached: bool) -> None:
    assert Check("it", value, "×", 8, at_least=at_least).reached is reached


def test_the_sentence_of_a_missed_bound() -> None:
    check = Check("a whole run", 31.24, "s", 25, at_least=False)
    assert check.sentence == "a whole run: 31.24 s (to reach: ≤ 25 s) NOT reached"


def test_a_value_that_is_not_a_number_reaches_nothing() -> None:
    assert not Check("it", float("nan"), "×", 8, at_least=True).reached
    assert not Check("it", float("nan"), "×", 8, at_least=False).reached


def test_sides_take_turns_and_keep_their_values(tmp_path: Path) -> None:
    order: list[str] = []
    values: Iterator[float] = iter([1.0, 2.0, 3.0, 4.0])

    def side(name: str) -> float:
        order.append(name)
        return next(values)

    lines: list[str] = []
    options = Options(tmp_path, repeats=2, say=lines.append)
    series = alternate({"a": lambda: side("a"), "b": lambda: side("b")}, options, unit="s")
    assert order == ["a", "b", "a", "b"]
    assert series == {"a": Series("s", (1.0, 3.0)), "b": Series("s", (2.0, 4.0))}
    assert lines[-1] == "2/2  b: 4 s"


def test_the_json_holds_values_medians_checks_and_the_machine(tmp_path: Path) -> None:
    check = Check("faster", 9.0, "×", 8, at_least=True)
    result = BenchmarkResult("name", "A title", "how", {"images": 3}, {"one": Series("s", (1.0, 3.0, 2.0))}, (check,))
    path = result.write(tmp_path / "results")
    found = json.loads(path.read_text())
    assert path.name == "name.json"
    assert found["series"] == {"one": {"unit": "s", "median": 2.0, "values": [1.0, 3.0, 2.0]}}
    assert found["checks"] == [
        {"what": "faster", "value": 9.0, "unit": "×", "bound": 8, "at_least": True, "reached": True}
    ]
    assert found["machine"]["cores"] >= 1
    assert {"cpu", "python", "versions"} <= found["machine"].keys()


def test_the_machine_names_no_place() -> None:
    import platform

    text = json.dumps(describe_machine())
    assert "/" not in describe_machine()["python"]
    assert platform.node() not in text


def test_a_trial_does_not_overwrite_the_committed_numbers() -> None:
    known = ["pca", "bare"]
    assert parse_options([], known).results == COMMITTED
    assert parse_options(["pca", "--repeats", "5"], known).results == COMMITTED
    assert parse_options(["--images", "100"], known).results == TRIALS
    assert parse_options(["--repeats", "1"], known).results == TRIALS
    assert parse_options(["--images", "100", "--results", "here"], known).results == Path("here")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["spark"], "no benchmark is called spark; there are"),
        (["--images", "0"], "'0' is not a whole number above 0"),
        (["--repeats", "two"], "'two' is not a whole number above 0"),
    ],
)
def test_a_wrong_command_line_is_refused_in_words(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_engines_that_do_not_agree_are_not_compared() -> None:
    first = {"TensorFlow": np.zeros(4, np.float32), "LiteRT": np.full(4, 9e-4, np.float32)}
    _require_equal(first)
    with pytest.raises(BenchmarkError, match=r"OpenVINO gives features that differ from TensorFlow's by 0\.5"):
        _require_equal({**first, "OpenVINO": np.full(4, 0.5, np.float32)})
    with pytest.raises(BenchmarkError, match="OpenVINO"):
        _require_equal({**first, "OpenVINO": np.full(4, np.nan, np.float32)})


def test_a_folder_has_as_many_images_as_asked_and_names_them_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    for name in ("a/1.jpg", "a/2.jpg", "a/3.jpg", "b c/1.jpg"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(name)
    monkeypatch.setattr("benchmarks.photographs.PHOTOGRAPHS", source)
    folder, origin = link_photographs(10, tmp_path)
    found = sorted(folder.rglob("*.jpg"))
    assert len(found) == 10
    assert origin == "10 files, linked from 4 photographs of Fruits-360"
    assert sorted({path.read_text() for path in found}) == ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b c/1.jpg"]
    few, _ = link_photographs(2, tmp_path)
    assert sorted(path.parent.name for path in few.rglob("*.jpg")) == ["a", "b c"]


def test_without_photographs_the_sample_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.photographs.PHOTOGRAPHS", tmp_path / "nothing")
    monkeypatch.setattr("benchmarks.photographs.DRAWN_VIEWS", 1)
    monkeypatch.setattr("sample.draw.FRUITS", {name: draw.FRUITS[name] for name in ("Lemon", "Orange")})
    folder, origin = link_photographs(9, tmp_path)
    assert len(list(folder.rglob("*.jpg"))) == 9
    assert origin == "9 files, linked from 2 pictures of the drawn sample"


def test_the_matrix_has_its_rows_and_is_the_same_each_time(tmp_path: Path) -> None:
    one, two = Store(str(tmp_path / "one")), Store(str(tmp_path / "two"))
    values = []
    for store in (one, two):
        parts = write_matrix(store, 7, 3)
        assert sum(part.rows for part in parts) == 7
        values.append(
            np.concatenate([to_matrix(b.column("features")) for b in read_batches(store, [p.name for p in parts])])
        )
    assert values[0].shape == (7, COLUMNS)
    assert np.array_equal(values[0], values[1])
    assert len(np.unique(values[0], axis=0)) == 7


def test_a_delayed_store_gives_the_same_bytes_late(tmp_path: Path) -> None:
    import pickle
    import time

    (tmp_path / "x").write_bytes(b"bytes")
    store = pickle.loads(pickle.dumps(DelayedStore(str(tmp_path))))
    began = time.monotonic()
    assert store.read("x") == b"bytes"
    assert time.monotonic() - began >= DELAY


@pytest.mark.parametrize(
    ("command_line", "role"),
    [
        (["/usr/bin/java", "-Xmx2g"], "driver's JVM"),
        (["/v/bin/python", "/jobs/featurize_pca.py"], "driver's Python"),
        (["/v/bin/python3.11", "-m", "pyspark.daemon"], "largest worker"),
        (["/v/bin/python3.11", "-m", "fruits.daemon", "pyspark.worker"], "largest worker"),
        (["bash", "spark-submit"], None),
        ([], None),
    ],
)
def test_roles_of_processes(command_line: list[str], role: str | None) -> None:
    assert find_role(command_line) == role


@pytest.mark.parametrize(("full", "expected"), [(30_000, (25, 3000, 30_000)), (40, (4, 4, 40)), (3, (2, 2, 3))])
def test_sizes(full: int, expected: tuple[int, int, int]) -> None:
    assert choose_sizes(full) == expected


@pytest.mark.parametrize("folder", ["committed", "relative", "other"])
def test_committed_results_are_told_to_readme_and_docs(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = BenchmarkResult("one", "A title", "how", {}, {"it": Series("s", (1.0,))}, ())
    committed = tmp_path / "results"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("benchmarks.__main__.COMMITTED", committed)
    monkeypatch.setattr("benchmarks.__main__.load_benchmarks", lambda: {"one": lambda _: result})
    written: list[int] = []
    monkeypatch.setattr("tools.bench_tables.main", lambda: written.append(1) or 3)
    given = {"committed": [], "relative": ["--results", "results"], "other": ["--results", "build"]}[folder]
    assert main(["one", *given]) == 0
    assert len(written) == (folder != "other")
    assert ("Fix: make bench-tables" in capsys.readouterr().out) == (folder != "other")
