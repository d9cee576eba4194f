"""Money, from recorded answers of EMR and EC2 to the last digit; every expected amount was reckoned by hand.

The cluster: a primary and a core node on demand for an hour, a task node on Spot from second 600 to 1500, one that was
asked for and never had; a step from second 400 to 1000, one from 1000 to 2200, one cancelled before it began.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from ops.aws.account import Account, NotAppliedError
from ops.core.errors import OperatorError
from ops.cost import ledger, period, upkeep
from ops.cost.money import read_currency
from ops.prices import table as prices
from ops.prices.table import INFERRED, Book, InstancePrice, Service, UnknownPriceError
from ops.terraform.workspace import Target

REGION = "eu-west-3"
ZERO = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
D = Decimal


def at(seconds: float) -> datetime:
    return ZERO + timedelta(seconds=seconds)


def kind(name: str, ec2: str, emr: str, spot: str, **dates: str) -> InstancePrice:
    days = {"ec2_as_of": "2026-10-01", "emr_as_of": "2026-10-02", "spot_as_of": "2026-10-03", **dates}
    return InstancePrice(
        region=REGION, type=name, vcpu=4, memory_gib=16, architecture="x86_64",
        ec2=D(ec2), emr=D(emr), spot=D(spot), **days,
    )  # fmt: skip


BOOK = Book(
    {
        (REGION, one.type): one
        for one in (
            kind("m5.xlarge", "0.20", "0.05", "0.08", spot_as_of=INFERRED),
            kind("c5.xlarge", "0.10", "0.02", "0.04", ec2_as_of=INFERRED, emr_as_of=INFERRED, spot_as_of=INFERRED),
        )
    },
    {
        (REGION, "ebs_gp3"): Service(D("0.073"), "2026-10-04"),  # a 730th of it is 0.0001 a GiB and hour
        (REGION, "interface_endpoint"): Service(D("0.011"), "2026-10-05"),
        (REGION, "nat_gateway"): Service(D("0.050"), "2026-10-06"),
        (REGION, "public_ipv4"): Service(D("0.005"), "2026-10-06"),
        (REGION, "s3_get"): Service(D("0.0004"), "2026-10-07"),
    },
    "the test's own prices",
)


def instance(name: str, fleet: str, market: str, type_: str, **timeline: datetime) -> dict[str, Any]:
    return {
        "Id": f"c{name}", "Ec2InstanceId": name, "InstanceFleetId": fleet, "Market": market, "InstanceType": type_,
        "Status": {"State": "RUNNING", "Timeline": timeline},
    }  # fmt: skip


def fleet(name: str, role: str, type_: str, *gib: int) -> dict[str, Any]:
    devices = [{"VolumeSpecification": {"VolumeType": "gp3", "SizeInGB": size}, "Device": "/dev/sdb"} for size in gib]
    return {
        "Id": name, "InstanceFleetType": role,
        "InstanceTypeSpecifications": [{"InstanceType": type_, "EbsBlockDevices": devices}],
    }  # fmt: skip


def step(name: str, state: str, **timeline: datetime) -> dict[str, Any]:
    return {"Id": name, "Name": name, "Status": {"State": state, "Timeline": timeline}}


FLEETS = [
    fleet("if-M", "MASTER", "m5.xlarge", 10),
    fleet("if-C", "CORE", "m5.xlarge", 30, 30),
    fleet("if-T", "TASK", "c5.xlarge"),
]
PRIMARY = instance("i-m", "if-M", "ON_DEMAND", "m5.xlarge", CreationDateTime=at(0), ReadyDateTime=at(300))
CORE = instance("i-c", "if-C", "ON_DEMAND", "m5.xlarge", CreationDateTime=at(0), ReadyDateTime=at(360))
TASK = instance(
    "i-t", "if-T", "SPOT", "c5.xlarge", CreationDateTime=at(600), ReadyDateTime=at(900), EndDateTime=at(1500)
)
NEVER_HAD = instance("i-n", "if-T", "SPOT", "c5.xlarge")
STEPS = [
    step("s-0", "CANCELLED", CreationDateTime=at(350), EndDateTime=at(380)),
    step("s-2", "COMPLETED", CreationDateTime=at(10), StartDateTime=at(1000), EndDateTime=at(2200)),
    step("s-1", "COMPLETED", CreationDateTime=at(5), StartDateTime=at(400), EndDateTime=at(1000)),
]
CLUSTER = {
    "Id": "j-1",
    "EbsRootVolumeSize": 40,
    "Status": {
        "State": "WAITING",
        "StateChangeReason": {"Message": "Cluster ready to run steps."},
        "Timeline": {"CreationDateTime": at(0), "ReadyDateTime": at(390)},
    },
}


@dataclass
class Answers:
    """A client that gives recorded answers, each of which the service's model allows; lists come in two pages."""

    service: str
    given: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        model = botocore.session.get_session().get_service_model(self.service)
        operations = {botocore.xform_name(name): model.operation_model(name) for name in model.operation_names}
        for call, answer in self.given.items():
            report = ParamValidator().validate(answer, operations[call].output_shape)
            assert not report.has_errors(), f"{call}: {report.generate_report()}"

    def __getattr__(self, call: str) -> Any:
        given = self.__dict__.get("given", {})
        if call not in given:
            raise AttributeError(call)
        return lambda **_: given[call]

    def get_paginator(self, call: str) -> Any:
        def paginate(**_: Any) -> Iterator[dict[str, Any]]:
            for part in (slice(0, 1), slice(1, None)):
                yield {name: items[part] for name, items in self.given[call].items()}

        return SimpleNamespace(paginate=paginate)


@dataclass(frozen=True)
class Recorded(Account):
    """An account that answers from records."""

    target: Target = Target(env="dev", region=REGION, account_id="123456789012")  # noqa: RUF009  # frozen
    answers: dict[str, Any] = field(default_factory=dict)
    applied: bool = True

    def client(self, service: str) -> Any:
        return self.answers[service]

    @property
    def cluster(self) -> dict[str, Any]:  # type: ignore[override]  # not cached: it costs nothing
        if not self.applied:
            raise NotAppliedError("there is no cluster")
        return {"cluster_id": "j-1", "terminates_at": "2026-11-24 21:00 UTC"}

    @property
    def storage(self) -> dict[str, Any]:  # type: ignore[override]
        if not self.applied:
            raise NotAppliedError("there are no buckets")
        return {"buckets": {"data": "fruits-data", "logs": "fruits-logs"}}


VPC = {"Vpcs": [{"VpcId": "vpc-1"}]}


def endpoint(name: str, type_: str, state: str, service: str, *subnets: str) -> dict[str, Any]:
    return {
        "VpcId": "vpc-1", "VpcEndpointId": name, "VpcEndpointType": type_, "State": state,
        "ServiceName": f"com.amazonaws.{REGION}.{service}", "SubnetIds": list(subnets),
    }  # fmt: skip


ENDPOINTS = [
    endpoint("vpce-1", "Interface", "available", "elasticmapreduce", "subnet-1", "subnet-2"),
    endpoint("vpce-2", "Gateway", "available", "s3"),
    endpoint("vpce-3", "Interface", "deleted", "logs", "subnet-1"),
    endpoint("vpce-4", "Interface", "Deleting", "logs", "subnet-1"),
    endpoint("vpce-5", "Interface", "pending", "ssm"),
]
GATEWAYS = [
    {"VpcId": "vpc-1", "NatGatewayId": f"nat-{number}", "State": state}
    for number, state in enumerate(("available", "deleted", "pending", "deleting", "failed"))
]


def account(
    *, instances: list[dict[str, Any]] | None = None, steps: list[dict[str, Any]] | None = None, **more: Any
) -> Recorded:
    emr = {
        "describe_cluster": {"Cluster": more.pop("cluster", CLUSTER)},
        "list_instance_fleets": {"InstanceFleets": FLEETS},
        "list_instances": {"Instances": [PRIMARY, CORE, TASK, NEVER_HAD] if instances is None else instances},
        "list_steps": {"Steps": STEPS if steps is None else steps},
        "get_auto_termination_policy": more.pop("policy", {"AutoTerminationPolicy": {"IdleTimeout": 1800}}),
    }
    vpcs = more.pop("vpcs", VPC)
    ec2 = {
        "describe_vpcs": vpcs,
        "describe_vpc_endpoints": {"VpcEndpoints": ENDPOINTS if vpcs["Vpcs"] else []},
        "describe_nat_gateways": {"NatGateways": GATEWAYS if vpcs["Vpcs"] else []},
    }
    return Recorded(answers={"emr": Answers("emr", emr), "ec2": Answers("ec2", ec2)}, **more)


def ended(one: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {**one, "Status": {**one["Status"], "Timeline": {**one["Status"]["Timeline"], "EndDateTime": at(seconds)}}}


@pytest.fixture(autouse=True)
def own_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "table", lambda: BOOK)


def test_nodes_bear_their_price_in_the_market_they_were_bought_in() -> None:
    primary, core, task = period.price_nodes(REGION, [NEVER_HAD, PRIMARY, CORE, TASK], FLEETS, CLUSTER, BOOK)
    assert (primary.id, primary.role, primary.type, primary.market) == ("i-m", "primary", "m5.xlarge", "ON_DEMAND")
    assert (core.role, task.role, task.market) == ("core", "task", "SPOT")
    assert (primary.ec2, primary.emr, primary.ebs) == (D("0.20"), D("0.05"), D("0.005"))  # 40 + 10 GiB
    assert (core.ec2, core.emr, core.ebs) == (D("0.20"), D("0.05"), D("0.010"))  # 40 + 30 + 30 GiB
    assert (task.ec2, task.emr, task.ebs) == (D("0.04"), D("0.02"), D("0.004"))
    assert (task.start, task.ready, task.end) == (at(600), at(900), at(1500))
    assert (core.start, core.ready, core.end) == (at(0), at(360), None)


def test_what_is_inferred_is_what_the_market_uses() -> None:
    book = replace(BOOK, services={**BOOK.services, (REGION, "ebs_gp3"): Service(D("0.073"), INFERRED)})
    task_on_demand = {**TASK, "Market": "ON_DEMAND"}
    found = period.price_nodes(REGION, [PRIMARY, TASK, task_on_demand], FLEETS, CLUSTER, BOOK)
    # m5's Spot price is inferred and nobody uses it; of c5's, EC2 means the price of the market
    assert [node.inferred for node in found] == [frozenset(), frozenset({"ec2", "emr"}), frozenset({"ec2", "emr"})]
    assert period.price_nodes(REGION, [PRIMARY], FLEETS, CLUSTER, book)[0].inferred == {"ebs"}
    spot = {**PRIMARY, "Market": "SPOT"}
    assert period.price_nodes(REGION, [spot], FLEETS, CLUSTER, BOOK)[0].inferred == {"ec2"}


def test_a_cluster_that_does_not_say_its_root_volume_has_emrs_15_gib() -> None:
    sizes = period.sum_volumes({}, FLEETS)
    assert sizes == {("if-M", "m5.xlarge"): 25, ("if-C", "m5.xlarge"): 75, ("if-T", "c5.xlarge"): 15}


def test_a_type_without_a_price_is_said() -> None:
    with pytest.raises(UnknownPriceError, match=r"no price is known for x9\.large in eu-west-3"):
        period.price_nodes(REGION, [{**PRIMARY, "InstanceType": "x9.large"}], FLEETS, CLUSTER, BOOK)


@pytest.mark.parametrize(("moment", "seconds"), [(599, 0), (600, 0), (601, 60), (700, 100), (1500, 900), (9999, 900)])
def test_seconds_on_the_bill(moment: float, seconds: int) -> None:
    (task,) = period.price_nodes(REGION, [TASK], FLEETS, CLUSTER, BOOK)
    assert task.billed(at(moment)) == seconds
    assert replace(task, end=None).billed(at(9999)) == 9399


def test_steps_bear_the_time_since_the_step_before() -> None:
    nodes = period.price_nodes(REGION, [PRIMARY, CORE, TASK], FLEETS, CLUSTER, BOOK)
    assert period.find_period("s-1", STEPS, nodes) == period.Span(at(0), at(1000))
    assert period.find_period("s-2", STEPS, nodes) == period.Span(at(1000), at(2200))
    assert period.find_period("s-1", STEPS, []) == period.Span(at(1000), at(1000))
    twin = step("s-3", "COMPLETED", StartDateTime=at(1500), EndDateTime=at(2200))
    assert period.find_period("s-3", [*STEPS, twin], nodes) == period.Span(at(2200), at(2200))


def test_when_a_cluster_worked() -> None:
    running = step("s-4", "RUNNING", StartDateTime=at(2300))
    later = step("s-5", "RUNNING", StartDateTime=at(2500))
    assert period.list_spans([*STEPS, running, later], at(2400)) == [
        period.Span(at(1000), at(2200)),
        period.Span(at(400), at(1000)),
        period.Span(at(2300), at(2400)),
    ]
    assert period.list_spans(STEPS[1:2], at(1600)) == [period.Span(at(1000), at(1600))]


def test_the_record_of_a_step() -> None:
    summary = {"model": "m", "images_in": 300, "images_featurized_now": 250, "images_per_second": 4.5, "slots": 2}
    record = ledger.record_step(account(), "j-1", "s-1", summary, BOOK)
    assert record == {
        "schema": 1,
        "env": "dev",
        "region": REGION,
        "emulated": False,
        "cluster_id": "j-1",
        "step_id": "s-1",
        "from": "2026-11-24T09:00:00+00:00",
        "to": "2026-11-24T09:16:40+00:00",
        "seconds": {"bootstrap": 300.0, "work": 600.0, "idle": 100.0},
        "usd": {
            # 300 s x 0.255, 360 s x 0.26, 300 s x 0.064; then 600, 600 and 100 s of these; then 100 and 40 s
            "total": "0.150166",
            "bootstrap": "0.052583",
            "work": "0.087611",
            "idle": "0.009972",
            "by_component": {"ec2": "0.115556", "emr": "0.030000", "ebs": "0.004611"},
            "by_node": {"i-m": "0.070833", "i-c": "0.072222", "i-t": "0.007111"},
        },
        "inferred": ["ec2", "emr"],
        "prices": "the test's own prices",
        "model": "m",
        "images": 300,
        "usd_per_1000_images": "0.500553",
        "images_featurized_now": 250,
        "images_per_second": 4.5,
        "slots": 2,
    }
    empty = ledger.record_step(account(), "j-1", "s-1", {**summary, "images_in": 0}, BOOK)
    assert empty is not None
    assert empty["usd_per_1000_images"] is None


def test_a_step_without_an_end_has_no_record() -> None:
    running = [step("s-1", "RUNNING", StartDateTime=at(400))]
    assert ledger.record_step(account(steps=running), "j-1", "s-1", {"images_in": 1}, BOOK) is None
    assert ledger.record_step(account(), "j-1", "s-9", {"images_in": 1}, BOOK) is None


def test_what_no_step_bears_is_the_whole_less_what_the_steps_bear() -> None:
    over = account(instances=[ended(PRIMARY, 3600), ended(CORE, 3600), TASK])
    first = ledger.record_step(over, "j-1", "s-1", {"images_in": 300}, BOOK)
    assert first is not None
    strangers = [{**first, "cluster_id": "j-2"}, {**first, "step_id": None}]
    rest = ledger.record_rest(over, "j-1", [strangers[0], first, strangers[1]], BOOK)
    assert rest["step_id"] is None
    assert (rest["from"], rest["to"]) == ("2026-11-24T09:00:00+00:00", "2026-11-24T10:00:00+00:00")
    assert rest["usd"] == {
        "total": "0.380834",  # 0.531000 less 0.150166
        "bootstrap": "0.000000",
        "work": "0.180556",
        "idle": "0.200278",
        "by_component": {"ec2": "0.294444", "emr": "0.075000", "ebs": "0.011389"},
        "by_node": {"i-m": "0.184167", "i-c": "0.187778", "i-t": "0.008889"},
    }
    assert rest["seconds"] == {"bootstrap": 0.0, "work": 1200.0, "idle": 1400.0}
    assert rest["inferred"] == ["ec2", "emr"]
    second = ledger.record_step(over, "j-1", "s-2", {"images_in": 300}, BOOK)
    assert second is not None
    both = ledger.record_rest(over, "j-1", [first, second], BOOK)
    # 1,400 s of two nodes after the second step
    assert abs(D(both["usd"]["total"]) - D("0.515") * 1400 / 3600) < D("0.000003")


class Bucket:
    """A bucket in memory, which refuses a second object under a key as S3 does."""

    def __init__(self, code: str = "PreconditionFailed") -> None:
        self.held: dict[str, bytes] = {}
        self.code = code

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str) -> None:
        assert (Bucket, IfNoneMatch) == ("b", "*")
        if Key in self.held:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "PutObject")
        self.held[Key] = Body

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": SimpleNamespace(read=lambda: self.held[Key])}

    def get_paginator(self, call: str) -> Any:
        assert call == "list_objects_v2"
        keys = [{"Key": key} for key in sorted(self.held, reverse=True)]
        pages = [{"Contents": keys[:1]}, {}, {"Contents": keys[1:]}]
        return SimpleNamespace(paginate=lambda Bucket, Prefix: pages if Prefix == "ledger/" else [])


def test_records_are_kept_once_and_read_the_oldest_first() -> None:
    bucket = Bucket()
    records = [
        {"cluster_id": "j-1", "step_id": None, "to": "2026-11-02", "usd": {"total": "0.30"}},
        {"cluster_id": "j-1", "step_id": "s-1", "to": "2026-11-01", "usd": {"total": "0.10"}},
        {"cluster_id": "j-0", "step_id": "s-7", "to": "2026-11-02", "usd": {"total": "0.20"}},
    ]
    assert all(ledger.write_record(bucket, "b", record) for record in records)
    assert set(bucket.held) == {"ledger/j-1/end.json", "ledger/j-1/s-1.json", "ledger/j-0/s-7.json"}
    bucket.held["ledger/notes.txt"] = b"not a record"
    assert [ledger.make_key(record) for record in ledger.read_ledger(bucket, "b")] == [
        "ledger/j-1/s-1.json",
        "ledger/j-0/s-7.json",
        "ledger/j-1/end.json",
    ]
    assert ledger.sum_records(ledger.read_ledger(bucket, "b")) == D("0.60")


@pytest.mark.parametrize("code", ["PreconditionFailed", "ConditionalRequestConflict"])
def test_a_second_record_is_refused_and_the_first_stays(code: str) -> None:
    bucket = Bucket(code)
    record = {"cluster_id": "j-1", "step_id": "s-1", "to": "x", "usd": {"total": "1"}}
    assert ledger.write_record(bucket, "b", record)
    assert not ledger.write_record(bucket, "b", {**record, "usd": {"total": "2"}})
    assert json.loads(bucket.held["ledger/j-1/s-1.json"])["usd"] == {"total": "1"}


def test_another_refusal_is_not_taken_for_a_record_that_is_there() -> None:
    bucket = Bucket("AccessDenied")
    record = {"cluster_id": "j-1", "step_id": "s-1", "to": "x", "usd": {"total": "1"}}
    ledger.write_record(bucket, "b", record)
    with pytest.raises(ClientError, match="AccessDenied"):
        ledger.write_record(bucket, "b", record)


def test_a_cluster_as_emr_tells_it() -> None:
    found = upkeep.read_cluster(account(), at(3600))
    assert found == upkeep.ClusterUpkeep(
        id="j-1",
        state="WAITING",
        reason="Cluster ready to run steps.",
        created=at(0),
        idle_since=at(2200),
        ends_idle=at(2200 + 1800),
        ends_latest="2026-11-24 21:00 UTC",
        nodes={"core": 1, "primary": 1},
        usd_hour=D("0.515"),
        usd_so_far=D("0.531000"),
    )
    assert found.live
    assert list(found.nodes) == ["core", "primary"], "as status shows them"
    more = account(instances=[PRIMARY, CORE, {**CORE, "Ec2InstanceId": "i-c2"}])
    assert upkeep.read_cluster(more, at(3600)).nodes == {"core": 2, "primary": 1}


def test_the_last_line_says_where_the_prices_that_it_uses_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    for age in ("", "prices of 2020-01-01 are old"):
        monkeypatch.setattr(prices, "say_age", lambda age=age: age)
        line = upkeep.tell_upkeep(account())
        assert line.startswith("STILL BILLING: the cluster j-1 (WAITING), ")
        assert line.endswith("until make purge" + (f"; {age}" if age else ""))
    assert upkeep.tell_upkeep(account(applied=False, vpcs={"Vpcs": []})) == "nothing of this environment bills"


def test_a_cluster_that_ended_bills_nothing_and_cost_what_it_did() -> None:
    gone = {
        "Id": "j-1",
        "EbsRootVolumeSize": 40,
        "Status": {"State": "TERMINATED", "Timeline": {"CreationDateTime": at(0), "ReadyDateTime": at(390)}},
    }
    asked = account(cluster=gone, instances=[ended(PRIMARY, 1800), ended(CORE, 3600), TASK])
    found = upkeep.read_cluster(asked, at(99999))
    assert found is not None
    assert (found.live, found.reason, found.nodes, found.usd_hour) == (False, "", {}, 0)
    assert (found.idle_since, found.ends_idle) == (None, None)
    assert found.usd_so_far is not None
    assert abs(found.usd_so_far - D("0.403500")) < D("0.000003")  # 0.255 / 2 + 0.26 + 0.016, each part rounded


def test_a_cluster_without_nodes_yet_and_without_a_policy() -> None:
    young = {"Id": "j-1", "Status": {"State": "STARTING", "Timeline": {"CreationDateTime": at(0)}}}
    found = upkeep.read_cluster(account(cluster=young, instances=[NEVER_HAD], steps=[], policy={}), at(30))
    assert found is not None
    assert (found.usd_hour, found.usd_so_far, found.nodes, found.ends_idle) == (0, None, {}, None)
    ready = upkeep.read_cluster(account(steps=[], policy={}), at(3600))
    assert ready is not None
    assert (ready.idle_since, ready.ends_idle) == (at(390), None)


def test_a_cluster_at_work_is_not_idle() -> None:
    found = upkeep.read_cluster(account(steps=[*STEPS, step("s-4", "RUNNING", StartDateTime=at(2300))]), at(3600))
    assert found is not None
    assert (found.idle_since, found.ends_idle) == (None, None)


def test_a_cluster_of_an_unknown_price_is_told_without_one() -> None:
    found = upkeep.read_cluster(account(instances=[{**PRIMARY, "InstanceType": "x9.large"}]), at(3600))
    assert found is not None
    assert (found.usd_hour, found.usd_so_far, found.nodes) == (None, None, {})
    assert found.idle_since == at(2200), "its steps are asked for all the same"


def test_no_stack_no_cluster() -> None:
    assert upkeep.read_cluster(account(applied=False), at(0)) is None


def test_what_bills_in_the_network() -> None:
    assert upkeep.price_network(account()) == {
        "endpoint elasticmapreduce vpce-1": D("0.022"),  # in two zones
        "endpoint ssm vpce-5": D("0.011"),
        "NAT gateway nat-0": D("0.050"),
        "NAT gateway nat-2": D("0.050"),
    }
    assert upkeep.price_network(account(vpcs={"Vpcs": []})) == {}


def test_the_last_line_of_a_command() -> None:
    # nodes 0.515 + network 0.133
    assert upkeep.describe_upkeep(upkeep.read_upkeep(account(), at(3600))) == (
        "STILL BILLING: the cluster j-1 (WAITING), 0.65 USD an hour before tax, until make destroy; "
        "about 2026-11-24 10:06 UTC when nothing is submitted; 2026-11-24 21:00 UTC at the latest; "
        "the contents of fruits-data, fruits-logs by the month, until make purge"
    )
    ended_ = {**CLUSTER, "Status": {**CLUSTER["Status"], "State": "TERMINATED"}}
    assert upkeep.describe_upkeep(upkeep.read_upkeep(account(cluster=ended_), at(3600))) == (
        "STILL BILLING: NAT gateway nat-0, NAT gateway nat-2, endpoint elasticmapreduce vpce-1, endpoint ssm vpce-5, "
        "0.13 USD an hour before tax, until make destroy; the contents of fruits-data, fruits-logs by the month, "
        "until make purge"
    )
    nothing = account(applied=False, vpcs={"Vpcs": []})
    assert upkeep.describe_upkeep(upkeep.read_upkeep(nothing, at(3600))) == "nothing of this environment bills"
    emulated = upkeep.read_upkeep(
        replace(account(), target=replace(account().target, endpoint="http://127.0.0.1:1")), at(3600)
    )
    assert upkeep.describe_upkeep(emulated) == "the cluster j-1 is still up (WAITING): the embedded AWS bills nothing"


def test_the_moment_is_now_where_none_is_given() -> None:
    found = upkeep.read_upkeep(account())
    assert found.cluster is not None
    assert found.cluster.usd_so_far is not None
    assert found.cluster.usd_so_far > D("0.531")


def test_an_hour_of_what_is_planned() -> None:
    fleets = [
        prices.Fleet(name="primary", types=["m5.xlarge"], units=1),
        prices.Fleet(name="task", types=["c5.xlarge"], units=0, market="SPOT"),
        prices.Fleet(name="core", types=["m5.xlarge", "c5.xlarge"], units=6),
    ]
    hour = prices.price_fleets(REGION, fleets, volume_gib=100, nat=True, endpoints=2, book=BOOK)
    assert [fleet.name for fleet in hour.fleets] == ["primary", "core"]
    assert [fleet.nodes for fleet in hour.fleets] == [1, 2]
    assert [fleet.inferred for fleet in hour.fleets] == [{"spot"}, {"ec2", "emr", "spot"}]
    assert hour.total == D("0.2") + D("0.4") + 3 * D("0.05") + 3 * D("0.01") + D("0.022") + D("0.055")
    assert hour.least == D("0.26") + 2 * D("0.13") + D("0.077")
    assert [(item.name, item.inferred) for item in hour.items] == [
        ("2 interface endpoints", False),
        ("NAT gateway with its address", False),
    ]
    unread = {name: replace(one, as_of=INFERRED) for name, one in BOOK.services.items()}
    marked = prices.price_fleets(
        REGION, fleets, volume_gib=100, nat=True, endpoints=1, book=replace(BOOK, services=unread)
    )
    assert [item.inferred for item in marked.items] == [True, True]
    assert [fleet.inferred for fleet in marked.fleets] == [{"ebs", "spot"}, {"ebs", "ec2", "emr", "spot"}]
    assert marked.items[0].name == "1 interface endpoint"


def test_a_row_of_the_table_with_a_spot_price_and_without() -> None:
    row = {
        "region": REGION, "type": "m5.xlarge", "vcpu": "4", "memory_gib": "16", "architecture": "x86_64",
        "ec2_usd_hour": "0.20", "emr_usd_hour": "0.05", "spot_usd_hour": "0.08",
        "ec2_as_of": "2026-10-01", "emr_as_of": "2026-10-02", "spot_as_of": "2026-10-03",
    }  # fmt: skip
    assert prices.parse_row(row) == kind("m5.xlarge", "0.20", "0.05", "0.08")
    unread = prices.parse_row({**row, "spot_usd_hour": ""})
    assert (unread.spot, unread.spot_as_of) == (prices.SPOT_SHARE * D("0.20"), INFERRED)


def test_only_prices_that_are_shown_can_be_old() -> None:
    old, new = kind("c5.xlarge", "1", "1", "1", ec2_as_of="2020-01-01"), kind("m5.xlarge", "1", "1", "1")
    book = Book({(REGION, one.type): one for one in (old, new)}, {}, "a test")
    today = datetime(2026, 11, 27, tzinfo=UTC).date()
    assert prices.say_age(book, region=REGION, types=["m5.xlarge"], today=today) == ""
    assert prices.say_age(book, region="eu-north-1", today=today) == ""
    for seen in ({}, {"types": ["c5.xlarge"]}, {"region": REGION}):
        assert prices.say_age(book, **seen, today=today).startswith("prices of 2020-01-01 are older than 12 months.")


def test_prices_are_old_after_a_year_and_not_on_its_last_day() -> None:
    today = datetime(2026, 11, 27, tzinfo=UTC).date()
    assert prices.describe_old_dates("EC2 2025-11-27; EMR 2025-11-28", today) == ""
    assert prices.describe_old_dates("EC2 2025-11-26, EMR 2025-11-27", today) == (
        "prices of 2025-11-26 are older than 12 months. Fix: make prices ENV=dev renews them."
    )


@pytest.mark.parametrize(("images", "each"), [(200, ""), (4_999, ""), (5_000, "; 1,000 images 0.01 USD")])
def test_what_a_step_cost_in_two_lines(images: int, each: str) -> None:
    """Of few images the price of a thousand would be the price of the cluster's start."""
    record = {
        "usd": {"total": "0.05", "bootstrap": "0.02", "work": "0.025", "idle": "0.005"},
        "seconds": {"bootstrap": 54.2, "work": 1078, "idle": 30},
        "emulated": False,
        "inferred": True,
        "images": images,
        "usd_per_1000_images": "0.01",
    }
    assert ledger.render_lines(record, read_currency("USD")) == [
        f"cost ~0.05 USD before tax{each}",
        "USD: start 0.02 (54 s), work 0.03 (1,078 s), idle 0.01 (30 s)",
    ]


def test_a_step_on_one_line() -> None:
    record = {
        "usd": {"total": "0.05", "bootstrap": "0.02", "work": "0.025", "idle": "0.005"},
        "seconds": {"bootstrap": 54.2, "work": 1078, "idle": 30},
        "emulated": True,
        "inferred": False,
    }
    assert ledger.describe_record(record, read_currency("USD")) == (
        "would have cost on AWS 0.05 USD before tax; USD: start 0.02 (54 s), work 0.03 (1,078 s), idle 0.01 (30 s)"
    )


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("Timeline"), "KeyError: 'Timeline'"),
        (OperatorError("no price of m9.xlarge is known"), "no price of m9.xlarge is known"),
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "DescribeCluster"),
            "DescribeCluster is not allowed (AccessDeniedException)",
        ),
    ],
)
def test_why_a_cost_is_missing_is_said_in_words(error: Exception, words: str) -> None:
    assert ledger.explain_missing(error) == words
