"""A percent sign follows its number at once, in every English text; French sets a space before it. Below a second."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("[A-Z]*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"]
SOURCES = [path for room in ("jobs", "ops", "sample") for path in (ROOT / room).rglob("*.py")]
TEMPLATES = [*(ROOT / "jobs").rglob("*.html"), *(ROOT / "jobs").rglob("*.js"), *(ROOT / "ops").rglob("*.html")]
APART = re.compile(r"\d %(?!\w)")


def printed(source: str) -> Iterator[str]:
    """The texts of a module but its docstrings, a 0 for each value that is put into them."""
    tree = ast.parse(source)
    left_out: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            left_out.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            left_out |= {id(part) for part in node.values}
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "0" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out:
            yield node.value


def test_pages() -> None:
    apart = {page.name: APART.findall(page.read_text()) for page in PAGES if not page.name.endswith(".fr.md")}
    assert len(apart) > 20
    assert {name: texts for name, texts in apart.items() if texts} == {}


def test_what_is_printed() -> None:
    texts = [(path.name, text) for path in SOURCES for text in printed(path.read_text())]
    assert len(texts) > 5000
    assert [(name, text) for name, text in texts if APART.search(text)] == []


def test_the_reports_page() -> None:
    """There a number is what stands between braces, `{{ share }}` or `${share}`."""
    apart = re.compile(r"[\d}] %(?=[`\"'<.,:; ] ?\D)")
    assert [(path.name, text) for path in TEMPLATES for text in apart.findall(path.read_text())] == []


@pytest.mark.parametrize(
    ("source", "is_apart"), [('x = "95 % of"', True), ('f"{x} %"', True), ('f"{x}%"', False), ("3 % 2", False)]
)
def test_the_rule_itself(source: str, is_apart: bool) -> None:
    assert any(map(APART.search, printed(source))) == is_apart
