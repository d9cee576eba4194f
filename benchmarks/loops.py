"""The most that a core can do: bare loops over image files, one process per core, one thread per engine, no Spark."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from fruits import engines
from fruits.images import decode
from numpy.typing import NDArray

from benchmarks.results import BenchmarkError

Images = NDArray[np.uint8]
Features = NDArray[np.float32]
Embed = Callable[[Images], Features]


@dataclass(frozen=True)
class LoopEngine:
    """An engine of a bare loop.

    Attributes
    ----------
    suffix : str
        Of the file that it reads.
    batch : int
        Images per call: what was fastest for it.
    """

    name: str
    suffix: str
    batch: int
    load: Callable[[Path], Embed]


def _load_tensorflow(path: Path) -> Embed:
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    function = wrapped.prune("image:0", f"{graph.node[-1].name}:0")
    return lambda images: np.asarray(function(tf.constant(images)))


def _load_litert(path: Path) -> Embed:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    (input_details,), (output_details,) = interpreter.get_input_details(), interpreter.get_output_details()

    def embed(images: Images) -> Features:
        interpreter.set_tensor(input_details["index"], images)
        interpreter.invoke()
        features: Features = interpreter.get_tensor(output_details["index"])
        return features

    return embed


def _load_onnxruntime(path: Path) -> Embed:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    running = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = running.get_inputs()[0].name

    def embed(images: Images) -> Features:
        features: Features = running.run(None, {name: images})[0]
        return features

    return embed


def _load_openvino(path: Path) -> Embed:
    return engines.OpenVinoEngine(path.read_bytes(), 224).embed


ENGINES = {
    engine.name: engine
    for engine in (
        LoopEngine("TensorFlow", ".pb", 8, _load_tensorflow),
        LoopEngine("LiteRT", ".tflite", 1, _load_litert),
        LoopEngine("ONNX Runtime", ".onnx", 1, _load_onnxruntime),
        LoopEngine("OpenVINO", ".pb", engines.BATCH, _load_openvino),
    )
}


def convert_graph(graph: bytes, folder: Path) -> dict[str, Path]:
    """Write a frozen graph (input ``image``) for every engine.

    Returns
    -------
    dict of str to Path
        By suffix.
    """
    import tensorflow as tf
    import tf2onnx

    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(graph)
    output = f"{definition.node[-1].name}:0"
    wrapped = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(definition, name=""), [])
    function = tf.function(wrapped.prune("image:0", output))
    concrete = function.get_concrete_function(tf.TensorSpec((1, 224, 224, 3), tf.uint8))
    lite = tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()
    onnx, _ = tf2onnx.convert.from_graph_def(definition, input_names=["image:0"], output_names=[output], opset=17)
    models = {".pb": graph, ".tflite": lite, ".onnx": onnx.SerializeToString()}
    paths = {suffix: folder / f"network{suffix}" for suffix in models}
    for suffix, data in models.items():
        paths[suffix].write_bytes(data)
    return paths


def _run_loop(
    engine: LoopEngine, model: Path, files: list[str], warm_up: int, core: int | None, line: Connection
) -> None:
    """One process: warm up, say ready, wait, go through all files, say when it began and ended."""
    if core is not None:
        os.sched_setaffinity(0, {core})
    embed = engine.load(model)
    pixels = np.zeros((engine.batch, 224, 224, 3), np.uint8)

    def featurize(paths: Sequence[str]) -> Features:
        features = np.empty(0, np.float32)
        for start in range(0, len(paths), engine.batch):
            for place, path in enumerate(paths[start : start + engine.batch]):
                pixels[place] = decode(Path(path).read_bytes(), 224)
            features = embed(pixels)
        return features

    pixels[:] = decode(Path(files[0]).read_bytes(), 224)
    line.send(np.array(embed(pixels)[0]))
    featurize(files[:warm_up])
    line.send("ready")
    line.recv()
    began = time.monotonic()
    featurize(files)
    line.send((began, time.monotonic()))


@dataclass(frozen=True)
class LoopTime:
    """Images per second of all concurrent loops together, and the features of the first image."""

    rate: float
    first: Features


def run_loops(engine: LoopEngine, model: Path, files: list[Path], processes: int, warm_up: int) -> LoopTime:
    """Share files among as many processes, each pinned to a core of its own where the system can.

    The clock runs from the moment the first loop starts, engine compiled and warm, until the last one has ended.

    Raises
    ------
    BenchmarkError
        When a loop dies.
    """
    free = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    spawn = multiprocessing.get_context("spawn")
    started: list[tuple[Any, Connection]] = []
    try:
        for number in range(processes):
            parent_end, child_end = spawn.Pipe()
            share = [str(path) for path in files[number::processes]]
            core = free[number] if number < len(free) else None
            process = spawn.Process(
                target=_run_loop, args=(engine, model, share, warm_up, core, child_end), daemon=True
            )
            process.start()
            child_end.close()
            started.append((process, parent_end))
        lines = [line for _, line in started]
        firsts = [line.recv() for line in lines]
        for line in lines:
            line.recv()
        for line in lines:
            line.send("go")
        times = [line.recv() for line in lines]
    except EOFError:
        raise BenchmarkError(f"a loop of {engine.name} ended before it was through; its error stands above.") from None
    finally:
        for process, line in started:
            line.close()
            process.join(timeout=10)
            if process.is_alive():
                process.terminate()
    return LoopTime(len(files) / (max(end for _, end in times) - min(began for began, _ in times)), firsts[0])
