"""`make demo`: the whole life of an environment on the embedded AWS, from nothing to a report and back."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from ops.lifecycle import fault, step
from ops.lifecycle.environment import SAMPLE, apply, destroy, fetch_results, stop_embedded, told
from ops.lifecycle.upload import upload
from sample.draw import draw_sample


def demo(environ: Mapping[str, str], console: Console) -> int:
    """Apply, upload the drawn sample, run the step, fetch the results, destroy, stop; returns the step's exit code."""
    began = time.monotonic()
    environ = {**environ, "ENV": "local"}
    folder: Path | None = None
    try:
        account = apply(environ, console)
        counts = draw_sample(SAMPLE)
        sent, total = upload(account.client("s3"), account.bucket("data"), SAMPLE, console)
        console.print(
            f"the embedded sample, drawn (not photographed): {total} images of {len(counts)} fruits, {sent} uploaded",
            highlight=False,
        )
        with fault.injected(account, environ, fault.IN_STEP):
            # whatever happens to the step, its cluster ends below
            code = step.run_step(account, {**environ, "DETACH": "", "ONESHOT": "1"}, console)
        if code == 0:
            folder = fetch_results(account, environ, console)
        destroy(environ, console)
    finally:
        stop_embedded(console)
    if folder is not None:
        console.print(
            f"[bold green]demo done[/] in {time.monotonic() - began:.0f} s; bill 0.00. Open {folder / 'report.html'}",
            highlight=False,
            soft_wrap=True,
        )
    return code


def demo_command(environ: Mapping[str, str]) -> int:
    """`make demo`."""
    return told("demo", environ, lambda: demo(environ, Console()))
