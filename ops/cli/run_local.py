"""`make run-local`: the whole chain on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from fruits.listing import require_image
from fruits.models import require_model
from fruits.store import Store

from ops.core.console import Console
from ops.job.local_spark import SAMPLE, request_from, run
from sample.draw import draw_sample


def main(environ: Mapping[str, str]) -> int:
    """`make run-local`: the job's own exit code."""
    console = Console()
    request = request_from(environ)
    if request.input == SAMPLE:
        counts = draw_sample(Path(SAMPLE))
        console.print(
            f"the embedded sample, drawn (not photographed): {sum(counts.values())} images of {len(counts)} fruits "
            f"in {SAMPLE}",
        )
    require_image(Store(request.input))
    require_model(request)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # four attempts a task, as on a cluster: a worker that the kernel kills costs time, not the run
    return run(request, console, environ.get("MASTER") or f"local[{cores},4]")
