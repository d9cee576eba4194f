"""`make notebook`: fruits.ipynb from its readable source, and the zip that it needs away from a clone.

The source is a Python file whose cells begin with ``# %%`` (text: ``# %% [markdown]``). The notebook in git
holds the outputs of its last run (``PYTHONPATH=jobs python -m tools.execute_notebook``); a cell whose
text changes loses its own.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping

from ops.core.console import Console
from ops.core.paths import ROOT
from ops.job.package import job_files, zipped

SOURCE = ROOT / "notebooks" / "source.py"
"""Not named like a package: a kernel that starts in this folder would import it in place of the job."""
NOTEBOOK = ROOT / "notebooks" / "fruits.ipynb"
FOLDER = ROOT / "build" / "notebook"
ZIP = "fruits-notebook.zip"
BESIDE = tuple(f"sample/{name}.py" for name in ("__init__", "camera", "clouds", "draw", "fruits"))
"""What the notebook needs beside the job: the drawn sample."""


def split_cells(source: str) -> Iterator[tuple[str, str]]:
    """Kind (``code`` or ``markdown``) and text of each cell; what stands before the first is a remark.

    >>> list(split_cells("# a remark\\n# %% [markdown]\\n# # Title\\n#\\n# text\\n\\n# %%\\nx = 1\\n"))
    [('markdown', '# Title\\n\\ntext'), ('code', 'x = 1')]
    """
    for piece in ("\n" + source).split("\n# %%")[1:]:
        head, _, body = piece.partition("\n")
        text = body.strip("\n")
        if head.strip() == "[markdown]":
            yield "markdown", "\n".join(line.removeprefix("#").removeprefix(" ") for line in text.splitlines())
        else:
            yield "code", text


def read_cell_outputs(written: str) -> dict[str, dict[str, object]]:
    """Outputs and number of each code cell of an ``.ipynb``, by the cell's id, which names its text."""
    return {
        cell["id"]: {"execution_count": cell["execution_count"], "outputs": cell["outputs"]}
        for cell in json.loads(written)["cells"]
        if cell["cell_type"] == "code"
    }


def make_notebook(source: str, outputs: Mapping[str, Mapping[str, object]] | None = None) -> str:
    """The ``.ipynb`` of a source; the same text for the same source and outputs.

    Parameters
    ----------
    outputs : from `read_cell_outputs`: a cell whose text has not changed keeps its outputs
    """
    blocks: list[dict[str, object]] = []
    for kind, text in split_cells(source):
        cell: dict[str, object] = {
            "cell_type": kind,
            "id": hashlib.sha256(f"{len(blocks)} {text}".encode()).hexdigest()[:8],
            "metadata": {},
            "source": text.splitlines(keepends=True),
        }
        if kind == "code":
            cell |= {"execution_count": None, "outputs": [], **(outputs or {}).get(str(cell["id"]), {})}
        blocks.append(cell)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": blocks,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def make_bundle() -> bytes:
    """The job's package and the drawn sample as a zip: the same bytes for the same files."""
    return zipped({**job_files(), **{name: ROOT / name for name in BESIDE}})


def main(_: Mapping[str, str]) -> int:
    """`make notebook`."""
    outputs = read_cell_outputs(NOTEBOOK.read_text(encoding="utf-8")) if NOTEBOOK.exists() else {}
    text = make_notebook(SOURCE.read_text(encoding="utf-8"), outputs)
    NOTEBOOK.write_text(text, encoding="utf-8")
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / NOTEBOOK.name).write_text(text, encoding="utf-8")
    (FOLDER / ZIP).write_bytes(make_bundle())
    Console().print(
        f"{NOTEBOOK.relative_to(ROOT)} written; {FOLDER.relative_to(ROOT)} holds it and {ZIP}, to be uploaded together"
    )
    return 0
