"""Every check of `make doctor`, and what still bills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.request import DEFAULT_MODEL

from ops.aws.account import Account, Place, offline_target
from ops.aws.refusals import is_passing
from ops.aws.state_bucket import NoStateError, find_region
from ops.core.console import Console
from ops.core.errors import NoCredentialsError, NotAppliedError, OperatorError, TerraformError
from ops.core.target import Target
from ops.cost import billing as bill_lines
from ops.cost.leftovers import list_running_costs
from ops.doctor import cloud, images, machine
from ops.doctor.finding import FAILURE, Finding, attempt, explain_failure, unchecked
from ops.doctor.requirements import ClusterNeeds, read_ends_of_support, read_european_regions, read_needs
from ops.lifecycle.upload import PREFIX
from ops.plan import policies
from ops.prices import table as prices
from ops.prices.current import find_current
from ops.terraform.variables import Size, plan_cluster

ASKED = "vCPUs, types, release, block public access, buckets and time"
NO_EMULATOR = "the embedded AWS of ENV=local is not running"


def try_plan(target: Target, size: Size) -> tuple[list[Finding], dict[str, Any] | None]:
    """The cluster's plan, offline; or the finding that there is none, with Terraform's reason."""
    try:
        plan = plan_cluster(target, size)
    except OperatorError as error:
        return [explain_failure("plan", error)], None
    if broken := policies.check_plan(plan, region=target.region):
        return [Finding("plan", FAILURE, f"it breaks a rule: {broken[0]}", "see ops/plan/policies.py.")], plan
    return [Finding("plan", "ok", "the cluster stack can be planned, and keeps every rule")], plan


def find_account(place: Place) -> tuple[list[Finding], Account | None]:
    """The account at hand; or why there is none."""
    try:
        return [], Account.at(place)
    except NoCredentialsError as error:
        return [
            explain_failure("credentials", error),
            unchecked("AWS", f"there are no credentials to ask for {ASKED}"),
        ], None
    except TerraformError as error:
        if not place.is_local:
            return [explain_failure("AWS", error)], None
        cure = "make local-up, or make apply, which starts it."
        return [unchecked("AWS", f"{NO_EMULATOR}, so it was not asked for {ASKED}", cure)], None


def list_buckets(account: Account) -> list[str]:
    """The buckets that the storage stack knows; none where it was never applied."""
    try:
        return [str(name) for name in account.storage["buckets"].values()]
    except (NotAppliedError, TerraformError):
        return []


def examine_images(account: Account | None, uri: str, buckets: Sequence[str]) -> list[Finding]:
    """The images at an address, or in the data bucket."""
    if uri and not uri.startswith("s3://"):
        return [images.check_store(uri)]
    if account is None:
        return [unchecked("images", "no account to look into", "INPUT=dir counts those of a folder.")]
    if not uri and not buckets:
        return [unchecked("images", "there is no data bucket yet", "make apply, or INPUT=dir for a folder's.")]
    uri, cure = (
        uri or f"s3://{account.bucket('data')}/{PREFIX}",
        f"make upload-dataset ENV={account.target.env} INPUT=dir.",
    )
    return attempt("images", images.check_bucket, account.client("s3"), uri, cure)


def examine_wheels(
    need: ClusterNeeds | None, account: Account | None, buckets: Sequence[str], arch: str
) -> list[Finding]:
    """The wheelhouse here and, where there is a bucket for it, there."""
    if need is None:
        return [unchecked("wheelhouse", "without a plan the processors are unknown")]
    if (wrong := machine.check_architecture(need.architecture, arch)) is not None:
        return [wrong]
    finding, wheels = machine.check_wheelhouse(need.architecture)
    if wheels is None or account is None or not buckets:
        return [finding]
    s3, bucket = account.client("s3"), account.bucket("artifacts")
    return [finding, *attempt("wheels in S3", cloud.check_uploaded_wheels, s3, bucket, wheels)]


def examine_states(account: Account) -> Finding:
    """Where Terraform keeps its states, without which nothing can be applied."""
    name, foreign, lies_in = account.target.state_bucket, "", None
    try:
        lies_in = find_region(account.client("s3"), name, account.target.account_id)
    except NoStateError as error:
        foreign = str(error).partition(". Fix:")[0]
    except ClientError as error:
        if is_passing(error):
            raise
        foreign = str(error.response["Error"]["Code"])
    return cloud.judge_states(name, lies_in=lies_in, foreign=foreign, env=account.target.env)


def examine_account(account: Account, need: ClusterNeeds | None, buckets: Sequence[str]) -> list[Finding]:
    """Everything that only the account can tell."""
    target, s3 = account.target, account.client("s3")
    findings = attempt("credentials", cloud.check_caller, account.client("sts"), emulated=target.emulated)
    regions, priced = (
        account.session.get_available_regions("ec2"),
        sorted({place for place, _ in prices.table().instances}),
    )
    european = read_european_regions()
    findings.append(cloud.judge_region(target.region, european=european, known=regions, priced=priced))
    if not target.local_state:
        findings += attempt("states", examine_states, account)
    names = [*target.bucket_names.values()]
    findings += attempt("bucket", cloud.check_names, s3, names, buckets, target.region, target.env)
    if need is None:
        return [*findings, unchecked("vCPUs", "without a plan it is unknown what the account needs")]
    ends = read_ends_of_support()
    return [*findings, *cloud.check_account(account.client, need, ends, env=target.env, region=target.region)]


@dataclass(frozen=True, kw_only=True)
class Plans:
    """What somebody is about to do.

    Attributes
    ----------
    size : of the cluster
    images : their address; empty for those of the data bucket
    model, weights : as the job takes them
    """

    size: Size = field(default_factory=Size)
    images: str = ""
    model: str = DEFAULT_MODEL
    weights: str | None = None


def examine(place: Place, plans: Plans, console: Console) -> tuple[list[Finding], Account | None]:
    """Every check, in the order in which things would fail; and the account, where there is one."""
    findings = machine.check_tools(plans.model, plans.weights)
    with console.status("planning"):
        more, plan = try_plan(offline_target(place), plans.size)
    findings += more
    need = read_needs(plan) if plan else None
    more, account = find_account(place)
    findings += more
    buckets: list[str] = []
    if account is not None:
        with console.status("asking AWS"):
            buckets = list_buckets(account)
            try:
                findings += examine_account(account, need, buckets)
            except BotoCoreError as error:  # no network: no further call would get through either
                findings.append(unchecked("AWS", " ".join(str(error).split()), "check the network."))
                account = None
    with console.status("reading the wheels"):
        findings += examine_wheels(need, account, buckets, plans.size.arch)
    with console.status("counting images"):
        findings += examine_images(account, plans.images, buckets)
    return findings, account


def read_running_costs(account: Account, console: Console) -> bill_lines.RunningCosts:
    """What still bills, at the prices of now where they can be had."""
    types = {name for fleet in _fleets(account).values() for name in fleet["types"]}
    with console.status("looking for what still bills"):
        region = account.target.region
        book = find_current(region, types, ask=not account.target.emulated)
        return replace(list_running_costs(account, book), age=prices.say_age(book, region, types) if types else "")


def _fleets(account: Account) -> Mapping[str, Any]:
    try:
        return dict(account.cluster.get("fleets") or {})
    except (NotAppliedError, TerraformError):
        return {}
