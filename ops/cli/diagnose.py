"""`make diagnose`: why a step, a bootstrap or a cluster failed: cause, line of our source, cure, next command.

`STEP=` and `CLUSTER=` take others than the newest failure; `LOGS=folder` reads a saved log tree instead; `WAIT=0` takes
what is there now; `JSON=1` is for a program.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from fruits.errors import FruitsError
from rich.console import Console

from ops.aws.account import Account, OperatorError
from ops.diagnose import gather
from ops.diagnose import wait as command
from ops.diagnose.causes import judge
from ops.diagnose.wait import Diagnosis
from ops.logs import layout
from ops.terraform.workspace import TerraformError

UNKNOWN = 28
INTERRUPTED = 130


def diagnose(environ: Mapping[str, str], console: Console) -> Diagnosis:
    """What make's variables ask for.

    Raises
    ------
    OperatorError
        There is nothing to diagnose, or no such place.
    """
    if folder := environ.get("LOGS"):
        if layout.is_s3(folder):
            raise OperatorError(
                "LOGS= is a folder on this machine. Fix: make diagnose CLUSTER=j-… reads a bucket, or fetch it: "
                f"aws s3 cp --recursive {folder} logs.",
                exit_code=2,
            )
        asked = {"cluster_id": environ.get("CLUSTER") or "", "step_id": environ.get("STEP") or ""}
        evidence = gather.of_tree(Path(folder).expanduser(), **asked)
        if not (evidence.documents or evidence.node or evidence.job or evidence.reason or evidence.details):
            raise OperatorError(
                f"there is no log of EMR below {folder}. Fix: give the folder that holds steps/, containers/, node/.",
                exit_code=2,
            )
        return Diagnosis(evidence, judge(evidence))
    patience = 0.0 if environ.get("WAIT") == "0" else command.LATE_SECONDS
    return command.one(Account.from_environment(environ), environ, console, patience=patience)


def main() -> int:
    """Exit code: 0 when a cause is named; 28 when none is known; 2 when nothing failed; 20 without a cluster."""
    errors = Console(stderr=True)
    try:
        found = diagnose(os.environ, errors)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OperatorError, TerraformError, FruitsError, BotoCoreError, ClientError) as error:
        errors.print(f"diagnose: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return int(getattr(error, "exit_code", 1))
    if os.environ.get("JSON") == "1":
        print(json.dumps(found.as_json(), indent=1))
    else:
        print(found.as_text(os.environ.get("ENV") or "local"))
    return UNKNOWN if found.verdict.cause == "unknown" else 0


if __name__ == "__main__":
    sys.exit(main())
