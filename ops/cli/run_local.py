"""`make run-local`: the whole chain on this machine."""

from collections.abc import Mapping
from pathlib import Path

from fruits.command_line import read_request
from fruits.inputs import LeftOut, read_label, require_classes, require_image, walk
from fruits.request import Request
from fruits.store import Store
from fruits.wording import format_count

from ops.cli.values import read_fields
from ops.job.local_spark import SAMPLE, make_request


def require_known(request: Request) -> None:
    """Refuse classes that a local folder does not have; nothing is listed where none is named."""
    if not request.classes:
        return
    from fruits.selection import normalise_names

    source, labels = Store(request.input), set[str]()
    if request.input == SAMPLE:
        from sample.fruits import FRUITS

        labels |= FRUITS.keys()  # what is not drawn yet
    if source.kind() == "folder":
        labels |= {read_label(f"{source.uri}/{entry.key}") for entry in walk(source, LeftOut())}
    require_classes(normalise_names(request.classes), labels)


def main(environ: Mapping[str, str]) -> int:
    """`make run-local`: the job's own exit code.

    What can be refused is refused first, in a moment: what takes long to load or to draw comes after.
    """
    uri = environ.get("REQUEST")
    request = read_request(uri) if uri else make_request(read_fields(environ))
    source = Store(request.input)
    if request.input != SAMPLE:
        require_image(source)
    if source.is_local:
        require_known(request)
    from fruits.models import require_model

    require_model(request)
    from ops.core.console import Console
    from ops.core.programs import count_cores
    from ops.job.local_spark import run_job
    from sample.draw import draw_sample

    console = Console()
    if request.input == SAMPLE:
        counts = draw_sample(Path(SAMPLE))
        console.print(
            f"the embedded sample, drawn (not photographed): {format_count(sum(counts.values()), 'image')} of "
            f"{len(counts)} fruits in {SAMPLE}"
        )
    # four attempts a task, as on a cluster: a worker that the kernel kills costs time, not the run
    return run_job(request, console, environ.get("MASTER") or f"local[{count_cores()},4]")
