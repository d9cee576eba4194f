"""What a plan costs, and what else would do it: the one answer of `make cost` and of the question of `make apply`."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import Account
from ops.core.errors import NotAppliedError
from ops.cost import candidates, estimate, ledger
from ops.cost.ledger import TROUBLE, explain_missing
from ops.cost.money import Currency, read_currency
from ops.cost.speed import Speed, estimate_types_speed, find_measured_speed
from ops.plan import pricing
from ops.prices import table as prices
from ops.prices.current import find_current
from ops.terraform.variables import Size


@dataclass(frozen=True)
class Quote:
    """An estimate of a plan, and its candidates for the images and minutes asked for."""

    estimate: estimate.Estimate
    candidates: list[candidates.Candidate]
    images: float | None
    minutes: float | None

    def lines(self, currency: Currency) -> list[str]:
        """The estimate and the candidates for a reader."""
        listed = candidates.render_lines(
            self.candidates, images=self.images, minutes=self.minutes, currency=currency, env=self.estimate.env
        )
        return [*estimate.render_lines(self.estimate, currency), *listed]

    def as_json(self, currency: Currency) -> dict[str, Any]:
        """The estimate and the candidates for a program."""
        listed = candidates.as_json(self.candidates, self.minutes)
        return estimate.as_json(self.estimate, currency) | {"candidates": listed}


def make_quote(
    plan: Mapping[str, Any],
    *,
    env: str,
    region: str,
    book: prices.Book,
    size: Size,
    measured: Speed | None = None,
) -> Quote | None:
    """Price a plan; None for one without a cluster.

    Parameters
    ----------
    size : the images, minutes and precision that are asked for
    measured : the speed of a run on AWS, instead of the slowest processor's that the plan may bring

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    shape = pricing.read_shape(plan)
    if shape is None:
        return None
    images, precision = size.images, size.precision or "f32"
    measured = measured if precision == "f32" else None  # the ledger does not say in which precision a run was
    speed = measured or estimate_types_speed(pricing.list_worker_types(shape.fleets), precision)
    priced = estimate.estimate_cost(plan, env=env, region=region, speed=speed, images=images, book=book)
    listed = candidates.list_candidates(
        plan, region=region, images=images, book=book, measured=measured, precision=precision
    )
    return Quote(priced, listed, images, size.minutes) if priced else None


def read_measured_speed(account: Account) -> Speed | None:
    """As the newest run in the ledger measured; None where there is none, or on the embedded AWS."""
    if not account.target.emulated:
        with contextlib.suppress(BotoCoreError, ClientError, NotAppliedError):
            records = ledger.read_ledger(account.client("s3"), account.bucket("data"))
            return find_measured_speed([(record["to"], record) for record in records])
    return None


def describe_before_apply(plan: Mapping[str, Any], account: Account, size: Size) -> list[str]:
    """The estimate that is shown before the question whether to create a cluster; what cannot be told is said."""
    target = account.target
    try:
        book = find_current(target.region, pricing.list_types(plan, unused=True), ask=not target.emulated)
        speed = read_measured_speed(account)
        price = make_quote(plan, env=target.env, region=target.region, book=book, size=size, measured=speed)
        return [f"   {line}" for line in price.lines(read_currency(account.currency))] if price else []
    except TROUBLE as error:
        return [f"   the cost is not available: {explain_missing(error)}"]
