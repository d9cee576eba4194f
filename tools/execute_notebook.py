"""Run the notebook and keep what it prints and draws: ``PYTHONPATH=jobs python -m tools.execute_notebook``.

Needed after a change of the notebook, or of what it prints or draws; it takes about a minute. Pictures and printed
lines are kept, warnings are not, and this checkout's path is written as ``fruits``.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

from ops.core.paths import ROOT
from ops.job.notebook import NOTEBOOK, SOURCE, make_notebook, read_cell_outputs

COLOURS = 64
"""Colours of a kept picture: plots need no more, and the notebook stays small."""


def shrink_picture(picture: str) -> str:
    """A PNG in base64, with fewer colours."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    buffer = io.BytesIO()
    image.quantize(COLOURS).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def clean_output(output: Any, work: str) -> dict[str, Any] | None:
    """An output as it is committed; None for one that is not kept."""
    if output.output_type == "stream":
        if output.name != "stdout":
            return None
        text = output.text.replace(work, "work").replace(str(ROOT), "fruits")
        return {"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}
    data = dict(output.data)
    if "image/png" in data:
        data = {"image/png": shrink_picture(data["image/png"]) + "\n", "text/plain": data.get("text/plain", "")}
    cleaned = {k: v.replace(work, "work").replace(str(ROOT), "fruits") for k, v in data.items()}
    cell_output: dict[str, Any] = {"data": cleaned, "metadata": {}, "output_type": output.output_type}
    if output.output_type == "execute_result":
        cell_output["execution_count"] = output.execution_count
    return cell_output


def main() -> int:
    """Run the notebook and write it with its outputs. Exit code: 0; an error in a cell is raised."""
    text = make_notebook(SOURCE.read_text(encoding="utf-8"))
    parsed = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="fruits-") as work:
        os.environ |= {"FRUITS_WORK": work, "FRUITS_INPUT": "", "PYTHONPATH": "", "OPENBLAS_NUM_THREADS": "1"}
        NotebookClient(parsed, timeout=900, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
        for cell in parsed.cells:
            if cell.cell_type == "code":
                cell.outputs = [cleaned for output in cell.outputs if (cleaned := clean_output(output, work))]
    executed = json.dumps(parsed, ensure_ascii=False)
    NOTEBOOK.write_text(
        make_notebook(SOURCE.read_text(encoding="utf-8"), read_cell_outputs(executed)), encoding="utf-8"
    )
    print(f"{Path(NOTEBOOK).relative_to(ROOT)}: {NOTEBOOK.stat().st_size // 1024} KiB", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
