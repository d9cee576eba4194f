"""The console: what is printed can be searched for and copied, on any terminal and in any pipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from ops.core import console as consoles
from ops.core.console import Console

ROOT = Path(__file__).resolve().parents[2]
URI = "s3://fruits-dev-data-123456789012/results/efficientnet_lite0/and/a/deep/path/[red]/é/report.html"
SENTENCE = "memory: a container was killed because it used more than it had asked YARN for"


def printed(*things: object, terminal: bool, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system=None)
    for thing in things:
        console.print(thing)
    assert console.width == columns, "a wide table leaves the console as it was"
    return out.getvalue()


def table() -> Table:
    made = Table("step", "state", "results or cause", title="steps")
    made.add_row("s-1234567890", "COMPLETED", Text(URI))
    made.add_row("s-2", "FAILED", SENTENCE)
    return made


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("columns", [20, 80, 200])
def test_no_word_and_no_path_is_broken(*, terminal: bool, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    text = printed(f"results in {URI}", table(), terminal=terminal, columns=columns, monkeypatch=monkeypatch)
    first, *rows = text.splitlines()
    assert first == f"results in {URI}"
    assert sum(URI in row for row in rows) == 1
    words = " ".join(cell for row in rows for cell in row.split("│")).split()
    assert [word for word in words if word in SENTENCE.split()] == SENTENCE.split()


def test_in_a_pipe_a_row_is_a_line_and_on_a_narrow_terminal_it_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Table("step", "cause")
    made.add_row("s-2", SENTENCE)
    assert SENTENCE in printed(made, terminal=False, columns=40, monkeypatch=monkeypatch)
    assert SENTENCE not in printed(made, terminal=True, columns=40, monkeypatch=monkeypatch)


def test_text_is_printed_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "[bold]Kiwi[/] :banana: 'x' 12 http://a"
    assert printed(text, terminal=True, columns=80, monkeypatch=monkeypatch) == f"{text}\n"


def test_there_is_one_console() -> None:
    """Options that the console has by itself are repeated nowhere, and rich's own console is made nowhere else."""
    for folder in ("ops", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if path == Path(consoles.__file__):
                continue
            assert "from rich.console import" not in text, path
            assert "highlight=False" not in text, path
            assert "soft_wrap=" not in text, path
