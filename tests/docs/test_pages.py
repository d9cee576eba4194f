"""The pages in docs/: what they name exists, and those about other places say what was tried. Below a second."""

from __future__ import annotations

import re
from pathlib import Path

import fruits
import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = sorted(path for path in (ROOT / "docs/elsewhere").glob("*.md") if path.name != "README.md")
PAGES = sorted((ROOT / "docs").rglob("*.md"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9][a-z0-9-]*):", MAKEFILE, re.MULTILINE))
LINES_OF_A_SCREEN = 45
MADE_BY_THE_READER = {
    "docs/verified",
    *(f"infra/env/dev.{stack}.tfvars" for stack in ("storage", "cluster", "operators", "github")),
}
OURS = r"(?:docs|tests|ops|infra|jobs|bootstrap|notebooks|benchmarks)/[\w./*-]*\w|requirements[\w-]*\.(?:txt|in)"


def named(page: Path) -> str:
    return page.relative_to(ROOT / "docs").as_posix()


def fenced(text: str) -> list[str]:
    """What stands in fenced blocks, line by line, continued lines joined."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join(blocks).replace("\\\n", " ").splitlines()


def code_of(text: str) -> list[str]:
    """The lines of fenced blocks, and what stands between single backticks."""
    rest = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*fenced(text), *re.findall(r"`([^`\n]+)`", rest)]


def commands(text: str) -> list[tuple[str, list[str]]]:
    """Target and variables of every make command of a page.

    >>> commands("```\\nAWS_REGION=x make run-local INPUT=s3://b OUTPUT=c  # K=5 too\\n```\\n")
    [('run-local', ['INPUT', 'OUTPUT'])]
    """
    found = []
    command = r"(?:^|&&|;|\(|[A-Z_]=\S*)\s*make(?: -s)? ([a-z0-9-]+)([^#|&;`]*)"
    for line in code_of(text):
        for match in re.finditer(command, line.split(" #")[0]):
            found.append((match[1], re.findall(r"(?:^|\s)([A-Z_]+)=", match[2])))
    return found


def known_variables() -> set[str]:
    """What make hands on, and what the commands read: words in capitals of the Makefile and of ops/."""
    text = MAKEFILE + "".join(path.read_text() for path in (ROOT / "ops").rglob("*.py"))
    fields = re.findall(r'"([a-z_]+)"', (ROOT / "ops/job/local_spark.py").read_text())
    return set(re.findall(r"\b[A-Z][A-Z_]*\b", text)) | {field.upper() for field in fields}


@pytest.mark.parametrize("page", ELSEWHERE, ids=named)
def test_a_page_about_another_place_says_what_was_tested_and_what_not(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.search(r"^\*\*Tested\b.*\S", text, re.MULTILINE)
    assert re.search(r"^\*\*Not tested:\*\* \S", text, re.MULTILINE)
    assert re.search(r"^```", text, re.MULTILINE), "nothing to type"
    lines = text.splitlines()
    assert len(lines) <= LINES_OF_A_SCREEN
    assert max(len(line) for line in lines if not line.startswith("|")) <= 131


def test_the_index_names_every_page() -> None:
    text = (ROOT / "docs/elsewhere/README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\((\S+\.md)\)", text)) == [page.name for page in ELSEWHERE]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_and_their_variables_exist(page: Path) -> None:
    known = known_variables()
    for target, variables in commands(page.read_text(encoding="utf-8")):
        assert target in TARGETS, f"make {target}"
        assert not (unknown := set(variables) - known), f"make {target}: {unknown}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_in_commands_exist(page: Path) -> None:
    """What stands in the text itself test_links.py looks at."""
    typed = "\n".join(fenced(page.read_text(encoding="utf-8")))
    places = set(re.findall(rf"(?<![\w/.:-])({OURS})", typed))
    assert [place for place in sorted(places - MADE_BY_THE_READER) if not list(ROOT.glob(place))] == []


def test_a_command_that_is_not_there_would_be_seen() -> None:
    text = "```\nmake run-locally INPUT=x\n```\nand `make cost IMAGEN=5`"
    assert commands(text) == [("run-locally", ["INPUT"]), ("cost", ["IMAGEN"])]
    assert "run-locally" not in TARGETS
    assert "IMAGEN" not in known_variables()


def test_the_version_is_the_same_wherever_it_stands() -> None:
    version = re.search(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"version: {version[1]}\n" in (ROOT / "CITATION.cff").read_text()
    assert fruits.__version__ == version[1]
    released = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[0] == version[1]
    assert released == sorted(released, reverse=True)
