"""The network of a run: built once on the driver, published below the output, read once by every worker.

Building starts TensorFlow, about six seconds of a core. A folder that keeps networks from run to run (``networks``)
saves that time; the recipe names everything that the bytes depend on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from fruits import backbones, engines
from fruits.backbones.weights import compute_sha256
from fruits.errors import ModelError, StorageError
from fruits.request import Request, is_model_file
from fruits.store import Store

FOLDER = "_model"
_PUBLISHER = 1
"""Raise it when the same weights are converted in another way."""


LEAST_BF16_COSINE = 0.98
"""Below it bfloat16 is refused for a network. EfficientNet-Lite0 on photographs: lowest 0.990, median 0.999."""


@dataclass(frozen=True)
class PublishedModel:
    """What a worker needs to know of the network.

    Attributes
    ----------
    sha256 : str
        Digest of the published file.
    precision : str
        The engine's: ``f32`` or ``bf16``.
    dimension : int
        Features per image.
    weights_sha256 : str
        Digest of the file that the weights came from.
    """

    name: str
    engine: str
    sha256: str
    image_size: int
    dimension: int
    weights_sha256: str
    precision: str = "f32"

    @property
    def identity(self) -> str:
        """Part of every feature row's key: equal exactly when features may be in one result."""
        return self.sha256 if self.precision == "f32" else f"{self.sha256}+{self.precision}"

    @property
    def key(self) -> str:
        return f"{FOLDER}/{self.sha256}.{'zip' if self.engine == 'tensorflow' else 'pb'}"


def freeze(network: Any) -> bytes:
    """A feature network as one frozen TensorFlow graph: variables become constants, so that an engine can fold them.

    The same network gives the same bytes. (LiteRT and OpenVINO both read such a graph; with variables left in, neither
    reaches its speed.)
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    size = network.inputs[0].shape[1]
    signature = tf.TensorSpec((None, size, size, 3), tf.uint8, name="image")
    function = tf.function(lambda image: network(image, training=False)).get_concrete_function(signature)
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    data: bytes = graph.SerializeToString(deterministic=True)
    return data


def _draw_probe(size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw smooth seeded pictures: noise alone would excite no feature."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (engines.BATCH, 8, 8, 3))
    steps = np.linspace(0, 7, size)
    low = np.floor(steps).astype(int)
    high, part = np.minimum(low + 1, 7), steps - low
    rows = coarse[:, low] * (1 - part)[:, None, None] + coarse[:, high] * part[:, None, None]
    full = rows[:, :, low] * (1 - part)[:, None] + rows[:, :, high] * part[:, None]
    pictures: np.ndarray[Any, np.dtype[np.uint8]] = full.astype(np.uint8)
    return pictures


def require_faithful(network: Any, engine: engines.Engine, size: int, precision: str = "f32") -> None:
    """Compare an engine with the Keras model it was made from.

    Raises
    ------
    ModelError
        When features differ by more than 1e-3, or 1e-3 of the largest where that is above 1. In bfloat16: when the
        cosine of the angle between a feature vector and Keras' is below 0.98.
    """
    images = _draw_probe(size)
    expected = np.asarray(network(images, training=False))
    actual = engine.embed(images)
    if precision == "bf16":
        cosine = float(
            ((expected * actual).sum(1) / (np.linalg.norm(expected, axis=1) * np.linalg.norm(actual, axis=1))).min()
        )
        if not cosine >= LEAST_BF16_COSINE:
            raise ModelError(
                f"in bf16 this network's features differ too much from Keras' (cosine {cosine:.3f} on test pictures, "
                f"below {LEAST_BF16_COSINE}). Fix: PRECISION=f32 (--precision f32)."
            )
        return
    worst = float(np.abs(expected - actual).max())
    if not worst <= 1e-3 * max(1.0, float(np.abs(expected).max())):
        raise ModelError(
            f"the converted network differs from Keras by {worst:.2g} on test pictures. Fix: ENGINE=tensorflow "
            "(--engine tensorflow), which runs Keras itself."
        )


def _read_user_file(uri: str) -> bytes:
    folder, _, name = uri.rpartition("/")
    try:
        return Store(folder or ".").read(name)
    except OSError as error:
        raise ModelError(f"the model {uri} cannot be read ({error}). Fix: check the path.") from error


def _find_tensorflow_version() -> str:
    for package in ("tensorflow-cpu", "tensorflow"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    raise ModelError(
        "TensorFlow is not installed where the driver runs. Fix: install requirements.txt (on a cluster: let "
        "PYSPARK_PYTHON name the environment that the bootstrap built)."
    )


def require_model(request: Request) -> None:
    """Refuse a model that cannot be built: quickly, without TensorFlow, and before Spark is started.

    Raises
    ------
    ModelError
        When it is unknown, or its file or weights are missing or damaged.
    """
    if not is_model_file(request.model):
        backbones.find_backbone(request.model).load_weights(request.weights)
        return
    folder, _, name = request.model.rpartition("/")
    if Store(folder or ".").kind(name) != "file":
        raise ModelError(f"there is no model {request.model}. Fix: check the path.")


@dataclass(frozen=True)
class Ingredients:
    """What a network is made of.

    Attributes
    ----------
    name : the backbone's, or the file's
    data : its weights, or the file
    is_file : whether it is a ``.keras`` file
    """

    name: str
    data: bytes
    is_file: bool

    @classmethod
    def read(cls, request: Request) -> Ingredients:
        """Read the weights or the file of a request's model.

        Raises
        ------
        ModelError
            When the model is unknown, or its weights are missing or damaged.
        """
        if is_model_file(request.model):
            return cls(request.model.rpartition("/")[2], _read_user_file(request.model), is_file=True)
        data = backbones.find_backbone(request.model).load_weights(request.weights)
        if request.scaling is not None:
            fix = "Fix: leave SCALING= (--scaling) out; it is for .keras files."
            raise ModelError(f"{request.model} has its own scaling. {fix}")
        return cls(request.model, data, is_file=False)

    def list_recipe(self, request: Request) -> dict[str, Any]:
        """List everything that the network's bytes depend on."""
        return {
            "publisher": _PUBLISHER,
            "model": self.name,
            "weights": compute_sha256(self.data),
            "engine": request.engine,
            "precision": request.precision,
            "image_size": request.image_size,
            "scaling": request.scaling,
            "tensorflow": _find_tensorflow_version(),
            "keras": version("keras"),
        }

    def build(self, request: Request) -> tuple[Any, int]:
        """Build the Keras model; returns it with its input's height and width."""
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        import keras

        keras.backend.clear_session()  # layer names count up otherwise, and the hash with them
        if not self.is_file:
            return backbones.build_network(self.name, request.image_size, request.weights), request.image_size
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / self.name
            path.write_bytes(self.data)
            return backbones.load_user_model(path, request.image_size, request.scaling or "raw")


def publish(request: Request, output: Store) -> PublishedModel:
    """Write the network of a request below the output, unless it is there already; builds it where no copy is found.

    Raises
    ------
    ModelError
        When the model is unknown, its weights are missing or damaged, or the conversion is not faithful.
    """
    ingredients = Ingredients.read(request)
    recipe = ingredients.list_recipe(request)
    key = f"{FOLDER}/recipe-{hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:24]}.json"
    if published := _read_published(output, key):
        return published[0]
    cache = Store(request.networks) if request.networks else None
    if cache and (published := _read_published(cache, key)):
        _write_model(output, key, *published, recipe)
        return published[0]
    model, data = convert(ingredients, request)
    _write_model(output, key, model, data, recipe)
    if cache:
        try:
            _write_model(cache, key, model, data, recipe)
        except StorageError as error:  # it would only save the next run a few seconds
            message = f"fruits: the network was not kept for other runs: {error}"
            print(message, file=sys.stderr)  # noqa: T201
    return model


def convert(ingredients: Ingredients, request: Request) -> tuple[PublishedModel, bytes]:
    """Build the network and freeze it for its engine.

    Raises
    ------
    ModelError
        When the frozen network does not give the same features as Keras.
    """
    network, size = ingredients.build(request)
    data = engines.write_archive(network) if request.engine == "tensorflow" else freeze(network)
    if request.engine != "tensorflow":
        engine = engines.create_engine(request.engine, data, size, request.precision)
        require_faithful(network, engine, size, request.precision)
    model = PublishedModel(
        name=ingredients.name,
        engine=request.engine,
        sha256=compute_sha256(data),
        image_size=size,
        dimension=int(network.outputs[0].shape[-1]),
        weights_sha256=compute_sha256(ingredients.data),
        precision=request.precision,
    )
    return model, data


def _write_model(store: Store, recipe_key: str, model: PublishedModel, data: bytes, recipe: dict[str, Any]) -> None:
    """Write a network and then the record of its recipe, so that a record always has its network."""
    store.write(model.key, data)
    recipe = {**recipe, "record_sha256": _hash_record(asdict(model))}
    store.write(recipe_key, json.dumps({**asdict(model), "recipe": recipe}, indent=1).encode())


def _hash_record(record: dict[str, Any]) -> str:
    return compute_sha256(json.dumps(record, sort_keys=True).encode())


def _read_published(output: Store, recipe_key: str) -> tuple[PublishedModel, bytes] | None:
    """Read a network that was published; None where it is missing or damaged."""
    try:
        record = json.loads(output.read(recipe_key))
        digest = record.pop("recipe")["record_sha256"]
        model = PublishedModel(**record)
        data = output.read(model.key)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
    return (model, data) if digest == _hash_record(record) and compute_sha256(data) == model.sha256 else None


def load_engine(model: PublishedModel, output: Store) -> engines.Engine:
    """Get the engine of this worker: read, verified and compiled once per process, not per task.

    Raises
    ------
    ModelError
        When the file is damaged or gone.
    """
    return _load_engine(model, output.uri)


@lru_cache(maxsize=2)
def _load_engine(model: PublishedModel, output_uri: str) -> engines.Engine:
    output = Store(output_uri)
    try:
        data = output.read(model.key)
    except OSError as error:
        raise ModelError(
            f"the published network {output.location(model.key)} cannot be read ({error}). Fix: run it again."
        ) from error
    if compute_sha256(data) != model.sha256:
        raise ModelError(f"the published network {output.location(model.key)} is damaged. Fix: delete it, run again.")
    return engines.create_engine(model.engine, data, model.image_size, model.precision)
