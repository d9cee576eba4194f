"""The row of an instance type: what AWS lists now, and what stays the dated table's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ops.prices import current, pricelist
from ops.prices import table as prices
from ops.prices.current import renew_row
from ops.prices.pricelist import Figure

HERE, THERE = "eu-west-3", "eu-south-2"
ROW = prices.table().instances[HERE, "m5.xlarge"]
EC2, EMR = Figure(Decimal("0.30"), "2026-11-27"), Figure(Decimal("0.07"), "2026-11-26")


def test_a_row_takes_what_is_listed_and_keeps_its_own_spot_price() -> None:
    read = replace(ROW, spot=Decimal("0.11"), spot_as_of="2026-11-01")
    renewed = renew_row(read, read, HERE, EC2, EMR)
    assert renewed == replace(read, ec2=EC2.usd, ec2_as_of=EC2.as_of, emr=EMR.usd, emr_as_of=EMR.as_of)
    kept = renew_row(read, read, HERE, EC2, None)
    assert kept == replace(read, ec2=EC2.usd, ec2_as_of=EC2.as_of)


def test_a_spot_price_that_nobody_read_follows_the_price_on_demand() -> None:
    guessed = replace(ROW, spot_as_of=prices.INFERRED)
    renewed = renew_row(guessed, guessed, HERE, EC2, EMR)
    assert renewed is not None
    assert (renewed.spot, renewed.spot_as_of) == (prices.SPOT_SHARE * Decimal("0.30"), prices.INFERRED)


def test_a_type_without_a_row_here_takes_the_size_of_another_regions() -> None:
    renewed = renew_row(None, ROW, THERE, EC2, EMR)
    assert renewed is not None
    assert (renewed.region, renewed.type, renewed.vcpu) == (THERE, "m5.xlarge", ROW.vcpu)
    assert (renewed.ec2, renewed.emr, renewed.spot_as_of) == (EC2.usd, EMR.usd, prices.INFERRED)


@pytest.mark.parametrize(
    ("row", "shape", "ec2", "emr"), [(ROW, ROW, None, EMR), (None, ROW, EC2, None), (None, None, EC2, EMR)]
)
def test_where_too_little_is_known_there_is_no_row(
    row: prices.InstancePrice | None, shape: prices.InstancePrice | None, ec2: Figure | None, emr: Figure | None
) -> None:
    assert renew_row(row, shape, HERE, ec2, emr) is None


class PriceList:
    """What AWS lists: prices by what is asked for; it is asked by several threads."""

    def __init__(self, **figures: Figure) -> None:
        self.figures = figures

    def fetch(self, client: object, query: object) -> Figure | None:
        assert client == "client"
        return next((figure for name, figure in self.figures.items() if name in str(query)), None)


def test_what_aws_lists_goes_before_the_table_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("ec2", "emr", "service"):
        monkeypatch.setattr(pricelist, kind, lambda region, name, kind=kind: f"{kind} {region} {name}")
    gateway = Figure(Decimal("0.99"), "2026-11-25")
    listed = PriceList(**{f"ec2 {HERE} m5.xlarge": EC2, f"emr {HERE} m5.xlarge": EMR, "nat_gateway": gateway})
    monkeypatch.setattr(pricelist, "fetch_figure", listed.fetch)
    book = current.find_current(HERE, ["m5.xlarge", "c5.xlarge", "x9.large"], ask=True, client="client")
    old = prices.table()
    assert book.source == "the AWS Price List API (Spot from the dated table)"
    row = book.instance(HERE, "m5.xlarge")
    assert (row.ec2, row.ec2_as_of, row.emr, row.emr_as_of) == (EC2.usd, EC2.as_of, EMR.usd, EMR.as_of)
    assert book.instance(HERE, "c5.xlarge") == old.instance(HERE, "c5.xlarge")
    assert (HERE, "x9.large") not in book.instances
    assert book.service(HERE, "nat_gateway") == prices.Service(gateway.usd, gateway.as_of)
    assert book.service(HERE, "ebs_gp3") == old.service(HERE, "ebs_gp3")


def test_aws_is_asked_only_where_there_is_an_account_and_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise pricelist.PriceListError("no such offer")

    monkeypatch.setattr(pricelist, "fetch_figure", refuse)
    table = prices.table()
    for types, ask in (([], True), (["m5.xlarge"], False)):
        assert current.find_current(HERE, types, ask=ask, client="client") == table
    book = current.find_current(HERE, ["m5.xlarge"], ask=True, client="client")
    assert book == replace(
        table, source="the dated table of this repository, because the Price List API gave none (no such offer)"
    )
