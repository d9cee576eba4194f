"""`make prices` against a Price List of the test's own: figures are renewed, types added, tables whole or untouched."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import boto3
import pytest
from rich.console import Console

from ops.core.errors import OperatorError
from ops.prices import pricelist
from ops.prices import table as prices
from ops.prices.pricelist import Figure, PriceListError, TypeSize, ec2, parse_figure, parse_type_size
from tools import prices as renewing

LISTED = {
    "m8i.xlarge": ("4", "16 GiB", "Intel Xeon 6", "0.25", "0.06"),
    "m8g.xlarge": ("4", "16 GiB", "AWS Graviton4 Processor", "0.2", "0.05"),
}
REGIONS = {"eu-west-3": "EUW3-", "eu-west-1": "EU-"}


def product(usage: str, usd: str, **attributes: str) -> str:
    dimension = {"pricePerUnit": {"USD": usd}, "beginRange": "0"}
    return json.dumps(
        {
            "product": {"attributes": {"usagetype": usage, **attributes}},
            "terms": {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}},
            "publicationDate": "2026-11-20T00:00:00Z",
        }
    )


class PriceList:
    """GetProducts of a list that has the types of `LISTED` in the regions of `REGIONS`, EMR's fee in the first."""

    def get_paginator(self, name: str) -> PriceList:
        assert name == "get_products"
        return self

    def paginate(self, *, ServiceCode: str, Filters: list[dict[str, str]], FormatVersion: str) -> Iterator[Any]:
        asked = {one["Field"]: one["Value"] for one in Filters}
        region, type_ = asked["regionCode"], asked.get("instanceType", "")
        found = []
        if region in REGIONS and type_ in LISTED:
            vcpu, memory, processor, usd, fee = LISTED[type_]
            usage = f"{REGIONS[region]}BoxUsage:{type_}"
            if ServiceCode == "AmazonEC2":
                found = [product(usage, usd, vcpu=vcpu, memory=memory, physicalProcessor=processor)]
            elif region == "eu-west-3":
                found = [product(usage, fee)]
        elif (region, type_) == ("eu-west-3", "m5.xlarge") and ServiceCode == "AmazonEC2":
            found = [product("EUW3-BoxUsage:m5.xlarge", "0.3")]
        yield {"PriceList": found}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("instances.csv", "services.csv"):
        shutil.copy(prices.HERE / name, tmp_path)
    return tmp_path


def quiet() -> Console:
    return Console(file=io.StringIO(), width=300)


def test_a_type_is_added_where_both_list_it(folder: Path) -> None:
    before = renewing.read_table(folder / "instances.csv")
    done = renewing.renew(folder, PriceList(), quiet(), ["m8i.xlarge", "m8g.xlarge", "m5.xlarge"])
    after = renewing.read_table(folder / "instances.csv")
    new = after[len(before) :]
    assert [(row["region"], row["type"], row["vcpu"], row["memory_gib"], row["architecture"]) for row in new] == [
        ("eu-west-3", "m8i.xlarge", "4", "16", "x86_64"),
        ("eu-west-3", "m8g.xlarge", "4", "16", "arm64"),
    ]
    added = prices.parse_row(new[0])
    assert (float(added.ec2), float(added.emr), added.ec2_as_of, float(added.spot)) == (0.25, 0.06, "2026-11-20", 0.125)
    assert added.inferred == {"spot"}, "half of the price, and marked"
    assert "m8i.xlarge in eu-west-1 (EMR does not list it)" in done.missing
    assert "m8i.xlarge in eu-north-1 (EC2 does not list it)" in done.missing
    assert done.changed == ["ec2 of m5.xlarge in eu-west-3: 0.224 → 0.3 USD"], "renewed as without TYPES="


def test_what_is_there_is_not_added_twice(folder: Path) -> None:
    renewing.renew(folder, PriceList(), quiet(), ["m8i.xlarge"])
    once = (folder / "instances.csv").read_text()
    done = renewing.renew(folder, PriceList(), quiet(), ["m8i.xlarge"])
    assert done.added == []
    assert (folder / "instances.csv").read_text() == once


@pytest.mark.parametrize(
    ("item", "usage", "listed", "usd"),
    [
        ("ebs_gp3", "EBS:VolumeUsage.gp3", "0.0928", "0.0928"),
        ("s3_standard", "TimedStorage-ByteHrs", "0.024", "0.024"),
        # AWS prices a request, and we a thousand
        ("s3_put", "Requests-Tier1", "0.0000053", "0.0053"),
        ("s3_get", "Requests-Tier2", "0.00000042", "0.00042"),
        ("nat_gateway", "NatGateway-Hours", "0.05", "0.05"),
        ("interface_endpoint", "VpcEndpoint-Hours", "0.011", "0.011"),
        ("public_ipv4", "PublicIPv4:InUseAddress", "0.005", "0.005"),
    ],
)
def test_the_price_of_an_item_in_the_tables_unit(item: str, usage: str, listed: str, usd: str) -> None:
    query = pricelist.service("eu-west-3", item)
    other = product(f"EUW3-Un{usage}", "9")
    assert parse_figure([product(f"EUW3-{usage}", listed), other], query) == Figure(D(usd), "2026-11-20")
    assert parse_figure([other], query) is None
    amounts = ("0.5", "0.1", "0.4", "0.2", "0.3", "0.7", "0.6")
    with pytest.raises(PriceListError, match=rf"several prices of {usage} in .*: {', '.join(sorted(amounts))}$"):
        parse_figure([product(f"EUW3-{usage}", amount) for amount in amounts], query)
    with pytest.raises(PriceListError, match=r": 1, 2$"):
        parse_figure([product(usage, "1"), product(usage, "2")], query)


def test_the_list_is_asked_where_there_is_one_and_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(boto3, "client", lambda name, **more: asked.update(more, name=name) or "client")
    assert pricelist.connect() == "client"
    assert (asked["name"], asked["region_name"], asked["config"].retries["max_attempts"]) == ("pricing", "us-east-1", 4)


def test_a_size_is_read_or_refused() -> None:
    query = ec2("eu-west-3", "m8i.xlarge")
    usage = "EUW3-BoxUsage:m8i.xlarge"
    whole = product(usage, "1", vcpu="96", memory="1,536 GiB", physicalProcessor="AWS Graviton3 Processor")
    assert parse_type_size([product("EUW3-UnusedBox:m8i.xlarge", "1"), whole], query) == TypeSize(96, 1536, "arm64")
    assert parse_type_size([], query) is None
    with pytest.raises(PriceListError, match="gives no whole vCPUs and GiB"):
        parse_type_size([product(usage, "1", vcpu="2", memory="0.5 GiB")], query)


def test_what_is_no_type_is_refused_before_an_account_is_asked(folder: Path) -> None:
    with pytest.raises(OperatorError, match=r"^TYPES: m7i is no instance type\. Fix: TYPES="):
        renewing.run({"ENV": "dev", "TYPES": "m7i, c7i.xlarge"}, quiet(), folder)


def test_the_command_says_what_else_must_know_a_new_type(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "find_account_id", lambda region: None)
    monkeypatch.setattr(renewing.pricelist, "connect", PriceList)
    console = quiet()
    renewing.run({"ENV": "dev", "TYPES": "m8i.xlarge"}, console, folder)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "added: m8i.xlarge in eu-west-3: EC2 0.25, EMR 0.06 USD per hour" in said
    assert "Fix: name family and size in infra/modules/sizing/sizes.tf, too." in said


def test_the_age_is_that_of_the_prices_shown() -> None:
    """A book of which one type was asked for today, and the others are the table's."""
    m5, old, new = prices.table().instance("eu-west-3", "m5.xlarge"), date(2025, 4, 4), date(2026, 11, 20)
    book = prices.Book(
        {
            ("eu-west-3", name): replace(m5, type=name, ec2_as_of=day.isoformat())
            for name, day in (("m5.xlarge", old), ("m7i.xlarge", new))
        },
        {},
        "a test",
    )
    today = date(2026, 11, 27)
    assert prices.say_age(book, "eu-west-3", ["m7i.xlarge"], today) == ""
    assert prices.say_age(book, "eu-west-3", ["m7i.xlarge", "m5.xlarge"], today).startswith(
        "prices of 2025-04-04 are older"
    )
    assert prices.say_age(book, "eu-west-1", None, today) == ""
    assert prices.say_age(book, today=date(2026, 4, 1)) == ""
