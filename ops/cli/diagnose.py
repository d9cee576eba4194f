"""`make diagnose`: why a step, a bootstrap or a cluster failed: cause, line of our source, fix, next command.

`STEP=` and `CLUSTER=` take others than the newest failure (of a step that runs, what it waits for); `LOGS=folder` reads
a saved log tree instead; `WAIT=0` takes what is there now; `REPORT=1` writes an issue's text, with accounts, keys,
addresses and mails masked; `JSON=1` is for a program.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from ops.cli.place import open_account
from ops.cli.values import is_on
from ops.core.console import Console
from ops.core.errors import ExitCode, WrongUseError
from ops.core.mentions import complete_mentions
from ops.diagnose import gather, render, report
from ops.diagnose import wait as command
from ops.diagnose.causes import judge
from ops.diagnose.wait import Diagnosis, NothingFailedError
from ops.logs import layout


def diagnose(environ: Mapping[str, str], console: Console) -> Diagnosis:
    """What make's variables ask for.

    Raises
    ------
    OperatorError : there is nothing to diagnose, or no such place
    """
    ids = {"cluster_id": environ.get("CLUSTER") or "", "step_id": environ.get("STEP") or ""}
    if folder := environ.get("LOGS"):
        if layout.is_s3(folder):
            raise WrongUseError(
                "LOGS= is a folder on this machine. Fix: make diagnose CLUSTER=j-… reads a bucket, or fetch it: "
                f"aws s3 cp --recursive {folder} logs."
            )
        evidence = gather.gather_tree(Path(folder).expanduser(), **ids)
        if not (evidence.documents or evidence.node or evidence.job or evidence.reason or evidence.details):
            raise WrongUseError(
                f"there is no log of EMR below {folder}. Fix: give the folder that holds steps/, containers/, node/."
            )
        return Diagnosis(evidence, judge(evidence))
    patience = 0.0 if environ.get("WAIT") == "0" else command.LATE_SECONDS
    return command.diagnose(open_account(environ), console, patience=patience, **ids)


def main(environ: Mapping[str, str]) -> int:
    """Exit code: 0 when a cause is named, and when nothing failed; 28 when none is known; 20 without a cluster."""
    try:
        diagnosis = diagnose(environ, Console(stderr=True))
    except NothingFailedError as error:
        answer = json.dumps({"failed": None, "says": str(error)}, indent=1)
        print(complete_mentions(answer if is_on(environ, "JSON") else str(error)))
        return 0
    if is_on(environ, "REPORT"):
        print(report.render_issue(diagnosis.evidence, diagnosis.verdict))
    elif is_on(environ, "JSON"):
        print(complete_mentions(json.dumps(render.as_json(diagnosis.evidence, diagnosis.verdict), indent=1)))
    else:
        print(complete_mentions(diagnosis.as_text(environ.get("ENV") or "local")))
    return ExitCode.UNKNOWN_CAUSE if diagnosis.verdict.cause == "unknown" else 0
