"""`make demo` as the README's first command is typed, in a fresh clone that is set up (two to three minutes each)."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws.java import find_java_home
from sample.draw import FRUITS
from tests.rehearsal.clones import TYPED_ALONE, Clone, clone_into, is_open, port_of

pytestmark = [
    pytest.mark.aws,
    pytest.mark.slow,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    made = clone_into(tmp_path / "clone")
    try:
        yield made
    finally:
        made.types("local-down", timeout=300)


def test_one_command_leads_from_nothing_to_results_and_back_to_nothing(clone: Clone) -> None:
    code, printed = clone.types("demo")
    assert code == 0, printed
    assert clone.typed == TYPED_ALONE - {"verify-aws"}
    report = "runs/local/efficientnet_lite0/report.html"
    first = (
        "demo: apply, upload, run-step, results and destroy on an AWS embedded in this machine; about 3 minutes on two"
    )
    assert printed.index(first) < printed.index("storage applied")
    assert "It downloads nothing: the wheels of a node are here." in printed or "some 530 MB, once." in printed
    assert re.search(r"^demo done in \d+ s; nothing was billed$", printed, re.MULTILINE), printed
    assert re.search(rf"^report +(xdg-open|open) {re.escape(report)}$", printed, re.MULTILINE), printed
    assert printed.splitlines()[-1].startswith("next      make run-local INPUT=folder")
    assert "the embedded sample, drawn (not photographed): 200 images of 8 fruits, 200 uploaded" in printed
    assert "200 of 8 classes, none rejected" in printed
    price = r"^price +on AWS the same run would have cost about 0\.\d\d to 0\.\d\d USD \(0\.\d\d to 0\.\d\d EUR\)"
    assert re.search(price, printed, re.MULTILINE)
    assert printed.count(" USD (") == 1, "one price"
    assert re.search(r"^\[ *\d+\.\d s\] featurizing", printed, re.MULTILINE), "it shows how far it is"

    folder = clone.folder / "runs/local/efficientnet_lite0"
    run = json.loads((folder / "run.json").read_text())
    assert (run["images_in"], run["images_ok"], run["images_rejected"]) == (200, 200, 0)
    assert {fruit: counts["ok"] for fruit, counts in run["classes"].items()} == dict.fromkeys(FRUITS, 25)
    with (folder / "pca/scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["path"] for row in rows}) == 200
    assert len({row["label"] for row in rows}) == 8
    assert "<html" in (folder / "report.html").read_text()[:500].lower()

    order = ["storage applied", "cluster j-", "cluster destroyed", "the embedded AWS is stopped", "demo done"]
    places = [printed.index(words) for words in order]
    assert places == sorted(places)
    assert not is_open(port_of(printed))
    clone.assert_nothing_runs()


def test_ctrl_c_leaves_no_process_and_no_cluster(clone: Clone) -> None:
    process = clone.make("demo")
    assert process.stdout is not None
    said = ""
    while "starting Spark" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    assert len(clone.processes()) > 2
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to make and to what it runs
    rest, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "cluster destroyed" in rest
    assert "the embedded AWS is stopped; nothing is left running" in rest
    assert "demo done" not in rest
    assert "make watch" not in rest, "there is nothing left to watch"
    assert not is_open(port_of(said))
    clone.assert_nothing_runs()


def test_a_primary_alone_leads_there_too(clone: Clone) -> None:
    """One node: Terraform applies it, the step runs on it, and nothing is left; the default of ENV=dev."""
    (clone.folder / "infra" / "env" / "local.cluster.tfvars").write_text("core = { units = 0 }\n")
    code, printed = clone.types("demo")
    assert code == 0, printed
    assert "200 of 8 classes, none rejected" in printed
    assert re.search(
        r"^price +on AWS the same run would have cost about 0\.\d\d to 0\.\d\d USD .*: 1 node, ", printed, re.M
    )
    clone.assert_nothing_runs()
