"""Whole log trees that lie beside this checkout, each with what happened in it: the cause, and never another."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.diagnose import gather, render
from ops.diagnose.causes import judge
from tests.conftest import SHARED

CASES = SHARED / "cases"
RIGHT = {
    "diagnose/dnf-403-our-script": ("access-denied", "al2023-repos"),
    "diagnose/exit-143": ("out-of-memory-executor", "143"),
    "diagnose/fetch-failed": ("executor-lost", "shuffle"),
    "diagnose/free-addresses": ("subnet-full", "subnet-09a8dd1de8c5a9eb6"),
    "diagnose/hdfs-block-gone": ("node-lost", "Could not get block locations"),
    "diagnose/insufficient-capacity-gpu": ("no-capacity", "m5.xlarge"),
    "diagnose/kms-disabled": ("kms-key", "incorrect state"),
    "diagnose/libgl": ("library-missing", "libGL.so.1"),
    "diagnose/lost-node-on-demand": ("node-lost", "on demand"),
    "diagnose/no-route": ("subnet-without-route", "subnet-09a8dd1de8c5a9eb6"),
    "diagnose/numpy-core-pickle": ("version-mismatch", "numpy._core"),
    "diagnose/proto-descriptor": ("version-mismatch", "Descriptors cannot be created directly"),
    "diagnose/py4j-answer-empty": ("out-of-memory-driver", "137"),
    "diagnose/worker-connect-back": ("worker-python", "failed to connect back"),
    "diagnose/worker-segfault": ("python-crash", "faulthandler"),
    "yarn/driver-python-memory": ("out-of-memory-driver", "spark.driver.memoryOverhead larger"),
    "yarn/worker-python-memory": ("out-of-memory-executor", "spark.executor.memoryOverhead larger"),
    "yarn/executor-jvm-heap": ("out-of-memory-executor", "spark.executor.memory larger"),
    "yarn/executor-sigkill": ("out-of-memory-executor", "killed from outside"),
    "yarn/worker-segv": ("python-crash", "or the kernel killed it"),
    "yarn/no-context": ("no-spark-context", "User did not initialize spark context!"),
    "yarn/executor-too-big": ("request-too-large", "8192 MB"),
    "yarn/queue-missing": ("queue-missing", "fruit"),
    "yarn/job-missing": ("file-missing", "file:/opt/gone/featurize.py"),
    "yarn/one-node-lost": ("nothing-failed", "ended well"),
    "yarn/spot-nodes-lost": ("waits-for-nodes", "still runs"),
    "yarn/master-node-lost": ("node-lost", "the driver's node"),
    "yarn/killed-by-user": ("cancelled", "by user hadoop"),
    "yarn/master-waits": ("waits-for-nodes", "no on-demand node"),
}


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_a_tree_beside_this_checkout_is_named(name: str) -> None:
    tree = Path(CASES, name, "tree")
    if not tree.is_dir():
        pytest.skip("the log trees of ../shared/cases are not here")
    evidence = gather.gather_tree(tree)
    verdict = judge(evidence)
    printed = render.as_text(evidence, verdict)
    cause, words = RIGHT[name]
    assert verdict.cause == cause, printed
    assert words in printed
