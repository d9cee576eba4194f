"""`make export TO=`: vectors, labels and thumbnails of a result for a tool that one already uses.

`projector` is TensorBoard's embedding projector, `fiftyone` FiftyOne, `spotlight` Renumics Spotlight. Each gets the
format that its documentation names. The vectors are the scores. `INPUT=` names the images where they have moved, and
`LIMIT=` how many are handed over: the same share of every class.
"""

import base64
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fruits.report.pictures import SIDE, make_thumbnails
from fruits.report.sample import compute_shares, hash_order
from fruits.store import Store
from numpy.typing import NDArray
from PIL import Image

from ops.job.results import Result

SPRITE = 8192
"""Pixels of a sprite's side that browsers' WebGL can be relied on to show (TensorBoard's documentation)."""


@dataclass(frozen=True)
class Images:
    """What is handed over.

    Attributes
    ----------
    paths : below the input of the run
    scores : ndarray of float32, shape (n, k)
    pictures : a JPEG of at most 96 by 96 pixels each; empty where an image cannot be read any more
    """

    paths: list[str]
    labels: list[str]
    scores: NDArray[np.float32]
    pictures: list[bytes]

    def __len__(self) -> int:
        return len(self.paths)


def choose_exported(result: Result, limit: int, source: str = "") -> Images:
    """Take up to `limit` images of a result, the same share of every class, in the order of class and path."""
    by_class = Counter(label for block in result.blocks() for label in block.labels)
    shares = compute_shares(by_class, limit)
    ranked: dict[str, list[tuple[int, str]]] = {label: [] for label in shares}
    for block in result.blocks():
        for path, label in zip(block.paths, block.labels, strict=True):
            if label in shares:
                ranked[label].append((hash_order(path), path))
    chosen = {
        path: i
        for i, (_, path) in enumerate(
            (label, path)
            for label in sorted(ranked)
            for path in sorted(p for _, p in sorted(ranked[label])[: shares[label]])
        )
    }
    labels, scores = [""] * len(chosen), np.zeros((len(chosen), int(result.summary["k"])), np.float32)
    for block in result.blocks():
        for path, label, row in zip(block.paths, block.labels, block.scores, strict=True):
            if (i := chosen.get(path)) is not None:
                labels[i], scores[i] = label, row
    inside = result.below_input(chosen)
    images = Store(source or str(result.summary["arguments"].get("input", ".")))
    read = make_thumbnails(images, [images.location(path) for path in inside])
    return Images(inside, labels, scores, [base64.b64decode(text) for text in read])


def _field(text: str) -> str:
    """A text as one field of a TSV file, which knows no quotes."""
    return " ".join(text.split())


def sprite_grid(count: int) -> tuple[int, int]:
    """Pictures in a row of a square sprite, and the side of each in pixels.

    >>> [sprite_grid(count) for count in (1, 18, 10_000)]
    [(1, 96), (5, 96), (100, 81)]
    """
    columns = math.ceil(math.sqrt(count))
    return columns, min(SIDE, SPRITE // columns)


def _sprite(pictures: Sequence[bytes]) -> tuple[bytes, int]:
    """One PNG of all pictures, row by row in a square, and the side of each in pixels."""
    columns, side = sprite_grid(len(pictures))
    sheet = Image.new("RGB", (columns * side, columns * side), "white")
    for i, data in enumerate(pictures):
        if data:
            picture = Image.open(io.BytesIO(data)).convert("RGB").resize((side, side))
            sheet.paste(picture, (i % columns * side, i // columns * side))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue(), side


def to_projector(images: Images, folder: Path) -> str:
    """TSV files, a sprite, and the settings for TensorBoard (pbtxt) and for the projector's own page (JSON)."""
    rows = ("\t".join(f"{value:.6g}" for value in row) for row in images.scores)
    (folder / "vectors.tsv").write_text("\n".join(rows) + "\n")
    named = (f"{_field(label)}\t{_field(path)}" for label, path in zip(images.labels, images.paths, strict=True))
    (folder / "metadata.tsv").write_text("\n".join(["label\tpath", *named]) + "\n", encoding="utf-8")
    sprite, side = _sprite(images.pictures)
    (folder / "sprite.png").write_bytes(sprite)
    embedding = {
        "tensorName": "fruits",
        "tensorShape": list(images.scores.shape),
        "tensorPath": "vectors.tsv",
        "metadataPath": "metadata.tsv",
        "sprite": {"imagePath": "sprite.png", "singleImageDim": [side, side]},
    }
    (folder / "projector_config.json").write_text(json.dumps({"embeddings": [embedding]}, indent=1))
    (folder / "projector_config.pbtxt").write_text(
        'embeddings {\n  tensor_name: "fruits"\n  tensor_path: "vectors.tsv"\n  metadata_path: "metadata.tsv"\n'
        f'  sprite {{\n    image_path: "sprite.png"\n    single_image_dim: [{side}, {side}]\n  }}\n}}\n'
    )
    return f"tensorboard --logdir {folder}; or load vectors.tsv and metadata.tsv at projector.tensorflow.org"


_LOAD = '''"""Load this folder into FiftyOne: python load.py. The scores are the field `scores` of each sample."""

import json
from pathlib import Path

import fiftyone as fo
import numpy as np

folder = Path(__file__).resolve().parent
scores, paths = np.load(folder / "scores.npy"), json.loads((folder / "paths.json").read_text())
dataset = fo.Dataset.from_dir(dataset_dir=str(folder), dataset_type=fo.types.FiftyOneImageClassificationDataset)
for sample in dataset.iter_samples(autosave=True):
    number = int(Path(sample.filepath).stem)
    sample["scores"], sample["path"] = scores[number], paths[number]

if __name__ == "__main__":
    fo.launch_app(dataset).wait()
'''


def to_fiftyone(images: Images, folder: Path) -> str:
    """A FiftyOneImageClassificationDataset (data/ and labels.json), the scores, and a script that joins them."""
    classes = sorted(set(images.labels))
    (folder / "data").mkdir()
    width = len(str(len(images)))
    targets = {}
    for i, (label, picture) in enumerate(zip(images.labels, images.pictures, strict=True)):
        if picture:
            (folder / "data" / f"{i:0{width}}.jpg").write_bytes(picture)
            targets[f"{i:0{width}}"] = classes.index(label)
    text = json.dumps({"classes": classes, "labels": targets}, ensure_ascii=False, indent=1)
    (folder / "labels.json").write_text(text, encoding="utf-8")
    (folder / "paths.json").write_text(json.dumps(images.paths))
    np.save(folder / "scores.npy", images.scores)
    (folder / "load.py").write_text(_LOAD)
    return f"pip install fiftyone, then python {folder / 'load.py'}"


def to_spotlight(images: Images, folder: Path) -> str:
    """One Parquet file: path, label, the scores as an embedding, the picture's bytes."""
    table = pa.table(
        {
            "path": pa.array(images.paths),
            "label": pa.array(images.labels).dictionary_encode(),
            "scores": pa.array(list(images.scores), pa.list_(pa.float32())),
            "image": pa.array([picture or None for picture in images.pictures], pa.binary()),
        }
    )
    pq.write_table(table, folder / "images.parquet")
    types = "--dtype scores=Embedding --dtype image=Image"
    return f"pip install renumics-spotlight, then spotlight {folder / 'images.parquet'} {types}"


TOOLS: Mapping[str, Callable[[Images, Path], str]] = {
    "projector": to_projector,
    "fiftyone": to_fiftyone,
    "spotlight": to_spotlight,
}
