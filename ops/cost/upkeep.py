"""What of an environment bills now, and what ends it: read from EMR and EC2, said in one line at the end of commands.

It looks at one environment's own cluster and network. What lies about elsewhere in the account is `make doctor`'s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ops.aws.account import Account
from ops.aws.describe import list_pages
from ops.aws.inventory import Inventory, count_billed_zones
from ops.aws.states import LIVE_STATES
from ops.core.errors import NotAppliedError
from ops.core.text import format_duration, format_utc
from ops.cost import ledger
from ops.cost.ledger import TROUBLE, explain_missing
from ops.cost.money import format_amount
from ops.cost.period import PricedNode
from ops.prices import table as prices


@dataclass(frozen=True, kw_only=True)
class ClusterUpkeep:
    """The cluster of an environment.

    Attributes
    ----------
    reason : EMR's, which may be empty
    idle_since : when the last step ended; None while one is open, or the cluster is not ready
    ends_idle : when it ends if nothing is submitted (the idle watch looks every five minutes); None where it does not
    ends_latest : UTC time at which the schedule ends it, as Terraform gives it
    nodes : live ones, by role
    usd_hour : dollars an hour of the live nodes; None where a price is not known
    usd_so_far : dollars from the first instance to now
    """

    id: str
    state: str
    reason: str
    created: datetime
    idle_since: datetime | None
    ends_idle: datetime | None
    ends_latest: str
    nodes: Mapping[str, int]
    usd_hour: Decimal | None
    usd_so_far: Decimal | None

    @property
    def live(self) -> bool:
        """Whether the cluster bills."""
        return self.state in LIVE_STATES


@dataclass(frozen=True, kw_only=True)
class Upkeep:
    """What bills in an environment.

    Attributes
    ----------
    emulated : on the embedded AWS, where nothing does
    cluster : the one of Terraform's state, ended or not
    network : dollars an hour by what is still there: interface endpoints, NAT gateways
    buckets : what lies in them bills by the month
    """

    emulated: bool
    cluster: ClusterUpkeep | None = None
    network: Mapping[str, Decimal] = field(default_factory=dict)
    buckets: Sequence[str] = ()

    @property
    def usd_hour(self) -> Decimal | None:
        """Dollars an hour of all that is known; None where the cluster's are not."""
        cluster_usd = self.cluster.usd_hour if self.cluster and self.cluster.live else Decimal(0)
        return None if cluster_usd is None else cluster_usd + sum(self.network.values(), Decimal(0))


def find_idle_since(ready: datetime | None, steps: Sequence[Mapping[str, Any]]) -> datetime | None:
    """When a cluster's last step ended, or when it was ready for the first; None while a step is open or it starts."""
    times: list[datetime | None] = [ready, *(step["Status"]["Timeline"].get("EndDateTime") for step in steps)]
    ends = [moment for moment in times if moment is not None]
    return max(ends) if len(ends) == len(times) else None


def read_cluster(account: Account, now: datetime) -> ClusterUpkeep | None:
    """The cluster of Terraform's state; None where the stack is not applied."""
    try:
        outputs = account.cluster
    except NotAppliedError:
        return None
    cluster_id, emr = str(outputs["cluster_id"]), account.client("emr")
    status = emr.describe_cluster(ClusterId=cluster_id)["Cluster"]["Status"]
    timeline, state = status["Timeline"], str(status["State"])
    nodes: list[PricedNode] = []
    usd_hour: Decimal | None = None
    so_far: Decimal | None = None
    try:
        whole, nodes, steps = ledger.price_life(account, cluster_id, prices.table(), now)
        live = [node for node in nodes if node.end is None]
        usd_hour = sum((node.usd_hour for node in live), Decimal(0))
        so_far = whole.total if nodes else None
    except prices.UnknownPriceError:
        steps, live = list(list_pages(emr, "list_steps", "Steps", ClusterId=cluster_id)), []
    since = find_idle_since(timeline.get("ReadyDateTime"), steps) if state in LIVE_STATES else None
    return ClusterUpkeep(
        id=cluster_id,
        state=state,
        reason=str(status.get("StateChangeReason", {}).get("Message") or ""),
        created=timeline["CreationDateTime"],
        idle_since=since,
        ends_idle=_ends_idle(emr, cluster_id, since),
        ends_latest=str(outputs.get("terminates_at") or ""),
        nodes={role: sum(node.role == role for node in live) for role in sorted({node.role for node in live})},
        usd_hour=usd_hour,
        usd_so_far=so_far,
    )


def _ends_idle(emr: Any, cluster_id: str, since: datetime | None) -> datetime | None:
    if since is None:
        return None
    policy = emr.get_auto_termination_policy(ClusterId=cluster_id).get("AutoTerminationPolicy") or {}
    seconds = policy.get("IdleTimeout")
    return since + timedelta(seconds=int(seconds)) if seconds else None


def price_network(account: Account) -> dict[str, Decimal]:
    """Dollars an hour of what bills in the environment's network beside the nodes, by its name and id."""
    inventory, region, book = Inventory(account), account.target.region, prices.table()
    hourly = {
        f"endpoint {endpoint['ServiceName'].rpartition('.')[2]} {endpoint['VpcEndpointId']}": zones
        * book.service(region, "interface_endpoint").usd
        for endpoint in inventory.endpoints()
        if (zones := count_billed_zones(endpoint))
    }
    for gateway in inventory.nat_gateways():
        hourly[f"NAT gateway {gateway['NatGatewayId']}"] = book.service(region, "nat_gateway").usd
    return hourly


def read_upkeep(account: Account, now: datetime | None = None) -> Upkeep:
    """Everything of the environment that bills, as AWS tells it now."""
    try:
        buckets = [str(name) for name in account.storage["buckets"].values()]
    except NotAppliedError:
        buckets = []
    return Upkeep(
        emulated=account.target.emulated,
        cluster=read_cluster(account, now or datetime.now(UTC)),
        network=price_network(account),
        buckets=buckets,
    )


def describe_ends(cluster: ClusterUpkeep, now: datetime | None = None) -> list[str]:
    """What ends a live cluster, and when; with ``now`` also in how long."""
    ways = ["make destroy"]
    if cluster.ends_idle is not None:
        ways.append(f"about {_at(cluster.ends_idle, now)} when nothing is submitted")
    try:
        latest = _at(datetime.fromisoformat(cluster.ends_latest), now)
    except ValueError:
        latest = cluster.ends_latest
    return [*ways, f"{latest} at the latest"] if latest else ways


def _at(moment: datetime, now: datetime | None) -> str:
    if now is None:
        return format_utc(moment)
    seconds = (moment - now).total_seconds()
    return f"{format_utc(moment)} ({f'in {format_duration(seconds)}' if seconds > 0 else 'any minute'})"


def describe_upkeep(upkeep: Upkeep) -> str:
    """The last line of a command: what goes on billing and what ends it, or that nothing does."""
    cluster = upkeep.cluster if upkeep.cluster and upkeep.cluster.live else None
    if upkeep.emulated:
        stays = f"the cluster {cluster.id} is still up ({cluster.state}): " if cluster else ""
        return f"{stays}the embedded AWS bills nothing"
    hour = (
        f"{format_amount(upkeep.usd_hour)} USD an hour before tax"
        if upkeep.usd_hour is not None
        else "at an unknown price"
    )
    stored = f"; the contents of {', '.join(upkeep.buckets)} by the month, until make purge" if upkeep.buckets else ""
    if cluster is not None:
        until = "; ".join(describe_ends(cluster))
        return f"STILL BILLING: the cluster {cluster.id} ({cluster.state}), {hour}, until {until}{stored}"
    if upkeep.network:
        names = ", ".join(sorted(upkeep.network))
        return f"STILL BILLING: {names}, {hour}, until make destroy{stored}"
    if upkeep.buckets:
        return f"STILL BILLING: only the contents of {', '.join(upkeep.buckets)}, by the month, until make purge"
    return "nothing of this environment bills"


def tell_upkeep(account: Account) -> str:
    """The sentence for an account, whatever happens while it is asked."""
    try:
        upkeep = read_upkeep(account)
        old = prices.say_age() if upkeep.usd_hour and not upkeep.emulated else ""
        return describe_upkeep(upkeep) + (f"; {old}" if old else "")
    except TROUBLE as error:
        return f"MAY STILL BILL: what bills could not be checked ({explain_missing(error)}). Fix: make status."
