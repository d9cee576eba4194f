"""How images are cut into tasks and waves, and what is kept of boundaries: reckoned by hand, no Spark."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fruits.errors import UsageError
from fruits.pca import Moments
from fruits.planning import Sizing
from fruits.request import Request
from fruits.store import Store
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("images", "slots", "sizing"),
    [
        # eight tasks a slot where they are neither small nor large: 100,000 / (16 x 8) = 781.25, in waves of two a slot
        (100_000, 16, Sizing(tasks=32, images_per_task=782, waves=4)),
        (10_000, 4, Sizing(tasks=8, images_per_task=313, waves=4)),
        # 256 images at least: 1,000 / (2 x 256) = 1.95 rounds
        (1_000, 2, Sizing(tasks=4, images_per_task=250, waves=1)),
        # and four batches of four images, below which a task is nothing but its start
        (25, 2, Sizing(tasks=2, images_per_task=16, waves=1)),
        (1, 16, Sizing(tasks=16, images_per_task=16, waves=1)),
        # 4,096 at most: 10,000,000 / (16 x 4,096) = 152.6 rounds
        (10_000_000, 16, Sizing(tasks=32, images_per_task=4085, waves=77)),
    ],
)
def test_sizes_by_hand(images: int, slots: int, sizing: Sizing) -> None:
    assert Sizing.of(images, slots) == sizing


@given(st.integers(1, 20_000_000), st.integers(1, 500))
def test_every_image_has_a_place_and_no_slot_waits(images: int, slots: int) -> None:
    found = Sizing.of(images, slots)
    assert found.tasks % slots == 0, "a wave is whole rounds of all slots"
    assert found.tasks <= 2 * slots
    assert found.waves * 2 * slots * found.images_per_task >= images
    assert found.images_per_task <= 4096 * 1.5
    if images >= 256 * 8 * slots:
        assert found.images_per_task >= 256 / 1.5
        assert found.waves >= 4, "enough tasks that the last ones are a small part"


def moments(rows: int, bad: int) -> Moments:
    x = np.arange(3.0 * (rows + bad)).reshape(rows + bad, 3) ** 1.5
    x[rows:] = np.nan
    return Moments.of(x)


@pytest.mark.parametrize(("one", "other"), [((4, 1), (3, 2)), ((0, 3), (5, 1)), ((5, 1), (0, 3)), ((0, 2), (0, 3))])
def test_rows_that_are_not_finite_are_counted_on_both_sides(
    one: tuple[int, int], other: tuple[int, int], tmp_path: Path
) -> None:
    store = Store(str(tmp_path))
    merged = Moments.total(store, [moments(*one).write(store), moments(*other).write(store)])
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
