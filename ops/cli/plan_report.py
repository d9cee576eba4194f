"""`make plan-report`: BASE=commit ENV= OFFLINE=1 MAX_USD_PER_HOUR= LABELS=allow-replace OUT=folder.

Or from plans at hand, without Terraform: PLAN=storage=file,cluster=file, as ``terraform show -json`` gives them.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ops.ci import comment, gather
from ops.cli.place import read_place
from ops.cli.values import is_on, read_number, read_size
from ops.core.console import Console
from ops.core.errors import ExitCode, WrongUseError
from ops.core.paths import ROOT

CEILING = 3.2  # dollars an hour on demand: what the cluster of prod costs, and a fifth


def exit_code(failures: Sequence[comment.Failure]) -> int:
    """0; 1 a plan is refused; 5 a rule or the price; 32 a replacement or a loss that nobody allowed."""
    causes = {failure.cause for failure in failures}
    if "refused" in causes:
        return ExitCode.FAILED
    if causes & {"policy", "price"}:
        return ExitCode.RULE
    return ExitCode.REPLACES if causes else ExitCode.DONE


def load_plan(path: Path) -> dict[str, Any]:
    """A plan as Terraform's JSON.

    Raises
    ------
    ValueError : it is other JSON, such as a state's, or none
    """
    plan: Any = json.loads(path.read_text())
    if not isinstance(plan, dict) or "planned_values" not in plan:
        raise ValueError("it holds no planned_values")
    return plan


def read_subject(
    files: Sequence[str], environ: Mapping[str, str], ceiling: float | None, allowed: bool
) -> comment.Subject:
    """The subject of plans at hand: each is taken for what would be done to what stands."""
    plans: dict[str, dict[str, Any]] = {}
    for file in files:
        stack, _, name = file.partition("=")
        if stack not in ("storage", "cluster") or not name:
            raise WrongUseError(f"PLAN={file} names no stack. Fix: PLAN=storage=file,cluster=file, or one of the two.")
        try:
            plans[stack] = load_plan(Path(name))
        except (OSError, ValueError) as error:
            raise WrongUseError(
                f"PLAN={file} is not a plan ({error}). Fix: terraform show -json plan > {name}."
            ) from error
    place = read_place(environ)
    return comment.Subject(env=place.env, region=place.region, live=plans, head=plans, ceiling=ceiling, allowed=allowed)


def main(environ: Mapping[str, str]) -> int:
    """Write ``report.md`` and ``verdict.json``; the exit code says whether the change may be merged."""
    console = Console(stderr=True)
    allowed = comment.LABEL in {label.strip() for label in environ.get("LABELS", "").split(",")}
    out = Path(environ.get("OUT") or ROOT / "build" / "plan-report")
    maximum = read_number(environ, "MAX_USD_PER_HOUR")
    ceiling = CEILING if maximum is None else float(maximum)
    if plans := [plan for plan in environ.get("PLAN", "").split(",") if plan]:
        subject = read_subject(plans, environ, ceiling, allowed)
    else:
        is_offline = is_on(environ, "OFFLINE")
        unseen = (environ.get("UNSEEN") or "AWS was not to be asked (OFFLINE=1).") if is_offline else ""
        subject = gather.gather_subject(
            environ.get("BASE") or "origin/main",
            read_place(environ),
            read_size(environ),
            out / "work",
            console,
            unseen=unseen,
            ceiling=ceiling,
            allowed=allowed,
        )
    out.mkdir(parents=True, exist_ok=True)
    text = comment.render_comment(subject)
    (out / "report.md").write_text(text)
    (out / "verdict.json").write_text(json.dumps(comment.summarize_report(subject), indent=1) + "\n")
    print(text.split("\n\n<details>")[0].rstrip())
    print(f"\nwritten: {out / 'report.md'}, {out / 'verdict.json'}")
    broken = comment.list_failures(subject)
    for failure in broken:
        print(f"plan-report: {subject.hide(failure.message)} [{failure.cause}]", file=sys.stderr)
    return exit_code(broken)
