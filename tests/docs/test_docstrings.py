"""Examples in docstrings give what they say: whoever reads them believes them."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    ".".join(path.relative_to(ROOT / base).with_suffix("").parts)
    for base in ("jobs", ".")
    for folder in (("fruits",) if base == "jobs" else ("ops", "localaws", "sample", "tools", "tests", "benchmarks"))
    for path in sorted((ROOT / base / folder).rglob("*.py"))
    if not path.name.startswith("test_") and ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_example_gives_what_it_says(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0
