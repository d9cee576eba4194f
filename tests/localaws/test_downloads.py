"""A program that downloads, watched while it makes, moves and deletes files as pip and Ivy do."""

import subprocess
import sys
from pathlib import Path

import pytest

from localaws import downloads

# as pip: each wheel comes into a folder of its own, which goes when the wheel has been moved
RESTLESS = """
import os, sys
from pathlib import Path
scratch, last, enough = map(Path, sys.argv[1:])
number = 0
while number < 7 or not enough.exists():
    place = scratch / f"unpack-{number}"
    place.mkdir()
    (place / "pear.whl").write_bytes(b"x" * 10)
    (place / "pear.whl").rename(last / f"pear-{number % 7}.whl")
    place.rmdir()
    number += 1
(last / "notes.txt").write_text("not counted")
"""

LOOKS = 300


@pytest.fixture
def two_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setattr(downloads, "POLL_SECONDS", 0.0001)
    folders = [tmp_path / "scratch", tmp_path / "last"]
    for folder in folders:
        folder.mkdir()
    return folders


def test_folders_that_come_and_go_while_they_are_measured_are_no_error(two_folders: list[Path], tmp_path: Path) -> None:
    told_bytes, enough = list[int](), tmp_path / "enough"

    def advance(come: int) -> None:
        told_bytes.append(come)
        if len(told_bytes) == LOOKS:
            enough.touch()

    command = [sys.executable, "-c", RESTLESS, *map(str, two_folders), str(enough)]
    assert downloads.run_download(command, two_folders, ".whl", advance) == 0
    assert sum(told_bytes) == 70, "the seven files that are left"
    assert min(told_bytes) >= 0


def test_no_more_is_told_than_was_expected(two_folders: list[Path]) -> None:
    told_bytes = list[int]()
    command = ["sh", "-c", f"printf 123456 > {two_folders[1]}/a.whl; exit 3"]
    assert downloads.run_download(command, two_folders, ".whl", told_bytes.append, most_bytes=4) == 3
    assert sum(told_bytes) == 4


def test_a_program_whose_watching_is_interrupted_is_ended(two_folders: list[Path]) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    started = list[subprocess.Popen[bytes]]()

    class Popen(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)  # type: ignore[call-overload]
            started.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", Popen)
        with pytest.raises(KeyboardInterrupt):
            downloads.run_download(["sleep", "600"], two_folders, ".whl", interrupt)
    assert [process.returncode for process in started] == [-9]
