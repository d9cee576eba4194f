"""The cluster stack's plan, made without asking AWS anything: what a price and a check can be computed from."""

from pathlib import Path
from typing import Any

from ops.core.errors import OperatorError
from ops.core.target import EMULATED_ACCOUNT, NO_ACCOUNT, Target
from ops.terraform.variables import Size, make_workspace
from ops.terraform.workspace import CommandFailedError


def plan_cluster(target: Target, size: Size, home: Path | None = None) -> dict[str, Any]:
    """The cluster stack's plan, made without asking AWS anything.

    Raises
    ------
    OperatorError : Terraform refuses the plan; the message holds its reasons
    """
    account = EMULATED_ACCOUNT if target.env == "local" else NO_ACCOUNT
    offline = Target(env=target.env, region=target.region, account_id=account, offline=True)
    try:
        return make_workspace("cluster", offline, size, home=home, capture=True).make_plan()
    except CommandFailedError as error:
        raise OperatorError(f"the cluster cannot be planned, so it has no price:\n{error.output.strip()}") from error
