"""`make prices`: ask the Price List API for every figure of the tables in ops/prices, and write what it answers.

Needed when AWS has changed its prices. ``TYPES="m8i.xlarge m8i.2xlarge"`` adds types: a row for each region of the
table where EC2 and EMR list it.

A figure that AWS lists gets its date and the source A1, and is no longer inferred. Any other figure stays as it was,
with its source, date and mark: Spot prices and currencies always do, because the list has neither.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from rich.progress import track

from ops.aws.account import find_account_id
from ops.core.console import Console
from ops.core.errors import OperatorError
from ops.core.target import DEFAULT_REGION
from ops.prices import pricelist
from ops.prices import table as prices
from ops.prices.pricelist import Figure, Query

Row = dict[str, str]
Ask = Callable[[Query], Figure | None]


@dataclass
class Renewal:
    """What a renewal did: how many figures AWS listed, which changed, which are new, and which AWS does not list."""

    listed: int = 0
    changed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    def take(self, row: Row, figure: Figure | None, label: str, *, usd: str, source: str, as_of: str) -> None:
        """Put a figure into the columns of a row; without one, leave them as they are."""
        if figure is None:
            self.missing.append(label)
            return
        self.listed += 1
        if row[usd] and Decimal(row[usd]) != figure.usd:
            self.changed.append(f"{label}: {row[usd]} → {format_usd(figure.usd)} USD")
        row |= {usd: format_usd(figure.usd), source: pricelist.SOURCE, as_of: figure.as_of}


def format_usd(usd: Decimal) -> str:
    """An amount as the tables write it.

    >>> format_usd(Decimal("0.2240000000")), format_usd(Decimal("1E+1"))
    ('0.224', '10')
    """
    return f"{usd.normalize():f}"


def renew_instances(rows: list[Row], ask: Ask, renewal: Renewal) -> list[Row]:
    """The rows of instances.csv with today's prices."""
    renewed = []
    for row_before in rows:
        row, place = dict(row_before), (row_before["region"], row_before["type"])
        for name, query in (("ec2", pricelist.ec2(*place)), ("emr", pricelist.emr(*place))):
            label = f"{name} of {row['type']} in {row['region']}"
            columns = {"usd": f"{name}_usd_hour", "source": f"{name}_source", "as_of": f"{name}_as_of"}
            renewal.take(row, ask(query), label, **columns)
        renewed.append(row)
    return renewed


def list_new_instances(types: Sequence[str], rows: list[Row], client: Any, renewal: Renewal) -> list[Row]:
    """Rows of types that the table lacks, for each of its regions where EC2 and EMR list them; without a Spot price.

    Raises
    ------
    PriceListError, ClientError, BotoCoreError
    """
    listed = {(row["region"], row["type"]) for row in rows}
    added = []
    for region in dict.fromkeys(row["region"] for row in rows):
        for type_name in types:
            if (region, type_name) in listed:
                continue
            query = pricelist.ec2(region, type_name)
            texts = pricelist.fetch_products(client, query)
            ec2, size = pricelist.parse_figure(texts, query), pricelist.parse_type_size(texts, query)
            fee = pricelist.fetch_figure(client, pricelist.emr(region, type_name))
            if ec2 is None or size is None or fee is None:
                renewal.missing.append(f"{type_name} in {region} ({'EMR' if ec2 else 'EC2'} does not list it)")
                continue
            row = dict.fromkeys(rows[0], "") | {
                "region": region,
                "type": type_name,
                "vcpu": str(size.vcpu),
                "memory_gib": str(size.memory_gib),
                "architecture": size.architecture,
            }
            for name, figure in (("ec2", ec2), ("emr", fee)):
                row |= {f"{name}_usd_hour": format_usd(figure.usd), f"{name}_as_of": figure.as_of}
                row[f"{name}_source"] = pricelist.SOURCE
            added.append(row)
            renewal.added.append(
                f"{type_name} in {region}: EC2 {format_usd(ec2.usd)}, EMR {format_usd(fee.usd)} USD per hour"
            )
    return added


def renew_services(rows: list[Row], regions: list[str], ask: Ask, renewal: Renewal) -> list[Row]:
    """The rows of services.csv with today's prices, and rows that a region lacked."""
    rows_by_item = {(row["region"], row["item"]): dict(row) for row in rows}
    for item in pricelist.ITEMS:
        for region in regions:
            blank = {"region": region, "item": item, "unit": pricelist.UNITS.get(item, "hour")}
            row = rows_by_item.get((region, item), blank | {"usd": "", "source": "", "as_of": ""})
            query = pricelist.service(region, item)
            renewal.take(row, ask(query), f"{item} in {region}", usd="usd", source="source", as_of="as_of")
            if row["usd"]:
                rows_by_item[region, item] = row
    return list(rows_by_item.values())


def read_table(path: Path) -> list[Row]:
    """The rows of a table."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_table(path: Path, rows: list[Row]) -> None:
    """Write a table whole, or not at all."""
    part = path.with_suffix(".part")
    with part.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)


def renew(folder: Path, client: Any, console: Console, types: Sequence[str] = ()) -> Renewal:
    """Renew both tables of a folder; neither is written unless every question was answered.

    Parameters
    ----------
    types : instance types that the table may lack

    Raises
    ------
    PriceListError, ClientError, BotoCoreError
    """
    renewal = Renewal()
    instance_rows, service_rows = read_table(folder / "instances.csv"), read_table(folder / "services.csv")
    regions = list(dict.fromkeys(row["region"] for row in instance_rows))
    queries = [make(row["region"], row["type"]) for row in instance_rows for make in (pricelist.ec2, pricelist.emr)]
    queries += [pricelist.service(region, item) for item in pricelist.ITEMS for region in regions]
    tracked_queries = track(
        queries, "asking the Price List", console=console, disable=not console.is_terminal, transient=True
    )
    answers = {str(query): pricelist.fetch_figure(client, query) for query in tracked_queries}

    def ask(query: Query) -> Figure | None:
        return answers[str(query)]

    added = list_new_instances(types, instance_rows, client, renewal)
    renewed = (
        [*renew_instances(instance_rows, ask, renewal), *added],
        renew_services(service_rows, regions, ask, renewal),
    )
    for name, rows in zip(("instances.csv", "services.csv"), renewed, strict=True):
        write_table(folder / name, rows)
    return renewal


def run(environ: Mapping[str, str], console: Console, folder: Path = prices.HERE) -> None:
    """`make prices`.

    Raises
    ------
    OperatorError
        Without an account to ask, or when the API refuses.
    """
    if (environ.get("ENV") or "local") == "local":
        raise OperatorError(
            "the embedded AWS has no prices. Fix: make prices ENV=dev asks with the credentials of an account; it "
            "costs nothing.",
            exit_code=2,
        )
    types = environ.get("TYPES", "").replace(",", " ").split()
    if wrong := [type_name for type_name in types if not re.fullmatch(r"[a-z][a-z0-9-]*\.[a-z0-9]+", type_name)]:
        raise OperatorError(f'TYPES: {wrong[0]} is no instance type. Fix: TYPES="m7i.xlarge c7i.2xlarge".', exit_code=2)
    find_account_id(environ.get("REGION") or environ.get("AWS_REGION") or DEFAULT_REGION)
    if not console.is_terminal:
        console.print("asking the Price List API for about 450 prices: a minute or two")
    try:
        renewal = renew(folder, pricelist.connect(), console, types)
    except (ClientError, BotoCoreError, pricelist.PriceListError) as error:
        raise OperatorError(
            f"the prices were not renewed, and the tables are unchanged: {error}. Fix: these credentials need "
            "pricing:GetProducts (infra/operators gives it)."
        ) from error
    for line in renewal.changed:
        console.print(line)
    for line in renewal.added:
        console.print(f"added: {line}")
    if renewal.added:
        console.print(
            "Terraform sizes memory by its own table. Fix: name family and size in infra/modules/sizing/sizes.tf, too."
        )
    for line in renewal.missing:
        console.print(f"not listed, stays as it was: {line}")
    console.print(
        f"{renewal.listed} figures renewed, {len(renewal.changed)} of them changed, {len(renewal.missing)} not listed; "
        "Spot prices and currencies keep their dates: the list has neither"
    )


def main(environ: Mapping[str, str]) -> int:
    """`make prices`."""
    run(environ, Console())
    return 0
