"""What else would do it: prices by hand, the cheapest ticked, and the planned shape at the estimate's own price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal as D
from typing import Any

import pytest

from ops.aws.account import Account
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.cost import speed
from ops.cost.candidates import (
    BY_HAND,
    Candidate,
    as_json,
    choose_machine,
    find_cheapest,
    list_candidates,
    price_machine,
    render_lines,
)
from ops.cost.money import Currency
from ops.cost.quote import describe_before_apply, make_quote
from ops.plan import pricing
from ops.plan.summary import summarize
from ops.prices import table as prices
from ops.terraform.variables import Size
from tests.ops.test_estimate import EURO, OWN, planned
from tests.ops.test_money import BOOK

PARIS = "eu-west-3"
RATE = speed.read_bench_speed().per_vcpu
MEASURED = speed.Speed(D(50), "a run", inferred=False)


def shaped(core: int, task: int, workers: int, one_node: bool = True) -> dict[str, Any]:
    """A plan of some fleets, with the alternatives that infra/modules/sizing gives for 30,000 images."""
    plan = planned(task_units=task)
    outputs = plan["planned_values"]["outputs"]
    outputs["fleets"]["value"] = {
        "primary": {"types": ["m7i.xlarge", "m5.xlarge"], "units": 1, "market": "ON_DEMAND"},
        "core": {"types": ["m7i.xlarge", "m5.xlarge"], "units": core, "market": "ON_DEMAND"},
        "task": {"types": ["m7i.xlarge", "m5.xlarge"], "units": task, "market": "SPOT"},
    }
    outputs["sizing"]["value"]["worker_vcpus"] = workers
    types = ["m7i.xlarge", "m5.xlarge"]
    outputs["alternatives"] = {
        "value": {
            "one_node": {"primary_types": types, "core_units": 0, "task_units": 0, "worker_vcpus": 4}
            if one_node
            else None,
            "on_demand": {"primary_types": types, "core_units": 8, "task_units": 0, "worker_vcpus": 6},
            "spot": {"primary_types": types, "core_units": 4, "task_units": 4, "worker_vcpus": 6},
        }
    }
    resources = plan["planned_values"]["root_module"]["resources"]
    plan["planned_values"]["root_module"]["resources"] = [r for r in resources if "nat" not in r["type"]]
    return plan


def test_each_is_priced_by_hand() -> None:
    found = {
        one.name: one
        for one in list_candidates(shaped(0, 0, 4), region=PARIS, images=30_000, book=prices.table(), measured=MEASURED)
    }
    assert list(found) == ["one node", "cluster, on demand", "cluster with Spot", BY_HAND]
    volume, endpoints, requests = 100 * D("0.0928") / 730, 2 * D("0.011"), 2 * 30 * D("0.00042")
    dearest = D("0.2352") + D("0.0504") + volume
    step = 30_000 / D(50 * 4) + 60  # seconds on four vCPUs
    one = found["one node"]
    assert one.step == step / 60
    assert float(one.usd[1]) == pytest.approx(float((dearest + endpoints) * (600 + step) / 3600 + requests), rel=0.01)
    step = 30_000 / D(50 * 6) + 60
    wide = found["cluster, on demand"]
    expected = (3 * dearest + endpoints) * (600 + step) / 3600 + requests
    assert float(wide.usd[1]) == pytest.approx(float(expected), rel=0.01)
    assert one.usd[1] < found["cluster with Spot"].usd[1] < wide.usd[1]
    assert wide.minutes == (6 + step / 60, 10 + step / 60)
    assert [one.is_planned for one in found.values()] == [True, False, False, False]


def test_the_planned_one_costs_what_the_estimate_says() -> None:
    for plan in (shaped(0, 0, 4), shaped(8, 0, 6), shaped(4, 4, 6), shaped(16, 16, 30)):
        found = make_quote(plan, env="dev", region=PARIS, book=prices.table(), size=Size(images=30000))
        assert found is not None
        assert found.estimate.run is not None
        (own,) = [one for one in found.candidates if one.is_planned]
        assert own.usd == found.estimate.run.usd
        assert own.step == found.estimate.run.minutes


def test_the_cheapest_reaches_the_minutes_and_is_one_that_apply_makes() -> None:
    listed = list_candidates(shaped(8, 0, 6), region=PARIS, images=30_000, book=prices.table(), measured=MEASURED)
    by_hand = next(one for one in listed if one.name == BY_HAND)
    assert by_hand.usd[1] < min(one.usd[1] for one in listed if one is not by_hand), "cheaper, and not ticked"
    cheapest = find_cheapest(listed, None)
    assert cheapest is not None
    assert cheapest.name == "one node"
    in_time = find_cheapest(listed, 3)  # 3.5 minutes on one node, 2.7 on six vCPUs
    assert in_time is not None
    assert in_time.name == "cluster with Spot"
    assert find_cheapest(listed, 1) is None


def test_the_table_ticks_marks_and_says_what_to_type() -> None:
    listed = list_candidates(shaped(8, 0, 6), region=PARIS, images=30_000, book=prices.table(), measured=MEASURED)
    said = render_lines(listed, images=30_000, minutes=None, currency=EURO, env="prod")
    assert said[0] == "30,000 images, from the request to the end:"
    (ticked,) = [line for line in said if line.startswith("  ✓ one node")]
    assert ticked.split()[-1] == "50", "measured: no ~"
    (own,) = [line.split("  ") for line in said if line.endswith("(planned)")]
    assert "cluster, on demand" in own
    assert "  ✓ is the cheapest. Fix: core = { units = 0 } in infra/env/prod.cluster.tfvars" in said
    said = render_lines(listed, images=None, minutes=3, currency=EURO, env="prod")
    assert said[0] == "30,000 images (an example; IMAGES= for yours), from the request to the end:"
    assert any("one node" in line and line.endswith("over MINUTES=3") for line in said)
    alone = list_candidates(shaped(0, 0, 4), region=PARIS, images=30_000, book=prices.table(), measured=MEASURED)
    assert not any("Fix:" in line for line in render_lines(alone, images=None, minutes=None, currency=EURO, env="dev"))


def test_what_no_node_does_is_no_candidate() -> None:
    plan = shaped(4, 4, 6, one_node=False)
    listed = list_candidates(plan, region=PARIS, images=30_000, book=prices.table())
    assert [one.name for one in listed] == ["cluster, on demand", "cluster with Spot", BY_HAND]


def test_speeds_are_of_the_slowest_processor_and_marked() -> None:
    assert speed.estimate_types_speed(["m7i.xlarge"]).per_vcpu == RATE * D("1.15")
    assert speed.estimate_types_speed(["m7i.xlarge", "m5.2xlarge"]).per_vcpu == RATE / D("1.15")
    assert speed.estimate_types_speed(["m6i.xlarge"]) == replace(
        speed.estimate_types_speed(["c6i.xlarge"]), inferred=True
    )
    listed = {name: one for one in speed.PROCESSORS for name in one[1]}
    assert {type_.split(".")[0] for _, type_ in prices.table().instances} <= set(listed), "every family has a speed"
    assert any("with PRECISION=bf16" in line for line in speed.list_processors())


def test_a_machine_by_hand_costs_its_hour_and_40_gib_from_a_start_of_3_to_6_minutes() -> None:
    kind = replace(BOOK.instance(PARIS, "m5.xlarge"), type="c7i.2xlarge", vcpu=8, ec2=D("0.40"))
    book = replace(OWN, instances={(PARIS, "c7i.2xlarge"): kind})
    # a minute at 50 images/s on 8 vCPUs, one for the start of the job; volumes at 0.0001 a GiB and hour
    machine = price_machine(PARIS, kind.type, images=D(24_000), fixed_seconds=D(60), book=book, measured=MEASURED)
    requests = D("0.0192")
    usd = tuple(D("0.404") * minutes / 60 + requests for minutes in (5, 8))
    assert machine == Candidate(
        name=BY_HAND, size="c7i.2xlarge", workers=8, speed=MEASURED, step=D(2), minutes=(D(5), D(8)),
        usd=(usd[0], usd[1]),
    )  # fmt: skip


def test_the_machine_by_hand_is_as_fast_as_the_slowest_candidate() -> None:
    images, between = 10_000_000, replace(MEASURED, per_vcpu=RATE * D("1.15") * 8 / 5)  # four vCPUs slower, six faster
    listed = list_candidates(shaped(8, 0, 6), region=PARIS, images=images, book=prices.table(), measured=between)
    assert [one.size for one in listed] == ["m7i.xlarge", "core 8 vCPUs", "core 4, task 4 vCPUs", "c7i.2xlarge"]


DOLLAR = Currency("USD", D(1), "2026-10-30")
TWO = [
    Candidate(
        name=name, size="m5.xlarge", workers=4, speed=one_speed, step=D(step), minutes=(D(step + 3), D(step + 6)),
        usd=(D(low), D(high)), core_units=4, is_planned=planned,
    )
    for name, one_speed, step, low, high, planned in (
        ("one node", MEASURED, 10, "1.00", "2.00", False),
        ("cluster", replace(MEASURED, inferred=True), 5, "3.00", "3.001", True),
    )
]  # fmt: skip


def test_a_row_in_two_currencies_or_in_one() -> None:
    assert render_lines([], images=1, minutes=None, currency=EURO, env="dev") == []
    rows = [line.split() for line in render_lines(TWO, images=7, minutes=6, currency=EURO, env="dev")[1:4]]
    assert rows == [
        ["size", "minutes", "USD", "EUR", "images/s", "per", "vCPU"],
        ["one", "node", "m5.xlarge", "13–16", "1.00–2.00", "0.50–1.00", "50", "over", "MINUTES=6"],
        ["✓", "cluster", "m5.xlarge", "8–11", "3.00", "1.50", "~50", "(planned)"],
    ]
    rows = [line.split() for line in render_lines(TWO, images=7, minutes=None, currency=DOLLAR, env="dev")[1:4]]
    assert rows == [
        ["size", "minutes", "USD", "images/s", "per", "vCPU"],
        ["✓", "one", "node", "m5.xlarge", "13–16", "1.00–2.00", "50"],
        ["cluster", "m5.xlarge", "8–11", "3.00", "~50", "(planned)"],
    ]


def test_what_a_price_depends_on_is_read_of_the_plan() -> None:
    plan, nothing = shaped(8, 0, 6), {"planned_values": {"root_module": {}}}
    resources = plan["planned_values"]["root_module"]["resources"]
    interfaces = sum(r["values"].get("vpc_endpoint_type") == "Interface" for r in resources)
    gateways = [r | {"values": {"vpc_endpoint_type": "Gateway"}} for r in resources if r["type"] == "aws_vpc_endpoint"]
    assert gateways
    resources += gateways * (interfaces + 2)
    plan["planned_values"]["outputs"]["fleets"]["value"]["task"]["types"] = ["c5.xlarge"]
    shape = pricing.read_shape(plan)
    assert shape is not None
    assert shape.endpoints == interfaces
    assert pricing.list_types(plan) == {"m7i.xlarge", "m5.xlarge"}
    assert pricing.list_types(plan, unused=True) == {"m7i.xlarge", "m5.xlarge", "c5.xlarge"}
    assert pricing.list_types(nothing) == set()
    assert pricing.price_plan(nothing, PARIS) is None
    primary, core, task = shape.fleets
    primary = replace(primary, types=["m6i.xlarge"])
    assert pricing.list_worker_types([primary, core, task]) == ["m7i.xlarge", "m5.xlarge"]
    assert pricing.list_worker_types([primary, replace(core, units=0)]) == ["m6i.xlarge"]


def test_candidates_for_a_program() -> None:
    first, second = as_json(TWO, minutes=None)
    assert first == {
        "name": "one node", "size": "m5.xlarge", "worker_vcpus": 4, "images_per_second_per_vcpu": D(50),
        "speed": {"source": "a run", "inferred": False}, "step_minutes": D(10), "minutes": (D(13), D(16)),
        "usd": (D("1.00"), D("2.00")), "planned": False, "cheapest": True,
    }  # fmt: skip
    assert (second["planned"], second["cheapest"]) == (True, False)
    assert list_candidates({"planned_values": {"root_module": {}}}, region=PARIS, images=1, book=OWN) == []


def test_the_machine_by_hand_is_the_smallest_that_is_fast_enough() -> None:
    assert choose_machine(PARIS, D(10), D(30_000), prices.table()) == "c7i.2xlarge"
    assert choose_machine(PARIS, D(1), D(100_000), prices.table()) == "c7i.4xlarge"


def test_in_bf16_the_speed_is_the_measured_ratio_and_a_run_in_f32_tells_nothing() -> None:
    plan = shaped(0, 0, 4)
    for fleet in plan["planned_values"]["outputs"]["fleets"]["value"].values():
        fleet["types"] = ["m7i.xlarge"]
    size = Size(images=30000, precision="bf16")
    found = make_quote(plan, env="dev", region=PARIS, book=prices.table(), size=size, measured=MEASURED)
    assert found is not None
    own = next(one for one in found.candidates if one.is_planned)
    assert float(own.speed.per_vcpu) == pytest.approx(float(RATE) * 1.15 * 198 / 90)
    assert found.estimate.speed == own.speed
    assert speed.estimate_types_speed(["m5.xlarge"], "bf16") == speed.estimate_types_speed(["m5.xlarge"]), (
        "it would refuse the run"
    )


def test_plan_cost_and_the_question_of_apply_name_one_price() -> None:
    """What an hour costs at most: in the summary of `make plan`, in `make cost`, and before `make apply` asks."""
    plan = shaped(8, 0, 6)
    plan["planned_values"]["outputs"]["sizing"]["value"]["expected_minutes"] = 3
    found = make_quote(plan, env="dev", region=PARIS, book=prices.table(), size=Size(images=30000))
    assert found is not None
    usd = f"{found.estimate.hour.total:.2f}"
    assert any(line.startswith(f"   an hour costs at most {usd} USD") for line in summarize(plan, PARIS))
    target = Target(env="local", region=PARIS, account_id=EMULATED_ACCOUNT, endpoint="http://127.0.0.1:1")
    asked = describe_before_apply(plan, Account(target, currency="USD"), Size(images=30000))
    assert any(f"an hour costs {usd} USD at most" in line for line in asked)
    table = [line.removeprefix("   ") for line in asked]
    assert "30,000 images, from the request to the end:" in table
    assert any(line.startswith("  ✓ one node") for line in table)
    assert any(line.startswith(f"    {BY_HAND}") for line in table)
