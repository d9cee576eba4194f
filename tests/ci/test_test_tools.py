"""What sorts, watches and sums up the tests does so."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tools
from tests import dealing
from tools import coverage_rooms, mutants

REPO = Path(__file__).resolve().parents[2]
PROBE = """
import importlib, subprocess, sys
import pytest
from tests import fast

@pytest.fixture
def terraform():
    return None

def test_of_nothing():
    pass

def test_of_a_dear_package():
    importlib.import_module("tensorflow")

def test_of_a_dear_program():
    with pytest.raises(OSError):
        subprocess.run(["/nowhere/terraform", "plan"])

@pytest.fixture
def started():
    with pytest.raises(OSError):
        subprocess.run(["/nowhere/java", "-cp", "x"])

def test_of_a_dear_fixture_that_nobody_named(started):
    pass

def test_of_long_arithmetic(monkeypatch):
    monkeypatch.setattr(fast, "MOST_SECONDS", -1.0)

def test_with_a_dear_fixture(terraform):
    with pytest.raises(OSError):
        subprocess.run(["/nowhere/terraform", "plan"])
"""
CONFTEST = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).parent))  # an empty tensorflow
from tests import fast
def pytest_configure(config):
    for name in ("fast", *fast.DEAR_MARKERS):
        config.addinivalue_line("markers", name)
    config.pluginmanager.register(fast.Watch())
def pytest_collection_modifyitems(items):
    for item in items:
        fast.mark(item)
"""


@pytest.fixture
def probed(tmp_path: Path) -> str:
    """What pytest says of tests that keep the rules and that break them."""
    (tmp_path / "test_probe.py").write_text(PROBE)
    (tmp_path / "tensorflow.py").touch()
    (tmp_path / "conftest.py").write_text(CONFTEST)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-rA",
        "-c",
        "/dev/null",
        "--rootdir",
        tmp_path,
    ]
    command.append(tmp_path)
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False).stdout


def test_a_fast_test_that_does_something_dear_fails(probed: str) -> None:
    passed = " ".join(line for line in probed.splitlines() if line.startswith("PASSED"))
    assert "test_probe.py::test_of_nothing" in passed
    assert "test_probe.py::test_with_a_dear_fixture" in passed
    said = [line for line in probed.splitlines() if line.startswith("a fast test ")]
    for what in ("imports tensorflow", "starts terraform", "starts java", "takes 0."):
        assert any(line.startswith(f"a fast test {what}") for line in said), (what, said)
    assert all("Fix: mark it slow or spark" in line for line in said)
    assert len(said) == 4


def test_the_dearest_unit_comes_first_and_no_unit_is_divided() -> None:
    names = [
        *("tests/ops/test_step.py", "tests/rehearsal/test_readme.py", "tests/rehearsal/test_runbook.py"),
        "tests/ops/test_new_and_dear.py",
    ]

    class Item:
        def __init__(self, nodeid: str) -> None:
            self.nodeid = nodeid

        def get_closest_marker(self, name: str) -> object:
            return name if "readme" in self.nodeid else None

    items = [Item(f"{name}::test_{number}") for number in range(2) for name in names]
    dealing.order(items, {"tests/ops/test_step.py": 9.0, "rehearsal": 1.0})  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == [
        f"{name}::test_{number}" for name in (names[2], names[0], names[3], names[1]) for number in range(2)
    ]


def test_what_shares_something_dear_is_one_unit() -> None:
    """The life of an environment takes minutes: whoever reads it must be dealt to the process that has lived it."""
    for folder, fixtures, unit in (
        ("rehearsal", {"history"}, "rehearsal"),
        ("job", {"spark", "default_model", "small_model", "drawn_run", "photo_run"}, "spark session"),
        ("localaws", {"world", "aws"}, "localaws"),
        ("localaws", {"on_yarn", "primary_alone"}, "yarn"),
    ):
        for file in (REPO / "tests" / folder).glob("test_*.py"):
            text = file.read_text()
            parameters = set(re.findall(r"\b(\w+): ", " ".join(re.findall(r"^def \w+\(([^)]*)\)", text, re.MULTILINE))))
            own = set(re.findall(r"^def (\w+)\(", text, re.MULTILINE))
            if parameters & fixtures - own:
                assert dealing.unit_of(file.relative_to(REPO).as_posix()) == unit, file


def test_every_measured_unit_exists() -> None:
    measured = [unit for unit in dealing.known_seconds() if unit.endswith(".py")]
    assert measured
    assert [unit for unit in measured if not (REPO / unit).exists()] == []


def test_lines_and_branches_are_summed_by_room() -> None:
    def file(lines: tuple[int, int], branches: tuple[int, int]) -> dict[str, object]:
        names = ("covered_lines", "num_statements", "covered_branches", "num_branches")
        return {"summary": {**dict(zip(names, (*lines, *branches), strict=True)), "percent_covered": 12.3}}

    files = {
        "ops/cost/a.py": file((9, 10), (1, 4)),
        "ops/cost/b.py": file((21, 30), (2, 2)),
        "jobs/fruits/x.py": file((1, 3), (0, 0)),
    }
    assert coverage_rooms.measure_rooms(files) == {"jobs/fruits": (33.3, 100.0), "ops/cost": (75.0, 50.0)}


def test_a_loop_of_assertions_that_was_never_entered_is_found() -> None:
    source = "for a in x:\n    assert a\nfor b in y:\n    print(b)\nfor c in z:\n    if c:\n        assert c\n"
    assert list(coverage_rooms.find_idle_loops(source, {1, 2, 3, 5, 6})) == []
    assert list(coverage_rooms.find_idle_loops(source, {1, 3, 5})) == [1, 5]
    assert list(coverage_rooms.find_idle_loops(source, {3})) == [], "what was not reached was skipped"


def test_every_room_has_a_floor() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "ops/*.py", "jobs/*.py", "localaws/*.py", "sample/*.py"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    floors = json.loads(coverage_rooms.FLOORS.read_text())
    assert set(floors) == {coverage_rooms.find_room(path) for path in listed}
    assert all(lines > 0 for lines, _ in floors.values())


def test_every_explained_mutant_is_one_and_every_module_has_its_tests() -> None:
    """A line that is written anew loses its reason: seen here, and not only by the night's mutants."""
    reasons = json.loads(mutants.REASONS.read_text())
    assert set(reasons) <= set(mutants.MODULES)
    for module, files in mutants.MODULES.items():
        known = {mutant.key for mutant, _, _ in mutants.list_mutants(mutants.find_path(module).read_text())}
        assert known, module
        assert set(reasons.get(module, {})) <= known, module
        assert [file for file in files if not (REPO / file.partition("::")[0]).exists()] == []


def test_every_tool_says_when_it_is_needed() -> None:
    files = {path.stem if path.suffix in (".py", "") else path.name for path in Path(tools.__path__[0]).iterdir()}
    named = set(re.findall(r"^``([\w.]+)`` ", tools.__doc__ or "", re.MULTILINE))
    data = {"__init__", "__pycache__", "coverage_rooms.json", "iframe-worker.js", "mutants.json", "site.css"}
    assert named == files - data
