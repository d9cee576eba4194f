"""`make verify-aws`: apply, run the sample, look, destroy and purge; a dated record of what holds.

With ``ENV=local`` it is a rehearsal on the embedded AWS. Whatever happens, what was made is removed again, and what is
left is said: after a failure, after Ctrl-C, and when the terminal is closed.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from rich.table import Table
from rich.text import Text

from localaws.errors import LocalAwsError
from ops.aws.account import Account, Place
from ops.aws.inventory import Inventory
from ops.aws.refusals import explain_refusal
from ops.aws.state_bucket import require_state
from ops.cli.place import read_place
from ops.cli.values import is_on, read_person
from ops.core.console import Console, Person
from ops.core.errors import ExitCode, OperatorError, WrongUseError
from ops.core.paths import ROOT
from ops.core.programs import describe_commit
from ops.core.target import PROJECT
from ops.cost import ledger
from ops.cost.ledger import TROUBLE
from ops.cost.money import read_currency
from ops.lifecycle import environment as deploy
from ops.lifecycle import step
from ops.lifecycle.environment import Order
from ops.lifecycle.upload import list_images, upload
from ops.logs.layout import SHIPPING
from ops.plan import pricing
from ops.prices import table as prices
from ops.terraform.variables import Size, make_workspace
from ops.terraform.workspace import Workspace
from ops.verify import record
from ops.verify.assumptions import AssumptionResult, judge_assumptions
from ops.verify.bill import compare_bill
from ops.verify.extras import EXTRAS, add_extras, parse_extras
from ops.verify.gather import Gatherer
from sample.draw import draw_sample

LIMIT_EUR = Decimal(1)
HOURS = Decimal(1)  # ttl_hours of infra/env/verify.cluster.tfvars: the schedule outside ends the cluster then
LOG_WAIT_SECONDS = SHIPPING.total_seconds()
LOG_WAIT_SECONDS_EMULATED = 30.0
EXPECTED = (OperatorError, LocalAwsError, FruitsError, ClientError, BotoCoreError)
TRIES = 3
NO_SUCH_CLASS = "No such fruit"


def price_hour(account: Account) -> Decimal:
    """Dollars of an hour of the cluster, on demand throughout, from a plan that asks AWS nothing.

    Raises
    ------
    OperatorError : the price is not available, or an hour would cost more than a euro
    """
    target = replace(account.target, endpoint=None, offline=True)
    plan = make_workspace("cluster", target, Size(), capture=True).make_plan()
    try:
        hour = pricing.price_plan(plan, target.region)
    except prices.UnknownPriceError as error:
        raise OperatorError(f"the price is not available: {error}", exit_code=ExitCode.RULE) from error
    assert hour is not None
    usd = hour.total_on_demand * HOURS
    euros = usd * read_currency("EUR").per_usd
    if euros >= LIMIT_EUR and not account.target.emulated:
        raise OperatorError(
            f"an hour of ENV={target.env} costs {euros:.2f} EUR, and this is meant to stay under {LIMIT_EUR} EUR. "
            "Fix: ENV=verify, whose cluster is the smallest that shows everything.",
            exit_code=ExitCode.RULE,
        )
    return usd


def refuse_used_environment(account: Account) -> None:
    """Everything of the environment is removed at the end, so there must be nothing before.

    Raises
    ------
    OperatorError
    """
    names_by_kind = {kind: names for kind, names in Inventory(account).names().items() if names}
    if names_by_kind:
        listing = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in names_by_kind.items())
        raise WrongUseError(
            f"ENV={account.target.env} is in use ({listing}), and verify-aws removes everything of it at the end. Fix: "
            "ENV=verify, which nothing else uses, or make purge first."
        )


def run_sample(gatherer: Gatherer) -> None:
    """The whole chain over the sample."""
    account, console = gatherer.account, gatherer.console
    request = step.request_for(account, {})
    submitted = step.submit(account, request, queue=False)
    step.conclude(account, submitted, step.watch(account, submitted, console), console)
    description = gatherer.describe_step(submitted.cluster_id, submitted.step_id)
    arguments = description["Config"]["Args"] if "Config" in description else []
    entry, packed = step.upload_job(account)  # there already: it says under which key
    bucket, _, prefix = submitted.output.removeprefix("s3://").partition("/")
    s3 = account.client("s3")
    gatherer.evidence["sample"] = {
        "step": description,
        "arguments": step.make_step_arguments(entry, packed, arguments[-1] if arguments else ""),
        "request": request.as_json(),
        "output": submitted.output,
        "run": gatherer.ask(lambda: json.loads(account.store(submitted.output).read("run.json"))),
        "run_written": gatherer.ask(lambda: s3.head_object(Bucket=bucket, Key=f"{prefix}/run.json")["LastModified"]),
    }


def run_failing(gatherer: Gatherer) -> None:
    """A step whose job fails for a reason that is known."""
    account = gatherer.account
    output = f"s3://{account.bucket('data')}/results/verify-failing"
    request = step.request_for(account, {"classes": [NO_SUCH_CLASS], "output": output})
    submitted = step.submit(account, request, queue=False)
    step.watch(account, submitted, gatherer.console)
    gatherer.evidence["failing"] = {
        "step": gatherer.describe_step(submitted.cluster_id, submitted.step_id),
        "told": gatherer.ask(lambda: json.loads(account.store(output).read("_run/error.json"))),
        "details": {"seconds": None, "found": None},
    }


def collect_evidence(gatherer: Gatherer, extras: Sequence[str]) -> None:
    """Apply, run, look: fills the evidence. What raises here leaves the rest unseen."""
    account, console, evidence = gatherer.account, gatherer.console, gatherer.evidence
    evidence["with"] = list(extras)
    arch = next((EXTRAS[extra].arch for extra in extras if EXTRAS[extra].arch), "x86_64")
    order = Order(size=Size(arch=arch), person=Person(has_agreed=True))

    def apply() -> Account:
        deploy.apply(account, order, console)
        return replace(account)  # the outputs of before the apply were others

    account = gatherer.account = apply()
    evidence["alive"] = gatherer.look_at_cluster()
    draw_sample(deploy.SAMPLE)
    paths, _ = list_images(deploy.SAMPLE)
    evidence["uploaded"] = upload(account.client("s3"), account.bucket("data"), deploy.SAMPLE, paths, console).images
    run_sample(gatherer)
    run_failing(gatherer)
    gatherer.run_probe()
    gatherer.look_at_extras(extras)
    with console.status("a second plan"):
        evidence["second_plan"] = plan_again(account, order.size)
    gatherer.wait_for_logs(LOG_WAIT_SECONDS_EMULATED if gatherer.emulated else LOG_WAIT_SECONDS)
    if "idle" in extras:
        gatherer.wait_for_idle_end()
    else:
        gatherer.wait_for_schedule()
    gatherer.look_at_the_end()
    with console.status("a plan after the cluster's end"):
        evidence["plan_after_end"] = plan_again(account, order.size)
    if "again" in extras:
        gatherer.time_second_apply(apply)


def plan_again(account: Account, size: Size) -> dict[str, Any]:
    """What Terraform would change in a cluster that it has just made, planned as `make plan` does."""
    work = make_workspace("cluster", account.target, size, capture=True)
    changes = work.make_plan()["resource_changes"]
    quiet = (["no-op"], ["read"])
    return {"changes": [[c["address"], c["change"]["actions"]] for c in changes if c["change"]["actions"] not in quiet]}


def measure_cost(account: Account, limit_usd: Decimal) -> dict[str, Any]:
    """What the cluster did cost, from the lifetimes of its instances."""
    try:
        cost, nodes, _ = ledger.price_life(account, str(account.cluster["cluster_id"]), prices.table())
        if not nodes:
            raise OperatorError("EMR lists no instance of the cluster")
        text = read_currency(account.currency).of(cost.total)
        return {"usd": str(cost.total), "limit_usd": str(limit_usd), "said": text}
    except TROUBLE as error:
        return {"error": f"{type(error).__name__}: {error}"}


def remove_environment(account: Account, console: Console) -> None:
    """The cluster stack, every object, the storage stack: also what an apply that broke off has left."""
    deploy.destroy(account, console)
    s3 = account.client("s3")
    for _, bucket in Inventory(account).buckets():
        deploy.empty_bucket(s3, bucket)
    with console.status("storage: removing"):
        Workspace(target=account.target, stack="storage", capture=account.target.emulated).destroy()


def retry_action(action: Callable[[], None], console: Console) -> str | None:
    """Do something, again after Ctrl-C and after a failure; None when it is done, or why it is not."""
    reason = None
    for attempt in range(TRIES):
        try:
            action()
            return None
        except KeyboardInterrupt:
            reason = "interrupted"
            console.print("still removing what was made: it would bill otherwise", style="bold")
        except Exception as error:  # noqa: BLE001 - of whatever kind: what is not removed bills, and is to be said
            reason = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
            if attempt + 1 < TRIES:
                console.print(f"not removed yet, trying again: {reason[:300]}")
    return reason


def clean_up(gatherer: Gatherer, limit_usd: Decimal) -> None:
    """Remove everything, then list what is left."""
    account, console = replace(gatherer.account), gatherer.console
    reason = retry_action(lambda: remove_environment(account, console), console)
    gatherer.evidence["cost"] = measure_cost(gatherer.account, limit_usd)
    leftovers = gatherer.ask(lambda: Inventory(account).names())
    if reason and "error" not in leftovers:
        leftovers["not removed"] = [reason[:500]]
    gatherer.evidence["left"] = leftovers


def show_verdicts(results: list[AssumptionResult], console: Console) -> None:
    """The verdicts as a table."""
    colours = {"verified": "green", "rehearsed": "cyan", "broken": "bold red", "open": "yellow"}
    table = Table("assumption", "verdict", "what was seen")
    for result in results:
        verdict = record.WORDS[result.verdict].strip("*")
        table.add_row(result.assumption.id, Text(verdict, style=colours[result.verdict]), result.summary[:110])
    console.print(table)


def write_conclusion(gatherer: Gatherer, stopped: str | None, started: datetime) -> int:
    """Judge, write the record, say what is left; returns the exit code of what was found."""
    account, console, evidence = gatherer.account, gatherer.console, gatherer.evidence
    evidence["denied"] = sorted(set(gatherer.denied))
    results = judge_assumptions(evidence, emulated=gatherer.emulated)
    show_verdicts(results, console)
    cluster = evidence.get("alive", {}).get("cluster", {})
    about = {
        "env": account.target.env,
        "region": account.target.region,
        "emulated": gatherer.emulated,
        "started": started.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(UTC) - started).total_seconds() / 60, 1),
        "release": cluster.get("ReleaseLabel"),
        "commit": describe_commit(ROOT) or None,
        "stopped": stopped,
    }
    folder = Path("runs/local/verify") if gatherer.emulated else record.FOLDER
    verify_record = record.make_record(results, about, evidence)
    data, page = record.write_files(verify_record, account.target.account_id, folder)
    broken = [r.assumption.id for r in results if r.verdict == "broken"]
    counts = ", ".join(f"{n} {record.WORDS[v].strip('*')}" for v, n in sorted(verify_record["verdicts"].items()))
    console.print(f"{counts}; the record is {page}, its evidence {data}")
    leftovers = {kind: names for kind, names in evidence["left"].items() if names}
    if leftovers:
        text = "; ".join(
            f"{kind}: {names if isinstance(names, str) else ', '.join(names)}" for kind, names in leftovers.items()
        )
        bills = "" if gatherer.emulated else "IT MAY STILL BILL. "
        console.print(f"{bills}Left behind: {text}. Fix: make purge ENV={account.target.env}", style="bold red")
        return ExitCode.LEFT
    sentence = "nothing of it is left" + ("" if gatherer.emulated else ", nothing bills but the state's bucket")
    console.print(sentence)
    return ExitCode.ASSUMPTION if broken else ExitCode.DONE


def open_environment(place: Place, extras: Sequence[str], console: Console) -> Account:
    """The account, with the stacks as the extras need them; the embedded AWS is started for it.

    Raises
    ------
    OperatorError : something of the environment is there already, or it cannot be looked at
    """
    if place.is_local:
        for extra in extras:
            fix = f"leave {extra} out of WITH=, or look in an account: ENV=verify"
            deploy.require_processor(EXTRAS[extra].arch, fix)
        deploy.start_embedded(console)
    account = Account.at(place)
    account = replace(account, target=add_extras(account.target, extras))
    require_state(account)
    try:
        refuse_used_environment(account)
    except (ClientError, BotoCoreError) as error:
        raise OperatorError(f"nothing was made: {explain_refusal(error)[0]}") from error
    return account


def confirm_cost(account: Account, extras: Sequence[str], person: Person, console: Console) -> Decimal:
    """Say what will be done and what it costs at most, and ask; dollars.

    Raises
    ------
    OperatorError : the answer is no, or it would cost more than a euro an hour
    """
    with console.status("what it will cost"):
        limit = price_hour(account) * (2 if "again" in extras else 1)
    limit_eur = read_currency("EUR").of(limit)
    lines = [
        f"   makes buckets and the smallest cluster of ENV={account.target.env}, runs {PROJECT} over the drawn sample, "
        f"checks, and removes everything: about {40 + sum(EXTRAS[name].minutes for name in extras)} minutes",
        *(f"   also {name}: {EXTRAS[name].help}" for name in extras),
        f"   costs at most {limit_eur} before tax: an hour of all nodes on demand, after which the cluster ends itself",
    ]
    deploy.confirm(account, lines, person, console)
    return limit


def verify(place: Place, names: str | None, person: Person, console: Console) -> int:
    """The whole look; returns the exit code.

    Parameters
    ----------
    names : of what is looked at beside the smallest cluster
    person : who may be asked before anything is made
    """
    extras = parse_extras(names)
    account = open_environment(place, extras, console)
    limit = confirm_cost(account, extras, person, console)
    gatherer, started = Gatherer(account, console), datetime.now(UTC)
    gatherer.evidence["caller"] = gatherer.ask(gatherer.identify_caller)
    reason, stop_code = None, 0
    try:
        collect_evidence(gatherer, extras)
    except KeyboardInterrupt:
        reason, stop_code = "interrupted", ExitCode.INTERRUPTED
        console.print("interrupted; removing what was made")
    except EXPECTED as error:
        reason, stop_code = str(error), int(getattr(error, "exit_code", 1)) or 1
        console.print(f"verify-aws: {error}", style="red")
    except BaseException as error:
        reason = f"{type(error).__name__}: {error}"
        raise
    finally:
        clean_up(gatherer, limit)
        exit_code = write_conclusion(gatherer, reason, started)
        if place.is_local:
            deploy.stop_embedded(console)
        console.print(f"{(datetime.now(UTC) - started).total_seconds() / 60:.1f} minutes")
    # what is left behind and bills weighs more than why the look stopped, and that more than what it saw
    return ExitCode.LEFT if exit_code == ExitCode.LEFT else stop_code or exit_code


def main(environ: Mapping[str, str]) -> int:
    """`make verify-aws`; BILL=1 compares AWS's bill with what the last record expected."""
    place, console = read_place(environ), Console()
    if is_on(environ, "BILL"):
        return compare_bill(place, console)
    return verify(place, environ.get("WITH"), read_person(environ), console)
