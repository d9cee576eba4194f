"""`make plan`, `make validate`, `make fmt`: Terraform on one stack or all."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence

from ops.aws.account import target_from
from ops.core.errors import TerraformError
from ops.core.paths import ROOT
from ops.core.target import DEFAULT_REGION, NO_ACCOUNT, Target
from ops.core.text import number
from ops.plan import policies
from ops.plan.summary import summary
from ops.terraform.binary import find_terraform
from ops.terraform.variables import workspace
from ops.terraform.workspace import ADMINISTRATORS, STACKS, Stack, Workspace

BROKEN_RULE = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code: 0, 1 Terraform said no, 2 wrong use, 3 no usable Terraform, 4 no credentials, 5 a rule is broken."""
    parser = argparse.ArgumentParser(prog="python -m ops.terraform.workspace", description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["plan", "apply", "destroy", "validate", "fmt", "outputs"])
    parser.add_argument("--stack", choices=[*STACKS, *ADMINISTRATORS, "both"], default="both")
    parser.add_argument(
        "--check", action="store_true", help="with fmt: change nothing, fail where something is not formatted"
    )
    options = parser.parse_args(arguments)
    try:
        return _do(options)
    except TerraformError as error:
        print(f"make: {error}", file=sys.stderr)
        return error.exit_code


def _do(options: argparse.Namespace) -> int:
    environ = os.environ
    terraform = find_terraform()
    if options.command == "fmt":
        command = [
            str(terraform),
            "fmt",
            "-recursive",
            *(["-check", "-diff"] if options.check else []),
            str(ROOT / "infra"),
            str(ROOT / "tests" / "infra" / "roots"),
        ]
        quiet = {**environ, "TF_CLI_CONFIG_FILE": os.devnull}
        return subprocess.run(command, check=False, env=quiet).returncode
    chosen: tuple[Stack, ...] = STACKS if options.stack == "both" else (options.stack,)
    if options.command == "validate":
        chosen = (*STACKS, *ADMINISTRATORS) if options.stack == "both" else chosen
        target = Target(env="local", region=DEFAULT_REGION, account_id=NO_ACCOUNT, offline=True)
    else:
        target = target_from(environ, may_be_offline=options.command == "plan")
    broken: list[policies.Violation] = []
    for stack in chosen if options.command != "destroy" else chosen[::-1]:
        if options.command == "validate":
            Workspace(target=target, stack=stack, terraform=terraform).validate()
            continue
        work = workspace(stack, target, environ, terraform=terraform)
        if options.command == "plan":
            print(f"── {stack} of ENV={target.env}{' without asking AWS' if target.offline else ''}", flush=True)
            kept = work.state.with_suffix(".tfplan")
            work.plan(out=kept)
            shown = work.show(kept)
            print("\n".join(summary(shown, target.region)), flush=True)
            broken += policies.check(shown, ceiling=number(environ, "MAX_USD_PER_HOUR"), region=target.region)
        elif options.command == "outputs":
            print(json.dumps(work.outputs(), indent=2))
        else:
            getattr(work, options.command)()
    for violation in broken:
        print(f"make: the plan breaks a rule: {violation}", file=sys.stderr)
    return BROKEN_RULE if broken else 0


if __name__ == "__main__":
    sys.exit(main())
