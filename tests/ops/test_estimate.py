"""What a planned cluster will cost: amounts reckoned by hand, every line of `make cost`, every key of its JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ops.cost.estimate import Estimate, as_json, estimate_cost, render_lines
from ops.cost.money import NOT_COUNTED, Currency
from ops.cost.speed import Speed
from ops.plan import pricing
from ops.prices.table import INFERRED, Book, Service, UnknownPriceError
from ops.terraform.workspace import WrongUseError
from tests.ops.test_money import BOOK, REGION, D

SPEED = Speed(D("5"), "a test", inferred=True)
EURO = Currency("EUR", D("0.5"), "2026-10-30")
SERVICES = {**BOOK.services, (REGION, "s3_get"): Service(D("0.0004"), "2026-10-07")}
OWN = replace(BOOK, services=SERVICES)


def planned(*, task: str = "SPOT", task_units: int = 8, idle: int | None = 1800) -> dict[str, Any]:
    """As much of a plan's JSON as a price depends on: 40 GiB of root and two data volumes of 30, a NAT gateway."""
    cluster = {
        "master_instance_fleet": [
            {"instance_type_configs": [{"ebs_config": [{"size": 30, "volumes_per_instance": 2, "type": "gp3"}]}]}
        ],
        "ebs_root_volume_size": 40,
        "auto_termination_policy": [{"idle_timeout": idle}] if idle else [],
    }
    held = [
        ("aws_emr_cluster", cluster),
        ("aws_nat_gateway", {}),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Interface"}),
        ("aws_vpc_endpoint", {"vpc_endpoint_type": "Gateway"}),
    ]
    resources = [
        {"address": f"{kind}.{n}", "mode": "managed", "type": kind, "name": str(n), "values": values}
        for n, (kind, values) in enumerate(held)
    ]
    fleets = {
        "primary": {"types": ["m5.xlarge"], "units": 1, "market": "ON_DEMAND"},
        "core": {"types": ["m5.xlarge"], "units": 8, "market": "ON_DEMAND"},
        "task": {"types": ["c5.xlarge"], "units": task_units, "market": task},
    }
    sizing = {"module": {"variables": {"fixed_seconds": {"default": 60}}}}
    return {
        "planned_values": {
            "root_module": {"resources": resources},
            "outputs": {"fleets": {"value": fleets}, "sizing": {"value": {"worker_vcpus": 10}}},
        },
        "configuration": {"root_module": {"module_calls": {"sizing": sizing}}},
    }


def told(plan: dict[str, Any], images: float | None = 3000, book: Book = OWN) -> Estimate:
    found = estimate_cost(plan, env="dev", region=REGION, speed=SPEED, images=images, book=book)
    assert found is not None
    return found


# An hour: EC2 0.20 + 2 x 0.20 + 2 x 0.04 on Spot (2 x 0.10 on demand); EMR 0.05 + 2 x 0.05 + 2 x 0.02; five volumes of
# 100 GiB, 0.01 each; an endpoint of ours and EMR's own, 0.011 each; the NAT gateway with its address, 0.055.
HOUR = D("0.68") + D("0.19") + D("0.05") + D("0.022") + D("0.055")
ON_DEMAND = HOUR + D("0.12")
# 3,000 images at 5 a second on each of 10 vCPUs, and 60 s that any step takes
STEP = 3000 / D(50) + 60
REQUESTS = 2 * 3 * D("0.0004")  # a HEAD and a GET an image


def test_an_hour_and_a_run() -> None:
    found = told(planned())
    assert found.hour.total == HOUR == D("0.997")
    assert found.hour.total_on_demand == ON_DEMAND
    run = found.run
    assert run is not None
    assert run.images == 3000
    assert run.minutes == STEP / 60 == 2
    assert run.usd == (HOUR * (360 + STEP) / 3600 + REQUESTS, HOUR * (600 + STEP) / 3600 + REQUESTS)
    assert run.usd_on_demand == ON_DEMAND * (600 + STEP) / 3600 + REQUESTS
    assert run.requests == REQUESTS
    assert (run.idle, run.idle_minutes) == (HOUR / 2, 30)


def test_a_cluster_of_one_price_is_as_cheap_as_it_is_dear() -> None:
    mixed = planned()
    mixed["planned_values"]["outputs"]["fleets"]["value"]["core"]["types"] = ["m5.xlarge", "c5.xlarge"]
    found = told(mixed)
    assert found.hour.total == HOUR
    assert found.hour.least == HOUR - 2 * D("0.13")  # m5: 0.20 + 0.05, c5: 0.10 + 0.02
    assert found.run is not None
    assert found.run.usd[0] == found.hour.least * (360 + STEP) / 3600 + REQUESTS


def test_a_cluster_without_a_policy_is_thought_to_wait_an_hour() -> None:
    run = told(planned(idle=None)).run
    assert run is not None
    assert (run.idle, run.idle_minutes) == (HOUR, 60)


def test_emrs_own_endpoint_is_marked_whatever_its_price() -> None:
    items = {item.name: (item.usd, item.inferred) for item in told(planned()).hour.items}
    assert items == {
        "1 interface endpoint": (D("0.011"), False),
        "NAT gateway with its address": (D("0.055"), False),
        "EMR's endpoint emr-service-vpce": (D("0.011"), True),
    }


def test_no_cluster_no_price_and_no_run_without_images() -> None:
    plan = planned()
    plan["planned_values"]["root_module"]["resources"] = []
    assert estimate_cost(plan, env="dev", region=REGION, speed=SPEED, images=1, book=OWN) is None
    assert told(planned(), images=None).run is None
    assert "run" not in as_json(told(planned(), images=None), EURO)


@pytest.mark.parametrize("images", [0, 0.5, -3])
def test_less_than_an_image_is_refused(images: float) -> None:
    with pytest.raises(WrongUseError, match=rf"IMAGES={images} is too small\. Fix: at least 1\."):
        told(planned(), images=images)
    assert told(planned(), images=1).run is not None


def test_a_type_without_a_price_is_said() -> None:
    with pytest.raises(UnknownPriceError):
        told(planned(), book=replace(OWN, instances={}))


@pytest.mark.parametrize(
    ("plan", "dates"),
    [
        (planned(), "EC2 2026-10-01, inferred; EMR 2026-10-02, inferred; Spot inferred; volumes 2026-10-04"),
        (planned(task="ON_DEMAND"), "EC2 2026-10-01, inferred; EMR 2026-10-02, inferred; volumes 2026-10-04"),
        (planned(task_units=0), "EC2 2026-10-01; EMR 2026-10-02; volumes 2026-10-04"),
    ],
)
def test_the_days_of_the_prices_in_use(plan: dict[str, Any], dates: str) -> None:
    assert told(plan).dates == dates


def test_what_make_cost_prints() -> None:
    assert render_lines(told(planned()), EURO, date(2026, 11, 27)) == [
        f"an hour of ENV=dev in {REGION}, at most, USD (~ is inferred, not read)",
        "                             nodes  on demand     Spot  EMR fee  volumes  together",
        "  primary on demand              1       0.20    ~0.08     0.05     0.01      0.26",
        "  core on demand                 2       0.40    ~0.16     0.10     0.02      0.52",
        "  task on Spot                   2      ~0.20    ~0.08    ~0.04     0.02     ~0.14",
        "  1 interface endpoint                                                        0.01",
        "  NAT gateway with its address                                                  0.06",
        "  EMR's endpoint emr-service-vpce                                                 ~0.01",
        "an hour costs 1.00 USD (0.50 EUR) at most; 1.12 USD (0.56 EUR) without Spot capacity; "
        "1.00 USD (0.50 EUR) with the cheapest types",
        "3,000 images: the step takes some ~2.0 min, the cluster's start ~6 to 10 min before it",
        "  the run costs 0.14 to 0.20 USD (0.07 to 0.10 EUR); 0.23 USD (0.11 EUR) without Spot capacity, below 0.01 "
        "USD of it for reading the images from S3",
        "  and up to 0.50 USD (0.25 EUR) more for the 30 min that it idles before it ends by itself, unless you "
        "run make destroy",
        "  speed: ~5.0 images/s per vCPU (a test)",
        "prices: the test's own prices: EC2 2026-10-01, inferred; EMR 2026-10-02, inferred; Spot inferred; volumes "
        "2026-10-04; 1 USD = 0.5000 EUR (2026-10-30)",
        NOT_COUNTED,
    ]


def test_what_is_not_on_spot_has_no_other_price() -> None:
    said = render_lines(replace(told(planned(task="ON_DEMAND")), speed=Speed(D(5), "a run", inferred=False)), EURO)
    assert "without Spot capacity" not in "".join(said)
    assert "  task on demand                 2      ~0.20    ~0.08    ~0.04     0.02     ~0.26" in said
    assert "  speed: 5.0 images/s per vCPU (a run)" in said
    assert "3,000 images: the step takes some 2.0 min, the cluster's start ~6 to 10 min before it" in said


def test_what_a_program_is_told() -> None:
    found = told(planned())
    assert found.run is not None
    assert as_json(found, EURO) == {
        "env": "dev",
        "region": REGION,
        "usd_per_hour": {"at_most": HOUR, "on_demand": ON_DEMAND, "at_least": HOUR},
        "fleets": {
            "primary": {
                "market": "ON_DEMAND", "nodes": 1, "ec2_on_demand": D("0.20"), "ec2_spot": D("0.08"),
                "emr": D("0.05"), "ebs": D("0.01"), "inferred": ["spot"],
            },
            "core": {
                "market": "ON_DEMAND", "nodes": 2, "ec2_on_demand": D("0.40"), "ec2_spot": D("0.16"),
                "emr": D("0.10"), "ebs": D("0.02"), "inferred": ["spot"],
            },
            "task": {
                "market": "SPOT", "nodes": 2, "ec2_on_demand": D("0.20"), "ec2_spot": D("0.08"),
                "emr": D("0.04"), "ebs": D("0.02"), "inferred": ["ec2", "emr", "spot"],
            },
        },
        "network": [
            {"name": "1 interface endpoint", "usd": D("0.011"), "inferred": False},
            {"name": "NAT gateway with its address", "usd": D("0.055"), "inferred": False},
            {"name": pricing.EMR_ENDPOINT, "usd": D("0.011"), "inferred": True},
        ],
        "prices": {"source": "the test's own prices", "as_of": found.dates},
        "currency": {"code": "EUR", "per_usd": D("0.5"), "as_of": "2026-10-30"},
        "speed": {"images_per_second_per_vcpu": D("5"), "source": "a test", "inferred": True},
        "not_counted": NOT_COUNTED,
        "run": {
            "images": 3000,
            "step_minutes": D(2),
            "start_minutes": (D(6), D(10)),
            "usd_at_least": found.run.usd[0],
            "usd_at_most": found.run.usd[1],
            "usd_on_demand": found.run.usd_on_demand,
            "usd_s3_requests": REQUESTS,
            "usd_idle_until_end": HOUR / 2,
        },
    }  # fmt: skip


def test_marks_follow_each_price() -> None:
    unread = {name: replace(one, as_of=INFERRED) for name, one in SERVICES.items()}
    said = render_lines(told(planned(), book=replace(OWN, services=unread)), EURO)
    assert "  primary on demand              1       0.20    ~0.08     0.05    ~0.01     ~0.26" in said
    assert any(line.startswith("  1 interface endpoint") and line.endswith("~0.01") for line in said)


def test_a_small_cluster_is_reckoned_with_one_vcpu_at_least() -> None:
    plan = planned()
    plan["planned_values"]["outputs"]["sizing"]["value"]["worker_vcpus"] = 0
    run = told(plan).run
    assert run is not None
    assert run.minutes == (3000 / D(5) + 60) / 60
    assert isinstance(run.minutes, Decimal)


def test_prices_older_than_a_year_are_said_and_the_watch_lengthens_the_wait() -> None:
    watched = planned()
    schedule: dict[str, Any] = {
        "address": "module.idle.s",
        "mode": "managed",
        "type": "aws_scheduler_schedule",
        "name": "s",
    }
    schedule["values"] = {"schedule_expression": "rate(5 minutes)"}
    watched["planned_values"]["root_module"].setdefault("resources", []).append(schedule)
    run = told(watched).run
    assert run is not None
    assert run.idle_minutes == 35
    said = render_lines(told(planned()), EURO, date(2027, 10, 3))
    old = "prices of 2026-10-01, 2026-10-02 are older than 12 months. Fix: make prices ENV=dev renews them."
    assert said[-2:] == [old, NOT_COUNTED]
