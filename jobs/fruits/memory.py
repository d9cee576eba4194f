"""How much memory driver and workers have: that of their containers, where Spark says how large these are.

YARN and Kubernetes kill a container that grows beyond heap and overhead, however much memory the machine has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fruits import pca
from fruits.errors import ReductionError

Setting = Callable[[str, str], Any]
MIB = 1 << 20
NETWORK = 400 * MIB
"""Memory of a worker with the network loaded, which stays loaded while it sums and projects."""
JVM_HEAP, JVM_OTHER = 1024 * MIB, 512 * MIB
"""What a JVM that handles only paths takes of its container: heap, and memory outside of the heap."""
_UNITS = {"": MIB, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def parse_size(text: str) -> int:
    """Read a size as Spark writes it; a bare number counts MiB.

    >>> parse_size("2g"), parse_size("512"), parse_size("1536MB")
    (2147483648, 536870912, 1610612736)
    """
    match = re.fullmatch(r"\s*(\d+)\s*([bkmgt]?)(?:i?b)?\s*", text.lower())
    return int(match[1]) * _UNITS[match[2]] if match else 0


def read_machine_memory() -> int:
    """Bytes that this machine, or the container this process is in, has."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for name in _CGROUPS:
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue  # another system, or "max"
    return min(limits)


def read_resident_memory() -> int:
    """Bytes that this process holds now; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True)
class Room:
    """Bytes that are free for the driver's Python, and for that of one worker."""

    driver: int
    worker: int

    @classmethod
    def from_settings(cls, setting: Setting, slots: int) -> Room:
        """The room in Spark's containers, or on this machine where there are none.

        Parameters
        ----------
        setting : callable
            From a name and a default to Spark's setting: ``spark.conf.get``.
        slots : int
            Tasks at once; on a local master all of them share this machine with the driver.
        """
        contained = setting("spark.master", "").startswith(("yarn", "k8s"))
        free = read_machine_memory() - read_resident_memory()
        driver, worker = free, free // max(slots, 1)
        if contained:
            cores = max(1, int(setting("spark.executor.cores", "1")))
            worker = _compute_container_memory(setting, "executor") // cores
            if limit := setting("spark.executor.pyspark.memory", ""):
                worker = parse_size(limit) // cores
            if setting("spark.submit.deployMode", "") == "cluster":
                driver = _compute_container_memory(setting, "driver") - read_resident_memory()
        return cls(max(driver, 0), max(worker - NETWORK, 0))

    def require(self, d: int) -> None:
        """Refuse more features than a PCA can have here.

        Raises
        ------
        ReductionError
            When there are more than `pca.MAX_FEATURES`, or the driver's or a worker's memory is too small.
        """
        if d > pca.MAX_FEATURES:
            raise ReductionError(
                f"the network gives {d:,} features per image, and a PCA of more than {pca.MAX_FEATURES:,} is not "
                "supported: their covariance alone takes over 2 GB. Fix: a network that pools its last feature map."
            )
        for owner, available, needed, name in (
            ("the driver", self.driver, pca.estimate_driver_memory(d), "spark.driver.memoryOverhead"),
            ("each worker", self.worker, pca.estimate_worker_memory(d), "spark.executor.memoryOverhead"),
        ):
            if needed > available:
                raise ReductionError(
                    f"the PCA of {d:,} features needs about {needed / 1e9:.1f} GB on {owner}, which has "
                    f"{available / 1e9:.1f} GB left. Fix: a model with fewer features, or more memory (on a cluster "
                    f"{name})."
                )


def _compute_container_memory(setting: Setting, role: str) -> int:
    """Bytes of one of Spark's containers that are left for Python."""
    heap = parse_size(setting(f"spark.{role}.memory", "1g"))
    overhead = parse_size(setting(f"spark.{role}.memoryOverhead", "0")) or max(384 * MIB, heap // 10)
    return heap + overhead - min(heap, JVM_HEAP) - JVM_OTHER
