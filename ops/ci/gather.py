"""Runs Terraform on base and head of a change, without AWS, and on the head against what is deployed in the account."""

import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.aws.account import Place, find_target, offline_target
from ops.ci import standing
from ops.ci.comment import Subject
from ops.ci.validation import accept_workflows
from ops.core.console import Console, working
from ops.core.errors import TerraformError, WrongUseError
from ops.core.paths import ROOT
from ops.core.target import Target
from ops.terraform.binary import find_terraform
from ops.terraform.variables import Size, make_workspace
from ops.terraform.workspace import STACKS, CommandFailedError, Stack

PLANNED = ("infra", "bootstrap")  # what a plan is made of


def check_out(ref: str, destination: Path, root: Path = ROOT) -> None:
    """The parts of a commit that a plan is made of, into an empty folder.

    Raises
    ------
    WrongUseError : there is no such commit, or it has no such parts
    """
    shutil.rmtree(destination, ignore_errors=True)
    destination.mkdir(parents=True)
    archive = destination / "base.tar"
    command = ["git", "archive", "--format=tar", f"--output={archive}", "--end-of-options", ref, *PLANNED]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WrongUseError(
            f"git cannot give {', '.join(PLANNED)} of BASE={ref} ({done.stderr.strip()}). "
            "Fix: BASE= names a commit that is here, for instance BASE=origin/main after git fetch."
        )
    with tarfile.open(archive) as tar:
        tar.extractall(destination, filter="data")
    archive.unlink()


def hash_stack(root: Path, stack: Stack, env: str) -> str:
    """A hash of everything that a stack's plan is made of."""
    infra = root / "infra"
    places = [infra / stack, infra / "modules", *([root / "bootstrap"] if stack == "cluster" else [])]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    files += [
        path for path in (infra / "env" / f"{env}.tfvars", infra / "env" / f"{env}.{stack}.tfvars") if path.exists()
    ]
    digest = hashlib.sha256()
    for path in sorted(path for path in files if ".terraform" not in path.parts and path.suffix != ".md"):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def compare_checkouts(
    root: Path, base: Path, target: Target, size: Size, home: Path, console: Console
) -> dict[str, dict[str, Any]]:
    """Base and head of both stacks, planned offline: ``base head compared incomparable refused`` of a subject.

    Parameters
    ----------
    root, base : checkouts of head and base
    home : where copies, states and plans are kept
    """
    terraform = find_terraform()
    plans: dict[str, dict[str, Any]] = {name: {} for name in ("base", "head", "compared", "incomparable", "refused")}
    for stack in STACKS:
        with working(console, f"{stack}: planning the head"):
            after = make_workspace(
                stack, target, size, root=root, home=home / "head", terraform=terraform, capture=True
            )
            after.state.unlink(missing_ok=True)
            out = home / f"{stack}.tfplan"
            try:
                plans["head"][stack] = after.make_plan(out=out)
            except CommandFailedError as error:
                plans["refused"][stack] = error.reasons or str(error)
                continue
        if hash_stack(root, stack, target.env) == hash_stack(
            base, stack, target.env
        ):  # nothing that a plan is made of differs, so nothing would change
            plans["base"][stack] = plans["head"][stack]
            plans["compared"][stack] = {"resource_changes": []}
            continue
        with working(console, f"{stack}: planning the head against the base"):
            before = make_workspace(
                stack, target, size, root=base, home=home / "base", terraform=terraform, capture=True
            )
            before.state.unlink(missing_ok=True)
            try:
                plans["base"][stack] = before.make_plan(out=out)
                standing.bring_to_rest(before, plans["base"][stack], standing.read_schema(before), out)
                after.state.write_text(before.state.read_text())
                plans["compared"][stack] = standing.plan_offline(after, out)
            except CommandFailedError as error:
                plans["incomparable"][stack] = error.reasons or str(error)
            except standing.NoStandingError as error:
                plans["incomparable"][stack] = str(error)
    return plans


def plan_against_account(
    place: Place, size: Size, home: Path, console: Console
) -> tuple[dict[str, Any], str, list[str]]:
    """Both stacks planned against what stands: the plans, why there are none, and the account's id.

    Nothing is locked, so that a role that may only read can do it.
    """
    accounts: list[str] = []
    plans: dict[str, Any] = {}
    try:
        target = find_target(place)
        accounts.append(target.account_id)
        for stack in STACKS:
            with working(console, f"{stack}: planning against what is deployed in {target.env}"):
                work = make_workspace(stack, target, size, capture=True)
                plans[stack] = work.make_plan(out=home / f"{stack}-live.tfplan", arguments=["-lock=false"])
    except CommandFailedError as error:
        return plans, f"Terraform could not: {(error.reasons or str(error))[:600]}", accounts
    except (TerraformError, BotoCoreError, ClientError) as error:
        return plans, str(error), accounts
    return plans, "", accounts


def gather_subject(
    base: str,
    place: Place,
    size: Size,
    home: Path,
    console: Console,
    *,
    unseen: str,
    ceiling: float | None,
    allowed: bool,
) -> Subject:
    """Everything that a report is made of.

    Parameters
    ----------
    base : the commit that the change is compared with
    unseen : why AWS is not to be asked; empty where it is
    """
    checkout = home / "checkout"
    check_out(base, checkout)
    with accept_workflows(offline_target(place)) as target:
        plans = compare_checkouts(ROOT, checkout, target, size, home, console)
    live: dict[str, Any] = {}
    accounts: list[str] = []
    if not unseen:
        live, unseen, accounts = plan_against_account(place, size, home, console)
    return Subject(
        env=place.env,
        region=place.region,
        **plans,
        live=live,
        unseen=unseen,
        ceiling=ceiling,
        allowed=allowed,
        accounts=accounts,
    )
