"""Weights: proven by their digest, read through their strides, refused when damaged."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from fruits import backbones
from fruits.backbones import lite0, weights
from fruits.backbones.torch_pickle import DamagedCheckpointError, read_tensors
from fruits.errors import ModelError
from fruits.store import Store

REPO = Path(__file__).resolve().parents[2]
KERAS_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"


# --- torch's legacy format ----------------------------------------------------------------------------------


class FloatStorage:
    """Stands for torch.FloatStorage while pickling."""


class LongStorage:
    """Stands for torch.LongStorage while pickling."""


def _rebuild_tensor_v2() -> None:
    """Stands for torch._utils._rebuild_tensor_v2 while pickling."""


class Tensor:
    """Pickles as a torch tensor does: a view, by offset, shape and strides, of a storage known by its key."""

    def __init__(self, key: str, storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]):
        self.key, self.storage, self.offset, self.shape, self.strides = key, storage, offset, shape, strides

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_tensor_v2, (StorageOf(self), self.offset, self.shape, self.strides, False, OrderedDict())


class StorageOf:
    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


class Pickler(pickle._Pickler):  # the one in Python: its globals can be named as torch names them
    def persistent_id(self, obj: Any) -> Any:
        if isinstance(obj, StorageOf):
            kind = LongStorage if obj.tensor.storage.dtype == np.int64 else FloatStorage
            return ("storage", kind, obj.tensor.key, "cpu", obj.tensor.storage.size, None)
        return None


def checkpoint(tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The file torch < 1.6 would have written."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")
    for module, things in ((torch, (FloatStorage, LongStorage)), (utils, (_rebuild_tensor_v2,))):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        for thing in things:
            monkeypatch.setattr(thing, "__module__", module.__name__)
            setattr(module, thing.__name__, thing)
    out = io.BytesIO()
    pickle.dump(0x1950A86A20F9469CFC6C, out, 2)
    pickle.dump(1001, out, 2)
    pickle.dump({"little_endian": True}, out, 2)
    Pickler(out, 2).dump(OrderedDict(tensors))
    storages = {t.key: t.storage for t in tensors.values()}
    pickle.dump(list(storages), out, 2)
    for storage in storages.values():
        out.write(storage.size.to_bytes(8, "little") + storage.tobytes())
    return out.getvalue()


def test_a_strided_tensor_is_read_through_its_strides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stored as (kernel, kernel, in, out), seen as (out, in, kernel, kernel): as in the real file."""
    stored = np.arange(2 * 2 * 3 * 4, dtype="<f4").reshape(2, 2, 3, 4)
    seen = stored.transpose(3, 2, 0, 1)
    strides = tuple(s // 4 for s in seen.strides)
    data = checkpoint({"conv": Tensor("k", stored.reshape(-1), 0, seen.shape, strides)}, monkeypatch)
    found = read_tensors(data)["conv"]
    assert (found == seen).all()
    assert found.flags.c_contiguous
    careless = stored.reshape(-1).reshape(seen.shape)  # a reader that ignores strides: other weights, no error
    assert not np.array_equal(careless, seen)


def test_views_share_a_storage_and_keep_their_offset_and_type(monkeypatch: pytest.MonkeyPatch) -> None:
    storage, count = np.arange(10, dtype="<f4"), np.array([7], "<i8")
    tensors = {
        "head": Tensor("0", storage, 0, (2, 2), (2, 1)),
        "tail": Tensor("0", storage, 4, (3,), (2,)),
        "steps": Tensor("1", count, 0, (), ()),
    }
    found = read_tensors(checkpoint(tensors, monkeypatch))
    assert found["head"].tolist() == [[0, 1], [2, 3]]
    assert found["tail"].tolist() == [4, 6, 8]
    assert (found["steps"].dtype, int(found["steps"])) == (np.int64, 7)


def test_a_view_past_its_storage_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    data = checkpoint({"w": Tensor("0", np.zeros(4, "<f4"), 1, (4,), (1,))}, monkeypatch)
    with pytest.raises(DamagedCheckpointError, match="tensor w reaches past its storage"):
        read_tensors(data)


def test_a_file_that_ends_early_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    data = checkpoint({"w": Tensor("0", np.zeros(40, "<f4"), 0, (40,), (1,))}, monkeypatch)
    with pytest.raises(DamagedCheckpointError, match="the checkpoint ends 10 bytes early"):
        read_tensors(data[:-10])
    for end in range(0, len(data) - 1, 7):
        with pytest.raises(DamagedCheckpointError):
            read_tensors(data[:end])


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 a zip", pickle.dumps(1) + pickle.dumps(2), pickle.dumps("x")])
def test_another_file_is_no_checkpoint(data: bytes) -> None:
    with pytest.raises(DamagedCheckpointError):
        read_tensors(data)


def test_a_checkpoint_executes_nothing(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    data = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2) + pickle.dumps(Evil(), 2)
    with pytest.raises(DamagedCheckpointError, match="which a table of tensors never needs"):
        read_tensors(data)
    assert not (tmp_path / "executed").exists()


def test_nothing_is_executed_before_the_file_is_known_either(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "executed",)

    with pytest.raises(DamagedCheckpointError):
        read_tensors(pickle.dumps(Evil(), 2))
    assert not (tmp_path / "executed").exists()


# --- the real checkpoint ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0_file() -> bytes:
    return backbones.find_backbone("efficientnet_lite0").load_weights(None)


def test_the_packages_file_is_the_one_that_was_checked(lite0_file: bytes) -> None:
    assert weights.compute_sha256(lite0_file) == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert len(lite0_file) == 18_826_032


def test_the_real_tensors_are_strided(lite0_file: bytes) -> None:
    tensors = read_tensors(lite0_file)
    assert len(tensors) == 296
    assert sum(t.size for t in tensors.values() if t.dtype == np.float32) == 4_694_024
    assert tensors["_conv_stem.weight"].shape == (32, 3, 3, 3)
    # A sensible kernel is smooth over its 3×3 window. Read without strides, values of 32 filters are mixed up.
    stem = tensors["_conv_stem.weight"]
    careless = stem.transpose(2, 3, 1, 0).reshape(stem.shape)

    def roughness(x: np.ndarray) -> float:
        return float(np.abs(np.diff(x, axis=3)).mean() / np.abs(x).mean())

    assert roughness(stem) < 0.8 * roughness(careless)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda t: t.pop("_bn0.weight"), "the weights hold no tensor _bn0.weight"),
        (lambda t: t.update(extra=t["_bn0.weight"]), "the weights hold tensors the network does not have: ['extra'] …"),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    lite0_file: bytes, monkeypatch: pytest.MonkeyPatch, edit: Any, sentence: str
) -> None:
    tensors = read_tensors(lite0_file)
    edit(tensors)
    monkeypatch.setattr(lite0, "read_tensors", lambda _data: tensors)
    with pytest.raises(ModelError) as caught:
        backbones.build_network("efficientnet_lite0", 64, None)
    assert (
        str(caught.value)
        == f"the weights of efficientnet_lite0 do not fit the network: {sentence}. Fix: fetch them again."
    )


# --- packages and folders -----------------------------------------------------------------------------------


def test_a_missing_package() -> None:
    with pytest.raises(ModelError) as caught:
        weights.read_from_package("no_such_weights_package", "x.pth", "00")
    assert str(caught.value) == (
        "the weights package no-such-weights-package is not installed. Fix: install requirements.txt "
        "(on a cluster: the bootstrap's wheelhouse holds it)."
    )


def fake_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: bytes | None) -> Path:
    package = tmp_path / "some_weights"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    if data is not None:
        (package / "w.pth").write_bytes(data)
    monkeypatch.syspath_prepend(tmp_path)
    return package / "w.pth"


def test_a_damaged_package_file_names_both_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_package(tmp_path, monkeypatch, b"damaged")
    with pytest.raises(ModelError) as caught:
        weights.read_from_package("some_weights", "w.pth", "ab" * 32)
    digest = weights.compute_sha256(b"damaged")[:16]
    assert str(caught.value) == (
        f"the weights {path} are damaged: sha256 {digest}…, expected abababababababab…. Fix: install the package again."
    )


def test_a_package_without_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake_package(tmp_path, monkeypatch, None)
    with pytest.raises(ModelError, match=rf"the weights {path} cannot be read: .*Fix: install the package again\."):
        weights.read_from_package("some_weights", "w.pth", "00")


def test_the_package_itself_is_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_package(tmp_path, monkeypatch, b"fine")
    assert weights.read_from_package("some_weights", "w.pth", weights.compute_sha256(b"fine")) == b"fine"


@pytest.mark.parametrize("where", ["argument", "environment", "working directory"])
def test_where_a_weights_folder_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "w.h5").write_bytes(b"x")
    monkeypatch.delenv("FRUITS_WEIGHTS", raising=False)
    if where == "environment":
        monkeypatch.setenv("FRUITS_WEIGHTS", str(folder))
    if where == "working directory":
        monkeypatch.chdir(tmp_path)
    given = str(folder) if where == "argument" else None
    assert weights.read_from_folder(given, "w.h5", (weights.compute_sha256(b"x"),), "net") == b"x"


def test_weights_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        backbones.build_network("resnet50", 224, str(tmp_path))
    assert str(caught.value).startswith(
        f"the weights of resnet50 were not found: no readable "
        f"{tmp_path}/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    )
    assert str(caught.value).endswith(
        "Fix: make weights MODEL=resnet50, then WEIGHTS= with that folder (--weights); the default model "
        "efficientnet_lite0 needs nothing to be fetched."
    )


def test_weights_without_a_known_digest_are_refused(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"x")
    with pytest.raises(ModelError) as caught:
        weights.read_from_folder(str(tmp_path), "w.h5", (), "net")
    assert str(caught.value) == (
        f"{tmp_path}/w.h5 cannot be verified: its sha256 {weights.compute_sha256(b'x')[:16]}… is neither known "
        "nor recorded in SHA256SUMS beside it. Fix: make weights MODEL=net, then WEIGHTS= with that folder (--weights)."
    )


def test_weights_recorded_beside_them(tmp_path: Path) -> None:
    (tmp_path / "w.h5").write_bytes(b"x")
    (tmp_path / "SHA256SUMS").write_text(f"{'0' * 64}  other.h5\n\n{weights.compute_sha256(b'x')} *w.h5\n")
    assert weights.read_from_folder(str(tmp_path), "w.h5", (), "net") == b"x"
    (tmp_path / "w.h5").write_bytes(b"y")
    with pytest.raises(ModelError, match=r"w\.h5 are damaged: sha256 .*Fix: make weights MODEL=net"):
        weights.read_from_folder(str(tmp_path), "w.h5", (), "net")


def test_a_weights_folder_may_be_any_store(tmp_path: Path) -> None:
    Store(str(tmp_path)).write("a b/w.h5", b"x")
    assert weights.read_from_folder(f"file://{tmp_path}/a b", "w.h5", (weights.compute_sha256(b"x"),), "net") == b"x"


def test_an_unknown_model() -> None:
    with pytest.raises(ModelError) as caught:
        backbones.build_network("vgg99", 224, None)
    assert str(caught.value) == (
        "the model 'vgg99' is unknown. Fix: one of efficientnet_lite0, mobilenet_v2, mobilenet_v2_035, "
        "resnet50, or the path of a .keras file."
    )


def test_a_worker_never_imports_tensorflow() -> None:
    program = (
        "import sys; import fruits.featurize, fruits.pca, fruits.listing;"
        "print([m for m in sys.modules if m in ('tensorflow', 'keras', 'openvino')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPO / "jobs"
    )
    assert done.stdout.strip() == "[]"
