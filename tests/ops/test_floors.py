"""How high the house of ops is: what stands on each other, counted from what stands on nothing; and its pictures."""

from __future__ import annotations

import re
import tomllib
from functools import cache

import grimp
import pytest

from ops.core.paths import ROOT

FLOORS = 8


def heights(graph: grimp.ImportGraph) -> dict[str, int]:
    """The floor of each module; a circle would end in a RecursionError."""

    @cache
    def floor(module: str) -> int:
        below = graph.find_modules_directly_imported_by(module) - {module, "ops"}
        return 1 + max((floor(other) for other in below), default=0)

    return {module: floor(module) for module in graph.modules if module != "ops"}


@pytest.mark.parametrize("whole_rooms", [True, False])
def test_the_house_has_few_floors_and_no_stairs_that_lead_round(*, whole_rooms: bool) -> None:
    graph = grimp.build_graph("ops", cache_dir=None)
    for room in sorted(graph.find_children("ops")) if whole_rooms else []:
        graph.squash_module(room)
    floors = heights(graph)
    assert max(floors.values()) <= FLOORS, sorted(floors, key=floors.__getitem__)[-3:]
    assert floors["ops.core" if whole_rooms else "ops.core.errors"] == 1


def rooms(floors: list[str]) -> list[set[str]]:
    return [set(re.findall(r"\w+", floor)) for floor in floors]


def test_both_pictures_of_the_house_show_the_floors_that_the_rules_of_imports_hold() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    [rules] = [rooms(contract["layers"]) for contract in contracts if contract["type"] == "layers"]
    diagram = re.findall(
        r"```mermaid\n.*?^  subgraph ops(.*?)^  end$", (ROOT / "ARCHITECTURE.md").read_text(), re.S | re.M
    )[0]
    boxes = dict(re.findall(r'^ +(\w+)\["(.*?)<br>', diagram, re.MULTILINE))
    [arrows] = re.findall(r"^ +(\w+(?: --> \w+)+)$", diagram, re.MULTILINE)
    assert rooms([boxes.pop(name) for name in arrows.split(" --> ")]) == rules
    assert not boxes
    drawn = re.findall(
        r'<text x="54" y="(\d+)" font-weight="600".*?>(.*?)</text>', (ROOT / "docs/house.svg").read_text()
    )
    assert rooms([name for _, name in sorted(drawn, key=lambda text: int(text[0]))]) == rules
