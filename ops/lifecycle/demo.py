"""`make demo`: the whole life of an environment on the embedded AWS, from nothing to a report and back."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from ops.core.console import Console
from ops.cost import after
from ops.job.wheelhouse import SOME_MB, is_here
from ops.lifecycle import fault, step
from ops.lifecycle.environment import SAMPLE, apply, destroy, fetch_results, stop_embedded, told
from ops.lifecycle.upload import images_below, upload
from sample.draw import draw_sample

MINUTES = 3
YARN_MINUTES = 4


def foretell(environ: Mapping[str, str]) -> str:
    """What the demo does, how long it takes and what it downloads."""
    arch = environ.get("ARCH") or "x86_64"
    wheels = f"It downloads the wheels of a node, some {SOME_MB} MB, once."
    return (
        f"demo: apply, upload, run-step, results and destroy on an AWS embedded in this machine; about "
        f"{YARN_MINUTES if environ.get('YARN') == '1' else MINUTES} minutes on two cores, no account, nothing billed. "
        f"{'It downloads nothing: the wheels of a node are here.' if is_here(arch) else wheels}"
    )


def opener(platform: str = sys.platform) -> str:
    """The command that opens a file with the program that the desktop has for it."""
    return {"darwin": "open", "win32": "start"}.get(platform, "xdg-open")


def demo(environ: Mapping[str, str], console: Console) -> int:
    """Apply, upload the drawn sample, run the step, fetch the results, destroy, stop; returns the step's exit code."""
    began = time.monotonic()
    environ = {**environ, "ENV": "local"}
    folder: Path | None = None
    price = ""
    fault.wanted(environ)
    console.print(foretell(environ))
    try:
        account = apply(environ, console)
        draw_sample(SAMPLE)
        counts = upload(account.client("s3"), account.bucket("data"), SAMPLE, images_below(SAMPLE)[0], console)
        console.print(
            f"the embedded sample, drawn (not photographed): {counts.images} images of {len(counts.here)} fruits, "
            f"{counts.sent} uploaded"
        )
        with fault.injected(account, environ, fault.IN_STEP):
            # whatever happens to the step, its cluster ends below
            code = step.run_step(account, environ, console, step.Terms(one_shot=True, cost=False))
        if code == 0:
            folder = fetch_results(account, environ, console)
        destroy(environ, console)
        price = after.demo_price(account, str(account.cluster["cluster_id"]), environ)
    finally:
        stop_embedded(console)
    if folder is not None:
        report = folder / "report.html"
        lines = (
            f" in {time.monotonic() - began:.0f} s; nothing was billed",
            f"price     {price}",
            f"report    {opener()} {report}",
            "next      make run-local INPUT=folder, for photographs of your own on this machine; "
            "make doctor ENV=dev, before anything runs on AWS",
        )
        console.print(Text.assemble(("demo done", "bold green"), "\n".join(lines)))
    return code


def demo_command(environ: Mapping[str, str]) -> int:
    """`make demo`."""
    return told("demo", environ, lambda: demo(environ, Console()))
