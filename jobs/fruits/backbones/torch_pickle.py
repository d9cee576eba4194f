"""Read the tensors of a torch legacy checkpoint without torch.

Reads the format torch wrote before 1.6 (magic number, protocol, system information, a pickled ``OrderedDict`` whose
tensors name their storage by key, the list of storage keys, then each storage as an element count and raw
little-endian values). Executes nothing: the unpickler knows four names and refuses every other.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001


class DamagedCheckpointError(ValueError):
    """The file is not a readable torch legacy checkpoint."""


@dataclass(frozen=True)
class _Storage:
    dtype: str


_STORAGES = {"FloatStorage": _Storage("<f4"), "LongStorage": _Storage("<i8")}


class _View(NamedTuple):
    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _make_view(
    storage: tuple[str, str], offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _View:
    key, dtype = storage
    return _View(key, dtype, offset, shape, strides)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _make_view
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        raise DamagedCheckpointError(f"the checkpoint asks for {module}.{name}, which a table of tensors never needs")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        _, storage, key, *_rest = pid
        return str(key), storage.dtype


def _read_exactly(source: BinaryIO, n: int) -> bytes:
    data = source.read(n)
    if len(data) != n:
        raise DamagedCheckpointError(f"the checkpoint ends {n - len(data)} bytes early")
    return data


def read_tensors(data: bytes) -> dict[str, NDArray[Any]]:
    """Read every tensor of a checkpoint.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    dict of str to ndarray
        C-contiguous arrays in torch's own shapes: conv (O, I, H, W), depthwise (C, 1, H, W), dense (O, I). Strided
        views are honoured: a storage may hold its values in another order than its shape says.

    Raises
    ------
    DamagedCheckpointError
        When the bytes are not such a checkpoint.
    """
    source = io.BytesIO(data)
    try:
        if _Unpickler(source).load() != _MAGIC or _Unpickler(source).load() != _PROTOCOL:
            raise DamagedCheckpointError("not a torch legacy checkpoint")
        _Unpickler(source).load()  # system information
        views: dict[str, _View] = _Unpickler(source).load()
        keys: list[str] = _Unpickler(source).load()
    except DamagedCheckpointError:
        raise
    except Exception as error:
        raise DamagedCheckpointError(f"the checkpoint's index cannot be read ({error})") from error
    dtypes = {view.key: view.dtype for view in views.values()}
    storages: dict[str, NDArray[Any]] = {}
    for key in keys:
        count = int.from_bytes(_read_exactly(source, 8), "little")
        dtype = np.dtype(dtypes[key])
        storages[key] = np.frombuffer(_read_exactly(source, count * dtype.itemsize), dtype)
    tensors: dict[str, NDArray[Any]] = {}
    for name, view in views.items():
        storage = storages[view.key]
        last = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
        if last >= storage.size:
            raise DamagedCheckpointError(f"tensor {name} reaches past its storage")
        strided = np.lib.stride_tricks.as_strided(
            storage[view.offset :], view.shape, tuple(s * storage.itemsize for s in view.strides), writeable=False
        )
        tensors[name] = np.array(strided, order="C")
    return tensors
