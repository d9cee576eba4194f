"""How high the house of ops is: what stands on each other, counted from what stands on nothing."""

from __future__ import annotations

from functools import cache

import grimp
import pytest

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
