"""Verified weights from a package's file, or from a folder that `make weights` filled; nothing is downloaded here."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from pathlib import Path

from fruits.errors import ModelError
from fruits.store import Store

DEFAULT_FOLDER = "weights"
SUMS = "SHA256SUMS"


def compute_sha256(data: bytes) -> str:
    """Compute the SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def parse_sums(text: str) -> dict[str, str]:
    """Read digests by file name from the lines that ``sha256sum`` writes.

    >>> parse_sums("ab12  model.h5\\n")
    {'model.h5': 'ab12'}
    """
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.strip().lstrip("*"): digest for digest, name in pairs}


def read_from_package(package: str, name: str, expected: str) -> bytes:
    """Read and verify a file of an installed package; the package itself is not imported.

    Raises
    ------
    ModelError
        When the package is missing or the file is not the one expected.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ModelError(
            f"the weights package {package.replace('_', '-')} is not installed. Fix: install requirements.txt "
            "(on a cluster: the bootstrap's wheelhouse holds it)."
        )
    path = Path(spec.origin).parent / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"the weights {path} cannot be read: {error}. Fix: install the package again.") from error
    return require_digest(data, expected, str(path), "install the package again")


def require_digest(data: bytes, expected: str, location: str, fix: str) -> bytes:
    """Refuse data whose SHA-256 is not the expected one; returns the data.

    Raises
    ------
    ModelError
        With both digests.
    """
    digest = compute_sha256(data)
    if digest != expected:
        raise ModelError(
            f"the weights {location} are damaged: sha256 {digest[:16]}…, expected {expected[:16]}…. Fix: {fix}."
        )
    return data


def read_from_folder(folder: str | None, name: str, known_digests: tuple[str, ...], backbone: str) -> bytes:
    """Read and verify a weights file from the folder that `make weights` filled.

    Parameters
    ----------
    folder : str, optional
        Folder or URI; else ``$FRUITS_WEIGHTS``, else ``weights`` in the working directory.
    name : str
        File name.
    known_digests : tuple of str
        Digests that this project has verified; others must be in the folder's ``SHA256SUMS``, which `make weights`
        writes after its own checks.
    backbone : str
        For the message.

    Raises
    ------
    ModelError
        When the file is missing, not recorded, or damaged.
    """
    uri = folder or os.environ.get("FRUITS_WEIGHTS") or DEFAULT_FOLDER
    store = Store(uri)
    fix = f"make weights MODEL={backbone}, then WEIGHTS= with that folder (--weights)"
    try:
        data = store.read(name)
    except OSError as error:
        raise ModelError(
            f"the weights of {backbone} were not found: no readable {store.location(name)} ({error}). Fix: {fix}; "
            "the default model efficientnet_lite0 needs nothing to be fetched."
        ) from error
    if compute_sha256(data) in known_digests:
        return data
    try:
        sums = parse_sums(store.read(SUMS).decode())
    except (OSError, ValueError):
        sums = {}
    if name not in sums:
        raise ModelError(
            f"{store.location(name)} cannot be verified: its sha256 {compute_sha256(data)[:16]}… is neither known nor "
            f"recorded in {SUMS} beside it. Fix: {fix}."
        )
    return require_digest(data, sums[name], store.location(name), fix)
