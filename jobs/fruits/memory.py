"""What driver and workers may hold: the containers that they run in, where Spark says how large these are.

YARN and Kubernetes kill a container that grows beyond heap and overhead; the machine's own memory says nothing there.
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
"""A worker with the network loaded; it keeps it while it sums and projects."""
JVM_HEAP, JVM_OTHER = 1024 * MIB, 512 * MIB
"""What a JVM that handles nothing but paths is left of its container: of its heap, and beside it."""
_UNITS = {"": MIB, "b": 1, "k": 1 << 10, "m": MIB, "g": 1 << 30, "t": 1 << 40}
_CGROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def parse_size(text: str) -> int:
    """A size as Spark writes it; a bare number counts MiB.

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
    """Bytes that this process holds now; 0 where the system does not say it."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


@dataclass(frozen=True)
class Room:
    """Bytes for the driver's Python, and for one worker's, beside what both hold already."""

    driver: int
    worker: int

    @classmethod
    def from_settings(cls, setting: Setting, slots: int) -> Room:
        """The room that Spark's settings give driver and worker; that of this machine where they name no container.

        Parameters
        ----------
        setting : callable
            Spark's setting of a name, or the default given with it: ``spark.conf.get``.
        slots : int
            Tasks at once; on a local master all of them share this machine with the driver.
        """
        contained = setting("spark.master", "").startswith(("yarn", "k8s"))
        free = read_machine_memory() - read_resident_memory()
        driver, worker = free, free // max(slots, 1)
        if contained:
            cores = max(1, int(setting("spark.executor.cores", "1")))
            worker = _container_memory(setting, "executor") // cores
            if limit := setting("spark.executor.pyspark.memory", ""):
                worker = parse_size(limit) // cores
            if setting("spark.submit.deployMode", "") == "cluster":
                driver = _container_memory(setting, "driver") - read_resident_memory()
        return cls(max(driver, 0), max(worker - NETWORK, 0))

    def require(self, d: int) -> None:
        """Refuse features that are too many for a PCA here.

        Raises
        ------
        ReductionError
            Saying whose memory is too small.
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


def _container_memory(setting: Setting, role: str) -> int:
    """What a container of Spark's leaves to Python."""
    heap = parse_size(setting(f"spark.{role}.memory", "1g"))
    overhead = parse_size(setting(f"spark.{role}.memoryOverhead", "0")) or max(384 * MIB, heap // 10)
    return heap + overhead - min(heap, JVM_HEAP) - JVM_OTHER
