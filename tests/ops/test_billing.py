"""What `make billing` says of things that bill: each price, the sums, the code; all numbers by hand."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from ops.aws.account import Account
from ops.cli import doctor
from ops.core.target import Target
from ops.cost.billing import Item, RunningCosts, as_json, describe_total, exit_code, render_lines, split_arns
from ops.cost.money import Currency

EURO = Currency("EUR", Decimal("0.5"), "2026-10-30")
REAL = Account(Target(env="dev", region="eu-west-3", account_id="123456789012"))
EMULATED = Account(Target(env="local", region="eu-west-3", account_id="123456789012", endpoint="http://127.0.0.1:1"))


def item(kind: str, hour: str = "", month: str = "", *, inferred: bool = False) -> Item:
    usd_hour, usd_month = (Decimal(usd) if usd else None for usd in (hour, month))
    return Item(
        kind=kind, id=f"{kind}-1", about="there", usd_hour=usd_hour, usd_month=usd_month, inferred=inferred, remove="it"
    )


CLUSTER, ENDPOINT = item("cluster", "1.25"), item("endpoint", "0.02", inferred=True)
BUCKET, STRANGE = item("bucket", month="3.10"), item("strange")


def test_each_thing_has_its_price_and_what_removes_it() -> None:
    bill = RunningCosts(
        items=[CLUSTER, ENDPOINT, BUCKET, STRANGE], free=["a", "b"], unseen=["quotas"], age="prices are old"
    )
    assert render_lines(bill, REAL, EURO) == [
        "still billing of ENV=dev in eu-west-3",
        "  cluster cluster-1: there; 1.25 USD per hour. Remove: it",
        "  endpoint endpoint-1: there; ~0.02 USD per hour. Remove: it",
        "  bucket bucket-1: there; 3.10 USD a month. Remove: it",
        "  strange strange-1: there; price not known. Remove: it",
        "  not known: quotas",
        "  nothing to pay for 2 more things with our tags (networks, groups, roles, schedules)",
        "prices are old",
        "it bills 1.27 USD (0.64 EUR) an hour before tax until make destroy ENV=dev; 3.10 USD (1.55 EUR) a month for "
        "what is stored (make purge ENV=dev removes it); the price of 1 thing is not known; not everything could be "
        "listed",
    ]
    assert render_lines(replace(bill, age="", free=[]), REAL, EURO)[-2] == "  not known: quotas"
    emulated = render_lines(bill, EMULATED, EURO)
    assert "(embedded AWS: nothing is billed, this is what AWS would)" in emulated[0]
    assert emulated[-1].startswith("on AWS it would bill 1.27 USD (0.64 EUR) an hour before tax until make destroy; ")


@pytest.mark.parametrize(
    ("items", "said", "code"),
    [
        ([], "nothing bills by the hour; nothing is stored", 0),
        ([BUCKET], "nothing bills by the hour; 3.10 USD (1.55 EUR) a month for what is stored (make purge ENV=dev ", 0),
        ([STRANGE], "it bills 0.00 USD (0.00 EUR) an hour before tax until make destroy ENV=dev; ", 8),
        ([CLUSTER, BUCKET], "it bills 1.25 USD (0.63 EUR) an hour before tax until make destroy ENV=dev; 3.10 USD", 8),
    ],
)
def test_the_last_line_sums_up_and_the_code_says_whether_hours_bill(items: list[Item], said: str, code: int) -> None:
    bill = RunningCosts(items=items)
    assert describe_total(bill, REAL, EURO).startswith(said)
    assert "not everything" not in describe_total(bill, REAL, EURO)
    assert ("not known" in describe_total(bill, REAL, EURO)) == (STRANGE in items)
    assert exit_code(bill) == code


@pytest.mark.parametrize(
    ("items", "said", "code"),
    [
        ([], "what bills is not known: not everything could be listed", 1),
        ([BUCKET], "nothing that could be listed bills by the hour; 3.10 USD (1.55 EUR) a month for what is stored", 1),
        ([CLUSTER], "it bills 1.25 USD (0.63 EUR) an hour before tax until make destroy ENV=dev; ", 8),
    ],
)
def test_what_could_not_be_listed_is_not_said_to_be_nothing(items: list[Item], said: str, code: int) -> None:
    bill = RunningCosts(items=items, unseen=["clusters were not listed: ListClusters is not allowed"])
    assert describe_total(bill, REAL, EURO).startswith(said)
    assert describe_total(bill, REAL, EURO).endswith("not everything could be listed")
    assert exit_code(bill) == code


def test_a_program_is_given_whole_amounts_as_text() -> None:
    told = as_json(RunningCosts(items=[item("cluster", "0.1234567"), STRANGE], free=["a"], unseen=["b"]))
    assert (told["free"], told["unseen"]) == (["a"], ["b"])
    assert told["items"] == [
        {
            "kind": "cluster",
            "id": "cluster-1",
            "about": "there",
            "usd_per_hour": "0.123457",
            "usd_per_month": None,
            "inferred": False,
            "remove": "it",
        },
        {
            "kind": "strange",
            "id": "strange-1",
            "about": "there",
            "usd_per_hour": None,
            "usd_per_month": None,
            "inferred": False,
            "remove": "it",
        },
    ]


def test_of_things_with_our_tags_free_listed_and_strange_ones_are_told_apart() -> None:
    account = "eu-west-3:123456789012"
    key, table = f"arn:aws:kms:{account}:key/1", f"arn:aws:dynamodb:{account}:table/t"
    vpc, bucket = f"arn:aws:ec2:{account}:vpc/vpc-1", "arn:aws:s3:::fruits-dev-data"
    items, free = split_arns([vpc, bucket, key, table], "dev")
    assert free == [vpc]
    assert [(one.kind, one.id, one.usd_month, one.inferred) for one in items] == [
        ("key", key, Decimal(1), True),
        ("dynamodb:table", table, None, False),
    ]
    assert items[1].remove == "make destroy ENV=dev, or in the console of dynamodb"


@pytest.mark.parametrize(
    ("items", "last"),
    [
        ([], "running costs: nothing bills by the hour; nothing is stored"),
        (
            [CLUSTER, BUCKET],
            "running costs: it bills 1.25 USD (1.12 EUR) an hour before tax until make destroy ENV=dev; 3.10 USD "
            "(2.77 EUR) a month for what is stored (make purge ENV=dev removes it). make billing ENV=dev names each",
        ),
    ],
)
def test_doctor_says_the_sum_and_leaves_the_list_to_billing(
    items: list[Item], last: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda *_: ([], REAL))
    monkeypatch.setattr(doctor, "read_running_costs", lambda *_: RunningCosts(items=items))
    assert doctor.doctor({"ENV": "dev"}) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [last]
