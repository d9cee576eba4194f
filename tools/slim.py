"""Remove from .venv what no command reads, a sixth of it: ``python -m tools.slim``. A second run does nothing.

The set-up calls it after each installation, when the hashes of all wheels have been checked. What is removed comes back
when its package is installed again.
"""

from __future__ import annotations

import gzip
import shutil
import sysconfig
from pathlib import Path

UNUSED = {
    "tensorflow/include": "C++ headers, for building extensions",
    "tensorflow/compiler/mlir/stablehlo": "a library that TensorFlow itself does not import",
    "clang/native": "a C++ compiler's library, for building extensions",
    "openvino/include": "C++ headers",
    "openvino/libs/libopenvino_intel_[gn]pu_plugin.so": "drivers; workers are CPU only",
    "openvino/libs/cache.json": "tuning for GPUs",
    "openvino/libs/libopenvino_onnx_frontend.so*": "readers of other networks than Keras'",
    "openvino/libs/libopenvino_py*_frontend.so*": "",
    "openvino/libs/libopenvino_paddle_frontend.so*": "",
    "bokeh/server/static/js/compiler.js": "for building extensions",
    "bokeh/server/static/js/lib": "",
    "bokeh/server/static/js/bokeh*mathjax*": "formulas; the report has none",
    "pyarrow/*flight*.so*": "Arrow's own protocol for servers",
    "pyarrow/include": "C++ headers",
    "pyarrow/tests": "the package's own tests",
    "pandas/tests": "",
    "numpy/_core/tests": "",
    "numpy/lib/tests": "",
    "tornado/test": "",
    "awscli/examples/*/": "examples in the texts of aws help",
}
"""Patterns of files and folders of packages, each with what it is for; an empty text means the same as before."""
MODELS = "awscli/botocore/data"
"""Descriptions of AWS's services, which the AWS command line reads compressed too, as botocore ships its own."""


def list_unused(packages: Path) -> list[Path]:
    """The unused files and folders that are there, below site-packages."""
    return [place for name in UNUSED for place in packages.glob(name)]


def remove_unused(packages: Path) -> int:
    """Remove the unused files and folders; returns the bytes freed."""
    freed = 0
    for place in list_unused(packages):
        freed += measure_size(place)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
    return freed


def compress_models(packages: Path) -> int:
    """Compress the AWS command line's descriptions of services; returns the bytes freed."""
    freed = 0
    for file in (packages / MODELS).glob("*/*/*.json"):
        data = file.read_bytes()
        packed = gzip.compress(data, 6, mtime=0)
        whole = file.with_name(f"{file.name}.gz")
        part = whole.with_suffix(".part")
        part.write_bytes(packed)
        part.replace(whole)
        file.unlink()
        freed += len(data) - len(packed)
    return freed


def measure_size(place: Path) -> int:
    """Bytes of a file, or of every file below a folder."""
    return sum(file.stat().st_size for file in (place, *place.rglob("*")) if file.is_file())


def main() -> None:
    """Remove and compress, and print how much that freed, if anything."""
    packages = Path(sysconfig.get_path("purelib"))
    if freed := remove_unused(packages) + compress_models(packages):
        print(f"removed what no command reads: {freed / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
