"""Right features: the fast engine against Keras itself, the converted weights against ImageNet's own classes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fruits import backbones, engines, models
from fruits.backbones import lite0
from fruits.errors import ModelError
from fruits.images import decode
from fruits.models import PublishedModel, publish
from fruits.request import Request
from fruits.store import Store
from numpy.typing import NDArray

from tests.job.conftest import ALL_PHOTOS, HAS_BF16, needs_bf16

pytestmark = pytest.mark.tensorflow

REPO = Path(__file__).resolve().parents[2]
PHOTOS = REPO.parent / "shared" / "fruits360" / "bench" / "Training"
KERAS_WEIGHTS = REPO.parent / "shared" / "weights"
Pixels = NDArray[np.uint8]
COUNT = 200 if ALL_PHOTOS else 50  # make check compares with Keras on more pictures


def decoded(drawn: Path, size: int) -> Pixels:
    """So many from every class, square: photographs where they are at hand, else the drawn sample."""
    paths = sorted((PHOTOS if PHOTOS.is_dir() else drawn).rglob("*.jpg"))
    images = np.stack([decode(p.read_bytes(), size) for p in paths[:: len(paths) // COUNT][:COUNT]])
    assert len(images) == COUNT
    return images


@pytest.fixture
def pictures(drawn: Path) -> Callable[[int], Pixels]:
    return lambda size: decoded(drawn, size)


def embedded(engine: engines.Engine, images: Pixels) -> NDArray[np.float32]:
    """Batch after batch, the last one padded, as a task does it."""
    rows = []
    for start in range(0, len(images), engines.BATCH):
        batch = images[start : start + engines.BATCH]
        padded = np.zeros((engines.BATCH, *images.shape[1:]), np.uint8)
        padded[: len(batch)] = batch
        rows.append(engine.embed(padded)[: len(batch)].copy())
    return np.concatenate(rows)


def mapped(model: Any, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The feature maps of a Keras model, averaged by numpy."""
    maps = [np.asarray(model(images[i : i + 25], training=False), np.float64) for i in range(0, len(images), 25)]
    return np.concatenate([m.mean(axis=(1, 2)) for m in maps])


def assert_equal_features(found: NDArray[Any], wanted: NDArray[np.float64]) -> None:
    assert found.shape == wanted.shape
    cosine = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.min() >= 0.9999
    assert np.abs(found - wanted).max() <= 1e-3
    assert wanted.std(axis=0).max() > 1e-2  # the pictures are told apart at all


def fast(network: Any, size: int) -> engines.Engine:
    return engines.create_engine("fast", models.freeze(network), size)


# --- the fast engine equals Keras ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0_reference(drawn: Path) -> tuple[Pixels, NDArray[np.float64], bytes]:
    """Two hundred pictures, what Keras makes of them, and the default network, frozen. Some eight seconds."""
    images = decoded(drawn, 224)
    data = backbones.find_backbone("efficientnet_lite0").load_weights(None)
    reference = mapped(lite0.build(224, data), (images.astype(np.float32) - 127) / 128)
    return images, reference, models.freeze(backbones.build_network("efficientnet_lite0", 224, None))


def test_efficientnet_lite0_with_its_imagenet_weights_equals_keras(
    lite0_reference: tuple[Pixels, NDArray[np.float64], bytes],
) -> None:
    images, reference, graph = lite0_reference
    assert_equal_features(embedded(engines.create_engine("fast", graph, 224), images), reference)


# --- bfloat16 -----------------------------------------------------------------------------------------------


@needs_bf16
def test_in_bf16_every_picture_keeps_its_direction(
    lite0_reference: tuple[Pixels, NDArray[np.float64], bytes],
) -> None:
    images, reference, graph = lite0_reference
    found = embedded(engines.create_engine("fast", graph, 224, "bf16"), images)
    cosine = (found * reference).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(reference, axis=1)
    assert cosine.min() >= 0.985
    assert np.median(cosine) >= 0.998
    assert np.abs(found - reference).max() > 1e-3  # it is another precision indeed


def test_bf16_is_judged_by_the_processors_own_flags() -> None:
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert ("BF16" in capabilities) == HAS_BF16


def test_bf16_is_refused_where_the_processor_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.platform, "node", lambda: "ip-10-0-0-7")
    with pytest.raises(ModelError) as caught:
        engines.require_bf16(["FP32", "INT8", "BIN"])
    assert str(caught.value) == (
        "precision bf16 was asked for, and the processor of ip-10-0-0-7 has neither AMX nor AVX-512 BF16: it would be "
        "slower there, not faster. Fix: PRECISION=f32 (--precision f32), or machines that have it (on AWS: m7i, c7i, "
        "r7i, m7a, c7a and later)."
    )


def test_bf16_that_turns_features_too_far_is_refused(small: Callable[[], Any]) -> None:
    network = backbones.build_feature_network(small(), 48, "raw", "n")
    right = fast(network, 48)

    class Turned:
        def embed(self, images: Pixels) -> NDArray[np.float32]:
            return np.roll(right.embed(images), 1, axis=1)

    models.require_faithful(network, right, 48, "bf16")
    with pytest.raises(ModelError, match=r"in bf16 this network's features differ too much from Keras' \(cosine "):
        models.require_faithful(network, Turned(), 48, "bf16")


# --- other backbones ----------------------------------------------------------------------------------------


@pytest.mark.photos
def test_mobilenet_v2_035_with_its_imagenet_weights_equals_keras(pictures: Callable[[int], Pixels]) -> None:
    import keras

    images = pictures(224)
    weights = next(KERAS_WEIGHTS.glob("mobilenet_v2_*_0.35_224_no_top.h5"))
    model = keras.applications.MobileNetV2(
        alpha=0.35, input_shape=(224, 224, 3), include_top=False, weights=str(weights)
    )
    scaled = keras.applications.mobilenet_v2.preprocess_input(images.astype(np.float32))
    network = backbones.build_network("mobilenet_v2_035", 224, str(KERAS_WEIGHTS))
    assert_equal_features(embedded(fast(network, 224), images), mapped(model, scaled))


KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    "mobilenet_v2": ("mobilenet_v2.MobileNetV2", {}),
    "mobilenet_v2_035": ("mobilenet_v2.MobileNetV2", {"alpha": 0.35}),
    "resnet50": ("resnet50.ResNet50", {}),
}
"""Where Keras has the same network, by the name of the backbone: package and function, and what else it takes."""
DEAR = {"resnet50", "mobilenet_v2_035"}  # the latter is compared with its own weights where they are


@pytest.mark.parametrize("size", [64, pytest.param(224, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in DEAR))
        for name, backbone in backbones.BACKBONES.items()
        if isinstance(backbone.source, backbones.Published)
    ],
)
def test_with_seeded_random_weights_for_want_of_the_real_ones_equals_keras(
    name: str, size: int, pictures: Callable[[int], Pixels]
) -> None:
    import keras

    assert name in KERAS, "a row of KERAS says what a new backbone is compared with"
    (package, function), options = KERAS[name][0].split("."), KERAS[name][1]
    theirs = getattr(keras.applications, package)
    images = pictures(size)
    backbone = backbones.find_backbone(name)
    base = backbone.build(size, None)
    tame_norms(base)
    model = getattr(theirs, function)(input_shape=(size, size, 3), include_top=False, weights=None, **options)
    model.set_weights(base.get_weights())
    scaled = theirs.preprocess_input(images.astype(np.float32))
    network = backbones.build_feature_network(base, size, backbone.scaling, name)
    assert_equal_features(embedded(fast(network, size), images), mapped(model, scaled))


def tame_norms(model: Any) -> None:
    """Random layers double the scale of what passes; a trained network's norms hold it at one. So do these."""
    import keras

    rng = np.random.default_rng(0)
    sample = rng.normal(0, 50, (8, *model.input_shape[1:])).astype(np.float32)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
    model(sample, training=True)  # every norm now holds the mean and variance of what it saw
    for layer in norms:
        layer.momentum = 0.99


# --- the converted weights are ImageNet's -------------------------------------------------------------------

IMAGENET = {
    "Apple Granny Smith": 948,
    "Strawberry": 949,
    "Orange": 950,
    "Lemon": 951,
    "Pineapple": 953,
    "Banana": 954,
}


@pytest.mark.photos
def test_the_default_backbone_with_its_head_names_real_fruits() -> None:
    data = backbones.find_backbone("efficientnet_lite0").load_weights(None)
    classifier = lite0.build(224, data, head=True)
    right, seen = 0, 0
    for label, index in IMAGENET.items():
        paths = sorted((PHOTOS / label).glob("*.jpg"))[:: 3 if ALL_PHOTOS else 10]
        images = np.stack([decode(p.read_bytes(), 224) for p in paths]).astype(np.float32)
        probabilities = np.asarray(classifier((images - 127) / 128, training=False))
        assert np.abs(probabilities.sum(axis=1) - 1).max() < 1e-4
        right += int((probabilities.argmax(axis=1) == index).sum())
        seen += len(paths)
    assert seen >= (200 if ALL_PHOTOS else 60)
    assert right / seen >= 0.9


@pytest.mark.photos
def test_weights_read_without_their_strides_would_name_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap of this file: every shape fits, no error is raised, and the network is worthless."""
    data = backbones.find_backbone("efficientnet_lite0").load_weights(None)
    read = lite0.read_tensors

    def careless(checkpoint: bytes) -> dict[str, NDArray[Any]]:
        tensors = read(checkpoint)
        return {
            name: np.moveaxis(t, (0, 1), (-1, -2)).ravel().reshape(t.shape) if t.ndim == 4 else t
            for name, t in tensors.items()
        }

    monkeypatch.setattr(lite0, "read_tensors", careless)
    classifier = lite0.build(224, data, head=True)
    images = np.stack([decode(p.read_bytes(), 224) for p in sorted((PHOTOS / "Banana").glob("*.jpg"))[::5]])
    named = np.asarray(classifier((images.astype(np.float32) - 127) / 128, training=False)).argmax(axis=1)
    assert (named == IMAGENET["Banana"]).mean() < 0.2


# --- an image's features are its own ------------------------------------------------------------------------


def test_neighbours_and_position_in_a_batch_change_no_bit(
    default_model: tuple[PublishedModel, Path], drawn: Path
) -> None:
    model, output = default_model
    engine = models.load_engine(model, Store(str(output)))
    images = [decode(p.read_bytes(), 224) for p in sorted(drawn.rglob("*.jpg"))[::30]]
    rng = np.random.default_rng(0)
    for image in images:
        alone = embedded(engine, image[None])[0]
        assert np.isfinite(alone).all()
        for position in range(engines.BATCH):
            batch = rng.integers(0, 256, (engines.BATCH, 224, 224, 3)).astype(np.uint8)
            batch[position] = image
            assert (engine.embed(batch)[position] == alone).all()


def test_the_engine_is_made_once_a_process(default_model: tuple[PublishedModel, Path]) -> None:
    model, output = default_model
    assert models.load_engine(model, Store(str(output))) is models.load_engine(model, Store(str(output)))


# --- Keras itself in the worker -----------------------------------------------------------------------------


def test_the_tensorflow_engine_is_the_network_bit_for_bit(small: Callable[[], Any]) -> None:
    network = backbones.build_feature_network(small(), 48, "raw", "n")
    archive = engines.write_archive(network)
    assert archive == engines.write_archive(network)
    images = np.random.default_rng(0).integers(0, 256, (engines.BATCH, 48, 48, 3)).astype(np.uint8)
    found = engines.create_engine("tensorflow", archive, 48).embed(images)
    assert (found == np.asarray(network(images, training=False))).all()
    assert np.abs(found - fast(network, 48).embed(images)).max() <= 1e-4


@pytest.fixture
def small() -> Callable[[], Any]:
    from tests.job.conftest import small_network

    return small_network


# --- publishing ---------------------------------------------------------------------------------------------


def test_the_default_network_is_published_for_what_it_is(default_model: tuple[PublishedModel, Path]) -> None:
    model, _ = default_model
    assert (model.name, model.image_size, model.dimension) == ("efficientnet_lite0", 224, 1280)
    assert model.weights_sha256 == lite0.WEIGHTS_SHA256


@pytest.mark.slow
def test_the_published_file_is_the_same_in_another_process(
    default_model: tuple[PublishedModel, Path], tmp_path: Path
) -> None:
    program = (
        "import sys; from fruits.models import publish; from fruits.request import Request;"
        "from fruits.store import Store; out = sys.argv[1];"
        "print(publish(Request(input='x', output=out), Store(out)).sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True, cwd=REPO / "jobs"
    )
    model, _ = default_model
    assert done.stdout.split()[-1] == model.sha256


@pytest.fixture
def published(small_model: Path, small_published: Path, tmp_path: Path) -> tuple[Request, Store]:
    import shutil

    shutil.copytree(small_published / "_model", tmp_path / "out" / "_model")
    return Request(input="x", output=str(tmp_path / "out"), model=str(small_model)), Store(str(tmp_path / "out"))


def test_a_published_network_is_not_built_again(
    published: tuple[Request, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any) -> Any:
        raise AssertionError("built again")

    monkeypatch.setattr(backbones, "load_user_model", never)
    model = publish(*published)
    assert published[1].kind(model.key) == "file"
    assert model.name == "small.keras"


def test_a_network_kept_from_another_run_is_not_built_again(
    published: tuple[Request, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Store(str(tmp_path / "kept"))
    request = replace(published[0], networks=kept.uri)
    first, again = Store(str(tmp_path / "first")), Store(str(tmp_path / "again"))
    model = publish(request, first)
    assert model == publish(*published)
    with monkeypatch.context() as patch:
        patch.setattr(backbones, "load_user_model", lambda *_: pytest.fail("built again"))
        assert publish(request, again) == model
    assert again.read(model.key) == first.read(model.key)
    pixels = np.zeros((engines.BATCH, model.image_size, model.image_size, 3), np.uint8)
    assert models.load_engine(model, again).embed(pixels).shape == (engines.BATCH, model.dimension)

    kept.write(model.key, b"damaged")
    anew = Store(str(tmp_path / "anew"))
    assert publish(request, anew) == model
    assert kept.read(model.key) == anew.read(model.key) == first.read(model.key)
    assert publish(replace(request, scaling="tf"), Store(str(tmp_path / "other"))).sha256 != model.sha256


def test_a_network_that_cannot_be_kept_fails_no_run(
    published: tuple[Request, Store], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    request = replace(published[0], networks=str(tmp_path / "file"))
    assert publish(request, Store(str(tmp_path / "o"))) == publish(*published)
    assert "fruits: the network was not kept for other runs: " in capsys.readouterr().err


@pytest.fixture
def conversions(published: tuple[Request, Store], monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What was converted; each conversion gives what the first one gave, at once."""
    model = publish(*published)
    asked: list[Request] = []
    answer = model, published[1].read(model.key)
    monkeypatch.setattr(models, "convert", lambda _, request: (asked.append(request), answer)[1])
    return asked


def test_a_published_network_or_record_that_was_changed_is_published_anew(
    published: tuple[Request, Store], conversions: list[Request]
) -> None:
    request, output = published
    model = publish(request, output)
    assert conversions == []
    whole = output.read(model.key)
    output.write(model.key, whole[:-1])
    assert publish(request, output) == model
    assert output.read(model.key) == whole
    (recipe,) = [e.key for e in output.list("_model") if "/recipe-" in e.key]
    record = json.loads(output.read(recipe))
    fields = ("sha256", "image_size", "dimension", "name", "precision")
    for field in fields:
        changed = record[field] + 1 if isinstance(record[field], int) else "0" + record[field][1:]
        output.write(recipe, json.dumps({**record, field: changed}).encode())
        assert publish(request, output) == model
        assert json.loads(output.read(recipe)) == record
    assert len(conversions) == 1 + len(fields)


def test_a_changed_or_missing_published_network_is_refused_by_a_worker(published: tuple[Request, Store]) -> None:
    request, output = published
    model = publish(request, output)
    output.write(model.key, b"changed")
    with pytest.raises(ModelError) as caught:
        models.load_engine(model, output)
    assert str(caught.value) == (
        f"the published network {output.location(model.key)} is damaged. Fix: delete it, run again."
    )
    output.delete(model.key)
    with pytest.raises(ModelError, match=f"the published network {output.location(model.key)} cannot be read"):
        models.load_engine(model, output)


def test_a_record_half_written_is_published_anew(published: tuple[Request, Store], conversions: list[Request]) -> None:
    request, output = published
    model = publish(request, output)
    record = next(e.key for e in output.list("_model") if e.key.endswith(".json"))
    damages = (b"", b"{", b"[]", b'{"recipe": {}}', json.dumps({"recipe": 1, "nom": 2}).encode())
    for damage in damages:
        output.write(record, damage)
        assert publish(request, output) == model
    assert len(conversions) == len(damages)


def test_other_options_are_other_networks(published: tuple[Request, Store]) -> None:
    request, output = published
    raw, scaled = publish(request, output), publish(replace(request, scaling="tf"), output)
    keras_itself = publish(replace(request, engine="tensorflow"), output)
    assert len({raw.sha256, scaled.sha256, keras_itself.sha256}) == 3
    assert keras_itself.key.endswith(".zip")


def test_a_named_backbone_has_its_own_scaling(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        publish(Request(input="x", output=str(tmp_path), scaling="tf"), Store(str(tmp_path)))
    assert str(caught.value) == (
        "efficientnet_lite0 has its own scaling. Fix: leave SCALING= (--scaling) out; it is for .keras files."
    )


def test_an_unfaithful_engine_is_found_out(small: Callable[[], Any]) -> None:
    network = backbones.build_feature_network(small(), 48, "raw", "n")
    right = fast(network, 48)
    models.require_faithful(network, right, 48)

    class Wrong:
        def embed(self, images: Pixels) -> NDArray[np.float32]:
            return np.asarray(right.embed(images) + np.float32(0.5))

    with pytest.raises(ModelError) as caught:
        models.require_faithful(network, Wrong(), 48)
    assert str(caught.value) == (
        "the converted network differs from Keras by 0.5 on test pictures. Fix: ENGINE=tensorflow "
        "(--engine tensorflow), which runs Keras "
        "itself."
    )

    class NotANumber:
        def embed(self, images: Pixels) -> NDArray[np.float32]:
            return np.full_like(right.embed(images), np.nan)

    with pytest.raises(ModelError, match="differs from Keras by nan"):
        models.require_faithful(network, NotANumber(), 48)
