"""How images are cut into tasks and waves, and what is kept of boundaries: reckoned by hand, no Spark."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
from fruits import planning
from fruits.errors import UsageError
from fruits.listing import choose_part_rows
from fruits.manifests import State
from fruits.parts import Part, group_parts
from fruits.pca import Moments
from fruits.planning import Plan, Sizing, plan_first_run
from fruits.request import Request
from fruits.selection import EVERYTHING, Selection
from fruits.store import Store
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.parametrize(
    ("images", "slots", "sizing"),
    [
        # eight tasks a slot where they are neither small nor large: 100,000 / (16 x 8) = 781.25, in waves of two a slot
        (100_000, 16, Sizing(tasks=32, images_per_task=782, waves=4)),
        # 512 images at least: 10,000 / (4 x 512) = 4.9 rounds
        (10_000, 4, Sizing(tasks=8, images_per_task=500, waves=3)),
        (1_000, 2, Sizing(tasks=2, images_per_task=500, waves=1)),
        # and four batches of four images, below which a task is nothing but its start
        (25, 2, Sizing(tasks=2, images_per_task=16, waves=1)),
        (1, 16, Sizing(tasks=16, images_per_task=16, waves=1)),
        # 4,096 at most: 10,000,000 / (16 x 4,096) = 152.6 rounds
        (10_000_000, 16, Sizing(tasks=32, images_per_task=4085, waves=77)),
        # an image more than three and a half, or 152 and a half, of those: one round more
        (1_793, 1, Sizing(tasks=2, images_per_task=449, waves=2)),
        (624_641, 1, Sizing(tasks=2, images_per_task=4083, waves=77)),
        (5, 1, Sizing(tasks=1, images_per_task=16, waves=1)),
    ],
)
def test_sizes_by_hand(images: int, slots: int, sizing: Sizing) -> None:
    assert Sizing.choose(images, slots) == sizing


@given(st.integers(1, 20_000_000), st.integers(1, 500))
def test_every_image_has_a_place_and_no_slot_waits(images: int, slots: int) -> None:
    found = Sizing.choose(images, slots)
    assert found.tasks % slots == 0, "a wave is whole rounds of all slots"
    assert found.tasks <= 2 * slots
    assert found.waves * 2 * slots * found.images_per_task >= images
    assert found.images_per_task <= 4096 * 1.5
    if images >= 512 * 8 * slots:
        assert found.images_per_task >= 512 / 1.5
        assert found.waves >= 4, "enough tasks that the last ones are a small part"


@given(st.integers(1, 5_000_000), st.integers(1, 100))
def test_in_the_last_wave_slots_end_together(images: int, slots: int) -> None:
    sizing = Sizing.choose(images, slots)
    in_wave = -(-images // sizing.waves)
    turns = sizing.take_turns(in_wave, slots, is_last=True)
    images_by_task = [in_wave * turns.count(task) / len(turns) for task in range(max(turns) + 1)]
    assert sorted(set(turns)) == list(range(len(images_by_task))), "every task has a turn"
    assert images_by_task == sorted(images_by_task, reverse=True), "Spark starts the first ones first"
    assert images_by_task[0] <= sizing.images_per_task + 1
    assert len(images_by_task) <= 4 * slots
    if in_wave >= 128 * slots:
        assert 64 <= images_by_task[-1] <= max(128, in_wave / slots / 8), "what the slowest is waited for"
    assert sizing.take_turns(in_wave, slots, is_last=False) == list(range(-(-in_wave // sizing.images_per_task)))


def test_a_task_of_the_last_wave_has_sixty_four_images_at_least() -> None:
    sizing = Sizing.choose(256, 2)
    assert sizing.take_turns(256, 2, is_last=True) == [0, 1, 2, 3], "a half and a half of each slot's 128"
    assert sizing.take_turns(255, 2, is_last=True) == [0, 1]


NOTHING = State((), (), ())


def local_parts(images: int) -> list[Part]:
    """A local folder's listing: part after part, as `listing.write_local` cuts it."""
    parts: list[Part] = []
    while (left := images - sum(part.rows for part in parts)) > 0:
        parts.append(Part(str(len(parts)), min(left, choose_part_rows(images - left))))
    return parts


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_a_first_run_over_a_local_folder_deals_out_the_listing_itself(images: int, slots: int) -> None:
    parts, store = local_parts(images), Store("listing")
    plan = plan_first_run(parts, store, EVERYTHING, NOTHING, slots)
    assert plan is not None
    assert (plan.images, plan.todo, plan.todo_store, plan.stale, plan.damaged) == (images, parts, store, [], [])
    waves = [sum(part.rows for part in group) for group in group_parts(plan.todo, Sizing.choose(images, slots).waves)]
    assert len(waves) == Sizing.choose(images, slots).waves
    assert max(waves) <= 1.5 * images / len(waves), "no wave is much larger than the others"


def test_a_listing_of_one_large_file_is_dealt_anew() -> None:
    store = Store("listing")
    assert plan_first_run([Part("all", 100_000)], store, EVERYTHING, NOTHING, 16) is None
    assert plan_first_run([Part("few", 100)], store, EVERYTHING, NOTHING, 16) is not None, "a single wave"
    uneven = [Part("large", 60_000), *(Part(f"small {i}", 1_000) for i in range(40))]
    assert plan_first_run(uneven, store, EVERYTHING, NOTHING, 16) is None, "one wave would hold more than half"


def test_a_plan_counts_images_and_rows_and_not_files() -> None:
    todo, stale = [Part("a", 2), Part("b", 5)], [Part("c", 4), Part("d", 1), Part("e", 0)]
    plan = Plan(20, todo, Store("todo"), stale, [])
    assert (plan.todo_images, plan.stale_rows) == (7, 5)


def test_more_than_sixteen_small_files_and_four_a_slot_are_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def merge(_: object, small: list[Part], files: int, *__: object) -> SimpleNamespace:
        asked.append((len(small), files))
        return SimpleNamespace(collect=lambda: [SimpleNamespace(part="merged", rows=1)])

    monkeypatch.setattr(planning, "map_parts", merge)
    monkeypatch.setattr(Part, "from_row", lambda row: Part(row.part, row.rows))

    def merged(files: int, rows: int, slots: int) -> object:
        state = State((), tuple(Part(f"{i}", rows) for i in range(files)), ())
        return planning.merge_small(cast("SparkSession", None), Store("output"), state, slots)

    assert [merged(16, 255, 4), merged(20, 255, 5), merged(40, 256, 2)] == [None] * 3
    assert merged(17, 255, 4) == merged(21, 255, 5) == ([Part("merged", 1)], [])
    assert asked == [(17, 2), (21, 2)], "4,335 and 5,355 rows, 4,096 a file"


def test_what_is_there_or_chosen_is_compared() -> None:
    parts, store = local_parts(1000), Store("listing")
    some = State((), (Part("features", 5),), ())
    assert plan_first_run(parts, store, EVERYTHING, some, 2) is None
    assert plan_first_run(parts, store, EVERYTHING, State((), (), (Part("rejects", 1),)), 2) is None
    assert plan_first_run(parts, store, Selection(("Banana",)), NOTHING, 2) is None


def moments(rows: int, bad: int) -> Moments:
    x = np.arange(3.0 * (rows + bad)).reshape(rows + bad, 3) ** 1.5
    x[rows:] = np.nan
    return Moments.from_rows(x)


@pytest.mark.parametrize(("one", "other"), [((4, 1), (3, 2)), ((0, 3), (5, 1)), ((5, 1), (0, 3)), ((0, 2), (0, 3))])
def test_rows_that_are_not_finite_are_counted_on_both_sides(
    one: tuple[int, int], other: tuple[int, int], tmp_path: Path
) -> None:
    store = Store(str(tmp_path))
    merged = Moments.load_total(store, [moments(*one).write(store), moments(*other).write(store)])
    assert merged is not None
    assert merged.n == one[0] + other[0]
    assert merged.bad == one[1] + other[1]


@pytest.mark.parametrize("size", [32, 33, 1023, 1024])
def test_image_sizes_that_are_allowed(size: int) -> None:
    assert Request(input="a", output="b", image_size=size).image_size == size


@pytest.mark.parametrize("size", [31, 1025])
def test_image_sizes_that_are_not(size: int) -> None:
    with pytest.raises(
        UsageError, match=rf"image_size is {size} pixels\. Fix: IMAGE_SIZE= \(--image-size\) between 32 and 1024\."
    ):
        Request(input="a", output="b", image_size=size)


@pytest.mark.parametrize("rate", [0, 0.5, 1])
def test_reject_rates_that_are_allowed(rate: float) -> None:
    assert Request(input="a", output="b", max_reject_rate=rate).max_reject_rate == rate


@pytest.mark.parametrize("rate", [-0.01, 1.01, float("nan"), float("inf")])
def test_reject_rates_that_are_not(rate: float) -> None:
    with pytest.raises(UsageError, match="Fix: "):
        Request(input="a", output="b", max_reject_rate=rate)
