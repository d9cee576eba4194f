"""What computes features in a worker: OpenVINO on the frozen graph, or Keras itself as the reference."""

from __future__ import annotations

import io
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fruits.errors import ModelError

BATCH = 4
"""Images per call. Fixed, and the last call padded: a feature must not depend on how many images share its call."""


class Engine(Protocol):
    """Computes the features of `BATCH` images at a time on one thread."""

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """uint8 (BATCH, size, size, 3) to float32 (BATCH, d); the result may be reused by the next call."""


class OpenVinoEngine:
    """The frozen TensorFlow graph on OpenVINO's CPU plugin.

    Three settings matter and none is the default. One stream of one thread: a task has one core. No pinning: OpenVINO
    would pin every worker of a machine to its first core. The precision is named: left open, a CPU with bfloat16 would
    use it, and features would depend on the machine.

    Raises
    ------
    ModelError
        When the processor has no instructions for `precision`.
    """

    def __init__(self, graph: bytes, image_size: int, precision: str = "f32") -> None:
        import openvino

        core = openvino.Core()
        if precision == "bf16":
            require_bf16(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        # the TensorFlow front end reads only from a path
        with tempfile.TemporaryDirectory(prefix="fruits-") as folder:
            path = Path(folder) / "model.pb"
            path.write_bytes(graph)
            model = core.read_model(str(path))
        model.reshape([BATCH, image_size, image_size, 3])
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "ENABLE_CPU_PINNING": False,
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
        self._request = compiled.create_infer_request()

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = self._request.infer([images], share_inputs=True, share_outputs=True)[0]
        return result


def require_bf16(capabilities: Sequence[str]) -> None:
    """Refuse bfloat16 where the processor can only emulate it.

    Parameters
    ----------
    capabilities : sequence of str
        OpenVINO's ``OPTIMIZATION_CAPABILITIES`` of this machine's CPU.

    Raises
    ------
    ModelError
        When ``BF16`` is not among them.
    """
    if "BF16" not in capabilities:
        raise ModelError(
            f"precision bf16 was asked for, and the processor of {platform.node()} has neither AMX nor AVX-512 BF16: "
            "it would be slower there, not faster. Fix: PRECISION=f32 (--precision f32), or machines that have it "
            "(on AWS: m7i, c7i, r7i, m7a, c7a and later)."
        )


class KerasEngine:
    """The Keras model itself, through TensorFlow, on one thread."""

    def __init__(self, archive: bytes) -> None:
        # TensorFlow reads these when it starts; where it is running already, it keeps its threads
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
        self._model = read_archive(archive)

    def embed(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self._model(images, training=False), np.float32)


def write_archive(model: Any) -> bytes:
    """Write a Keras model as bytes that depend on architecture and weights only (a ``.keras`` file holds times)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:

        def add(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)

        add("config.json", json.dumps(json.loads(model.to_json()), sort_keys=True).encode())
        for i, values in enumerate(model.get_weights()):
            array = io.BytesIO()
            np.save(array, values)
            add(f"weights/{i:05d}.npy", array.getvalue())
    return buffer.getvalue()


def read_archive(data: bytes) -> Any:
    """Read the Keras model that `write_archive` wrote."""
    import keras

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        model = keras.models.model_from_json(archive.read("config.json").decode())
        names = sorted(name for name in archive.namelist() if name.startswith("weights/"))
        model.set_weights([np.load(io.BytesIO(archive.read(name))) for name in names])
    return model


def create_engine(engine: str, data: bytes, image_size: int, precision: str = "f32") -> Engine:
    """Make the engine that computes a published model, images of `image_size` pixels, in `precision`."""
    return KerasEngine(data) if engine == "tensorflow" else OpenVinoEngine(data, image_size, precision)
