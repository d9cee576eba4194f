"""`make drift`: whether what is deployed differs from the code, and what of ours bills by the hour, as an issue's text.

Looks at the storage stack alone: clusters come and go, so that one that is not there is no drift. Locks nothing,
changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fruits.wording import format_count

from ops.aws.account import Account
from ops.ci.comment import count_changes, fold_details, quote_block, quote_code
from ops.core.console import Console, working
from ops.cost.leftovers import list_running_costs
from ops.plan.changes import Change, find_secrets, list_changes, render_lines
from ops.plan.masking import mask_text
from ops.prices import table as prices
from ops.terraform.workspace import CommandFailedError, Workspace

LIMIT = 60_000
MOST = 50


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What was found in an environment.

    Attributes
    ----------
    env : whose
    plan : of the storage stack against what stands; None where there is none
    unplanned : why there is none
    billing : lines on what bills by the hour
    unseen : what could not be listed
    account : its id, to be masked
    """

    env: str
    plan: Mapping[str, Any] | None = None
    unplanned: str = ""
    billing: Sequence[str] = ()
    unseen: Sequence[str] = field(default_factory=tuple)
    account: str = ""

    @property
    def changes(self) -> list[Change]:
        """What an apply would do to the storage stack."""
        return list_changes(self.plan) if self.plan else []

    @property
    def found(self) -> bool:
        """Whether somebody should know. What could not be looked at is a finding too: silence would look like order."""
        return bool(self.changes or self.billing or self.unplanned or self.unseen)


def make_drift_marker(env: str) -> str:
    """What the issue about an environment is found again by."""
    return f"<!-- fruits-drift {env} -->"


def make_title(drift: Drift) -> str:
    """The issue's title, always the same for an environment, so that there is one."""
    return f"{drift.env}: differs from the code, or bills"


def render_drift(drift: Drift) -> str:
    """The issue's text, its marker last."""
    sentences: list[str] = []
    details: list[str] = []
    if drift.unplanned:
        sentences.append("The storage stack could not be planned, so whether it differs from the code is not known.")
        details.append(fold_details("Terraform's reasons", drift.unplanned.splitlines(), LIMIT // 4, language="text"))
    elif drift.changes:
        sentences.append(
            f"**The storage stack differs from the code**: an apply would find {count_changes(drift.changes)}."
        )
        parts = ["\n".join(render_lines(change)) for change in drift.changes]
        details.append(fold_details("what an apply would do", parts, LIMIT // 2))
    else:
        sentences.append("The storage stack matches the code.")
    if drift.billing:
        listed = quote_block("\n".join(drift.billing[:MOST]), "text")
        sentences.append(f"**{format_count(len(drift.billing), 'thing')} of ours to be paid by the hour:**\n\n{listed}")
        if len(drift.billing) > MOST:
            sentences.append(
                f"and {len(drift.billing) - MOST} more; {quote_code(f'make billing ENV={drift.env}')} lists them all."
            )
    else:
        sentences.append("Nothing of ours that was seen bills by the hour.")
    if drift.unseen:
        sentences.append("Not looked at:\n\n" + quote_block("\n".join(drift.unseen[:MOST]), "text"))
    text = "\n\n".join([*sentences, *details, make_drift_marker(drift.env)]) + "\n"
    return mask_text(
        text, secrets=find_secrets(drift.plan) if drift.plan else (), accounts=[drift.account] if drift.account else ()
    )


def find_drift(account: Account, home: Path, console: Console) -> Drift:
    """Plan the storage stack against what stands, and list what bills."""
    env, plan, unplanned = account.target.env, None, ""
    try:
        with working(console, f"storage: planning against what is deployed in {env}"):
            work = Workspace(target=account.target, stack="storage", capture=True)
            plan = work.make_plan(out=home / "storage-live.tfplan", arguments=["-lock=false"])
    except CommandFailedError as error:
        unplanned = error.reasons or str(error)
    with working(console, "looking for what bills"):
        costs = list_running_costs(account, prices.table(), buckets=False)
    return Drift(
        env=env,
        plan=plan,
        unplanned=unplanned,
        billing=[f"{item.kind} {item.id}: {item.about}; {item.price}. Remove: {item.remove}" for item in costs.hourly],
        unseen=list(costs.unseen),
        account=account.target.account_id,
    )
