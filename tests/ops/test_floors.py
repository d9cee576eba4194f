"""How high the house of ops is: modules that stand on each other, counted from those that stand on none."""

from __future__ import annotations

from functools import cache

import grimp

FLOORS = 9


def test_the_house_has_few_floors_and_no_stairs_that_lead_round() -> None:
    graph = grimp.build_graph("ops", cache_dir=None)

    @cache
    def floor(module: str) -> int:
        below = graph.find_modules_directly_imported_by(module) - {module}
        return 1 + max((floor(other) for other in below), default=0)  # a circle would never end: RecursionError

    heights = {module: floor(module) for module in graph.modules}
    assert heights["ops.core.errors"] == 1
    assert max(heights.values()) <= FLOORS, sorted(heights, key=heights.__getitem__)[-3:]
