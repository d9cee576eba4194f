"""`make plan`, `make validate`, `make fmt`: Terraform on one stack or all."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ops.aws.account import find_target, offline_target
from ops.cli.place import read_place
from ops.cli.values import is_on, read_number, read_person, read_repository, read_size
from ops.core.console import Console, ask, working
from ops.core.errors import ExitCode
from ops.core.mentions import complete_mentions
from ops.core.paths import INFRA, ROOT
from ops.core.target import DEFAULT_REGION, NO_ACCOUNT, Target
from ops.plan import policies, pricing
from ops.plan.changes import Kind, list_changes
from ops.plan.summary import summarize, warn_unmailed
from ops.prices.current import find_current
from ops.terraform.binary import find_terraform
from ops.terraform.variables import Size, make_workspace
from ops.terraform.workspace import ADMINISTRATORS, STACKS, Stack, Workspace

PLANS = Path("build/plan")


def plan(environ: Mapping[str, str]) -> int:
    """`make plan`: a summary; Terraform's own text goes into files.

    Exit code: 0; 1 Terraform refuses; 3 no usable Terraform; 4 no credentials; 5 a rule is broken.
    """
    terraform, place, size = find_terraform(), read_place(environ), read_size(environ)
    target = offline_target(place) if is_on(environ, "OFFLINE") else find_target(place, may_be_offline=True)
    console = Console(stderr=True)
    broken: list[policies.Violation] = []
    for stack in STACKS:
        work = make_workspace(stack, target, size, terraform=terraform, capture=True)
        print(f"── {stack} of ENV={target.env}{' without asking AWS' if target.offline else ''}", flush=True)
        with working(console, f"planning {stack}"), work.plan_file() as out:
            plan = work.make_plan(out=out)
            text = PLANS / f"{target.env}-{stack}.txt"
            text.parent.mkdir(parents=True, exist_ok=True)
            text.write_text(work.text(out))
        # as make cost and the question of make apply
        book = find_current(target.region, pricing.list_types(plan), ask=not target.local_state)
        unmailed = [] if place.is_local else warn_unmailed(plan, target.env)
        lines = [f"   {count_actions(plan)}; all of it: {text}", *unmailed, *summarize(plan, target.region, book)]
        print(complete_mentions("\n".join(lines)), flush=True)
        broken += policies.check_plan(plan, ceiling=read_number(environ, "MAX_USD_PER_HOUR"), region=target.region)
    for violation in broken:
        print(complete_mentions(f"plan: the plan breaks a rule: {violation}"), file=sys.stderr)
    return ExitCode.RULE if broken else ExitCode.DONE


def count_actions(plan: Mapping[str, Any]) -> str:
    """How many resources a plan makes, changes and removes.

    >>> count_actions({"resource_changes": []})
    'nothing would change'
    """
    kinds = Counter(change.kind for change in list_changes(plan))
    order: tuple[Kind, ...] = ("create", "update", "replace", "destroy", "forget")
    return ", ".join(f"{kinds[kind]} to {kind}" for kind in order if kinds[kind]) or "nothing would change"


def validate(environ: Mapping[str, str]) -> int:
    """`make validate`: the code of all four stacks."""
    target = Target(env="local", region=DEFAULT_REGION, account_id=NO_ACCOUNT, offline=True)
    for stack in (*STACKS, *ADMINISTRATORS):
        Workspace(target=target, stack=stack, terraform=find_terraform()).validate()
    return 0


def check_format(environ: Mapping[str, str]) -> int:
    """`make fmt-check`: changes nothing; 3 where something is not formatted."""
    return format_code(find_terraform(), environ, "-check", "-diff")


def write_format(environ: Mapping[str, str]) -> int:
    """The Terraform half of `make fmt`."""
    return format_code(find_terraform(), environ)


def format_code(terraform: Path, environ: Mapping[str, str], *options: str) -> int:
    """Run ``terraform fmt`` over the stacks and the tests' own roots."""
    places = (str(INFRA), str(ROOT / "tests" / "infra" / "roots"))
    quiet = {**environ, "TF_CLI_CONFIG_FILE": os.devnull}
    return subprocess.run([terraform, "fmt", "-recursive", *options, *places], check=False, env=quiet).returncode


def administer(stack: Stack, environ: Mapping[str, str]) -> int:
    """Plan an administrator's stack, show the plan, ask, and apply just that plan.

    Raises
    ------
    OperatorError : the answer is no, or nobody is there to answer
    """
    repository = read_repository(environ) if stack == "github" else None  # refused before an account is asked
    target = find_target(read_place(environ))
    work = make_workspace(stack, target, Size(), repository=repository)
    with work.plan_file() as out:
        if not work.plan(out=out):
            print(f"the stack {stack} of ENV={target.env} is up to date: nothing to do")
            return 0
        question = f"apply this plan to account {target.account_id}?"
        ask(question, read_person(environ), refused="nothing was changed.")
        work.apply_plan(out)
    print(f"the stack {stack} of ENV={target.env} is applied")
    return 0


operators = partial(administer, "operators")
"""`make operators`: who may run the other commands."""
github = partial(administer, "github")
"""`make github`: the roles that a repository's workflows may take."""
