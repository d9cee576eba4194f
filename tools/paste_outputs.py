"""Run the commands whose output a page shows, and paste what they print: ``python -m tools.paste_outputs``.

A page marks such a block by a comment before it: ``<!-- output of: make run-local -->``.
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
    """The output without terminal codes and without the path of this checkout."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", printed).replace("\r", "")
    return "\n".join(line.rstrip() for line in plain.replace(f"{ROOT}/", "").strip().splitlines()) + "\n"


def run_command(command: str) -> str:
    """What a command prints, from the root of the checkout.

    Raises
    ------
    subprocess.CalledProcessError
        When it fails: a page shows no failure by mistake.
    """
    completed = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return mask_output(completed.stdout)


def paste_outputs(page: str) -> str:
    """The page with the output of a new run in every marked block."""
    return MARK.sub(lambda match: match[1] + run_command(match["command"]), page)


def main() -> int:
    for page in PAGES:
        page.write_text(paste_outputs(page.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
