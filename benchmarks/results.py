"""The result of a benchmark: series of values, checks against numbers to reach, the machine; as a table and as JSON."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from ops.core.programs import count_cores as count_cores

PACKAGES = (
    "pyspark",
    "openvino",
    "tensorflow-cpu",
    "tensorflow",
    "ai-edge-litert",
    "onnxruntime",
    "numpy",
    "pyarrow",
    "pillow",
)


class BenchmarkError(Exception):
    """A benchmark cannot be run here; ``str()`` says why, and what to do."""


@dataclass(frozen=True)
class Options:
    """How much to measure.

    Attributes
    ----------
    scratch : Path
        Folder for everything that is written; removed afterwards.
    images : int, optional
        Images (or rows) instead of each benchmark's full number.
    repeats : int
        How often each side is measured.
    say : callable
        Prints a line about what was just measured.
    """

    scratch: Path
    images: int | None = None
    repeats: int = 3
    say: Callable[[str], None] = field(default=lambda _line: None)


@dataclass(frozen=True)
class Series:
    """The repeats of one measurement."""

    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True)
class Check:
    """A number and the bound that it should keep."""

    what: str
    value: float
    unit: str
    bound: float
    at_least: bool

    @property
    def reached(self) -> bool:
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def sentence(self) -> str:
        """The check in one line: value, bound and verdict.

        >>> Check("faster", 9.25, "×", 8, at_least=True).sentence
        'faster: 9.25 × (to reach: ≥ 8 ×) reached'
        """
        sign = "≥" if self.at_least else "≤"
        verdict = "reached" if self.reached else "NOT reached"
        return f"{self.what}: {self.value:.4g} {self.unit} (to reach: {sign} {self.bound:g} {self.unit}) {verdict}"


@dataclass(frozen=True)
class BenchmarkResult:
    """The result of one benchmark.

    Attributes
    ----------
    method : str
        What was measured, and what was left out on both sides.
    series : dict of str to Series
        By side.
    """

    name: str
    title: str
    method: str
    settings: dict[str, Any]
    series: dict[str, Series]
    checks: tuple[Check, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "title": self.title,
            "method": self.method,
            "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": describe_machine(),
            "settings": self.settings,
            "series": {
                name: {"unit": s.unit, "median": round(s.median, 4), "values": [round(v, 4) for v in s.values]}
                for name, s in self.series.items()
            },
            "checks": [
                {**asdict(check), "value": round(check.value, 4), "reached": check.reached} for check in self.checks
            ],
        }

    def write(self, folder: Path) -> Path:
        """Write the result as ``<name>.json``; returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n")
        return path

    def show(self, console: Console) -> None:
        """Print the result as a table, and a line per check."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for heading in ("", "median", "unit", "repeats"):
            table.add_column(heading, justify="right" if heading == "median" else "left")
        for name, series in self.series.items():
            repeats = "  ".join(f"{value:.4g}" for value in series.values)
            table.add_row(name, f"{series.median:.4g}", series.unit, repeats)
        console.print(table)
        for check in self.checks:
            console.print(
                check.sentence, style="green" if check.reached else "bold red", highlight=False, soft_wrap=True
            )


def compute_ratio(above: Series, below: Series) -> float:
    """The ratio of the medians of two series.

    >>> compute_ratio(Series("s", (1.0, 9.0, 4.0)), Series("s", (2.0,)))
    2.0
    """
    if above.unit != below.unit:
        raise ValueError(f"{above.unit} and {below.unit} have no ratio")
    return above.median / below.median


def collect(unit: str, values: Mapping[str, Iterable[float]]) -> dict[str, Series]:
    """Series of one unit, by name."""
    return {name: Series(unit, tuple(measured)) for name, measured in values.items()}


def alternate(sides: Mapping[str, Callable[[], float]], options: Options, *, unit: str) -> dict[str, Series]:
    """Measure each side once, then each side again, …

    Parameters
    ----------
    sides : mapping of str to callable
        Each returns one value in `unit`.
    """
    values: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.repeats):
        for name, measure in sides.items():
            values[name].append(measure())
            options.say(f"{number + 1}/{options.repeats}  {name}: {values[name][-1]:.4g} {unit}")
    return collect(unit, values)


def _read_cpu_name() -> str:
    # model name	: AMD EPYC 7B13
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def describe_machine() -> dict[str, Any]:
    """Describe what the numbers depend on, without the name of a machine or a person."""
    versions = {distribution.name.lower(): distribution.version for distribution in distributions()}
    return {
        "cpu": _read_cpu_name(),
        "cores": count_cores(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "versions": {package: versions[package] for package in PACKAGES if package in versions},
    }
