"""Wheelhouses to install from: the real one, made once, and tiny ones whose TensorFlow is a few lines."""

from __future__ import annotations

import base64
import hashlib
import os
import platform
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from ops.job import wheelhouse
from ops.job.wheelhouse import LOCK, SUMS, Wheelhouse

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bootstrap" / "install_tensorflow.sh"

TENSORFLOW = """
def ones(shape):
    return [[1.0] * shape[1] for _ in range(shape[0])]

def reduce_sum(rows):
    return sum(map(sum, rows))
"""
PACKAGES = {
    "tensorflow_cpu": ("tensorflow", TENSORFLOW),
    "openvino": ("openvino", ""),
    "numpy": ("numpy", ""),
    "pandas": ("pandas", ""),
    "pyarrow": ("pyarrow", ""),
    "pillow": ("PIL", ""),
    "bokeh": ("bokeh", ""),
}


@pytest.fixture(scope="session")
def real_wheelhouse() -> Wheelhouse:
    """The node's own, for this machine's processor: downloaded once, kept below build/ for the next run."""
    return wheelhouse.build_wheelhouse(platform.machine(), root=ROOT / "build" / "wheelhouse")


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """A wheel with these files, the same bytes every time."""
    tag = "py3-none-any"
    info = f"{name}-{version}.dist-info"
    every = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = []
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inside, text in every.items():
            archive.writestr(zipfile.ZipInfo(inside), text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            record.append(f"{inside},sha256={digest},{len(text.encode())}\n")
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), "".join(record) + f"{info}/RECORD,,\n")
    return path


def lock_wheels(folder: Path) -> str:
    """Write the lock of the wheels in a folder, as uv would; return its key."""
    lines = []
    for path in sorted(folder.glob("*.whl")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"{wheelhouse.read_pin(path.name)} \\\n    --hash=sha256:{digest}\n    # via -r node.in\n")
    (folder / LOCK).write_text("".join(lines))
    return wheelhouse.hash_lock((folder / LOCK).read_bytes())


def sum_up(folder: Path) -> None:
    """Write SHA256SUMS over what is in a folder."""
    names = sorted(path.name for path in folder.iterdir() if path.name != SUMS)
    (folder / SUMS).write_text("".join(f"{wheelhouse.hash_file(folder / name)}  {name}\n" for name in names))


@pytest.fixture(scope="session")
def wheel_tools() -> tuple[Callable[..., Path], Callable[[Path], str]]:
    """How to make a wheel, and a lock of the wheels in a folder."""
    return make_wheel, lock_wheels


TinyWheelhouse = Callable[..., Wheelhouse]


@pytest.fixture
def tiny_wheelhouse(tmp_path: Path, real_wheelhouse: Wheelhouse) -> TinyWheelhouse:
    """Make a wheelhouse whose uv is real and whose other packages are a few lines each."""
    uv = next(name for name in real_wheelhouse.sums if name.startswith("uv-"))

    def make(version: str = "2.21.0", tensorflow: str = TENSORFLOW) -> Wheelhouse:
        folder = tmp_path / "wheelhouses" / "new"
        folder.mkdir(parents=True)
        for name, (module, text) in PACKAGES.items():
            code = tensorflow if module == "tensorflow" else text
            number = version if module == "tensorflow" else "1.0"
            make_wheel(folder, name, number, {f"{module}/__init__.py": code})
        os.link(real_wheelhouse.folder / uv, folder / uv)
        key = lock_wheels(folder)
        sum_up(folder)
        final = folder.with_name(key)
        folder.rename(final)
        return wheelhouse.check_wheels(final, (final / LOCK).read_bytes())

    return make


Bootstrap = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bootstrap(tmp_path: Path) -> Bootstrap:
    """Run the script as a node does, installing to ``tmp_path/opt``, with ``tmp_path/logs`` for causes."""

    def run(
        *arguments: str | Path, env: Mapping[str, str] | None = None, prefix: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = ["--prefix", prefix or tmp_path / "opt", "--logs", tmp_path / "logs", "--need-mb", "100"]
        return subprocess.run(
            ["/bin/bash", SCRIPT, *given, "--info", tmp_path / "info", *arguments],
            env=os.environ | (env or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
            cwd=tmp_path,
        )

    return run
