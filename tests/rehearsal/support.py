"""An operator who types commands in an empty folder, and the runbook that he or she has open."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import psutil

from ops.cli import main as cli
from ops.cli.commands import COMMANDS as COMMANDS_OF_ALL
from tests.processes import interruptible
from tests.rehearsal.recording import Recording
from tests.typed import as_typed

if TYPE_CHECKING:
    from tests.rehearsal.life import Life

REPO = Path(__file__).resolve().parents[2]
RUNBOOK = REPO / "docs" / "runbook.md"
COMMANDS = (
    *("apply", "upload-dataset", "run-step", "watch", "status", "steps", "logs", "diagnose", "shell", "ui", "cost"),
    *("results", "destroy", "purge"),
)
"""Commands that are typed here by their program, with make's variables, in a folder that is no clone; the tests hold
this to what `Operator.typed` recorded."""
TYPED_BY_SLOW_TESTS = {"purge"}

PROCESSES = ("apply", "destroy", "shell", "ui")
"""Commands that start or stop a server, or talk to a terminal: each is typed as a process of its own. All others are
called in this one, which shows the same and saves Python's start and a hundred imports each time."""


def entries(text: str) -> dict[str, list[str]]:
    """The runbook: for each symptom the lines to type."""
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return {
        title: [
            line
            for block in re.findall(r"^```\n(.*?)^```$", body, re.DOTALL | re.MULTILINE)
            for line in block.splitlines()
        ]
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@dataclass
class Operator:
    """Somebody with a terminal in an empty folder; every process started bears the folder's name in its environment."""

    folder: Path
    said: dict[str, tuple[int, str]] = field(default_factory=dict)
    typed: set[str] = field(default_factory=set)
    recording: Recording = field(init=False)
    life: Life = field(init=False)  # known once there is an account

    def __post_init__(self) -> None:
        self.recording = Recording(self.folder / "calls.jsonl")

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'jobs'}",
            "LOCALAWS_HOME": str(self.folder / "aws"),
            "LOCALAWS_LOG_DELAY_SECONDS": "0.5",
            "LOCALAWS_RECORD": str(self.recording.path),
            "COLUMNS": "200",
        }

    def start(self, target: str, **variables: str) -> subprocess.Popen[str]:
        self.typed.add(target)
        return subprocess.Popen(
            [sys.executable, "-m", "ops.cli", target],
            cwd=self.folder,
            env={**self.environ, **as_typed(variables)},
            preexec_fn=interruptible,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    @contextlib.contextmanager
    def at_the_terminal(self, **variables: str) -> Iterator[io.StringIO]:
        """This process as one of the operator's: its environment, folder and signals; the value is what it prints."""
        environ, wanted, folder = dict(os.environ), {**self.environ, **variables}, Path.cwd()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        printed = io.StringIO()
        os.environ.clear()
        os.environ.update(wanted)
        os.chdir(self.folder)
        boto3.DEFAULT_SESSION = None
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield printed
        finally:
            os.chdir(folder)
            os.environ.clear()
            os.environ.update(environ)
            boto3.DEFAULT_SESSION = None
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def calls(self, target: str, **variables: str) -> tuple[int, str]:
        """What ``python -m ops.cli`` would do with a command, in this process."""
        self.typed.add(target)
        with self.at_the_terminal(**as_typed(variables)) as printed:
            try:
                code = cli.run(COMMANDS_OF_ALL[target], {}, os.environ)
            except Exception:  # noqa: BLE001  # as the interpreter does with whatever nobody caught
                traceback.print_exc()
                code = 1
        return code, printed.getvalue()

    def types(self, target: str, name: str = "", enters: str = "", **variables: str) -> tuple[int, str]:
        """Run a target of the Makefile; its exit code and what it printed are also kept under a name."""
        with self.recording.of(target):
            if target in PROCESSES or enters:
                process = self.start(target, **variables)
                printed, _ = process.communicate(enters, timeout=840)
                code = process.returncode
            else:
                code, printed = self.calls(target, **variables)
        self.said[name or target] = code, printed
        return code, printed

    def does(self, name: str, deed: Callable[[], object]) -> None:
        """Something of the operator's program that is called by itself; it must end well. The command is named last."""
        with self.recording.of(name.rpartition("make ")[2].split()[0]), self.at_the_terminal() as printed:
            deed()
        self.said[name] = 0, printed.getvalue()

    def follows(
        self,
        symptom: str,
        *,
        enters: str = "",
        step: str = "",
        cluster: str = "",
        but: Mapping[str, Callable[[], object]] | None = None,
    ) -> list[tuple[int, str]]:
        """Type what the runbook says for a symptom, line by line; the value is what came of each.

        Parameters
        ----------
        enters : what is entered into a command that reads
        step, cluster : what stands for ``s-…`` and ``j-…``
        but : what is called instead of some targets
        """
        done = []
        for line in entries(RUNBOOK.read_text())[symptom]:
            _, target, *given = shlex.split(line.replace("s-…", step).replace("j-…", cluster))
            variables = dict(word.split("=", 1) for word in given)
            name = f"{symptom}: {line}"
            if but and target in but:
                self.does(name, but[target])
                done.append(self.said[name])
            else:
                done.append(self.types(target, name, enters, **variables))
        return done

    def looks_at_the_page(self, symptom: str, looks: Callable[[str], str]) -> None:
        """Follow an entry that is `make ui` alone: wait for the address, look at the page, press Ctrl-C."""
        assert entries(RUNBOOK.read_text())[symptom] == ["make ui"]
        process, said, seen = self.start("ui"), "", ""
        assert process.stdout is not None
        try:
            while not (found := re.search(r"http://\S+", said)):
                line = process.stdout.readline()
                assert line, said
                said += line
            seen = looks(found[0])
            process.send_signal(signal.SIGINT)
            rest, _ = process.communicate(timeout=300)
        finally:
            process.kill()
        self.said[f"{symptom}: make ui"] = process.returncode, said + rest
        self.said["the page"] = 0, seen

    def processes(self) -> list[psutil.Process]:
        """Whatever still runs for this folder."""
        home, found = self.environ["LOCALAWS_HOME"], []
        for process in psutil.process_iter():
            try:
                if home in " ".join([*process.cmdline(), process.environ().get("LOCALAWS_HOME", "")]):
                    found.append(process)
            except psutil.Error:
                continue  # ended meanwhile, or somebody else's
        return found
