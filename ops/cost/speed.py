"""How many images a vCPU featurizes in a second: as a run on AWS measured, or as the benchmark did."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from fruits.wording import format_count

from ops.core.errors import OperatorError
from ops.core.paths import ROOT

BENCH = ROOT / "benchmarks" / "results" / "bare.json"
LEAST_IMAGES = 1000
"""A run over fewer images tells more of its start than of its speed."""
VCPU = Decimal("0.5")
"""Of a core, as the benchmark counts cores: a vCPU of EC2's Intel and AMD types is one of a core's two threads."""


@dataclass(frozen=True)
class Speed:
    """Images per second and vCPU, where that comes from, and whether a step of it is inferred."""

    per_vcpu: Decimal
    source: str
    inferred: bool


BASE = "m6i and m6a"
PROCESSORS: tuple[tuple[str, tuple[str, ...], Decimal, str], ...] = (
    (BASE, ("m6i", "c6i", "r6i", "m6a"), Decimal(1), "as the benchmark's machine"),
    ("m5, c5, r5", ("m5", "c5", "r5"), 1 / Decimal("1.15"), "AWS: m6i is up to 15% faster"),
    ("m7i, c7i", ("m7i", "c7i"), Decimal("1.15"), "AWS: up to 15% faster than m6i"),
    ("m6g, c6g, r6g", ("m6g", "c6g", "r6g"), 1 / Decimal("1.25"), "AWS: m7g is up to 25% faster"),
    ("m7g, c7g", ("m7g", "c7g"), Decimal(1), "not measured: taken as m6i"),
)
"""Families by processor, in single precision against the benchmark's half core; only a run on AWS measures them."""
BF16 = {"m7i, c7i": Decimal(198) / 90}
"""What ``PRECISION=bf16`` multiplies it by: measured on two cores of a Xeon with AMX (docs/performance.md)."""


def read_bench_speed(path: Path = BENCH) -> Speed:
    """From the benchmark of the job on bare cores; half of it, because a vCPU is half a core.

    Raises
    ------
    OperatorError : the file is not there, or not what `make bench` writes
    """
    rate, cores, measured, _ = _read_bench(path)
    text = f"make bench of {measured}, {rate / cores:.0f} images/s per core, halved for a vCPU"
    return Speed(rate / cores * VCPU, text, inferred=True)


def _read_bench(path: Path) -> tuple[Decimal, Decimal, str, Decimal]:
    """The job's images per second, cores, the day, and the job's share of what bare loops do on them."""
    try:
        record = json.loads(path.read_text())
        rate = Decimal(str(record["series"]["the job"]["median"]))
        cores = Decimal(str(record["settings"]["loops"]))
        return rate, cores, str(record["measured"])[:10], Decimal(str(record["checks"][0]["value"])) / 100
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        raise OperatorError(
            f"the measured speed cannot be read from {path.name} ({type(error).__name__}: {error}). Fix: make bench."
        ) from error


def read_job_share(path: Path = BENCH) -> Decimal:
    """Of what bare loops do on the same cores, the job does this.

    Raises
    ------
    OperatorError : as `read_bench_speed`
    """
    return _read_bench(path)[3]


def convert_core_rate(rate: float) -> Speed:
    """From what one core of this machine did with bare network and decoder; half of it, because a vCPU is half a core.

    Parameters
    ----------
    rate : images per second
    """
    return Speed(
        Decimal(str(rate)) * read_job_share() * VCPU, "measured here on a sample, halved for a vCPU", inferred=True
    )


def estimate_types_speed(types: Iterable[str], precision: str = "f32", path: Path = BENCH) -> Speed:
    """Of the slowest processor that a list of types may bring: the benchmark's speed, scaled by what AWS says.

    In bf16 it is twice that on processors which have it; the others would refuse the run.

    Raises
    ------
    OperatorError : the benchmark's result cannot be read
    """
    base = read_bench_speed(path)
    families = {type_name.split(".")[0] for type_name in types}
    processors = [row for row in PROCESSORS if families & set(row[1])]
    name, _, factor, why = min(processors, key=lambda row: row[2], default=PROCESSORS[0])
    if precision == "bf16" and name in BF16:
        factor, why = factor * BF16[name], f"{why}; in bf16 {BF16[name]:.1f} times that, measured"
    return Speed(base.per_vcpu * factor, f"{base.source}; {name}: {why}", inferred=True)


def compute_families(path: Path = BENCH) -> dict[str, Any]:
    """Images per second and vCPU by precision and family, and of the slowest: what infra/modules/sizing reads.

    Raises
    ------
    OperatorError : the benchmark's result cannot be read
    """
    base = read_bench_speed(path).per_vcpu
    rates = {
        precision: {
            family: float(round(base * factor * times, 1))
            for name, families, factor, _ in PROCESSORS
            if (times := Decimal(1) if precision == "f32" else BF16.get(name))
            for family in families
        }
        for precision in ("f32", "bf16")
    }
    return {**rates, "slowest": min(rates["f32"].values())}


def list_processors(path: Path = BENCH) -> list[str]:
    """The speed of each processor, for a reader: ``m7i, c7i ~91, in bf16 ~200``."""
    base = read_bench_speed(path)
    texts = []
    for name, _, factor, _ in PROCESSORS:
        rate = base.per_vcpu * factor
        bf16 = f" (~{rate * BF16[name]:.0f} with PRECISION=bf16, the ratio measured)" if name in BF16 else ""
        texts.append(f"{name} ~{rate:.0f}{bf16}")
    return texts


def find_measured_speed(runs: Iterable[tuple[str, Mapping[str, Any]]]) -> Speed | None:
    """From the newest of some runs on AWS that featurized enough; None where none did.

    Parameters
    ----------
    runs : when (sorting like time) and the run's ``images_featurized_now``, ``images_per_second`` and ``slots``
    """
    good = [
        (when, run)
        for when, run in runs
        if (run.get("images_featurized_now") or 0) >= LEAST_IMAGES and run.get("images_per_second") and run.get("slots")
    ]
    if not good:
        return None
    when, run = max(good, key=lambda pair: pair[0])
    per_vcpu = Decimal(str(run["images_per_second"])) / Decimal(str(run["slots"]))
    images, vcpus = format_count(run["images_featurized_now"], "image"), format_count(run["slots"], "vCPU")
    text = f"the run of {when[:16].replace('T', ' ')}, {images} on {vcpus}"
    return Speed(per_vcpu, text, inferred=False)
