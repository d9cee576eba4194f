"""`make demo`: the whole life of an environment on the embedded AWS, from nothing to a report and back."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path

from fruits.wording import format_count
from rich.text import Text

from localaws import faults
from ops.aws.account import Place
from ops.cli.place import read_place
from ops.cli.values import is_on, read_size
from ops.core.console import Console
from ops.core.errors import ExitCode
from ops.cost import after
from ops.job.wheelhouse import SOME_MB, is_here
from ops.lifecycle import fault, step
from ops.lifecycle.environment import SAMPLE, Order, apply, destroy, fetch_results, prepare_account, stop_embedded
from ops.lifecycle.upload import list_images, upload
from sample.draw import draw_sample

MINUTES = 3
YARN_MINUTES = 4
OPENER = "open" if sys.platform == "darwin" else "xdg-open"
"""Opens a file with the program that the desktop has for it."""


def foretell(arch: str, *, yarn: bool) -> str:
    """What the demo does, how long it takes and what it downloads."""
    wheels = f"It downloads the wheels of a node, some {SOME_MB} MB, once."
    return (
        f"demo: apply, upload, run-step, results and destroy on an AWS embedded in this machine; about "
        f"{format_count(YARN_MINUTES if yarn else MINUTES, 'minute')} on two cores, no account, nothing billed. "
        f"{'It downloads nothing: the wheels of a node are here.' if is_here(arch) else wheels}"
    )


def main(environ: Mapping[str, str]) -> int:
    """`make demo`."""
    console, place, yarn = Console(), read_place(environ), is_on(environ, "YARN")
    order = Order(size=read_size(environ), fault=faults.parse_fault(environ.get("FAULT") or ""))
    try:
        return demo(place, order, console, yarn=yarn)
    except KeyboardInterrupt:
        stop_embedded(console)  # again: a second Ctrl-C may have cut its stop short
        console.print("interrupted")
        return ExitCode.INTERRUPTED


def demo(place: Place, order: Order, console: Console, *, yarn: bool = False) -> int:
    """Apply, upload the drawn sample, run the step, fetch the results, destroy, stop; returns the step's exit code."""
    began = time.monotonic()
    folder: Path | None = None
    price = ""
    console.print(foretell(order.size.arch, yarn=yarn))
    try:
        account = prepare_account(place, order, console, yarn=yarn)
        apply(account, order, console)
        draw_sample(SAMPLE)
        counts = upload(account.client("s3"), account.bucket("data"), SAMPLE, list_images(SAMPLE)[0], console)
        console.print(
            f"the embedded sample, drawn (not photographed): {format_count(counts.images, 'image')} of "
            f"{len(counts.here)} fruits, "
            f"{counts.sent} uploaded"
        )
        with fault.injected(account, order.fault, fault.IN_STEP):
            # whatever happens to the step, its cluster ends below
            code = step.run_step(account, {}, console, step.Terms(one_shot=True, cost=False))
        if code == 0:
            folder = fetch_results(account, console)
        destroy(account, console)
        price = after.describe_demo_price(account, str(account.cluster["cluster_id"]))
    finally:
        stop_embedded(console)
    if folder is not None:
        report = folder / "report.html"
        lines = (
            f" in {time.monotonic() - began:.0f} s; nothing was billed",
            f"price     {price}",
            f"report    {OPENER} {report}",
            "next      make run-local INPUT=folder, for photographs of your own on this machine; "
            "make doctor ENV=dev, before anything runs on AWS",
        )
        console.print(Text.assemble(("demo done", "bold green"), "\n".join(lines)))
    return code
