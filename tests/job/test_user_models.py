"""``--model path/to/model.keras``: what a user's own network may look like, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fruits import backbones
from fruits.backbones import SCALINGS, build_feature_network, cut_head, load_user_model
from fruits.errors import ModelError
from fruits.models import publish
from fruits.request import Request
from fruits.store import Store

pytestmark = pytest.mark.tensorflow

SIZE = 40


@pytest.fixture(autouse=True)
def seeded() -> None:
    import keras

    keras.utils.set_random_seed(1)


def body(size: int | None = SIZE) -> tuple[Any, Any]:
    import keras

    image = keras.Input((size, size, 3))
    return image, keras.layers.Conv2D(6, 3, 2, activation="relu")(image)


def pictures(size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (3, size, size, 3)).astype(np.uint8)


def features_of(model: Any, tmp_path: Path, name: str = "m.keras") -> tuple[np.ndarray, int]:
    """Through a saved file, as a user's model comes."""
    model.save(tmp_path / name)
    network, size = load_user_model(tmp_path / name, 64, "raw")
    return np.asarray(network(pictures(size), training=False)), size


def output_of(tensor: Any, image: Any, size: int = SIZE) -> np.ndarray:
    import keras

    return np.asarray(keras.Model(image, tensor)(pictures(size).astype(np.float32), training=False))


def test_a_feature_map_is_averaged(tmp_path: Path) -> None:
    import keras

    image, x = body()
    found, size = features_of(keras.Model(image, x), tmp_path)
    assert size == SIZE
    assert np.abs(found - output_of(x, image).mean(axis=(1, 2))).max() < 1e-3


def test_features_that_end_the_model_are_taken_as_they_are(tmp_path: Path) -> None:
    import keras

    image, x = body()
    pooled = keras.layers.GlobalMaxPooling2D()(x)
    embedding = keras.layers.Dense(5, activation="tanh")(pooled)
    found, _ = features_of(keras.Model(image, embedding), tmp_path)
    assert np.abs(found - output_of(embedding, image)).max() < 1e-5


@pytest.mark.parametrize("ending", ["softmax", "sigmoid", "dropout", "softmax layer", "activation layer"])
def test_a_classifiers_head_is_cut(tmp_path: Path, ending: str) -> None:
    import keras

    layers = keras.layers
    image, x = body()
    pooled = layers.GlobalAveragePooling2D()(x)
    head = {
        "softmax": [layers.Dense(10, activation="softmax")],
        "sigmoid": [layers.Dense(1, activation="sigmoid")],
        "dropout": [layers.Dropout(0.5), layers.Dense(10, activation="softmax")],
        "softmax layer": [layers.Dropout(0.5), layers.Dense(10), layers.Softmax()],
        "activation layer": [layers.Dense(10), layers.Activation("softmax")],
    }[ending]
    y = pooled
    for layer in head:
        y = layer(y)
    found, _ = features_of(keras.Model(image, y), tmp_path)
    assert found.shape == (3, 6)
    assert np.abs(found - output_of(pooled, image)).max() < 1e-3


def test_a_hidden_layer_before_the_head_stays(tmp_path: Path) -> None:
    import keras

    image, x = body()
    hidden = keras.layers.Dense(7, activation="relu")(keras.layers.GlobalAveragePooling2D()(x))
    found, _ = features_of(keras.Model(image, keras.layers.Dense(3, activation="softmax")(hidden)), tmp_path)
    assert np.abs(found - output_of(hidden, image)).max() < 1e-3


def test_the_head_of_a_model_made_of_models_is_cut(tmp_path: Path) -> None:
    """What transfer learning by Sequential makes, and Teachable Machine exports."""
    import keras

    layers = keras.layers
    image, x = body()
    base = keras.Sequential([keras.Model(image, x), layers.GlobalAveragePooling2D()])
    head = keras.Sequential([layers.Dense(7, activation="relu"), layers.Dense(3, activation="softmax")])
    model = keras.Sequential([keras.Input((SIZE, SIZE, 3)), base, head])
    found, _ = features_of(model, tmp_path)
    assert found.shape == (3, 7)
    pooled = np.asarray(base(pictures().astype(np.float32)))
    assert np.abs(found - np.asarray(head.layers[0](pooled))).max() < 1e-3


def test_a_head_that_is_a_model_of_its_own_is_cut_whole(tmp_path: Path) -> None:
    import keras

    image, x = body()
    pooled = keras.layers.GlobalAveragePooling2D()(x)
    head = keras.Sequential([keras.layers.Dropout(0.2), keras.layers.Dense(3, activation="softmax")])
    found, _ = features_of(keras.Model(image, head(pooled)), tmp_path)
    assert np.abs(found - output_of(pooled, image)).max() < 1e-3


def test_an_input_of_any_size_takes_the_size_asked_for(tmp_path: Path) -> None:
    import keras

    image, x = body(None)
    found, size = features_of(keras.Model(image, x), tmp_path)
    assert size == 64
    assert found.shape == (3, 6)


def test_the_older_file_format_is_read_too(tmp_path: Path) -> None:
    import keras

    image, x = body()
    found, _ = features_of(keras.Model(image, x), tmp_path, "m.h5")
    assert found.shape == (3, 6)


@pytest.mark.parametrize("name", ["tf", "torch", "caffe"])
def test_scalings_are_those_of_keras_applications(name: str) -> None:
    import keras
    from keras.src.applications.imagenet_utils import preprocess_input

    x = pictures().astype(np.float32)
    mine = np.asarray(SCALINGS[name](keras.ops.convert_to_tensor(x)))
    assert np.abs(mine - preprocess_input(x.copy(), mode=name)).max() < 1e-4


def test_the_remaining_scalings() -> None:
    x = np.array([0.0, 127.0, 255.0])
    assert SCALINGS["raw"](x).tolist() == [0, 127, 255]
    assert SCALINGS["lite"](x).tolist() == [-127 / 128, 0, 1]
    assert {b.scaling for b in backbones.BACKBONES.values()} <= SCALINGS.keys()


# --- refusals -----------------------------------------------------------------------------------------------


def refusal(model: Any, tmp_path: Path) -> str:
    model.save(tmp_path / "m.keras")
    with pytest.raises(ModelError) as caught:
        load_user_model(tmp_path / "m.keras", 224, "raw")
    return str(caught.value)


def test_an_unpooled_resnet_is_too_wide_for_a_pca(tmp_path: Path) -> None:
    import keras

    image = keras.Input((224, 224, 3))
    flat = keras.layers.Flatten()(keras.layers.AveragePooling2D(32)(keras.layers.Conv2D(2048, 1)(image)))
    assert refusal(keras.Model(image, flat), tmp_path) == (
        "the model gives 100,352 features per image, but a PCA is refused above 65,535: its covariance would take "
        "81 GB. Fix: end the model in GlobalAveragePooling2D instead of Flatten."
    )


def test_the_widest_model_is_65535(tmp_path: Path) -> None:
    import keras

    image = keras.Input((SIZE, SIZE, 3))
    for width, accepted in ((65_535, True), (65_536, False)):
        x = keras.layers.UpSampling1D(width)(keras.layers.Reshape((1, 1))(keras.ops.mean(image, (1, 2, 3))))
        model = keras.Model(image, keras.layers.Flatten()(x))
        if accepted:
            assert build_feature_network(model, SIZE, "raw", "n").outputs[0].shape == (None, width)
        else:
            with pytest.raises(ModelError, match=r"gives 65,536 features .* covariance would take 34 GB"):
                build_feature_network(model, SIZE, "raw", "n")


def test_two_inputs(tmp_path: Path) -> None:
    import keras

    a, b = keras.Input((SIZE, SIZE, 3)), keras.Input((SIZE, SIZE, 3))
    assert refusal(keras.Model([a, b], keras.layers.Add()([a, b])), tmp_path) == (
        f"the model m.keras does not take one RGB image: its inputs are [(None, {SIZE}, {SIZE}, 3), "
        f"(None, {SIZE}, {SIZE}, 3)]. Fix: a model with one input (n, size, size, 3)."
    )


@pytest.mark.parametrize("shape", [(SIZE, SIZE, 1), (3,), (SIZE, 3), (4, SIZE, SIZE, 3)])
def test_an_input_that_is_no_rgb_image(tmp_path: Path, shape: tuple[int, ...]) -> None:
    import keras

    image = keras.Input(shape)
    sentence = refusal(keras.Model(image, keras.layers.Activation("relu")(image)), tmp_path)
    assert sentence.startswith("the model m.keras does not take one RGB image: its inputs are [(None, ")


def test_an_input_that_is_not_square(tmp_path: Path) -> None:
    import keras

    image = keras.Input((64, 48, 3))
    assert refusal(keras.Model(image, keras.layers.Conv2D(2, 3)(image)), tmp_path) == (
        "the model m.keras takes 64×48 pixels. Fix: a model with a square input."
    )


def test_an_output_that_is_no_feature_vector(tmp_path: Path) -> None:
    import keras

    image, x = body()
    assert refusal(keras.Model(image, keras.layers.Reshape((-1, 6))(x)), tmp_path) == (
        "the model ends in an output of rank 3; features need (n, d), or a feature map (n, h, w, d). Fix: cut the "
        "model at such a layer before saving it."
    )


@pytest.mark.parametrize("data", [b"", b"not a model", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_model(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.keras").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        load_user_model(tmp_path / "m.keras", 224, "raw")
    assert str(caught.value).startswith("the model m.keras cannot be loaded: ")
    assert str(caught.value).endswith(
        "Fix: save it with model.save('name.keras') by Keras 3, without Lambda layers or custom classes."
    )
    assert "\n" not in str(caught.value)


def test_code_inside_a_model_is_not_executed(tmp_path: Path) -> None:
    import keras

    image, x = body()
    evil = keras.layers.Lambda(lambda t: t * 2)(x)
    assert refusal(keras.Model(image, evil), tmp_path).startswith("the model m.keras cannot be loaded: ")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.keras"
    with pytest.raises(ModelError, match=rf"the model {path} cannot be read \(.*\)\. Fix: check the path\."):
        publish(Request(input="x", output=str(tmp_path), model=str(path)), Store(str(tmp_path)))


def test_an_unknown_scaling(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        load_user_model(tmp_path / "m.keras", 224, "imagenet")
    assert str(caught.value) == "the scaling 'imagenet' is unknown. Fix: one of raw, tf, torch, caffe, lite."


def test_a_model_without_a_head_to_cut_is_left_alone() -> None:
    import keras

    image, x = body()
    model = keras.Model(image, x)
    assert cut_head(model).outputs[0] is model.outputs[0]
