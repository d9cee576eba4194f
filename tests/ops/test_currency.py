"""Dollars for a reader, and in a second currency: every amount by hand, with exact decimals."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from ops.core.errors import OperatorError
from ops.cost import money
from ops.cost.money import Currency, encode_amount, format_amount, read_currency, round_amount

D = Decimal
EURO, DOLLAR = Currency("EUR", D("0.91236"), "2026-10-30"), Currency("USD", D(1), "2026-10-30")


def test_halves_are_rounded_up_to_six_places_or_as_many_as_are_asked_for() -> None:
    assert [round_amount(D(usd)) for usd in ("0.1234565", "0.1234564")] == [D("0.123457"), D("0.123456")]
    assert round_amount(D("1.005"), 2) == D("1.01")


@pytest.mark.parametrize(
    ("usd", "text"),
    [("0", "0.00"), ("0.0049", "below 0.01"), ("0.005", "0.01"), ("1234.5", "1,234.50"), ("-3", "-3.00")],
)
def test_cents_and_never_nothing_for_something(usd: str, text: str) -> None:
    assert format_amount(D(usd)) == text


def test_an_amount_and_a_range_in_both_currencies_and_in_dollars_once() -> None:
    assert EURO.of(D(10)) == "10.00 USD (9.12 EUR)"
    assert EURO.between(D(10), D(20)) == "10.00 to 20.00 USD (9.12 to 18.25 EUR)"
    assert EURO.describe_rate() == "1 USD = 0.9124 EUR (2026-10-30)"
    assert (DOLLAR.of(D(10)), DOLLAR.between(D(10), D(20))) == ("10.00 USD", "10.00 to 20.00 USD")
    assert DOLLAR.describe_rate() == ""


def test_a_rate_of_the_table_is_a_quotient_of_two_to_the_euro(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"EUR": (D(1), "d1"), "USD": (D("1.25"), "d2"), "GBP": (D("0.85"), "d3")}
    monkeypatch.setattr(money, "_per_eur", lambda: table)
    assert read_currency("") == read_currency(" eur ") == Currency("EUR", D("0.8"), "European Central Bank, d1")
    assert read_currency("GBP") == Currency("GBP", D("0.68"), "European Central Bank, d3")
    assert read_currency("USD").per_usd == 1
    assert read_currency("xyz:0.001") == Currency("XYZ", D("0.001"), "given by CURRENCY")


def test_euros_come_from_the_dated_table_or_from_the_rate_given() -> None:
    euro = read_currency()
    assert euro.of(D("1.1172")) == "1.12 USD (1.00 EUR)"
    assert euro.describe_rate() == "1 USD = 0.8951 EUR (European Central Bank, 2026-10-30)"
    assert read_currency("eur:0.5").of(D(2)) == "2.00 USD (1.00 EUR)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "EURO",
            "CURRENCY=EURO is not a currency. Fix: three letters, or with a rate, CURRENCY=EUR:0.91 (per dollar).",
        ),
        ("€", "CURRENCY=€ is not a currency. Fix: three letters, or with a rate, CURRENCY=EUR:0.91 (per dollar)."),
        ("EUR:nan", "CURRENCY=EUR:nan: nan is not a rate. Fix: units per dollar, such as CURRENCY=EUR:0.91."),
        ("EUR:", "CURRENCY=EUR:: nothing is not a rate. Fix: units per dollar, such as CURRENCY=EUR:0.91."),
        ("EUR:0", "CURRENCY=EUR:0: 0 is not a rate. Fix: units per dollar, such as CURRENCY=EUR:0.91."),
        ("EUR:x", "CURRENCY=EUR:x: x is not a rate. Fix: units per dollar, such as CURRENCY=EUR:0.91."),
        ("xyz", "no rate is known for XYZ (known: EUR, USD). Fix: give one, CURRENCY=XYZ:1.23 (units per dollar)."),
    ],
)
def test_what_is_no_currency(monkeypatch: pytest.MonkeyPatch, text: str, said: str) -> None:
    monkeypatch.setattr(money, "_per_eur", lambda: {"USD": (D("1.25"), "d"), "EUR": (D(1), "d")})
    with pytest.raises(OperatorError) as caught:
        read_currency(text)
    assert (str(caught.value), caught.value.exit_code) == (said, 2)


def test_an_amount_in_json_loses_no_digit() -> None:
    assert json.dumps([D("0.10")], default=encode_amount) == '["0.10"]'
    with pytest.raises(TypeError, match="set is not JSON"):
        json.dumps({1}, default=encode_amount)
