"""The networks, as Keras models from pixels to features.

A *feature network* takes uint8 (n, size, size, 3), RGB as `fruits.images.decode` gives it, and returns float32 (n, d):
scaling of the pixels, the backbone without its head, and global average pooling are all inside. Only the driver builds
one; it is the only place that needs TensorFlow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fruits.backbones import lite0, weights
from fruits.backbones.torch_pickle import DamagedCheckpointError
from fruits.errors import ModelError
from fruits.wording import read_first_line

MAX_DIMENSION = 65_535
"""The limit of Spark's own PCA; a covariance of this many columns takes 34 GB."""


@dataclass(frozen=True)
class Packaged:
    """Weights that a locked package carries."""

    package: str
    file: str
    sha256: str

    def load(self, _folder: str | None, _backbone: str) -> bytes:
        """The verified bytes; ModelError when the package is missing or damaged."""
        return weights.read_from_package(self.package, self.file, self.sha256)


@dataclass(frozen=True)
class Published:
    """Weights that `make weights` fetches once and verifies.

    Attributes
    ----------
    url : str
        Where Keras publishes them; its last part is the file's name.
    md5 : str or None
        As in Keras' own source, where it has one.
    sha256 : tuple of str
        Digests that this project has verified.
    """

    url: str
    md5: str | None = None
    sha256: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """The file's name in the weights folder."""
        return self.url.rpartition("/")[2]

    def load(self, folder: str | None, backbone: str) -> bytes:
        """The verified bytes; ModelError when they are missing, damaged or not verified."""
        return weights.read_from_folder(folder, self.file, self.sha256, backbone)


@dataclass(frozen=True)
class Backbone:
    """A network known by name.

    Attributes
    ----------
    scaling : str
        A key of `SCALINGS`.
    source : Packaged or Published
        Where its weights come from; `make weights` reads it too, so a new network needs only this row.
    build : callable
        From (image_size, weights) to the Keras model whose output is the last feature map. With None for weights it
        makes seeded random ones, for tests.
    """

    name: str
    scaling: str
    source: Packaged | Published
    build: Callable[[int, bytes | None], Any]

    def load_weights(self, folder: str | None) -> bytes:
        """The verified bytes of its weights, from their package or from the weights folder.

        Raises
        ------
        ModelError
            When they are missing or damaged.
        """
        return self.source.load(folder, self.name)


def _scale_tf(x: Any) -> Any:
    return x / 127.5 - 1.0


def _scale_torch(x: Any) -> Any:
    import numpy as np

    mean = np.array([0.485, 0.456, 0.406], np.float32) * 255
    deviation = np.array([0.229, 0.224, 0.225], np.float32) * 255
    return (x - mean) / deviation


def _scale_caffe(x: Any) -> Any:
    import numpy as np

    return x[..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)


SCALINGS: dict[str, Callable[[Any], Any]] = {
    "raw": lambda x: x,
    "tf": _scale_tf,
    "torch": _scale_torch,
    "caffe": _scale_caffe,
    "lite": lambda x: (x - 127.0) / 128.0,
}
"""How pixels 0…255 become what a network was trained on; names as in ``keras.applications``."""


def _make_builder(function: str, package: str, **options: Any) -> Callable[[int, bytes | None], Any]:
    def build(image_size: int, data: bytes | None) -> Any:
        import keras

        make = getattr(getattr(keras.applications, package), function)
        shape = (image_size, image_size, 3)
        if data is None:
            keras.utils.set_random_seed(0)
            return make(input_shape=shape, include_top=False, weights=None, **options)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weights.h5"
            path.write_bytes(data)
            return make(input_shape=shape, include_top=False, weights=str(path), **options)

    return build


def _build_lite0(image_size: int, data: bytes | None) -> Any:
    if data is None:
        raise ModelError("efficientnet_lite0 is built with its weights only. Fix: install requirements.txt.")
    return lite0.build(image_size, data)


_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications"
_MOBILENET = f"{_KERAS}/mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{{}}_224_no_top.h5"

BACKBONES: dict[str, Backbone] = {
    b.name: b
    for b in (
        Backbone(
            "efficientnet_lite0",
            "lite",
            Packaged(lite0.WEIGHTS_PACKAGE, lite0.WEIGHTS_FILE, lite0.WEIGHTS_SHA256),
            _build_lite0,
        ),
        Backbone(
            "mobilenet_v2",
            "tf",
            Published(_MOBILENET.format("1.0")),
            _make_builder("MobileNetV2", "mobilenet_v2", alpha=1.0),
        ),
        Backbone(
            "mobilenet_v2_035",
            "tf",
            Published(
                _MOBILENET.format("0.35"),
                sha256=("d43c70f8ea04b1087170401b2f4739f41b94200e30892ea8d050ac65779146c6",),
            ),
            _make_builder("MobileNetV2", "mobilenet_v2", alpha=0.35),
        ),
        Backbone(
            "resnet50",
            "caffe",
            Published(
                f"{_KERAS}/resnet/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
                md5="4d473c1dd8becc155b73f8504c6f6626",
            ),
            _make_builder("ResNet50", "resnet50"),
        ),
    )
}


def build_feature_network(base: Any, image_size: int, scaling: str, name: str) -> Any:
    """Put scaling before and pooling behind a network.

    Parameters
    ----------
    base : keras.Model
        Float32 (n, size, size, 3) to a feature map (n, h, w, d), or to features (n, d) already.
    image_size : int
        Pixels.
    scaling : str
        A key of `SCALINGS`.
    name : str
        Of the new model.

    Returns
    -------
    keras.Model
        uint8 (n, size, size, 3) to float32 (n, d).

    Raises
    ------
    ModelError
        When the features are too wide for a PCA.
    """
    import keras

    inputs = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = base(SCALINGS[scaling](keras.ops.cast(inputs, "float32")))
    rank = len(x.shape)
    if rank == 4:
        x = keras.layers.GlobalAveragePooling2D(name="features")(x)
    elif rank != 2:
        raise ModelError(
            f"the model ends in an output of rank {rank}; features need (n, d), or a feature map (n, h, w, d). "
            "Fix: cut the model at such a layer before saving it."
        )
    if x.shape[-1] is None:
        raise ModelError("the model's number of features is not fixed. Fix: save it with a fixed input size.")
    if int(x.shape[-1]) > MAX_DIMENSION:
        raise ModelError(
            f"the model gives {int(x.shape[-1]):,} features per image, but a PCA is refused above {MAX_DIMENSION:,}: "
            f"its covariance would take {8 * int(x.shape[-1]) ** 2 / 1e9:,.0f} GB. Fix: end the model in "
            "GlobalAveragePooling2D instead of Flatten."
        )
    model = keras.Model(inputs, x, name=name)
    model.trainable = False
    return model


_CLASSIFIERS = ("softmax", "sigmoid")


def _is_head(layer: Any) -> bool:
    import keras

    if isinstance(layer, keras.layers.Dropout | keras.layers.Softmax):
        return True
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return isinstance(layer, keras.layers.Dense | keras.layers.Activation) and activation in _CLASSIFIERS


def cut_head(model: Any) -> Any:
    """A classifier without its last layers: those with softmax or sigmoid, the logits under them, and dropout.

    A model that ends otherwise (an embedding, a feature map) is returned as it is.
    """
    import keras

    output = model.outputs[0]
    cut_softmax = False
    while True:
        layer, node, _index = output._keras_history
        if isinstance(layer, keras.Model):  # a model used as a layer: what transfer learning by Sequential makes
            inner, before = cut_head(layer), layer._inbound_nodes[node].input_tensors[0]
            if inner.outputs[0] is layer.outputs[0]:
                break
            if inner.outputs[0] is not inner.inputs[0]:
                output = inner(before)
                break
            output = before
            continue
        bare_logits = isinstance(layer, keras.layers.Dense) and cut_softmax
        if not (_is_head(layer) or bare_logits):
            break
        cut_softmax = isinstance(layer, keras.layers.Softmax | keras.layers.Activation)
        previous = layer.input
        if isinstance(previous, list):
            break
        output = previous
    return keras.Model(model.inputs, output, name=model.name)


def load_user_model(path: Path, image_size: int, scaling: str) -> tuple[Any, int]:
    """A user's ``.keras`` file as a feature network.

    Returns
    -------
    keras.Model, int
        The network and the image size it takes: its own where it is fixed, else `image_size`.

    Raises
    ------
    ModelError
        When it cannot be loaded or used.
    """
    import keras

    if scaling not in SCALINGS:
        raise ModelError(f"the scaling '{scaling}' is unknown. Fix: one of {', '.join(SCALINGS)}.")
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ModelError(
            f"the model {path.name} cannot be loaded: {read_first_line(error)[:300]}. Fix: save it with "
            "model.save('name.keras') by Keras 3, without Lambda layers or custom classes."
        ) from error
    if len(model.inputs) != 1 or len(model.inputs[0].shape) != 4 or model.inputs[0].shape[-1] not in (3, None):
        raise ModelError(
            f"the model {path.name} does not take one RGB image: its inputs are "
            f"{[tuple(i.shape) for i in model.inputs]}. Fix: a model with one input (n, size, size, 3)."
        )
    height, width = model.inputs[0].shape[1:3]
    if height != width:
        raise ModelError(f"the model {path.name} takes {height}×{width} pixels. Fix: a model with a square input.")
    size = int(height) if height else image_size
    return build_feature_network(cut_head(model), size, scaling, "features_of_user_model"), size


def build_network(name: str, image_size: int, weights_folder: str | None) -> Any:
    """The feature network of a backbone with its ImageNet weights.

    Raises
    ------
    ModelError
        For an unknown name, and for weights that are missing or damaged.
    """
    backbone = find_backbone(name)
    data = backbone.load_weights(weights_folder)
    try:
        base = backbone.build(image_size, data)
    except (DamagedCheckpointError, ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"the weights of {name} do not fit the network: {read_first_line(error)}. Fix: fetch them again."
        ) from error
    return build_feature_network(base, image_size, backbone.scaling, name)


def find_backbone(name: str) -> Backbone:
    """Look up a backbone by name.

    Raises
    ------
    ModelError
        For an unknown name, with the known ones.
    """
    if name not in BACKBONES:
        raise ModelError(
            f"the model '{name}' is unknown. Fix: one of {', '.join(BACKBONES)}, or the path of a .keras file."
        )
    return BACKBONES[name]
