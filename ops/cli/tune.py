"""`make tune`: which network, image size and precision to take for one's own images, measured and priced.

`IMAGES=` prices each choice on the planned cluster; `MODEL=`, `IMAGE_SIZE=` and `PRECISION=` narrow the choices,
`LIMIT=` is the size of the sample. `JSON=1` is for a program.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fruits.errors import UsageError
from fruits.inputs import require_folder
from fruits.models import require_model
from fruits.request import Request
from fruits.store import Store
from fruits.wording import format_count
from rich.box import SIMPLE
from rich.table import Table

from ops.aws.account import offline_target
from ops.cli.place import read_place
from ops.cli.values import is_on, read_number, read_size, read_whole_number
from ops.core.console import Console, working
from ops.core.errors import ExitCode, OperatorError
from ops.core.programs import count_cores
from ops.cost import estimate, speed
from ops.cost.money import encode_amount, round_amount
from ops.job import tuning
from ops.job.local_spark import MODELS, SAMPLE
from ops.plan import pricing
from ops.prices import table as prices
from ops.terraform.variables import plan_cluster
from sample.draw import draw_sample

FIXED_SECONDS = 15.0
"""Of a run on this machine, whatever the number of images (`make bench ONLY=fixed`)."""


@dataclass(frozen=True)
class PlannedCluster:
    """The planned cluster that a run over some images would have.

    Attributes
    ----------
    plans : by precision; one that no type of the environment computes has none
    """

    env: str
    region: str
    plans: Mapping[str, Mapping[str, Any]]
    book: prices.Book
    images: int

    def types(self, precision: str) -> list[str]:
        return sorted(pricing.list_types(self.plans[precision]))

    def run(self, row: tuning.Row) -> estimate.RunEstimate | None:
        """What a choice costs on it; None where its processors cannot."""
        plan = self.plans.get(row.choice.precision)
        if plan is None:
            return None
        priced = estimate.estimate_cost(
            plan,
            env=self.env,
            region=self.region,
            speed=speed.convert_core_rate(row.rate),
            images=self.images,
            book=self.book,
        )
        return priced.run if priced else None


def read_fleet(environ: Mapping[str, str], precisions: Sequence[str]) -> PlannedCluster | None:
    """The cluster as it would be made for each precision: for bf16 the types that compute in it.

    Raises
    ------
    UsageError, OperatorError : for a number of images that cannot be, and where nothing can be planned
    """
    images = read_number(environ, "IMAGES")
    if images is None:
        return None
    if images < 1:
        raise UsageError(f"IMAGES={images} is too small. Fix: at least 1.")
    target, size = offline_target(read_place(environ)), read_size(environ)
    plans: dict[str, Mapping[str, Any]] = {}
    for precision in precisions:
        try:
            plans[precision] = plan_cluster(target, size if precision == "f32" else replace(size, precision=precision))
        except OperatorError:
            if not plans:
                raise
    return PlannedCluster(target.env, target.region, plans, prices.table(), int(images))


def list_requests(environ: Mapping[str, str]) -> list[Request]:
    """One for each network and size that is to be measured.

    Raises
    ------
    UsageError, ModelError : for a size, precision or model that cannot be
    """
    weights = environ.get("WEIGHTS") or None
    names = [environ["MODEL"]] if environ.get("MODEL") else tuning.models_at_hand(weights)
    sizes = [read_whole_number(environ, "IMAGE_SIZE", 224)] if environ.get("IMAGE_SIZE") else list(tuning.SIZES)
    requests = [
        Request(input=environ.get("INPUT") or SAMPLE, output=".", model=name, weights=weights, image_size=size)
        for size in sizes
        for name in names
    ]
    for name in names:
        require_model(Request(input=".", output=".", model=name, weights=weights))
    return requests


@dataclass(frozen=True)
class Measurements:
    """All that `make tune` found."""

    sample: tuning.Sample
    rows: list[tuning.Row]
    advice: tuning.Advice
    fleet: PlannedCluster | None
    runs: Mapping[tuning.Choice, estimate.RunEstimate | None]
    cores: int
    capabilities: Sequence[str]

    @property
    def images(self) -> int:
        return self.fleet.images if self.fleet else self.sample.images

    def minutes_here(self, row: tuning.Row) -> float:
        """Of a run over `images` images on all cores of this machine."""
        return (self.images / (row.rate * float(speed.read_job_share()) * self.cores) + FIXED_SECONDS) / 60


def measure_choices(environ: Mapping[str, str], console: Console) -> Measurements:
    """Measure, compare, price."""
    limit = read_whole_number(environ, "LIMIT", tuning.SAMPLE)
    requests = list_requests(environ)
    if requests[0].input == SAMPLE:
        draw_sample(Path(SAMPLE))
    images = Store(requests[0].input)
    require_folder(images)
    with working(console, "looking at the images") as say:
        capabilities = tuning.read_capabilities()
        precisions = tuning.choose_precisions(environ.get("PRECISION") or None, capabilities)
        sample = tuning.take_sample(images, limit)
        if environ.get("IMAGES"):
            say("planning the cluster without asking AWS")
        fleet = read_fleet(environ, precisions)
        rows = tuning.measure(sample, requests, precisions, Store(str(MODELS)), say)
    runs = {row.choice: fleet.run(row) for row in rows} if fleet else {}
    possible = [row for row in rows if runs.get(row.choice)] or rows
    return Measurements(sample, rows, tuning.recommend(possible), fleet, runs, count_cores(), capabilities)


def make_choices_table(findings: Measurements) -> Table:
    """The choices, the recommended one marked."""
    title = f"{format_count(len(findings.advice.row.right), 'image')} of {findings.sample.store.uri}"
    headings = ["", "model", "pixels", "in", "images/s", "recognised", "k"]
    headings += [f"min {findings.fleet.env}", "USD"] if findings.fleet else ["min here"]
    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        table.add_column(
            heading, justify="left" if place in (0, 1, 3) else "right", no_wrap=heading in ("model", "USD")
        )
    for row in findings.rows:
        choice, run = row.choice, findings.runs.get(row.choice)
        cells = [
            "→" if row is findings.advice.row else "",
            choice.model,
            str(choice.size),
            choice.precision,
            f"{row.rate:.0f}",
            f"{100 * row.accuracy:.1f}%",
            str(row.k),
        ]
        if run:
            cells += [f"{run.minutes:.1f}", f"{round_amount(run.usd[0], 2)}–{round_amount(run.usd[1], 2)}"]
        else:
            cells += ["–", "–"] if findings.fleet else [f"{findings.minutes_here(row):.1f}"]
        table.add_row(*cells)
    return table


def write_notes(findings: Measurements) -> list[str]:
    """The recommendation, and what the numbers are."""
    advice, fleet = findings.advice, findings.fleet
    bf16 = any(row.choice.precision == "bf16" for row in findings.rows)
    texts = [f"recommended: {advice.row.choice}: {advice.why}"]
    if variables := advice.row.choice.variables:
        texts.append(f"  make run-local INPUT={findings.sample.store.uri} {variables}")
    cores = format_count(findings.cores, "core")
    texts.append(
        f"minutes {'and price' if fleet else f'on {cores}'} are for {format_count(findings.images, 'image')}; "
        "images/s are of one core; recognised is the share that a linear classifier on the scores takes for what they "
        "are; a larger sample (LIMIT=) tells smaller differences"
    )
    if fleet and bf16:
        texts.append(
            f"bf16 is priced on the types of ENV={fleet.env} that compute it: {', '.join(fleet.types('bf16'))} "
            "(PRECISION=bf16)"
            if "bf16" in fleet.plans
            else f"bf16 has no price: no type of ENV={fleet.env} computes it ({', '.join(fleet.types('f32'))})"
        )
    if "BF16" not in findings.capabilities:
        texts.append("bf16 was not measured: this processor has neither AMX nor AVX-512 BF16")
    return texts


def as_json(findings: Measurements) -> dict[str, Any]:
    """The measurements for a program; amounts are dollars as strings."""

    def describe(row: tuning.Row) -> dict[str, Any]:
        run = findings.runs.get(row.choice)
        return {
            **tuning.as_json(row),
            "minutes_here": round(findings.minutes_here(row), 2),
            "fleet": run and {"minutes": run.minutes, "usd_at_least": run.usd[0], "usd_at_most": run.usd[1]},
        }

    return {
        "input": findings.sample.store.uri,
        "images": findings.images,
        "sample": len(findings.advice.row.right),
        "cores": findings.cores,
        "env": findings.fleet.env if findings.fleet else None,
        "types": {name: findings.fleet.types(name) for name in findings.fleet.plans} if findings.fleet else None,
        "choices": [describe(row) for row in findings.rows],
        "recommended": describe(findings.advice.row),
        "why": findings.advice.why,
    }


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0; 2 wrong use; 6 a price that is not known; 10 no classes to tell apart; 11 no such model or bf16."""
    try:
        findings = measure_choices(environ, Console(stderr=True))
    except prices.UnknownPriceError as error:
        raise OperatorError(
            f"{error}. Fix: take another type or region, or renew the table: make prices",
            exit_code=ExitCode.UNKNOWN_PRICE,
        ) from error
    if is_on(environ, "JSON"):
        print(json.dumps(as_json(findings), indent=1, default=encode_amount, ensure_ascii=False))
        return 0
    console = Console()
    console.print(make_choices_table(findings))
    for line in write_notes(findings):
        console.print(line)
    return 0
