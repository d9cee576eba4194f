"""`make doctor` and `make billing`. INPUT= MODEL= IMAGES= MINUTES= ARCH= as elsewhere; JSON=1 or --json."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import NOT_RUNNING, Account, emulator, offline_target
from ops.aws.state_bucket import NoStateError, region_of
from ops.core.console import Console
from ops.core.errors import NoCredentialsError, NotAppliedError, OperatorError, TerraformError
from ops.core.target import Target
from ops.cost import billing as bill_lines
from ops.cost.leftovers import bill
from ops.cost.money import currency_from
from ops.doctor import cloud, images, machine
from ops.doctor.finding import FAILURE, Finding, as_json, attempt, counted, exit_code, failed, unchecked
from ops.doctor.requirements import ClusterNeeds, read_ends_of_support, read_european_regions, read_needs
from ops.lifecycle.upload import PREFIX
from ops.plan import policies
from ops.prices import table as prices
from ops.prices.current import current
from ops.terraform.offline import planned
from ops.terraform.variables import Size

COLOURS = {"failure": "red", "warning": "yellow"}
ASKED = "vCPUs, types, release, block public access, buckets and time"
NO_EMULATOR = "the embedded AWS of ENV=local is not running"


def plan_of(target: Target, environ: Mapping[str, str]) -> tuple[list[Finding], dict[str, Any] | None]:
    """The cluster's plan, offline; or the finding that there is none, with Terraform's reason."""
    try:
        plan = planned(target, Size.from_options(environ))
    except (TerraformError, OperatorError) as error:
        return [failed("plan", error)], None
    if broken := policies.check(plan, region=target.region):
        return [Finding("plan", FAILURE, f"it breaks a rule: {broken[0]}", "see ops/plan/policies.py.")], plan
    return [Finding("plan", "ok", "the cluster stack can be planned, and keeps every rule")], plan


def account_of(environ: Mapping[str, str]) -> tuple[list[Finding], Account | None]:
    """The account at hand; or why there is none."""
    try:
        return [], Account.from_environment(environ)
    except NoCredentialsError as error:
        text, _, cure = str(error).partition(". Log in")
        return [
            Finding("credentials", FAILURE, text, f"log in{cure}"),
            unchecked("AWS", f"not checked (no credentials): {ASKED}"),
        ], None
    except TerraformError:
        cure = "make local-up, or make apply, which starts it."
        return [unchecked("AWS", f"{NO_EMULATOR}, so it was not asked for {ASKED}", cure)], None


def stored(account: Account) -> list[str]:
    """The buckets that the storage stack knows; none where it was never applied."""
    try:
        return [str(name) for name in account.storage["buckets"].values()]
    except (NotAppliedError, TerraformError):
        return []


def look_at_images(account: Account | None, environ: Mapping[str, str], known: Sequence[str]) -> list[Finding]:
    """The images at INPUT, or in the data bucket."""
    uri = environ.get("INPUT") or ""
    if uri and not uri.startswith("s3://"):
        return [images.in_store(uri)]
    if account is None:
        return [unchecked("images", "no account to look into", "INPUT=dir counts those of a folder.")]
    if not uri and not known:
        return [unchecked("images", "there is no data bucket yet", "make apply, or INPUT=dir for a folder's.")]
    uri = uri or f"s3://{account.bucket('data')}/{PREFIX}"
    env = account.target.env
    return attempt(
        "images", lambda: images.in_bucket(account.client("s3"), uri, f"make upload-dataset ENV={env} INPUT=dir.")
    )


def look_at_wheels(
    need: ClusterNeeds | None, account: Account | None, known: Sequence[str], given: str
) -> list[Finding]:
    """The wheelhouse here and, where there is a bucket for it, there."""
    if need is None:
        return [unchecked("wheelhouse", "without a plan nobody knows the processors")]
    if (wrong := machine.architecture(need.architecture, given)) is not None:
        return [wrong]
    here, made = machine.wheels(need.architecture)
    if made is None or account is None or not known:
        return [here]
    there = attempt("wheels in S3", lambda: cloud.check_wheels(account.client("s3"), account.bucket("artifacts"), made))
    return [here, *there]


def look_for_states(account: Account) -> Finding:
    """Where Terraform keeps its states, without which nothing can be applied."""
    name, foreign, lies_in = account.target.state_bucket, "", None
    try:
        lies_in = region_of(account.client("s3"), name, account.target.account_id)
    except NoStateError as error:
        foreign = str(error).partition(". Fix:")[0]
    except ClientError as error:
        foreign = str(error.response["Error"]["Code"])
    return cloud.judge_states(name, lies_in=lies_in, foreign=foreign, env=account.target.env)


def look_at_account(account: Account, need: ClusterNeeds | None, known: Sequence[str]) -> list[Finding]:
    """Everything that only the account can tell."""

    target = account.target
    found = cloud.check_caller(account.client("sts"), emulated=target.emulated)
    found.append(
        cloud.judge_region(
            target.region,
            european=read_european_regions(),
            known=account.session.get_available_regions("ec2"),
            priced=sorted({place for place, _ in prices.instances()}),
        )
    )
    if not target.local_state:
        found.append(look_for_states(account))
    found += cloud.check_names(account.client("s3"), [*target.bucket_names.values()], known, target.region, target.env)
    if need is None:
        return [*found, unchecked("vCPUs", "without a plan nobody knows what is asked of the account")]
    ends = read_ends_of_support()
    return [*found, *cloud.check_account(account.client, need, ends, env=target.env, region=target.region)]


def examine(
    environ: Mapping[str, str], console: Console, account: Account | None = None
) -> tuple[list[Finding], Account | None]:
    """Every check, in the order in which things would fail; and the account, where there is one.

    ``account`` is given where it is rehearsed.
    """
    findings = machine.look(environ)
    target = account.target if account else offline_target(environ)
    with console.status("planning"):
        found, plan = plan_of(target, environ)
    findings += found
    need = read_needs(plan) if plan else None
    if account is None:
        found, account = account_of(environ)
        findings += found
    known: list[str] = []
    if account is not None:
        with console.status("asking AWS"):
            known = stored(account)
            try:
                findings += look_at_account(account, need, known)
            except BotoCoreError as error:  # no network: no further call would get through either
                findings.append(unchecked("AWS", " ".join(str(error).split()), "look at the network."))
                account = None
    with console.status("reading the wheels"):
        findings += look_at_wheels(need, account, known, environ.get("ARCH") or "x86_64")
    with console.status("counting images"):
        findings += look_at_images(account, environ, known)
    return findings, account


def look_at_bill(account: Account, console: Console) -> bill_lines.Bill:
    """What still bills, at the prices of now where they can be had."""
    types = {name for fleet in _fleets(account).values() for name in fleet["types"]}
    with console.status("looking for what still bills"):
        region = account.target.region
        book = current(region, types, ask=not account.target.emulated)
        return replace(bill(account, book), age=prices.say_age(book, region, types) if types else "")


def _fleets(account: Account) -> Mapping[str, Any]:
    try:
        return dict(account.cluster.get("fleets") or {})
    except (NotAppliedError, TerraformError):
        return {}


def _shown(console: Console, lines: Sequence[str]) -> None:
    for line in lines:
        style = COLOURS.get(line.split(" ", 1)[0], "")
        console.print(line, style=style)


def run(what: str, environ: Mapping[str, str], console: Console, *, machine_readable: bool) -> int:
    """Examine, or list what bills; returns the exit code."""
    errors = Console(stderr=True)
    currency = currency_from(environ)
    if what == "billing":
        if (environ.get("ENV") or "local") == "local" and not emulator(environ):
            print(json.dumps(bill_lines.as_json(bill_lines.Bill()), indent=1) if machine_readable else NOT_RUNNING)
            return 0
        account = Account.from_environment(environ)
        found = look_at_bill(account, errors)
        if machine_readable:
            print(json.dumps(bill_lines.as_json(found), indent=1))
        else:
            _shown(console, bill_lines.lines(found, account, currency))
        return 0 if account.target.emulated else bill_lines.exit_code(found)
    findings, reached = examine(environ, errors)
    env = environ.get("ENV") or "local"
    if not machine_readable:
        _shown(console, [found.line for found in findings])
    owed = look_at_bill(reached, errors) if reached else None
    if machine_readable:
        answer = {"env": env, "findings": as_json(findings), "billing": bill_lines.as_json(owed) if owed else None}
        print(json.dumps(answer, indent=1))
        return exit_code(findings)
    _shown(console, [counted(findings), ""])
    if owed is None or reached is None:
        _shown(console, ["running costs: not checked (no account)"])
    else:
        _shown(console, bill_lines.lines(owed, reached, currency))
    return exit_code(findings)


def doctor(environ: Mapping[str, str]) -> int:
    """`make doctor`. Exit code: 0; 7 where something will fail."""
    return run("all", environ, Console(), machine_readable=environ.get("JSON") == "1")


def billing(environ: Mapping[str, str]) -> int:
    """`make billing`. Exit code: 0; 8 where something bills by the hour, which on the embedded AWS nothing does."""
    return run("billing", environ, Console(), machine_readable=environ.get("JSON") == "1")
