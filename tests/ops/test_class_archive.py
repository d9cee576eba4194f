"""The archive of Spark's classes: found where it fits, left out where it is not, and said when it cannot be made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from localaws.java import find_java_home
from ops.cli import class_archive as making
from ops.job import class_archive


def runtime(folder: Path, release: str) -> Path:
    folder.mkdir()
    (folder / "release").write_text(release)
    return folder


def test_another_java_or_another_build_of_it_has_another_archive(tmp_path: Path) -> None:
    one = class_archive.path_for(runtime(tmp_path / "a", 'JAVA_VERSION="17.0.15"'))
    other = class_archive.path_for(runtime(tmp_path / "b", 'JAVA_VERSION="17.0.15"'))
    (tmp_path / "a" / "release").write_text('JAVA_VERSION="17.0.16"')
    newer = class_archive.path_for(tmp_path / "a")
    assert len({one, other, newer}) == 3
    assert {path.parent for path in (one, other, newer)} == {Path(sys.prefix)}


def test_where_there_is_none_the_jvm_hears_nothing_of_it(tmp_path: Path) -> None:
    assert class_archive.option(runtime(tmp_path / "java", "")) == ""


def test_an_archive_that_cannot_be_made_is_said_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(making, "find_java_home", lambda: None)
    assert making.main() == 0
    assert capsys.readouterr().err == (
        "Spark's classes could not be archived (no Java 17 was found); each run takes some seconds longer to start\n"
    )


@pytest.mark.costly
def test_a_file_that_is_no_archive_is_passed_over(tmp_path: Path) -> None:
    home = find_java_home()
    assert home is not None
    broken = tmp_path / "broken.jsa"
    broken.write_bytes(b"no archive")
    options = [f"-XX:SharedArchiveFile={broken}", *class_archive.QUIET.split()]
    answer = subprocess.run([home / "bin" / "java", *options, "-version"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert "17" in answer.stderr
    assert "cds" not in answer.stderr
