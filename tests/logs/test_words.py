"""`make logs` of a step that has ended: what its driver wrote first, and no screen of shutdown."""

from __future__ import annotations

import gzip
import io
import re
import time
from pathlib import Path

from ops.cli import logs
from ops.core.console import Console
from ops.logs import words
from ops.logs.reader import FolderLogs

CORPUS = Path(__file__).resolve().parents[1] / "diagnose" / "corpus"


def shown(name: str, lines: int = 60) -> str:
    """What is printed of a kept failure, as it is for a step that has ended."""
    cluster = next(path for path in (CORPUS / name / "tree").iterdir() if path.name.startswith("j-"))
    kept = FolderLogs(cluster)
    step = next((cluster / "steps").iterdir()).name
    out = io.StringIO()
    view = logs.LogPrinter(Console(file=out, width=500), lines)
    for log in logs.sort_by_telling(logs.list_telling_logs(kept, step)):
        view.show(kept, log, time.time())
    return out.getvalue()


def test_the_drivers_words_come_before_the_clients() -> None:
    """In cluster mode the step's own log is the client's, which only says that something failed elsewhere."""
    said = shown("yarn-input-missing")
    assert "PATH_NOT_FOUND" in said
    assert said.index("PATH_NOT_FOUND") < said.index("finished with failed status")
    assert said.index("_000001/stdout") < said.index("_000001/stderr") < said.index("/steps/")


def test_what_the_program_wrote_among_sparks_lines_is_shown_by_itself() -> None:
    said = shown("worker-array-memory", lines=12)
    own = said[said.index("in the program's own words") : said.index("and the log's end")]
    assert "Traceback (most recent call last):" in own or "MemoryError" in own
    assert " INFO " not in own


def test_of_real_drivers_neither_yarns_words_nor_empty_ones_are_the_programs_own() -> None:
    """Of each driver that ran on a real YARN: a log of theirs is mostly diagnostics and commands of executors."""
    count = 0
    for path in CORPUS.glob("yarn-*/tree/j-*/containers/*/*_000001/std*.gz"):
        own = words.extract_own_words(gzip.decompress(path.read_bytes()).decode(errors="replace"))
        assert not re.search(r"^[).\]]+$", own, re.M), path
        for noise in ("Container id:", "Exit code:", "YARN executor launch context", "{{JAVA_HOME}}", "\n\n\n"):
            assert noise not in own, path
        count += "Traceback" in own
    assert count > 5, "and what they wrote is left"


def test_the_shutdown_is_one_line() -> None:
    said = shown("yarn-one-node-lost")
    assert "ShutdownHookManager" not in said
    assert "of the shutdown ...]" in said


def test_a_fold_keeps_every_other_line() -> None:
    """Of each kept log: what is left is what is no shutdown's, in its order."""
    for name in ("yarn-one-node-lost", "yarn-worker-segv", "python-exception"):
        for log in (kept := FolderLogs(CORPUS / name / "tree")).list():
            text = kept.read(log).text
            left = [line for line in words.fold_shutdown(text).split("\n") if not line.endswith("of the shutdown ...]")]
            assert left == [line for line in text.split("\n") if not words._SHUTDOWN.search(line)]
