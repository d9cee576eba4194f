"""What is still billing of an environment: each thing, what it costs, the command that ends it.

Everything with our tags is asked of the Resource Groups Tagging API; what that misses (EMR's own endpoint, sizes,
states, volumes that are attached to nothing) is listed service by service. What could not be listed is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from fruits.wording import format_count

from ops.aws.account import Account
from ops.core.errors import ExitCode
from ops.cost.money import Currency, format_amount, round_amount

KEY_USD_MONTH = Decimal(1)
# Kinds in the Tagging API that cost nothing, or whose cost is listed by what they belong to.
FREE = {
    "budgets:budget", "ec2:dhcp-options", "ec2:internet-gateway", "ec2:launch-template", "ec2:network-acl",
    "ec2:network-interface", "ec2:placement-group", "ec2:route-table", "ec2:security-group", "ec2:security-group-rule",
    "ec2:subnet", "ec2:vpc", "iam:instance-profile", "iam:policy", "iam:role", "sagemaker:user-profile",
    "scheduler:schedule", "scheduler:schedule-group",
}  # fmt: skip
LISTED = {
    "ec2:elastic-ip", "ec2:instance", "ec2:natgateway", "ec2:volume", "ec2:vpc-endpoint", "elasticmapreduce:cluster",
    "kms:key", "s3:bucket", "sagemaker:domain",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing.

    Attributes
    ----------
    kind, id : what, and its name in AWS
    about : state and size
    usd_hour, usd_month : what it costs while it is there; None where nobody knows
    inferred : nobody has read that price
    remove : the command that ends it
    """

    kind: str
    id: str
    about: str
    usd_hour: Decimal | None = None
    usd_month: Decimal | None = None
    inferred: bool = False
    remove: str

    @property
    def price(self) -> str:
        """Its price for a reader; ``~`` is inferred."""
        mark = "~" if self.inferred else ""
        if self.usd_hour is not None:
            return f"{mark}{format_amount(self.usd_hour)} USD per hour"
        if self.usd_month is not None:
            return f"{mark}{format_amount(self.usd_month)} USD a month"
        return "price not known"

    def as_json(self) -> dict[str, Any]:
        """One thing for a program; amounts as strings."""
        amounts = {name: None if usd is None else str(round_amount(usd)) for name, usd in self._amounts.items()}
        return {"kind": self.kind, "id": self.id, "about": self.about, **amounts, "inferred": self.inferred,
                "remove": self.remove}  # fmt: skip

    @property
    def _amounts(self) -> dict[str, Decimal | None]:
        return {"usd_per_hour": self.usd_hour, "usd_per_month": self.usd_month}


@dataclass
class RunningCosts:
    """Everything found.

    Attributes
    ----------
    items : what bills
    free : ARNs with our tags that cost nothing
    unseen : what could not be listed, and why
    age : that the prices are old, where they are
    """

    items: list[Item] = field(default_factory=list)
    free: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    age: str = ""

    @property
    def hourly(self) -> list[Item]:
        """What bills by the hour, or may: its price is not known."""
        return [item for item in self.items if item.usd_month is None]


def read_kind(arn: str) -> str:
    """Service and resource type of an ARN.

    >>> read_kind("arn:aws:ec2:eu-west-3:123456789012:vpc/vpc-1"), read_kind("arn:aws:s3:::fruits-dev-data-1")
    ('ec2:vpc', 's3:bucket')
    >>> read_kind("arn:aws:elasticfilesystem:eu-west-3:123456789012:file-system/fs-1"), read_kind("odd")
    ('elasticfilesystem:file-system', ':')
    """
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return ":"
    if parts[2] == "s3":
        return "s3:bucket"
    return f"{parts[2]}:{parts[5].replace(':', '/').partition('/')[0]}"


def split_arns(arns: Iterable[str], env: str) -> tuple[list[Item], list[str]]:
    """From the ARNs with our tags: what no listing covers and may bill, and what is free."""
    items, free = [], []
    for arn in arns:
        kind = read_kind(arn)
        if kind in FREE:
            free.append(arn)
        elif kind == "kms:key":
            about = "a customer managed key; one scheduled for deletion does not bill"
            remove = f"make purge ENV={env}"
            items.append(Item(kind="key", id=arn, about=about, usd_month=KEY_USD_MONTH, inferred=True, remove=remove))
        elif kind not in LISTED:
            remove = f"make destroy ENV={env}, or in the console of {kind.partition(':')[0]}"
            items.append(Item(kind=kind, id=arn, about="has our tags and may bill", remove=remove))
    return items, free


def render_lines(costs: RunningCosts, account: Account, currency: Currency) -> list[str]:
    """The bill for a reader, the sum last."""
    env = account.target.env
    emulated = " (embedded AWS: nothing is billed, this is what AWS would)" if account.target.emulated else ""
    texts = [f"still billing of ENV={env} in {account.target.region}{emulated}"]
    for item in costs.items:
        texts.append(f"  {item.kind} {item.id}: {item.about}; {item.price}. Remove: {item.remove}")
    texts += [f"  not known: {text}" for text in costs.unseen]
    if costs.free:
        free = format_count(len(costs.free), "more thing")
        texts.append(f"  nothing to pay for {free} with our tags (networks, groups, roles, schedules)")
    texts += [costs.age] if costs.age else []
    return [*texts, describe_total(costs, account, currency)]


def describe_total(costs: RunningCosts, account: Account, currency: Currency) -> str:
    """What everything costs together, and what ends that."""
    hour = sum((item.usd_hour for item in costs.items if item.usd_hour), Decimal(0))
    month = sum((item.usd_month for item in costs.items if item.usd_month), Decimal(0))
    unpriced = sum(item.usd_hour is None for item in costs.hourly)
    unsure = f"; the price of {format_count(unpriced, 'thing', 'is')} not known" if unpriced else ""
    unsure += "; not everything could be listed" if costs.unseen else ""
    target = account.target
    stored = f"{currency.of(month)} a month for what is stored ({target.command('purge')} removes it)"
    if costs.unseen and not costs.items:
        return "what bills is not known: not everything could be listed"
    if not costs.hourly:
        seen = "nothing that could be listed" if costs.unseen else "nothing"
        return f"{seen} bills by the hour; {stored if costs.items else 'nothing is stored'}{unsure}"
    bills = "on AWS it would bill" if target.emulated else "it bills"
    return f"{bills} {currency.of(hour)} an hour before tax until {target.command('destroy')}; {stored}{unsure}"


def as_json(costs: RunningCosts) -> dict[str, Any]:
    """Everything that bills, for a program."""
    return {"items": [item.as_json() for item in costs.items], "free": costs.free, "unseen": costs.unseen}


def exit_code(costs: RunningCosts) -> int:
    """Whether something bills by the hour; a failure where that is not known."""
    if costs.hourly:
        return ExitCode.BILLS
    return ExitCode.FAILED if costs.unseen else ExitCode.DONE
