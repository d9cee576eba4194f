"""Run the commands whose output a page shows, and paste what they print: ``python -m tools.paste_outputs``.

Needed when such a command prints something else. A page marks the block by a comment before it: ``<!-- output of: make
run-local -->``, in one line.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "tutorial.md",)
MARK = re.compile(
    r"(<!-- output of: (?P<command>[^\n]+?) -->\n```\n)(?P<output>.*?)(?=^```$)", re.DOTALL | re.MULTILINE
)


def mask_output(printed: str) -> str:
    """An output without terminal codes and without the path of this checkout."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed).replace("\r", "")
    return "\n".join(line.rstrip() for line in plain.replace(f"{ROOT}/", "").strip().splitlines()) + "\n"


def run_command(command: str) -> str:
    """What a command prints in the root of the checkout; raises CalledProcessError when it fails."""
    completed = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return mask_output(completed.stdout)


def paste_outputs(page: str) -> str:
    """The page with the output of a new run in every marked block."""
    return MARK.sub(lambda match: match[1] + run_command(match["command"]), page)


def main() -> int:
    """Write every page anew. Exit code: 0."""
    for page in PAGES:
        page.write_text(paste_outputs(page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
