"""Each room says at its door what its modules are for."""

from __future__ import annotations

import ast
import re

import pytest

from ops.core.paths import ROOT

ROOMS = ("aws", "core", "job", "lifecycle", "terraform")


@pytest.mark.parametrize("room", ROOMS)
def test_the_door_names_every_module_and_no_other(room: str) -> None:
    folder = ROOT / "ops" / room
    head = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    named = set(re.findall(r"`(\w+)`", head))
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert named == modules
