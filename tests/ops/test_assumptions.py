"""The list of assumptions is complete: each sentence that only AWS could confirm names a row that is there."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.core.paths import ROOT
from ops.verify.assumptions import ELSEWHERE, TABLE

IDS = {row.id for row in TABLE} | {row.id for row in ELSEWHERE}
BELIEF = re.compile(
    r"\*open\*(?! is what)|only AWS (?:can|could|would|knows|evaluates|itself)|only an account can"
    r"|AWS does not (?:document|publish|say)|undocumented|not documented by|cannot be known"
    r"|nobody (?:can )?knows? without"
    r"|not (?:been )?(?:verified|confirmed|run|seen) on (?:real )?AWS",
    re.IGNORECASE,
)
SOURCES = ("*.py", "*.tf", "*.sh", "*.md", "*.json", "*.tfvars")
# These say of the list itself, or of every row, that it is one.
ABOUT_THE_LIST = (
    "docs/assumptions.md", "docs/README.md", "ops/verify/", "tests/", "CHANGELOG.md", "README", "infra/operators/",
)  # fmt: skip


def statements() -> Iterator[tuple[str, str]]:
    """Place and text of every paragraph, row or item in code and documents, comment marks left out."""
    listed = subprocess.run(
        ["git", "ls-files", *SOURCES], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split()
    for name in listed:
        text = (ROOT / name).read_text(encoding="utf-8")
        for block in re.split(r"\n\s*\n|\n(?=\s*[-*|] )|(?m:^#+ .*$)", text):
            yield name, " ".join(re.sub(r"(?m)^\s*(?:#|//)\s?", "", block).split())


def test_every_belief_names_its_row() -> None:
    beliefs = [(place, text) for place, text in statements() if BELIEF.search(text)]
    beliefs = [(place, text) for place, text in beliefs if not place.startswith(ABOUT_THE_LIST)]
    assert len(beliefs) >= 10
    nameless = [
        f"{place}: {text[:160]}" for place, text in beliefs if not IDS & set(re.findall(r"`([a-z0-9-]+)`", text))
    ]
    assert nameless == [], "name the row of ops/verify/assumptions.py in backticks, or add one"


def test_every_item_of_the_first_run_names_its_rows() -> None:
    text = (ROOT / "docs/first-run-on-aws.md").read_text()
    items = re.findall(r"(?ms)^- that .*?(?=^- |\n\n)|^- where .*?(?=^- |\n\n)", text.split("## What only AWS can")[1])
    assert len(items) >= 8
    for item in items:
        named = set(re.findall(r"`([a-z0-9-]+)`", item)) & IDS
        assert named, item


def test_rows_have_names_of_their_own_and_oracles_have_tests() -> None:
    assert len(IDS) == len(TABLE) + len(ELSEWHERE)
    for row in ELSEWHERE:
        assert bool(row.oracle) == bool(row.test), row.id
        assert not row.test or (ROOT / row.test).exists(), row.test


@pytest.mark.parametrize("text", ["*Open*: whether it survives.", "which AWS does not document", "only AWS knows"])
def test_a_new_belief_would_be_found(text: str, tmp_path: Path) -> None:
    assert BELIEF.search(text)
