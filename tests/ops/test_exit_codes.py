"""`make help-exit` knows every code that a command can end with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fruits.errors import EXIT_CODES

from ops.core.errors import ExitCode
from ops.core.exit_codes import MEANING, main

OPS = Path(__file__).resolve().parents[2] / "ops"


def test_every_code_in_the_sources_is_explained() -> None:
    """By its name in the one list; as a number only the job's own, which that list holds too."""
    sources = "\n".join(path.read_text() for path in OPS.rglob("*.py"))
    numbers = re.findall(r"exit_code *(?::.*)?= *(\d+)|^ +return (\d+)$", sources, re.MULTILINE)
    written = {int(code) for pair in numbers for code in pair if code}
    assert written <= {0, 1, *EXIT_CODES} <= {0, *MEANING}, written
    named = set(re.findall(r"\bExitCode\.([A-Z_]+)\b", sources))
    assert named == {code.name for code in ExitCode}


def test_every_code_is_printed_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({}) == 0
    printed = capsys.readouterr().out
    told = {int(code) for code in re.findall(r"^\W*(\d+)\b", printed, re.MULTILINE)}
    assert told == set(MEANING)
    assert "the code stands in its last line: Error 22." in printed
