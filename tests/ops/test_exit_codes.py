"""`make help-exit` knows every code that a command can end with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ops.core.exit_codes import MEANING, main

OPS = Path(__file__).resolve().parents[2] / "ops"


def test_every_code_in_the_sources_is_explained() -> None:
    found = {
        int(code)
        for path in OPS.rglob("*.py")
        if "localaws" not in path.parts  # a server, not a command
        for code in re.findall(r"exit_code *(?::.*)?= *(\d+)|^ +return (\d+)$", path.read_text(), re.MULTILINE)
        for code in code
        if code
    }
    assert found >= {1, 2, 20, 130}
    assert found <= MEANING.keys()


def test_every_code_is_printed_with_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main({}) == 0
    printed = capsys.readouterr().out
    told = {int(code) for code in re.findall(r"^\W*(\d+)\b", printed, re.MULTILINE)}
    assert told == set(MEANING)
    assert "the code stands in its last line: Error 22." in printed
