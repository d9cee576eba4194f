"""Every link in the documents leads somewhere: files, headings, paths that stand in the text. Nothing is fetched."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

REPO = Path(__file__).resolve().parents[2]
FOLDERS = "benchmarks|bootstrap|docs|infra|jobs|notebooks|ops|tests"
# what a run or an account makes, and what a reader is told to replace
MADE_LATER = re.compile(r"[<>{}*…]|^docs/verified/|^infra/env/dev\.\w+\.tfvars")
MARKDOWN = MarkdownIt("commonmark").enable("table")


def documents() -> list[Path]:
    """Markdown files that git knows or would add; all, where there is no git (a copy of the checkout)."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    told = subprocess.run(asked, cwd=REPO, check=False, capture_output=True, text=True)
    found = [REPO / line for line in told.stdout.splitlines()] if told.returncode == 0 else []
    kept = ("build", "runs", "data", ".venv", "node_modules")
    return [p for p in found or sorted(REPO.rglob("*.md")) if p.exists() and not {*p.relative_to(REPO).parts} & {*kept}]


def slug(heading: str) -> str:
    """The anchor that GitHub makes of a heading.

    ``A step failed, `make logs` `` gives ``a-step-failed-make-logs``.
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def tokens(text: str) -> list[Token]:
    return [token for block in MARKDOWN.parse(text) for token in [block, *(block.children or [])]]


def anchors(text: str) -> set[str]:
    parsed = MARKDOWN.parse(text)
    return {slug(parsed[i + 1].content) for i, token in enumerate(parsed) if token.type == "heading_open"}


def dead_links(document: Path) -> list[str]:
    """Links and pictures of a document whose file or heading is not there."""
    dead = []
    for token in tokens(document.read_text()):
        target = str(token.attrGet("href") or token.attrGet("src") or "")
        if not target:
            continue
        parts = urlsplit(target)
        if parts.scheme in ("http", "https"):
            if "." not in parts.netloc:
                dead.append(target)
            continue
        place = document if not parts.path else (document.parent / unquote(parts.path)).resolve()
        heading = parts.fragment if place.suffix == ".md" else ""
        if parts.scheme or not place.exists() or (heading and heading not in anchors(place.read_text())):
            dead.append(target)
    return dead


def dead_paths(document: Path) -> list[str]:
    """Paths of this repository that stand in a document's text and are not there, from its root or from its folder."""
    text = "\n".join(t.content for t in tokens(document.read_text()) if t.type in ("text", "code_inline"))
    named = {found.rstrip(".") for found in re.findall(rf"(?<![\w/.:-])(?:{FOLDERS})/[\w./*<>{{}}…-]*\w[/\w]*", text)}
    bases = (REPO, document.parent, document.parent.parent)
    return sorted(n for n in named if not MADE_LATER.search(n) and not any((base / n).exists() for base in bases))


def dead_names(document: Path) -> list[str]:
    """Modules and functions (``ops.plan.changes.list_changes``) that a document names as code and are not there."""
    dead = []
    for token in tokens(document.read_text()):
        if token.type != "code_inline" or not re.fullmatch(r"(ops|localaws|tools|sample)(\.\w+)+", token.content):
            continue
        module, name = REPO / token.content.replace(".", "/"), token.content.rpartition(".")[2]
        if module.is_dir() or module.with_suffix(".py").exists():
            continue
        sources = [p for p in (module.parent.with_suffix(".py"), module.parent / "__init__.py") if p.exists()]
        defines = re.compile(rf"^(?:(?:def|class) {name}\b|{name}\b.*=)", re.MULTILINE)
        if not any(defines.search(source.read_text()) for source in sources):
            dead.append(token.content)
    return dead


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(REPO)))
def test_links_and_paths_lead_somewhere(document: Path) -> None:
    assert (dead_links(document), dead_paths(document), dead_names(document)) == ([], [], [])


def test_dead_ones_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A `make` heading, here\n[a](#a-make-heading-here) [b](#none) [c](gone.md) ![d](gone.png) [e](https://nowhere)\n"
        "[f](page.md#a-make-heading-here), ops/gone.py, `docs/gone.md` and s3://x/docs/y are named.\n"
        "`ops.plan.changes`, `ops.plan.changes.list_changes`, `ops.plan.changes.gone` and `ops.gone.main` are code.\n"
    )
    assert dead_links(page) == ["#none", "gone.md", "gone.png", "https://nowhere"]
    assert dead_paths(page) == ["docs/gone.md", "ops/gone.py"]
    assert dead_names(page) == ["ops.plan.changes.gone", "ops.gone.main"]
