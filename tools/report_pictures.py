"""Draw the report's pictures for the documents: ``python -m tools.report_pictures runs/sample-…/report.html``.

Needed after a change of the report's page. docs/report.png is what a reader sees first; docs/report-annotated.png is
the same with the numbers that docs/reading-the-report.md explains. Needs Chromium (``CHROMIUM=`` names one).
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ops.core.paths import ROOT

WIDTH, HEIGHT = 1280, 1180
MARKS = (".figures", "#map-bar", "#legend-bar", "#legend", "#map", "#card", "#findings-title")
"""What gets the numbers 1, 2, …, in the order of the page's explanation."""
_BADGE = """([selector, number]) => {
  const box = document.querySelector(selector).getBoundingClientRect();
  const badge = document.createElement("div");
  badge.textContent = number;
  badge.style.cssText = "position:absolute;width:28px;height:28px;border-radius:50%;background:#b3261e;color:#fff;" +
    "font:700 17px/28px sans-serif;text-align:center;z-index:99";
  badge.style.left = `${Math.max(2, box.left + scrollX - 30)}px`;
  badge.style.top = `${box.top + scrollY + 2}px`;
  document.body.append(badge);
}"""


def save_screenshot(page: Page, place: Path) -> None:
    """A screenshot, as small as PNG allows."""
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(place, "PNG", optimize=True)
    print(f"{place.relative_to(ROOT)}: {place.stat().st_size // 1024} KiB")


def main(arguments: list[str]) -> int:
    """Draw the pictures of the report that is named. Exit code: 0."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--headless", "--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(Path(arguments[0]).resolve().as_uri())
        page.wait_for_selector("html[data-ready=yes]", state="attached")
        page.evaluate("window.fruits.choose(119)")
        page.wait_for_timeout(1000)
        save_screenshot(page, ROOT / "docs" / "report.png")
        for number, selector in enumerate(MARKS, 1):
            page.evaluate(_BADGE, [selector, number])
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT + 330})
        page.wait_for_timeout(1000)
        save_screenshot(page, ROOT / "docs" / "report-annotated.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
