"""What a plan costs, and what else would do it: the one answer of `make cost` and of the question of `make apply`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.core.text import number
from ops.cost import candidates, estimate
from ops.cost.money import Currency
from ops.cost.speed import Speed, of_types
from ops.plan import pricing
from ops.prices import table as prices


@dataclass(frozen=True)
class Quote:
    """An estimate of a plan, and its candidates for the images and minutes asked for."""

    estimate: estimate.Estimate
    candidates: list[candidates.Candidate]
    images: float | None
    minutes: float | None

    def lines(self, currency: Currency) -> list[str]:
        """Both for a reader."""
        listed = candidates.lines(
            self.candidates, images=self.images, minutes=self.minutes, currency=currency, env=self.estimate.env
        )
        return [*estimate.lines(self.estimate, currency), *listed]

    def as_json(self, currency: Currency) -> dict[str, Any]:
        """Both for a program."""
        listed = candidates.as_json(self.candidates, self.minutes)
        return estimate.as_json(self.estimate, currency) | {"candidates": listed}


def quote(
    plan: Mapping[str, Any],
    *,
    env: str,
    region: str,
    book: prices.Book,
    environ: Mapping[str, str],
    measured: Speed | None = None,
) -> Quote | None:
    """Price a plan; None for one without a cluster.

    Parameters
    ----------
    environ : IMAGES, MINUTES and PRECISION in it
    measured : the speed of a run on AWS, instead of the slowest processor's that the plan may bring

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    size = pricing.shape(plan)
    if size is None:
        return None
    images, minutes = number(environ, "IMAGES"), number(environ, "MINUTES")
    precision = environ.get("PRECISION") or "f32"
    measured = measured if precision == "f32" else None  # the ledger does not say in which precision a run was
    speed = measured or of_types(pricing.worker_types(size.fleets), precision)
    found = estimate.estimate(plan, env=env, region=region, speed=speed, images=images, book=book)
    listed = candidates.list_candidates(
        plan, region=region, images=images, book=book, measured=measured, precision=precision
    )
    return Quote(found, listed, images, minutes) if found else None
