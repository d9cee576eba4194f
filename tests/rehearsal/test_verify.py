"""`make verify-aws` rehearsed on an embedded AWS (four minutes), and broken off while it makes a cluster (two)."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from localaws.java import find_java_home
from ops.verify.assumptions import TABLE
from ops.verify.extras import EXTRAS
from tests.rehearsal.clones import TYPED_ALONE, Clone, clone_into, is_open, port_of
from tools.record_calls import FOLDER, RECORDED, parse_rights

pytestmark = [
    pytest.mark.aws,
    pytest.mark.slow,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]
# The embedded AWS has nothing of these; nobody is a member of the operators' group there.
NOT_ASKED_FOR = {"idle-end" if name == "idle" else name for name in EXTRAS} | {"bill"}
ABSENT = {"endpoint-packages", "executors", "master-on-demand", "memory-watched", "wheels", "metadata"} | NOT_ASKED_FOR
MAY_BE_ABSENT = {"endpoint-refuses", "interfaces", "operator"}


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Clone]:
    made = clone_into(tmp_path / "clone")
    try:
        yield made
    finally:
        made.types("local-down", timeout=300)


def test_every_check_runs_and_what_is_imitated_is_not_called_verified(clone: Clone) -> None:
    code, printed = clone.types("verify-aws", timeout=840)
    assert code == 0, printed
    assert clone.typed == TYPED_ALONE - {"demo"}
    page = next((clone.folder / "runs/local/verify").glob("*.md"))
    record = json.loads(page.with_suffix(".json").read_text())
    verdicts = {row["id"]: row["verdict"] for row in record["assumptions"]}
    assert set(verdicts) == {assumption.id for assumption in TABLE}
    open_ = {name for name, verdict in verdicts.items() if verdict == "open"}
    assert ABSENT <= open_ <= ABSENT | MAY_BE_ABSENT, record["assumptions"]
    assert {verdict for name, verdict in verdicts.items() if name not in open_} == {"rehearsed"}
    assert record["stopped"] is None
    assert "a rehearsal, which verifies nothing of AWS" in page.read_text()
    assert "123456789012" not in page.read_text() + page.with_suffix(".json").read_text()
    assert "nothing of it is left" in printed
    assert not is_open(port_of(printed))
    clone.assert_nothing_runs()
    if FOLDER not in os.environ:  # the record is not being renewed
        assert set(clone.recording.rights()) - set(parse_rights(RECORDED.read_text())) == set()


def test_the_idle_watch_ends_a_cluster_that_is_looked_at_with_more(clone: Clone) -> None:
    code, printed = clone.types("verify-aws", "WITH=idle,ssm,nat,one-node", timeout=840)
    assert code == 0, printed
    record = json.loads(next((clone.folder / "runs/local/verify").glob("*.json")).read_text())
    verdicts = {row["id"]: row["verdict"] for row in record["assumptions"]}
    seen = ("idle-limit", "idle-end", "after-end", "emr-endpoint", "leftovers")
    assert {verdicts[name] for name in seen} == {"rehearsed"}
    assert verdicts["clock"] == "open", "one of the two ends a cluster"
    idle = record["evidence"]["extras"]["idle"]
    assert (idle["state"], idle["seconds"] <= idle["limit"] + 900) == ("TERMINATED", True)
    assert "broken" not in verdicts.values()
    assert "nothing of it is left" in printed
    clone.assert_nothing_runs()


def test_ctrl_c_removes_what_was_made_and_leaves_a_record(clone: Clone) -> None:
    process = clone.make("verify-aws", LOCALAWS_EXECUTE="0")
    assert process.stdout is not None
    said = ""
    while "storage applied" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "interrupted; removing what was made" in rest
    assert "nothing of it is left" in rest
    record = json.loads(next((clone.folder / "runs/local/verify").glob("*.json")).read_text())
    assert record["stopped"] == "interrupted"
    assert {name: things for name, things in record["evidence"]["left"].items() if things} == {}
    assert {row["verdict"] for row in record["assumptions"] if row["id"] != "leftovers"} == {"open"}
    clone.assert_nothing_runs()
