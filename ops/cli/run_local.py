"""`make run-local`: the whole chain on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fruits.errors import FruitsError
from rich.console import Console

from ops.job.local_spark import SAMPLE, request_from, run
from sample.draw import draw_sample


def main() -> int:
    """Entry point of `make run-local`."""
    console = Console()
    try:
        request = request_from(os.environ)
        if request.input == SAMPLE:
            counts = draw_sample(Path(SAMPLE))
            console.print(
                f"the embedded sample, drawn (not photographed): {sum(counts.values())} images of {len(counts)} fruits "
                f"in {SAMPLE}",
                highlight=False,
            )
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return run(request, console, os.environ.get("MASTER") or f"local[{cores}]")
    except FruitsError as error:
        Console(stderr=True).print(f"run-local: {error}", style="red", highlight=False, soft_wrap=True, markup=False)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
