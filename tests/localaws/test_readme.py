"""What localaws/README.md shows works as it is written there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from localaws.faults import KINDS
from localaws.settings import ROOT, Settings

README = (ROOT / "localaws" / "README.md").read_text(encoding="utf-8")


@pytest.mark.aws
def test_the_example_runs(tmp_path: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    exec(compile(example, "README.md", "exec"), {"folder": tmp_path})


def test_what_it_names_is_there() -> None:
    for row in re.findall(r"^\| (`[^|]+) \|", README.partition("## Modules")[2], re.MULTILINE):
        for name in re.findall(r"`([a-z]+)/?`", row):
            assert (ROOT / "localaws" / name).is_dir() or (ROOT / "localaws" / f"{name}.py").is_file(), name
    faults = re.search(r"FAULT=executor-lost` \(or (.*?), and more\)", README)
    assert faults is not None
    assert set(re.findall(r"`([\w-]+)`", faults[1])) < set(KINDS)
    assert "LOCALAWS_RECORD" in README
    assert Settings.from_environment({"LOCALAWS_RECORD": "calls.jsonl"}).record == "calls.jsonl"
