"""A worker's tasks do not parse the archives on its path again, and can still import from them."""

from __future__ import annotations

import importlib
import sys
import zipfile
import zipimport
from pathlib import Path

import pytest
from fruits import versions


def test_archives_are_forgotten_and_can_still_be_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "job.zip"
    with zipfile.ZipFile(archive, "w") as sink:
        sink.writestr("archived_fruit/__init__.py", "")
        sink.writestr("archived_fruit/apple.py", "colour = 'red'")
        sink.writestr("archived_fruit/pear.py", "colour = 'green'")
    monkeypatch.syspath_prepend(str(archive))
    for name in ("archived_fruit", "archived_fruit.apple", "archived_fruit.pear"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert importlib.import_module("archived_fruit.apple").colour == "red"
    assert any(isinstance(finder, zipimport.zipimporter) for finder in sys.path_importer_cache.values())

    versions.require_same(versions.collect_versions())

    assert not any(isinstance(finder, zipimport.zipimporter) for finder in sys.path_importer_cache.values())
    read: list[str] = []
    parse = zipimport._read_directory  # type: ignore[attr-defined]
    monkeypatch.setattr(zipimport, "_read_directory", lambda path: read.append(path) or parse(path))
    importlib.invalidate_caches()
    assert read == []
    assert importlib.import_module("archived_fruit.pear").colour == "green"
