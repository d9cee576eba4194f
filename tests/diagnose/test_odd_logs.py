"""Odd, huge, missing and damaged logs, tracebacks of every shape: a verdict comes, quickly, and never an exception."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import time
import tracemalloc
from pathlib import Path

import pytest

from ops.diagnose import (
    gather,
    render,
    report,
    table,
)
from ops.diagnose.causes import judge
from ops.diagnose.evidence import Document, Evidence
from ops.diagnose.verdict import Fields
from tests.diagnose.reports import HEAD, OURS

CORPUS = Path(__file__).parent / "corpus"
CLUSTER, STEP = "j-2AXXXXXXGAPLF", "s-08812552QZHJ7GG0YUF2"
APPLICATION = "application_1795600000000_0001"
DRIVER = f"{CLUSTER}/containers/{APPLICATION}/container_1795600000000_0001_01_000001/stderr.gz"


def test_every_row_has_a_name_a_fix_and_sentences_that_can_be_written() -> None:
    names = [(cause.name, cause.variant) for cause in table.EVERY]
    assert len(set(names)) == len(names)
    for cause in table.EVERY:
        assert cause.name == cause.name.lower()
        assert " " not in cause.name
        assert cause.command.startswith("make ")
        for sentence in (cause.meaning, cause.fix):
            written = sentence.format_map(Fields())
            assert written
            assert "{" not in written
            assert not written.endswith(".")


# -- odd trees ----------------------------------------
def put(tree: Path, key: str, text: str | bytes) -> None:
    path = tree / key
    path.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(data) if key.endswith(".gz") and isinstance(text, str) else data)


def test_an_empty_folder_is_judged_unknown(tmp_path: Path) -> None:
    found = gather.gather_tree(tmp_path)
    assert judge(found).cause == "unknown"
    assert render.as_text(found, judge(found))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_trees_never_raise(seed: int, tmp_path: Path) -> None:
    """A tree of the corpus with files lost, cut, mutated, emptied, exchanged and replaced by folders."""
    draw = random.Random(seed)
    source = draw.choice(sorted(CORPUS.glob("*/tree")))
    tree = tmp_path / "tree"
    shutil.copytree(source, tree)
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    for path in draw.sample(files, min(len(files), 3)):
        data = bytearray(path.read_bytes())
        kind = draw.randrange(7)
        if kind == 0:
            path.unlink()
        elif kind == 1:
            path.write_bytes(data[: len(data) // 2])
        elif kind == 2:
            for _ in range(20 if data else 0):
                data[draw.randrange(len(data))] = draw.randrange(256)
            path.write_bytes(data)
        elif kind == 3:
            path.write_bytes(b"")
        elif kind == 4:
            path.write_bytes(draw.choice(files).read_bytes() if draw.choice(files).is_file() else b"x")
        elif kind == 5:
            path.write_bytes(draw.randbytes(5000))
        else:
            path.unlink()
            (path / "surprise").mkdir(parents=True)
    found = gather.gather_tree(tree)
    verdict = judge(found)
    assert verdict.cause in table.NAMES
    json.dumps(render.as_json(found, verdict))
    assert render.as_text(found, verdict).splitlines()[-1].startswith("next ")
    assert report.render_issue(found, verdict)


@pytest.mark.parametrize(
    "answer",
    [
        "[]",
        "null",
        '{"Cluster": null}',
        '{"Cluster": {"Status": {"StateChangeReason": null, "ErrorDetails": null}}}',
        '{"Cluster": {"Status": {"State": 7}}}',
        "{",
        '{"Cluster": []}',
        '{"Cluster": {"Status": {"ErrorDetails": ["x", {"ErrorData": {"a": 1}}]}}}',
    ],
)
@pytest.mark.parametrize("name", ["describe-cluster.json", "describe-step.json", "list-instances.json", "error.json"])
def test_odd_answers_never_raise(answer: str, name: str, tmp_path: Path) -> None:
    shutil.copytree(CORPUS / "yarn-kills-driver" / "tree", tmp_path / "tree")
    (tmp_path / "tree" / name).write_text(answer)
    assert judge(gather.gather_tree(tmp_path / "tree")).cause in ("out-of-memory-driver", "unknown")


@pytest.mark.costly
def test_a_huge_drivers_log_is_read_in_bounds_and_its_middle_found(tmp_path: Path) -> None:
    """The telling line lies where neither the beginning nor the end of the log is."""
    noise = "26/11/24 10:00:00 INFO TaskSetManager: Finished task 1.0 in stage 7.0\n" * 20_000
    killed = (
        "26/11/24 10:02:00 ERROR YarnClusterScheduler: Lost executor 2 on ip-10-0-1-23: Container killed by YARN for "
    )
    killed += "exceeding physical memory limits. 12.1 GB of 12 GB physical memory used.\n"
    put(tmp_path, f"{CLUSTER}/steps/{STEP}/stderr.gz", f"INFO Client: Submitting application {APPLICATION}\n")
    path = tmp_path / DRIVER
    path.parent.mkdir(parents=True)
    with gzip.open(path, "wb", compresslevel=1) as log:
        for number in range(60):
            log.write(noise.encode())
            if number == 20:
                log.write(killed.encode())
    tracemalloc.start()
    began = time.monotonic()
    verdict = judge(gather.gather_tree(tmp_path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verdict.cause == "out-of-memory-executor"
    assert "12.1 GB of 12 GB" in verdict.meaning
    assert peak < 80 * 1024 * 1024
    assert time.monotonic() - began < 60


def test_one_line_of_megabytes_does_not_stall_the_patterns() -> None:
    """Patterns that would try again at each character would take hours here."""
    for text in (
        "x" * 2_000_000,
        "arn:" * 400_000,
        "key '" * 300_000,
        "AccessDeniedException: s3://" + "a" * 1_000_000,
    ):
        document = Document("driver", "s3://b/stderr.gz", f"ERROR {text}\nERROR Lost task {text}")
        began = time.monotonic()
        judge(Evidence(subject="step", documents=(document,)))
        assert time.monotonic() - began < 10, text[:20]


def test_many_executors_are_not_all_read(tmp_path: Path) -> None:
    put(tmp_path, f"{CLUSTER}/steps/{STEP}/stderr.gz", f"Submitting application {APPLICATION}\n")
    put(tmp_path, DRIVER, "ERROR Lost executor 7: container_1795600000000_0001_01_000123 is gone\n")
    for number in range(2, 300):
        name = f"container_1795600000000_0001_01_{number:06d}"
        put(tmp_path, f"{CLUSTER}/containers/{APPLICATION}/{name}/stderr.gz", "nothing\n")
    executors = gather.gather_tree(tmp_path).find_documents("executor")
    assert len(executors) == gather.MOST_EXECUTORS, "one log of each container here"
    assert "_000123/" in executors[0].uri, "the one that the driver names comes first"


def test_what_could_not_be_read_is_said(tmp_path: Path) -> None:
    put(tmp_path, f"{CLUSTER}/steps/{STEP}/stderr.gz", f"Submitting application {APPLICATION}\n")
    whole = gzip.compress(random.Random(0).randbytes(50_000).hex().encode())
    put(tmp_path, DRIVER, whole[: len(whole) // 2])
    found = gather.gather_tree(tmp_path)
    assert "stderr.gz: it is cut off" in render.as_text(found, judge(found))


def test_of_several_steps_the_one_that_failed_is_taken(tmp_path: Path) -> None:
    for number, (name, word) in enumerate((("A", "succeeded"), ("B", "failed"), ("C", "succeeded"))):
        step = f"s-{name * 13}"
        put(tmp_path, f"{CLUSTER}/steps/{step}/controller.gz", f"WARN Step {word} with exitCode 1\n")
        put(tmp_path, f"{CLUSTER}/steps/{step}/stderr.gz", "Error: Missing application resource.\n")
        os.utime(tmp_path / f"{CLUSTER}/steps/{step}/controller.gz", (number, number))
    assert gather.gather_tree(tmp_path).step_id == "s-BBBBBBBBBBBBB"
    assert gather.gather_tree(tmp_path, step_id="s-CCCCCCCCCCCCC").step_id == "s-CCCCCCCCCCCCC"


def test_a_part_of_a_tree_is_enough(tmp_path: Path) -> None:
    """Only the containers, or only a node's folder, as somebody sends them."""
    put(tmp_path / "a", DRIVER.partition("/")[2], "java.lang.OutOfMemoryError: Java heap space\n")
    assert judge(gather.gather_tree(tmp_path / "a")).cause == "out-of-memory-driver"
    put(tmp_path / "b", "i-0b22a22eec53224bd/bootstrap-actions/1/stderr", "error: Hash mismatch for `numpy==2`\n")
    assert judge(gather.gather_tree(tmp_path / "b")).cause == "bootstrap-hash"


def test_what_was_survived_is_not_the_cause(tmp_path: Path) -> None:
    """Spark starts a lost executor again; the exception that ended the job is another one."""
    lost = (
        "26/11/24 10:01:00 ERROR YarnClusterScheduler: Lost executor 2 on ip-10-0-1-23: Container killed by YARN for "
    )
    lost += "exceeding physical memory limits. 12.1 GB of 12 GB physical memory used.\n"
    raised = f"{HEAD}{OURS}ValueError: a stone\n"
    put(tmp_path, f"{CLUSTER}/steps/{STEP}/stderr.gz", f"Submitting application {APPLICATION}\n")
    put(tmp_path, DRIVER, lost + raised)
    assert judge(gather.gather_tree(tmp_path)).cause == "python-exception"
    gone = f"{HEAD}{OURS}py4j.protocol.Py4JNetworkError: Answer from Java side is empty\n"
    put(tmp_path, DRIVER, 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n' + gone)
    assert judge(gather.gather_tree(tmp_path)).cause == "out-of-memory-driver", "a consequence, not the cause"
