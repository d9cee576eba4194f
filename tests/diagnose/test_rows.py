"""Lines that AWS documents or programs print, one each: the row that names them, through a whole log tree.

``rows.txt`` has the cause, the place (as `tests.diagnose.reports` takes it; ``raised`` is an exception that ends a
driver) and the line, with ``\\n`` for a new one.
"""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest

from ops.diagnose import gather, render, table
from ops.diagnose.causes import judge
from ops.diagnose.verdict import Verdict
from tests.diagnose import reports
from tests.diagnose.reports import Report, build

IN_DRIVER = """\
Traceback (most recent call last):
  File "/mnt/tmp/job.py", line 20, in <module>
    frame.count()
  File "/usr/lib/spark/python/lib/py4j-0.10.9.7-src.zip/py4j/protocol.py", line 326, in get_return_value
py4j.protocol.Py4JJavaError: An error occurred while calling o88.count.
: """
LINES = [line.split(" | ", 2) for line in Path(__file__).with_name("rows.txt").read_text().splitlines()]


def judged(place: str, text: str, tree: Path) -> tuple[Verdict, str]:
    raised = place == "raised"
    told = (IN_DRIVER if raised else "") + text.replace("\\n", "\n") + "\n"
    build(Report("line", "documented", "driver" if raised else place, (), "", told), tree)
    evidence = gather.gather_tree(tree)
    verdict = judge(evidence)
    return verdict, render.as_text(evidence, verdict)


@pytest.mark.parametrize(("cause", "place", "text"), LINES, ids=[f"{n}-{line[0]}" for n, line in enumerate(LINES)])
def test_a_line_is_named_and_its_next_command_can_work(cause: str, place: str, text: str, tmp_path: Path) -> None:
    verdict, printed = judged(place, text, tmp_path)
    assert verdict.cause == cause, printed
    if place.startswith(("cluster", "bootstrap")):
        assert "make logs" not in printed.splitlines()[-1], "a cluster that never started has no step's logs"


def test_every_reason_that_emr_has_for_a_clusters_end_is_named(tmp_path: Path) -> None:
    """All codes of the API's own model, with words that nobody knows."""
    emr = botocore.session.get_session().get_service_model("emr")
    for code in emr.shape_for("ClusterStateChangeReasonCode").enum:
        verdict, printed = judged(f"cluster:{code}", "the moon is full", tmp_path / code)
        assert verdict.cause != "unknown", code
        assert "the moon is full" in printed
        assert "make logs" not in printed.splitlines()[-1]


def test_every_row_is_shown_by_some_text() -> None:
    corpus = {path.parent.name for path in (Path(__file__).parent / "corpus").glob("*/manifest.json")}
    shown = {cause for cause, _, _ in LINES} | {name for report in reports.load("seen") for name in report.expect}
    shown |= {_cause_of(name) for name in corpus}
    # what the job says of itself is the same sentence whatever the cause; tests/job has them all
    own = {"model-unusable", "reduction-impossible", "output-unusable", "result-contradicts-input"}
    own |= {"storage-unreachable", "no-executors", "still-running"}  # the second in test_command
    unseen = set(table.NAMES) - shown - own
    assert unseen == set(), (
        "nothing shows that they are recognised: corpus/<case>/ (CONTRIBUTING), or a line of rows.txt"
    )


def _cause_of(name: str) -> str:
    import json

    manifest = Path(__file__).parent / "corpus" / name / "manifest.json"
    return str(json.loads(manifest.read_text())["cause"])
