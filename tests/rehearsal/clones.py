"""A fresh clone of this repository, set up already, for tests that type `make` in it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.processes import interruptible
from tests.rehearsal.recording import Recording

REPO = Path(__file__).resolve().parents[2]
NOT_CLONED = (".git", ".venv*", "build", "runs", "data", "weights", "__pycache__", ".*_cache", ".hypothesis")
SET_UP = Path(sys.prefix) / ".localaws"
TYPED_SIDE_BY_SIDE = {"local-up", "local-down", "local-status", "env"}
TYPED_ALONE = {"demo", "verify-aws"}
"""What is typed in clones by test_clones.py, and by test_demo.py and test_verify.py; each holds this to its record."""


@dataclass
class Clone:
    """A folder with the repository's files; every process started below it can be found by it."""

    folder: Path
    typed: set[str] = field(default_factory=set)
    recording: Recording = field(init=False)

    def __post_init__(self) -> None:
        self.recording = Recording(self.folder / "build" / "calls.jsonl")

    @property
    def environ(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "LOCALAWS_", "TERRAFORM_HOME"))}
        for name in ("MAKEFLAGS", "MAKELEVEL", "CI", "ENV", "PYTHONPATH"):
            kept.pop(name, None)
        return {**kept, "VENV": sys.prefix, "COLUMNS": "200", "LOCALAWS_RECORD": str(self.recording.path)}

    def make(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """`make …` in a session of its own, as in a terminal: a signal to the group reaches all that it starts."""
        self.typed |= {word for word in arguments if not word.startswith("-") and "=" not in word}
        return subprocess.Popen(
            ["make", *arguments],
            cwd=self.folder,
            env={**self.environ, **variables},
            start_new_session=True,
            preexec_fn=interruptible,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def types(self, *arguments: str, timeout: float = 600, **variables: str) -> tuple[int, str]:
        """Its exit code, and what it printed."""
        command = next(word for word in arguments if not word.startswith("-"))
        with self.recording.of(command):
            process = self.make(*arguments, **variables)
            printed, _ = process.communicate(timeout=timeout)
        return process.returncode, printed

    def evaluates(self, target: str, command: str) -> str:
        """What a shell prints for a command, once `make -s …` has told it its variables."""
        self.typed.add(target)
        line = ["bash", "-euc", f'eval "$(make -s {target})"; {command}']
        done = subprocess.run(line, cwd=self.folder, env=self.environ, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def processes(self) -> list[psutil.Process]:
        """Whatever runs in, or for, this folder."""
        place, found = str(self.folder), []
        for process in psutil.process_iter():
            try:
                if place in " ".join([process.cwd(), *process.cmdline(), *process.environ().values()]):
                    found.append(process)
            except psutil.Error:
                continue  # ended meanwhile, or somebody else's
        return found

    def assert_nothing_runs(self, seconds: float = 120) -> None:
        """Ended processes may take a moment to be gone."""
        deadline = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


def not_cloned(folder: str, names: list[str]) -> set[str]:
    """What a clone lacks: caches everywhere; at the top what make builds and runs leave (``ops/data`` is code)."""
    patterns = NOT_CLONED if Path(folder) == REPO else ("__pycache__", ".*_cache", ".terraform")
    return shutil.ignore_patterns(*patterns)(folder, names)


def clone_into(folder: Path) -> Clone:
    """Copy the repository; what the first `make` would install is this environment, and its wheels are shared."""
    if not SET_UP.exists():
        pytest.skip(f"needs an environment that make set up ({SET_UP} is not there)")
    shutil.copytree(REPO, folder, ignore=not_cloned, symlinks=True)
    for path in folder.glob("requirements*.txt"):
        os.utime(path, (0, 0))  # older than the environment: make has nothing to install
    wheels = REPO / "build" / "wheelhouse"
    wheels.mkdir(parents=True, exist_ok=True)
    (folder / "build").mkdir()
    (folder / "build" / "wheelhouse").symlink_to(wheels)
    return Clone(folder)


def port_of(printed: str) -> int:
    """Where the embedded AWS listened, from what make printed."""
    # embedded AWS at http://127.0.0.1:40321
    found = re.search(r"embedded AWS at http://127\.0\.0\.1:(\d+)", printed)
    assert found, printed
    return int(found[1])


def is_open(port: int) -> bool:
    """Whether something listens on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", port)) == 0
