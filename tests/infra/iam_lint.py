"""parliament, which asks a part of setuptools that is gone (pkg_resources, removed in 81) for the path of two files."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import sys
import warnings
from types import ModuleType
from typing import Any


def load_parliament() -> Any:
    """The package, with the one function that it lacks lent to it while it is imported."""
    if importlib.util.find_spec("pkg_resources") is not None:
        return _import()
    lent = ModuleType("pkg_resources")
    lent.resource_filename = lambda package, name: str(importlib.resources.files(package) / name)  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = lent
    try:
        return _import()
    finally:
        del sys.modules["pkg_resources"]


def _import() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves its two files to the garbage collector
        return importlib.import_module("parliament")
