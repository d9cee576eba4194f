"""Whether a PCA fits: by the containers that Spark asks for, not by the machine beneath them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from fruits import memory, pca
from fruits.errors import ReductionError
from fruits.memory import MIB, Room, parse_size

# as infra/modules/sizing computes them: c5.xlarge, the smallest, and m5.xlarge
C5 = {
    "spark.driver.memory": "1024m",
    "spark.driver.memoryOverhead": "4608m",
    "spark.executor.cores": "2",
    "spark.executor.memory": "1304m",
    "spark.executor.memoryOverhead": "1512m",
}
M5 = {
    "spark.driver.memory": "1024m",
    "spark.driver.memoryOverhead": "4832m",
    "spark.executor.cores": "2",
    "spark.executor.memory": "2048m",
    "spark.executor.memoryOverhead": "3808m",
}
YARN = {"spark.master": "yarn", "spark.submit.deployMode": "cluster"}


@pytest.fixture(autouse=True)
def _a_large_node_and_a_driver_with_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "read_machine_memory", lambda: 64 << 30)
    monkeypatch.setattr(memory, "read_resident_memory", lambda: 1200 * MIB)


def room(settings: Mapping[str, str], slots: int = 8) -> Room:
    return Room.from_settings(lambda name, default: settings.get(name, default), slots)


def refusal(settings: Mapping[str, str], d: int) -> str:
    with pytest.raises(ReductionError) as caught:
        room(settings).require(d)
    return str(caught.value)


@pytest.mark.parametrize("executor", [C5, M5])
@pytest.mark.parametrize("d", [24, 1280, 2048])
def test_the_known_networks_fit_the_smallest_cluster(executor: dict[str, str], d: int) -> None:
    room({**YARN, **executor}).require(d)


def test_4096_features_fit_where_the_workers_have_room() -> None:
    room({**YARN, **M5}).require(4096)
    assert refusal({**YARN, **C5}, 6144) == (
        "the PCA of 6,144 features needs about 0.4 GB on each worker, which has 0.3 GB left. Fix: a model with fewer "
        "features, or more memory (on a cluster spark.executor.memoryOverhead)."
    )


def test_a_driver_is_as_large_as_its_container_not_as_its_node() -> None:
    small = {"spark.driver.memory": "768m", "spark.driver.memoryOverhead": "2048m"}
    assert refusal({**YARN, **M5, **small}, 4096) == (
        "the PCA of 4,096 features needs about 0.7 GB on the driver, which has 0.4 GB left. Fix: a model with fewer "
        "features, or more memory (on a cluster spark.driver.memoryOverhead)."
    )
    room({**YARN, **M5, **small, "spark.submit.deployMode": "client"}).require(4096)  # there it is the node's


@pytest.mark.parametrize("d", [16_384, 65_535])
def test_more_features_than_any_machine_takes_are_refused_everywhere(d: int) -> None:
    assert refusal({"spark.master": "local[8]"}, d) == (
        f"the network gives {d:,} features per image, and a PCA of more than 16,383 is not supported: their covariance "
        "alone takes over 2 GB. Fix: a network that pools its last feature map."
    )


def test_tasks_of_a_laptop_share_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "read_machine_memory", lambda: 8 << 30)
    local = {"spark.master": "local[8,4]"}
    room(local, 8).require(4096)
    with pytest.raises(ReductionError, match="on each worker"):
        room(local, 16).require(4096)


@pytest.mark.parametrize(
    ("settings", "slots", "driver", "worker"),
    [
        # heap and overhead, without 1 GiB of heap and 512 MiB beside it; then 1,200 MiB of driver and 400 of network
        ({**YARN, **M5}, 8, 3120 * MIB, 1760 * MIB),
        ({**YARN, **M5, "spark.executor.cores": "3", "spark.executor.pyspark.memory": "10g"}, 8, 3120 * MIB,
         3_579_139_413 - 400 * MIB),
        # Spark's own overhead: a tenth of the heap, 384 MiB at least; and its own one core
        ({**YARN, "spark.executor.memory": "2g"}, 8, 0, 496 * MIB),
        ({**YARN, "spark.executor.memory": "20000m"}, 8, 0, (22_000 - 1024 - 512 - 400) * MIB),
        ({**YARN, "spark.executor.memory": "20000m", "spark.executor.cores": "7"}, 8, 0,
         (22_000 - 1024 - 512) * MIB // 7 - 400 * MIB),
        # no container: driver and tasks share what is free of 64 GiB
        ({"spark.master": "local[1]"}, 1, 64_336 * MIB, 63_936 * MIB),
        ({"spark.master": "local[8]"}, 8, 64_336 * MIB, (8042 - 400) * MIB),
    ],
)  # fmt: skip
def test_room_by_hand(settings: dict[str, str], slots: int, driver: int, worker: int) -> None:
    assert room(settings, slots) == Room(driver, worker)


def test_what_just_fits_is_taken() -> None:
    d = 1280
    driver, worker = pca.estimate_driver_memory(d), pca.estimate_worker_memory(d)
    Room(driver, worker).require(d)
    Room(1 << 60, 1 << 60).require(16_383)
    for small in (Room(driver - 1, worker), Room(driver, worker - 1)):
        with pytest.raises(ReductionError):
            small.require(d)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2g", 2 << 30),
        ("512", 512 * MIB),
        ("1536MB", 1536 * MIB),
        (" 3 GiB ", 3 << 30),
        ("7k", 7 << 10),
        ("", 0),
        ("100b", 100),
        ("1t", 1 << 40),
    ],
)
def test_sizes_as_spark_writes_them(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_container_may_have_less_than_its_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    limits = {"a": "max", "b": "123456", "c": str(1 << 60)}
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(memory, "_CGROUPS", [str(tmp_path / name) for name in ("missing", *limits)])
    assert memory.read_machine_memory() == 123456
    monkeypatch.setattr(memory, "_CGROUPS", [str(tmp_path / "c")])
    assert memory.read_machine_memory() == psutil.virtual_memory().total
    assert memory.read_resident_memory() == pytest.approx(psutil.Process().memory_info().rss, rel=0.2)
    monkeypatch.setattr(memory, "Path", lambda _: tmp_path / "missing")
    assert memory.read_resident_memory() == 0


@pytest.mark.parametrize(
    ("d", "worker", "driver"),
    [(1_280, 13_107_200 + 64 * MIB, 65_536_000), (20_000, 3_200_000_000 + 81_920_000, 16_000_000_000)],
)
def test_a_pca_needs_one_matrix_in_a_worker_and_five_in_the_driver(d: int, worker: int, driver: int) -> None:
    """A matrix has 8·d² bytes; a worker holds two blocks of 32 MiB, or of 256 rows, beside it."""
    assert (pca.estimate_worker_memory(d), pca.estimate_driver_memory(d)) == (worker, driver)
