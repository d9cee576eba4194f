"""Amounts of money: dollars as `Decimal`, shown with enough digits, and in a second currency at a dated rate."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from fruits.request import parse_decimal

from ops.core.errors import WrongUseError
from ops.prices.table import HERE

HOUR = Decimal(3600)
"""Seconds: prices are by the hour, and bills by the second."""
DEFAULT_CURRENCY = "EUR"
NOT_COUNTED = (
    "not counted: taxes (VAT), S3 storage, data transfer out, GB through NAT, endpoints and between zones, Studio's "
    "instances and EFS, CloudWatch, the idle watch (0.0012 USD an hour), KMS and logs' requests, free tier, "
    "credits, Savings Plans"
)


def round_amount(amount: Decimal, digits: int = 6) -> Decimal:
    """An amount to so many decimal places, halves up.

    >>> round_amount(Decimal("0.0000005")), round_amount(Decimal("1.005"), 2)
    (Decimal('0.000001'), Decimal('1.01'))
    """
    return amount.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def format_amount(amount: Decimal) -> str:
    """An amount for a reader: cents, and never 0.00 for something. More digits are in ``JSON=1``.

    >>> tuple(format_amount(Decimal(usd)) for usd in ("12.345", "0.04567", "0", "0.00001"))
    ('12.35', '0.05', '0.00', 'below 0.01')
    """
    return "below 0.01" if 0 < amount < Decimal("0.005") else f"{round_amount(amount, 2):,}"


@dataclass(frozen=True)
class Currency:
    """A second currency.

    Attributes
    ----------
    code : three letters
    per_usd : units of it for a dollar
    as_of : the day of the rate, or ``given by CURRENCY``
    """

    code: str
    per_usd: Decimal
    as_of: str

    def of(self, usd: Decimal) -> str:
        """Dollars, and as much of this currency: ``1.12 USD (1.00 EUR)``."""
        if self.code == "USD":
            return f"{format_amount(usd)} USD"
        return f"{format_amount(usd)} USD ({format_amount(usd * self.per_usd)} {self.code})"

    def between(self, low: Decimal, high: Decimal) -> str:
        """A range of dollars, and of this currency: ``0.13 to 0.20 USD (0.12 to 0.18 EUR)``."""
        dollars = f"{format_amount(low)} to {format_amount(high)} USD"
        if self.code == "USD":
            return dollars
        return f"{dollars} ({format_amount(low * self.per_usd)} to {format_amount(high * self.per_usd)} {self.code})"

    def describe_rate(self) -> str:
        """The rate, for a footnote; empty for dollars."""
        if self.code == "USD":
            return ""
        return f"1 USD = {round_amount(self.per_usd, 4)} {self.code} ({self.as_of})"


@cache
def _per_eur() -> Mapping[str, tuple[Decimal, str]]:
    with (HERE / "currencies.csv").open(newline="") as file:
        return {row["currency"]: (Decimal(row["per_eur"]), row["as_of"]) for row in csv.DictReader(file)}


def read_currency(text: str = "") -> Currency:
    """The second currency: a code of the table, or ``EUR:0.91`` with a rate of one's own; empty for the usual one.

    Raises
    ------
    OperatorError : an unknown code without a rate, or a rate that is no number above 0
    """
    text = text.strip() or DEFAULT_CURRENCY
    code, separator, rate = text.partition(":")
    code = code.upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise WrongUseError(
            f"CURRENCY={text} is not a currency. Fix: three letters, or with a rate, CURRENCY=EUR:0.91 (per dollar)."
        )
    if separator:
        try:
            per_usd = Decimal(str(parse_decimal(rate)))
        except ValueError:
            per_usd = Decimal(0)
        if per_usd <= 0:
            raise WrongUseError(
                f"CURRENCY={text}: {rate or 'nothing'} is not a rate. Fix: units per dollar, such as CURRENCY=EUR:0.91."
            )
        return Currency(code, per_usd, "given by CURRENCY")
    table = _per_eur()
    if code not in table:
        raise WrongUseError(
            f"no rate is known for {code} (known: {', '.join(sorted(table))}). Fix: give one, CURRENCY={code}:1.23 "
            "(units per dollar)."
        )
    (per_eur, as_of), (dollar, _) = table[code], table["USD"]
    return Currency(code, per_eur / dollar, f"European Central Bank, {as_of}")


def encode_amount(value: Any) -> str:
    """An amount as JSON keeps it: a string, which loses no digit."""
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
