"""`make docs`: which pages the site has, that no link is broken, and that it needs no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.test_links import documents
from tools import docs_site

ROOT = Path(__file__).resolve().parents[2]
CONFIG = (ROOT / "mkdocs.yml").read_text()
MKDOCS = ROOT / ".venv-docs/bin/mkdocs"
LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}


class Addresses(HTMLParser):
    """What a page loads, what it leads to, and its anchors."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loads: set[str] = set()
        self.leads: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if target := named.get(LOADING.get(tag, "")):
            self.loads.add(target)
        if tag == "a" and (target := named.get("href")):
            self.leads.add(target)
        if name := named.get("id"):
            self.anchors.add(name)


def dead(page: Path, targets: set[str]) -> list[str]:
    """Of a built page's local addresses, those whose file or anchor is not there."""
    found = []
    for target in targets:
        parts = urlsplit(target)
        if parts.scheme:
            continue
        place = (page.parent / unquote(parts.path)).resolve() if parts.path else page
        place = place / "index.html" if place.is_dir() else place
        if not place.is_file() or (
            parts.fragment and place.suffix == ".html" and unquote(parts.fragment) not in Addresses(place).anchors
        ):
            found.append(target)
    return found


def test_the_pages_are_gathered_with_what_they_lead_to(tmp_path: Path) -> None:
    place = tmp_path / "docs"
    count = docs_site.copy_pages(place=place)
    copies = {file.relative_to(place) for file in place.rglob("*") if file.is_file()}
    assert len(copies) == count + len(docs_site.ASSETS)
    expected = {page.relative_to(ROOT) for page in documents() if not page.relative_to(ROOT).parts[0].startswith(".")}
    assert {file for file in copies if file.suffix == ".md"} == expected
    assert {Path("docs/report.png"), Path("LICENSE"), Path("docs/examples/example.cluster.tfvars")} <= copies


def test_a_diagram_that_needs_the_internet_is_a_picture_on_the_site(tmp_path: Path) -> None:
    docs_site.copy_pages(place=tmp_path / "docs")
    page = (tmp_path / "docs/ARCHITECTURE.md").read_text()
    assert "```mermaid" in (ROOT / "ARCHITECTURE.md").read_text()
    assert "mermaid" not in page
    assert re.findall(r"^!\[.*\]\((.*)\)$", page, re.MULTILINE) == ["docs/house.svg"]
    assert (tmp_path / "docs/docs/house.svg").exists()


def test_every_page_of_the_documentation_is_in_the_navigation() -> None:
    named = re.findall(r": (\S+\.md)$", CONFIG, re.MULTILINE)
    assert len(named) == len(set(named))
    assert {path for path in named if not (ROOT / path).exists()} == set()
    written = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {path for path in named if path.startswith("docs/")} == {p for p in written if "docs/verified/" not in p}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    if not MKDOCS.exists():
        pytest.skip("needs .venv-docs: make docs sets it up")
    place = tmp_path_factory.mktemp("site")
    docs_site.copy_pages(place=place / "docs")
    config = place / "mkdocs.yml"
    config.write_text(CONFIG.replace("build/docs", "docs").replace("build/site", "site"))
    subprocess.run([MKDOCS, "build", "--strict", "--quiet", "-f", config], check=True)
    yield place / "site"
    shutil.rmtree(place)


@pytest.mark.slow
def test_no_link_of_the_site_is_broken_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        if page.name == "404.html":
            continue  # its addresses are those of a web server's root
        found = Addresses(page)
        assert [target for target in found.loads if urlsplit(target).scheme in ("http", "https")] == [], page
        assert dead(page, found.loads | found.leads) == [], page


@pytest.mark.slow
def test_a_broken_link_stops_the_build(site: Path, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/README.md").write_text("# A page\n\n[to nowhere](gone.md)\n")
    validation = CONFIG[CONFIG.index("validation:") :]
    (tmp_path / "mkdocs.yml").write_text(f"site_name: x\ndocs_dir: docs\n{validation}")
    ended = subprocess.run(
        [MKDOCS, "build", "--strict", "-f", tmp_path / "mkdocs.yml"], check=False, capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert "gone.md" in ended.stderr


@pytest.mark.slow
def test_the_site_is_searched_from_disk(site: Path) -> None:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
        page = browser.new_page()
        page.on("request", lambda r: asked.append(r.url) if urlsplit(r.url).scheme in ("http", "https") else None)
        page.goto((site / "docs/tutorial.html").as_uri())
        page.locator("input.md-search__input").fill("LocalStack")
        page.wait_for_selector(".md-search-result__item a", state="attached", timeout=300_000)
        hrefs = page.locator(".md-search-result__item a").evaluate_all("all => all.map((a) => a.href)")
        browser.close()
    assert any("faq.html" in href for href in hrefs)
    assert asked == []


def test_the_environment_of_the_site_is_one_of_its_own() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert "$(VENV)-docs/bin/python --require-hashes -r requirements-docs.txt" in makefile
    assert re.search(r"^check: .*\bdocs\b", makefile, re.MULTILINE)
    assert sys.prefix != str(ROOT / ".venv-docs")
