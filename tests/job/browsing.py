"""Pages in a real browser, without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    sync_playwright = pytest.importorskip("playwright.sync_api", reason="no playwright beside Spark 4").sync_playwright
    with sync_playwright() as playwright:
        if program is None and Path(playwright.chromium.executable_path).exists():
            program = playwright.chromium.executable_path
        if program is None:
            pytest.skip(
                f"needs Chromium: none of {', '.join(PROGRAMS)} is on PATH, playwright has none, CHROMIUM= names none"
            )
        started = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield started
        started.close()


Opened = Callable[..., "Page"]


def open_page(
    browser: Browser,
    path: Path,
    complaints: list[str],
    *,
    width: int = 1280,
    height: int = 900,
    scheme: str = "light",
) -> Page:
    """Open a page from disk; what it says, what fails and what it asks for are complaints."""
    context: Any = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})  # type: ignore[arg-type]
    page: Page = context.new_page()
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(("data:", path.as_uri())) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready=yes]", state="attached", timeout=300_000)
    return page


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    """Open pages from disk; in the end they must have said nothing, failed at nothing and asked for nothing."""
    complaints: list[str] = []
    pages: list[Page] = []

    def open_(path: Path, **options: Any) -> Page:
        pages.append(open_page(browser, path, complaints, **options))
        return pages[-1]

    yield open_
    for page in pages:
        page.context.close()
    assert complaints == []


def numbers(page: Page) -> dict[str, Any]:
    """What the page's figures hold."""
    state: dict[str, Any] = page.evaluate(
        """() => {
          const of = (name) => window.fruits.map.renderers.find((r) => r.name === name).data_source.data;
          return { points: of("images").x.length, shown: [...of("images").alpha].filter((a) => a > 0).length,
                   rings: of("rings").x.length, chosen: window.fruits.chosen(),
                   width: window.fruits.map.x_range.end - window.fruits.map.x_range.start };
        }"""
    )
    return state
