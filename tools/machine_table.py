"""`make machine-table`: images against minutes and price on a laptop, on one EC2 machine, one EMR node and a cluster.

Written into docs/elsewhere/one-machine.md between two marks, from what was measured (benchmarks/results), the dated
prices and the dev cluster's plan; a test computes it again. Minutes are of the run; starts are in the dollars only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ops.core.console import Console
from ops.core.errors import OperatorError, TerraformError
from ops.core.paths import ROOT
from ops.core.target import NO_ACCOUNT, Target
from ops.cost import candidates, speed
from ops.prices import table as prices
from ops.terraform.offline import planned
from ops.terraform.variables import Size

PAGE = ROOT / "docs" / "elsewhere" / "one-machine.md"
WHOLE = ROOT / "benchmarks" / "results" / "fixed.json"
BEGIN, END = "<!-- table: make machine-table -->", "<!-- end of the table -->"
IMAGES = (3_000, 30_000, 67_692, 1_000_000, 10_000_000)
REGION = "eu-west-3"
MACHINE = "c7i.2xlarge"
MOST_MINUTES = 210
"""Of a step, before the clock of four hours ends the cluster."""


@dataclass(frozen=True)
class Row:
    """A number of images: minutes of the laptop, and what bills.

    Attributes
    ----------
    measured : the laptop's minutes are a whole run's, not computed from rate and fixed part
    machine, one_node, cluster : one EC2 machine by hand, EMR's one node, its small cluster on demand
    """

    images: int
    laptop: Decimal
    measured: bool
    machine: candidates.Candidate
    one_node: candidates.Candidate
    cluster: candidates.Candidate


def laptop_seconds(images: int, whole: Mapping[str, Any], per_second: Decimal) -> tuple[Decimal, bool]:
    """A whole run on the benchmark's machine, and whether that very number of images was run there.

    Where it was not: the fixed part of the largest run that was, and the rest at the rate of the benchmark.
    """
    series = whole["series"]
    if (found := series.get(f"{images:,} images: whole run")) is not None:
        return Decimal(str(found["median"])), True
    largest = max(int(name.split()[0].replace(",", "")) for name in series if name.endswith(": all else"))
    fixed = Decimal(str(series[f"{largest:,} images: all else"]["median"]))
    return fixed + images / per_second, False


def rows(plan: Mapping[str, Any]) -> list[Row]:
    """The table's numbers.

    Parameters
    ----------
    plan : of the dev cluster in `REGION`, as JSON

    Raises
    ------
    OperatorError : a benchmark has no result, or the plan no cluster
    """
    book, rate = prices.table(), speed.of_bench()
    bench = json.loads(speed.BENCH.read_text())
    try:
        whole = json.loads(WHOLE.read_text())
    except (OSError, ValueError) as error:
        raise OperatorError(f"{WHOLE.name} cannot be read ({error}). Fix: make bench ONLY=fixed.") from error
    per_second = rate.per_vcpu / speed.VCPU * Decimal(str(bench["settings"]["loops"]))
    found = []
    for images in IMAGES:
        laptop, measured = laptop_seconds(images, whole, per_second)
        listed = {
            one.name: one
            for one in candidates.list_candidates(plan, region=REGION, images=images, book=book, machine=MACHINE)
        }
        if not listed:
            raise OperatorError("the dev cluster's plan holds no cluster.")
        names = (candidates.BY_HAND, candidates.NAMES["one_node"], candidates.NAMES["on_demand"])
        machine, one_node, cluster = (listed[name] for name in names)
        found.append(
            Row(
                images=images, laptop=laptop / 60, measured=measured,
                machine=machine, one_node=one_node, cluster=cluster,
            )
        )  # fmt: skip
    return found


def _minutes(minutes: Decimal) -> str:
    return f"{minutes:,.1f}" if minutes < 10 else f"{minutes:,.0f}"


def _usd(amounts: tuple[Decimal, Decimal]) -> str:
    least, most = (f"{amount:.2f}" for amount in amounts)
    return least if least == most else f"{least}–{most}"


def _cells(one: candidates.Candidate) -> str:
    beyond = " †" if one.name != candidates.BY_HAND and one.step > MOST_MINUTES else ""
    return f"| {_minutes(one.step)}{beyond} | {_usd(one.usd)} "


def table(plan: Mapping[str, Any]) -> str:
    """The lines of the table and of its footnote, in Markdown."""
    listed = rows(plan)
    cores = json.loads(speed.BENCH.read_text())["settings"]["loops"]
    machine, one_node, cluster = (getattr(listed[0], name).workers for name in ("machine", "one_node", "cluster"))
    said = [
        f"| images | laptop ({cores} cores), min | one {MACHINE} by hand ({machine} vCPUs), min | USD "
        f"| EMR, one node ({one_node} vCPUs), min | USD | EMR, small cluster ({cluster} vCPUs work), min | USD |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    said += [
        f"| {row.images:,} | {_minutes(row.laptop)}{' *' if row.measured else ''} "
        f"{_cells(row.machine)}{_cells(row.one_node)}{_cells(row.cluster)}|"
        for row in listed
    ]
    return "\n".join(said) + "\n"


def page(text: str, made: str) -> str:
    """The page with another table between its marks.

    >>> page(f"a\\n{BEGIN}\\nold\\n{END}\\nb\\n", "new\\n") == f"a\\n{BEGIN}\\nnew\\n{END}\\nb\\n"
    True
    """
    before, _, rest = text.partition(f"{BEGIN}\n")
    _, mark, after = rest.partition(f"{END}\n")
    if not mark:
        raise OperatorError(f"{PAGE.name} has lost the marks around its table.")
    return f"{before}{BEGIN}\n{made}{END}\n{after}"


def main() -> int:
    """Entry point of `make machine-table`. Exit code: 0; 1 no plan or no figures; 3 no usable Terraform."""
    target = Target(env="dev", region=REGION, account_id=NO_ACCOUNT, offline=True)
    try:
        text = page(PAGE.read_text(encoding="utf-8"), table(planned(target, Size())))
    except (OperatorError, TerraformError) as error:
        Console(stderr=True).print(f"machine-table: {error}", style="red")
        return error.exit_code
    PAGE.write_text(text, encoding="utf-8")
    print(Path(PAGE).relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
