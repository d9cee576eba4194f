"""For `make bench-tables`: images against minutes and price on a laptop, one EC2 machine, one EMR node and a cluster.

The table of docs/elsewhere/one-machine.md, from what was measured (benchmarks/results), the dated prices and the dev
cluster's plan; a test computes it again. Minutes are of the run; starts are in the dollars only.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ops.core.errors import OperatorError
from ops.core.paths import ROOT
from ops.core.target import NO_ACCOUNT, Target
from ops.cost import candidates, speed
from ops.prices import table as prices
from ops.terraform.variables import Size, plan_cluster

WHOLE = ROOT / "benchmarks" / "results" / "fixed.json"
IMAGES = (3_000, 30_000, 67_692, 1_000_000, 10_000_000)
REGION = "eu-west-3"
MACHINE = "c7i.2xlarge"
MOST_MINUTES = 210
"""The longest step that ends before the hard limit of four hours ends the cluster."""


@dataclass(frozen=True)
class TableRow:
    """A row of the table: a number of images, the laptop's minutes, and what three choices at AWS take and cost.

    Attributes
    ----------
    measured : whether the laptop's minutes are those of a whole run, not computed from rate and fixed part
    machine, one_node, cluster : one EC2 machine by hand, EMR's one node, its small cluster on demand
    """

    images: int
    laptop: Decimal
    measured: bool
    machine: candidates.Candidate
    one_node: candidates.Candidate
    cluster: candidates.Candidate


def compute_laptop_seconds(images: int, results: Mapping[str, Any], per_second: Decimal) -> tuple[Decimal, bool]:
    """Seconds of a whole run on the benchmark's machine, and whether they were measured with that number of images.

    Otherwise they are the fixed part of the largest measured run, and the images at the rate of the benchmark.
    """
    series = results["series"]
    if (measured := series.get(f"{images:,} images: whole run")) is not None:
        return Decimal(str(measured["median"])), True
    largest = max(int(name.split()[0].replace(",", "")) for name in series if name.endswith(": all else"))
    fixed = Decimal(str(series[f"{largest:,} images: all else"]["median"]))
    return fixed + images / per_second, False


def compute_rows(plan: Mapping[str, Any]) -> list[TableRow]:
    """The rows of the table.

    Parameters
    ----------
    plan : of the dev cluster in `REGION`, as JSON

    Raises
    ------
    OperatorError : a benchmark has no result, or the plan no cluster
    """
    book, rate = prices.table(), speed.read_bench_speed()
    bench = json.loads(speed.BENCH.read_text())
    try:
        results = json.loads(WHOLE.read_text())
    except (OSError, ValueError) as error:
        raise OperatorError(f"{WHOLE.name} cannot be read ({error}). Fix: make bench ONLY=fixed.") from error
    per_second = rate.per_vcpu / speed.VCPU * Decimal(str(bench["settings"]["loops"]))
    table_rows = []
    for images in IMAGES:
        laptop, measured = compute_laptop_seconds(images, results, per_second)
        by_name = {
            candidate.name: candidate
            for candidate in candidates.list_candidates(plan, region=REGION, images=images, book=book, machine=MACHINE)
        }
        if not by_name:
            raise OperatorError("the dev cluster's plan has no cluster.")
        names = (candidates.BY_HAND, candidates.NAMES["one_node"], candidates.NAMES["on_demand"])
        machine, one_node, cluster = (by_name[name] for name in names)
        table_rows.append(
            TableRow(
                images=images, laptop=laptop / 60, measured=measured,
                machine=machine, one_node=one_node, cluster=cluster,
            )
        )  # fmt: skip
    return table_rows


def _format_minutes(minutes: Decimal) -> str:
    return f"{minutes:,.1f}" if minutes < 10 else f"{minutes:,.0f}"


def _format_usd(amounts: tuple[Decimal, Decimal]) -> str:
    least, most = (f"{amount:.2f}" for amount in amounts)
    return least if least == most else f"{least}–{most}"


def _format_cells(candidate: candidates.Candidate) -> str:
    beyond = " †" if candidate.name != candidates.BY_HAND and candidate.step > MOST_MINUTES else ""
    return f"| {_format_minutes(candidate.step)}{beyond} | {_format_usd(candidate.usd)} "


def render_machines(plan: Mapping[str, Any]) -> str:
    """The lines of the table and of its footnote, in Markdown."""
    table_rows = compute_rows(plan)
    cores = json.loads(speed.BENCH.read_text())["settings"]["loops"]
    machine, one_node, cluster = (getattr(table_rows[0], name).workers for name in ("machine", "one_node", "cluster"))
    lines = [
        f"| images | laptop ({cores} cores), min | one {MACHINE} by hand ({machine} vCPUs), min | USD | EMR, one node "
        f"({one_node} vCPUs), min | USD | EMR, small cluster ({cluster} vCPUs work), min | USD |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.images:,} | {_format_minutes(row.laptop)}{' *' if row.measured else ''} "
        f"{_format_cells(row.machine)}{_format_cells(row.one_node)}{_format_cells(row.cluster)}|"
        for row in table_rows
    ]
    return "\n".join(lines) + "\n"


def render_dev_machines() -> str:
    """The same for a new plan of the dev cluster.

    Raises
    ------
    OperatorError, TerraformError : no plan or no figures; no usable Terraform
    """
    return render_machines(plan_cluster(Target(env="dev", region=REGION, account_id=NO_ACCOUNT, offline=True), Size()))
