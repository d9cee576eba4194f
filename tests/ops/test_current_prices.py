"""The row of an instance type: what AWS lists now, and what stays the dated table's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

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
