"""`make drift`: the text and the verdict of an issue about what differs from the code, or bills."""

import json
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ops.ci.drift import find_drift, make_drift_marker, make_title, render_drift
from ops.cli.boundary import explain
from ops.cli.place import open_account
from ops.core.console import Console
from ops.core.errors import ExitCode, OperatorError
from ops.core.mentions import complete_mentions
from ops.core.paths import ROOT
from ops.plan.masking import mask_text


def main(environ: Mapping[str, str]) -> int:
    """Write ``drift.md`` and ``drift.json``. Exit code: 0; 33 something was found."""
    console = Console(stderr=True)
    out = Path(environ.get("OUT") or ROOT / "build" / "drift")
    try:
        drift = find_drift(open_account(environ), out / "work", console)
    except (OperatorError, ClientError, BotoCoreError) as error:
        text, code = explain(error) or ("", 1)
        raise OperatorError(mask_text(text), exit_code=code) from None
    out.mkdir(parents=True, exist_ok=True)
    text = render_drift(drift)
    (out / "drift.md").write_text(text)
    answer = {
        "found": drift.found,
        "env": drift.env,
        "title": make_title(drift),
        "marker": make_drift_marker(drift.env),
    }
    (out / "drift.json").write_text(json.dumps(answer, indent=1) + "\n")
    print(complete_mentions(text.split("<details>")[0].split("<!--")[0].rstrip()))
    print(f"\nwritten: {out / 'drift.md'}, {out / 'drift.json'}")
    return ExitCode.DRIFT if drift.found else 0
