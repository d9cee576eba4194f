"""`make docs`: the pages of this repository as a site in build/site, from mkdocs.yml.

Pages link to each other by their places in the repository, as on GitHub. So every page, and every file that a page
links to, is copied to the same place below build/docs, and mkdocs refuses a link that leads nowhere.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

from ops.core.paths import ROOT

PLACE = ROOT / "build" / "docs"
ASSETS = (ROOT / "tools" / "iframe-worker.js", ROOT / "tools" / "site.css")
"""What the site's search needs where the pages are opened from disk, and how its code is wrapped."""
_DIAGRAM = re.compile(r"^```mermaid\n%% on the site: (!\[.*\))$.*?^```$", re.MULTILINE | re.DOTALL)
"""GitHub draws it. The site would fetch mermaid from the internet, so it shows the picture that the comment names."""
_LINK = re.compile(r"\]\(([^)\s#]+)")


def list_documents(root: Path = ROOT) -> list[Path]:
    """The Markdown files that git knows or would add, but for those of hidden folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout.splitlines()
    return [root / line for line in listed if not line.startswith(".") and (root / line).exists()]


def find_linked_files(page: Path) -> set[Path]:
    """The files of the repository that a page links to."""
    targets = [unquote(target) for target in _LINK.findall(page.read_text(encoding="utf-8")) if "://" not in target]
    return {file for target in targets if (file := (page.parent / target).resolve()).is_file()}


def copy_pages(root: Path = ROOT, place: Path = PLACE) -> int:
    """Copy the pages and the files that they link to; returns how many there are."""
    pages = list_documents(root)
    files = {*pages, *(file for page in pages for file in find_linked_files(page))}
    shutil.rmtree(place, ignore_errors=True)
    copies = {file: place / file.relative_to(root) for file in files}
    copies |= {file: place / "assets" / file.name for file in ASSETS}
    for file, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    for page in pages:
        copies[page].write_text(_DIAGRAM.sub(r"\1", page.read_text(encoding="utf-8")), encoding="utf-8")
    return len(files)


if __name__ == "__main__":
    print(f"{copy_pages()} files gathered in {PLACE.relative_to(ROOT)}", file=sys.stderr)
