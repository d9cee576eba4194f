"""A pipeline of another engine over the same photographs, written as its documentation teaches; run by `rivals`.

``python rival.py daft|ray IMAGES OUTPUT GRAPH CORES`` prints rows and seconds as JSON. It runs in an environment of its
own (requirements-rivals.txt) and takes the job's engine, so that only what feeds the network differs.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from fruits.engines import BATCH, OpenVinoEngine
from numpy.typing import NDArray

SIZE = 224
ROWS_AT_ONCE = 64
"""Of a call of the user's function: documented defaults are of this order."""


class Network:
    """What a worker of either pipeline holds: the graph compiled once, images in fours as the job gives them."""

    def __init__(self, graph: str) -> None:
        self._engine = OpenVinoEngine(Path(graph).read_bytes(), SIZE)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (n, size, size, 3) to float32 (n, d)."""
        rows = []
        for start in range(0, len(images), BATCH):
            batch = np.zeros((BATCH, SIZE, SIZE, 3), np.uint8)
            part = images[start : start + BATCH]
            batch[: len(part)] = part
            rows.append(self._engine.embed(batch)[: len(part)].copy())
        return np.concatenate(rows)


def run_daft(images: str, output: str, graph: str, cores: int) -> float:
    """https://docs.daft.ai: images are a type; a class with a batch method holds the model, one process per core."""
    import daft
    from daft import DataType, col

    @daft.cls(max_concurrency=cores, use_process=True)
    class Embed:
        def __init__(self) -> None:
            self.network = Network(graph)

        @daft.method.batch(return_dtype=DataType.embedding(DataType.float32(), 1280), batch_size=ROWS_AT_ONCE)  # type: ignore[untyped-decorator]
        def embed(self, column: Any) -> Any:
            return list(self.network.embed(np.stack([np.asarray(image) for image in column.to_pylist()])))

    began = time.monotonic()
    frame = daft.from_glob_path(f"{images}/**/*.jpg")
    decoded = col("path").download().decode_image(mode="RGB").resize(SIZE, SIZE)
    frame = frame.with_column("image", decoded)
    frame.select("path", Embed().embed(col("image")).alias("features")).write_parquet(output)
    return time.monotonic() - began


def run_ray(images: str, output: str, graph: str, cores: int) -> float:
    """https://docs.ray.io/en/latest/data: read_images, then a pool of actors by map_batches.

    An actor asks for half a processor: with a whole one each they starve the tasks that read for them.
    """
    import ray

    ray.init(num_cpus=cores, logging_level="ERROR", log_to_driver=False, include_dashboard=False)
    ray.data.DataContext.get_current().enable_progress_bars = False

    class Embed:
        def __init__(self) -> None:
            self.network = Network(graph)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            return {"path": batch["path"], "features": self.network.embed(batch["image"])}

    began = time.monotonic()
    data = ray.data.read_images(images, size=(SIZE, SIZE), mode="RGB", include_paths=True)
    pool = ray.data.ActorPoolStrategy(size=cores)
    data = data.map_batches(Embed, batch_size=ROWS_AT_ONCE, compute=pool, num_cpus=0.5)
    data.write_parquet(output)
    return time.monotonic() - began


def main(arguments: list[str]) -> int:
    """Run one pipeline and count what it wrote."""
    import pyarrow.dataset

    name, images, output, graph, cores = arguments
    seconds = {"daft": run_daft, "ray": run_ray}[name](images, output, graph, int(cores))
    rows = pyarrow.dataset.dataset(output, format="parquet").count_rows()
    print(json.dumps({"rows": rows, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
