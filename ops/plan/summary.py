"""A plan in the lines that somebody reads before saying yes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ops.plan import pricing
from ops.plan.changes import list_changes
from ops.prices import table as prices


def warn_unmailed(plan: Mapping[str, Any], env: str) -> list[str]:
    """A line where the plan of storage has a budget and nobody whom it writes to.

    >>> warn_unmailed({"resource_changes": [{"type": "aws_budgets_budget"}]}, "dev")
    ['   the budget has no e-mail address: add one to budget_emails, infra/env/dev.storage.tfvars']
    """
    has_budget = any(change["type"] == "aws_budgets_budget" for change in plan.get("resource_changes", []))
    if not has_budget or plan.get("variables", {}).get("budget_emails", {}).get("value"):
        return []
    return [f"   the budget has no e-mail address: add one to budget_emails, infra/env/{env}.storage.tfvars"]


def summarize(plan: Mapping[str, Any], region: str, book: prices.Book | None = None) -> list[str]:
    """What somebody wants to know before saying yes: what would be replaced, how large it is, what an hour costs.

    Parameters
    ----------
    book : prices; None takes the dated table
    """
    book = book or prices.table()
    lines = [
        f"   replaces {change.address}, because of {', '.join(change.because) or 'another resource'}"
        for change in list_changes(plan)
        if change.kind == "replace"
    ]
    outputs = {name: entry.get("value") for name, entry in plan["planned_values"].get("outputs", {}).items()}
    if sizing := outputs.get("sizing"):
        fleets = [f"{name} {fleet['units']}" for name, fleet in outputs["fleets"].items() if name != "primary"]
        alone = not outputs["fleets"]["core"]["units"]
        size = f"{sizing['worker_vcpus']} of one node, the primary" if alone else ", ".join(fleets)
        lines.append(f"   vCPUs: {size}")
    try:
        hour = pricing.price_plan(plan, region, book)
    except prices.UnknownPriceError as error:
        return [*lines, f"   the price is not available: {error}"]
    if hour is not None:
        spot = abs(hour.total - hour.total_on_demand) > 0.005
        fallback = f" ({hour.total_on_demand:.2f} without Spot capacity)" if spot else ""
        lines.append(
            f"   an hour costs at most {hour.total:.2f} USD{fallback}: EC2 {hour.ec2:.2f}, EMR {hour.emr:.2f}, "
            f"volumes {hour.ebs:.2f}, network {hour.network:.2f}, before tax"
        )
        dates = " ".join(book.instance(region, name).ec2_as_of for name in sorted(pricing.list_types(plan)))
        lines += [f"   {old}"] if (old := prices.describe_old_dates(dates, datetime.now(UTC).date())) else []
    return lines
