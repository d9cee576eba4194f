"""`make neighbours`, `make classify`, `make export`: what a finished result can be asked."""

import json
from collections.abc import Mapping
from pathlib import Path

from fruits.errors import InputError, OutputError, UsageError
from fruits.store import Store
from fruits.wording import format_count

from ops.cli.values import is_on, read_env, read_whole_number
from ops.core.console import Console, working
from ops.job import results


def open_result(environ: Mapping[str, str]) -> results.Result:
    """The result that OUTPUT names; else the newer one of this machine's default folders."""
    images, model = environ.get("INPUT", ""), environ.get("MODEL", "")
    return results.find_result(
        environ.get("OUTPUT", ""), results.list_places(read_env(environ), images=images, model=model), model
    )


def neighbours(environ: Mapping[str, str]) -> int:
    """`make neighbours`."""
    from ops.job import neighbours as room

    errors = Console(stderr=True)
    if not (image := environ.get("IMAGE", "").strip()):
        raise UsageError("no image was given. Fix: make neighbours IMAGE=path/of/a/photograph.jpg.")
    count = read_whole_number(environ, "COUNT", 10)
    result = open_result(environ)
    with working(errors, "looking for the nearest images", quiet=not errors.is_terminal):
        nearest = room.find_neighbours(result, room.compute_scores(result, image), count, but=Store(image).uri)
    if not nearest:
        raise InputError(f"{result.store.uri} has no image other than {image}. Fix: OUTPUT= names another result.")
    if is_on(environ, "JSON"):
        print(json.dumps(room.describe_neighbours(result, image, nearest), indent=1, ensure_ascii=False))
        return 0
    console = Console()
    console.print(room.make_neighbours_table(result, nearest))
    label, votes, voters = room.vote(nearest)
    console.print(f"{votes} of the {voters} nearest {'is' if votes == 1 else 'are'} {label}")
    return 0


def classify(environ: Mapping[str, str]) -> int:
    """`make classify`."""
    from ops.job import classify as room

    errors = Console(stderr=True)
    result = open_result(environ)
    with working(errors, "learning and testing", quiet=not errors.is_terminal):
        answer, written = room.classify(result)
    if is_on(environ, "JSON"):
        print(json.dumps({"result": result.store.uri, **answer.as_json()}, indent=1, ensure_ascii=False))
    else:
        room.show_validation(result, answer, written, Console())
    return 0


def export(environ: Mapping[str, str]) -> int:
    """`make export`."""
    from ops.job import export as room

    errors, console = Console(stderr=True), Console()
    tool = environ.get("TO", "")
    if tool not in room.TOOLS:
        problem = f"TO={tool} is not a known tool" if tool else "TO= was not given"
        raise UsageError(f"{problem}. Fix: TO=projector, TO=fiftyone or TO=spotlight.")
    limit = read_whole_number(environ, "LIMIT", 10_000)
    folder = Path(environ.get("DEST") or f"runs/export-{tool}")
    if folder.exists() and any(folder.iterdir()):
        raise OutputError(
            f"{folder} is not empty, and nothing is overwritten. Fix: DEST= names another folder, or remove it."
        )
    result = open_result(environ)
    with working(errors, "reading scores and pictures", quiet=not errors.is_terminal):
        images = room.choose_exported(result, limit, environ.get("INPUT", ""))
    folder.mkdir(parents=True, exist_ok=True)
    start = room.TOOLS[tool](images, folder)
    missing = sum(not picture for picture in images.pictures)
    total = int(result.summary["images_ok"])
    share = f" of {total:,}, the same share of every class," if len(images) < total else ""
    scores = format_count(images.scores.shape[1], "score")
    console.print(f"{format_count(len(images), 'image')}{share} with {scores} each in {folder}")
    if missing:
        console.print(
            f"{format_count(missing, 'image', 'has')} no picture, and cannot be read any more. Fix: INPUT= names the "
            "folder of the images."
        )
    console.print(f"next  {start}")
    return 0
