"""Finished results without a run: what `make results` fetches, from labels and scores."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def write_result(
    folder: Path, source: str, labels: list[str], scores: NDArray[np.floating], names: list[str], **changed: Any
) -> Path:
    """A result over images ``<source>/<label>/<name>``; the value is its folder."""
    (folder / "pca").mkdir(parents=True)
    with (folder / "pca/scores.csv").open("w", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(["path", "label", *(f"pc{j + 1}" for j in range(scores.shape[1]))])
        for label, name, row in zip(labels, names, scores, strict=True):
            writer.writerow([f"{source}/{label}/{name}", label, *(float(value) for value in row)])
    summary = {
        "finished": "2026-01-01T00:00:00Z",
        "model": "efficientnet_lite0",
        "model_sha256": "a" * 64,
        "dimension": 1280,
        "k": scores.shape[1],
        "explained_variance": 0.953,
        "images_ok": len(labels),
        "images_rejected": 0,
        "images_per_second": 123.4,
        "arguments": {"input": source, "output": str(folder)},
        **changed,
    }
    (folder / "run.json").write_text(json.dumps(summary))
    return folder
