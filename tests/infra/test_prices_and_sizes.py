"""The price table, the table of sizes in Terraform, and what both say about a cluster."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ops.cost import speed
from ops.plan import policies, pricing
from ops.plan.summary import summarize
from ops.prices import table as prices
from tests.infra.planning import REGION, ROOT, Planner

SIZES = ROOT / "infra" / "modules" / "sizing" / "sizes.tf"
Plan = dict[str, Any]


def table_of_sizes() -> dict[str, tuple[int, int, str]]:
    """type → vCPU, memory (GiB), architecture, as sizes.tf writes them."""
    text = SIZES.read_text()
    families = re.findall(r'^ +(\w+) += \{ architecture = "(\w+)", kind = "(\w+)" \}$', text, re.MULTILINE)
    shapes = re.findall(r'^ +"?(\w+)"? = \{\n +vcpu += (\d+)\n +memory += \{ (.*?) \}\n', text, re.MULTILINE)
    return {
        f"{family}.{shape}": (int(vcpu), int(re.findall(rf"{kind} = (\d+)", memory)[0]), architecture)
        for family, architecture, kind in families
        for shape, vcpu, memory in shapes
    }


def test_sizes_agree_with_the_price_list() -> None:
    facts = {(one.type): (one.vcpu, one.memory_gib, one.architecture) for one in prices.table().instances.values()}
    assert len(facts) >= 42
    assert table_of_sizes() == facts, "a family is in both: sizes.tf, and instances.csv (make prices TYPES= adds types)"


def test_types_absent_from_a_region_are_those_without_a_price() -> None:
    regions = {region for region, _ in prices.table().instances}
    missing = {(region, type_) for region in regions for type_ in table_of_sizes()} - set(prices.table().instances)
    absent = re.findall(r"^ +([a-z0-9-]+) = \[(.*)\]$", SIZES.read_text().split("absent = {")[1], re.MULTILINE)
    families = {(region, name.strip('" ')) for region, names in absent for name in names.split(",")}
    unlike = {(region, type_.split(".")[0]) for region, type_ in missing} ^ families
    assert unlike == set(), "make prices ENV= TYPES= adds their rows; where a region has none, sizes.tf says absent"


def test_every_price_has_a_source_and_a_date() -> None:
    readme = (Path(prices.__file__).parent / "README.md").read_text()
    keys = set(re.findall(r"^\| (\w+) \|", readme, re.MULTILINE))
    for name, sources in (
        ("instances.csv", ("ec2_source", "emr_source", "spot_source")),
        ("services.csv", ("source",)),
    ):
        with (Path(prices.__file__).parent / name).open(newline="") as file:
            named = [(row, column) for row in csv.DictReader(file) for column in sources if row[column]]
        assert len(named) > 20, name
        for row, column in named:
            assert set(row[column].split("+")) <= keys, row
            assert row[column.replace("source", "as_of")], row


def test_prices_are_plausible() -> None:
    """EMR's fee is a quarter of the price in Virginia, everywhere; Spot is cheaper; Europe is dearer."""
    assert len(prices.table().instances) > 100
    for (region, type_), one in prices.table().instances.items():
        virginia = prices.table().instance("us-east-1", type_)
        assert float(one.emr) == pytest.approx(float(virginia.ec2) / 4, rel=0.02), (region, type_)
        assert 0.2 * float(one.ec2) < one.spot < 0.7 * float(one.ec2), (region, type_)
        assert one.ec2 >= virginia.ec2


def test_hour_of_a_cluster_by_hand() -> None:
    """One m5.xlarge, two on demand, four vCPUs of Spot, in Paris; volumes of 72 GiB."""
    fleets = [
        prices.Fleet(name="primary", types=["m5.xlarge"], units=1),
        prices.Fleet(name="core", types=["m5.xlarge"], units=8),
        prices.Fleet(name="task", types=["m5.xlarge", "m5.2xlarge"], units=4, market="SPOT"),
    ]
    hour = prices.price_fleets("eu-west-3", fleets, volume_gib=72)
    assert float(hour.ec2) == pytest.approx(3 * 0.224 + 0.1702)  # four vCPUs may come as one 2xlarge
    assert float(hour.emr) == pytest.approx(3 * 0.048 + 0.096)
    assert float(hour.ebs) == pytest.approx(4 * 72 * 0.0928 / 730)
    assert hour.nodes == 4
    assert float(hour.total_on_demand) == pytest.approx(float(hour.total) - 0.1702 + 0.448)


def test_network_of_a_cluster_costs() -> None:
    fleets = [prices.Fleet(name="primary", types=["m5.xlarge"], units=1)]
    plain = prices.price_fleets("eu-west-1", fleets, volume_gib=72)
    wired = prices.price_fleets("eu-west-1", fleets, volume_gib=72, nat=True, endpoints=3)
    assert float(wired.total - plain.total) == pytest.approx(0.048 + 0.005 + 3 * 0.011)


def test_price_that_is_not_known() -> None:
    with pytest.raises(
        prices.UnknownPriceError, match=r"^no price is known for m6a\.xlarge in eu-north-1 \(known regions: "
    ):
        prices.table().instance("eu-north-1", "m6a.xlarge")
    assert prices.table().service("eu-north-1", "nat_gateway").usd == Decimal("0.052")  # the dearest known


@pytest.mark.terraform
def test_price_of_a_plan(plan_of: Callable[[str], Plan]) -> None:
    """A primary and eight vCPUs on demand, the dearest of its types (m7i in Paris); and the primary alone."""
    alone = pricing.price_plan(plan_of("dev-cluster"), REGION)
    assert alone is not None
    assert alone.nodes == 1
    assert float(alone.total) == pytest.approx(0.2352 + 0.0504 + (40 + 32) * 0.0928 / 730 + 0.011, abs=0.001)
    hour = pricing.price_plan(plan_of("small-cluster"), REGION)
    assert hour is not None
    assert float(hour.ec2) == pytest.approx(3 * 0.2352)
    assert float(hour.ebs) == pytest.approx(3 * (40 + 32) * 0.0928 / 730)
    assert float(hour.network) == 0.011, "the endpoint that EMR may make: in every price, or in none"
    assert pricing.price_plan(plan_of("dev-storage"), REGION) is None


@pytest.mark.terraform
def test_releases_still_supported() -> None:
    """A reminder in time: half a year before the default release's support ends, this fails."""
    ends = json.loads((ROOT / "infra" / "modules" / "emr" / "releases.json").read_text())
    default = re.findall(r'default += "(emr-[^"]+)"', (ROOT / "infra" / "cluster" / "variables.tf").read_text())[0]
    assert (date.fromisoformat(ends[default]) - date.today()).days > 180


@pytest.mark.terraform
@pytest.mark.parametrize("core", [8, 0])
def test_images_and_minutes_size_the_task_fleet(planner: Planner, core: int) -> None:
    """A million in ten minutes, nine of them for the images, in nodes of four vCPUs, two of which are the driver's."""
    rate = speed.compute_families()["f32"]["m5"]  # the slowest that EMR may give
    wanted = math.ceil(1e6 / (rate * 540))
    base = core or 4  # too much for one node
    task = -(-(wanted + 2 - base) // 4) * 4
    plan = planner.plan("cluster", images=1_000_000, minutes=10, core={"units": core})
    outputs = plan["planned_values"]["outputs"]
    planned = outputs["fleets"]["value"]
    assert (planned["core"]["units"], planned["task"]["units"]) == (base, task)
    assert outputs["sizing"]["value"]["worker_vcpus"] == base + task - 2
    expected = math.ceil((1e6 / (rate * (base + task - 2)) + 60) / 60)
    assert outputs["sizing"]["value"]["expected_minutes"] == expected <= 10


@pytest.mark.terraform
def test_summary_says_what_an_hour_costs(plan_of: Callable[[str], Plan]) -> None:
    lines = summarize(plan_of("prod-cluster"), REGION)
    assert lines[0] == "   vCPUs: core 16, task 16"
    found = re.fullmatch(
        r"   an hour costs at most (\S+) USD \((\S+) without Spot capacity\): EC2 .*, before tax", lines[1]
    )
    assert found
    hour = pricing.price_plan(plan_of("prod-cluster"), REGION)
    assert hour is not None
    assert (found[1], found[2]) == (f"{hour.total:.2f}", f"{hour.total_on_demand:.2f}")
    assert summarize(plan_of("dev-storage"), REGION) == []


@pytest.mark.terraform
def test_region_without_prices_says_so(plan_of: Callable[[str], Plan]) -> None:
    plan = plan_of("dev-cluster")
    assert summarize(plan, "eu-south-2")[-1].startswith(
        "   the price is not available: no price is known for m7i.xlarge in eu-south-2"
    )
    (broken,) = policies.check_plan(plan, ceiling=10, region="eu-south-2")
    assert broken.policy == "hourly-price"
    assert policies.check_plan(plan, region="eu-south-2") == []
