"""An operator who types commands in an empty folder, and the runbook that he or she has open."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.processes import interruptible

REPO = Path(__file__).resolve().parents[2]
RUNBOOK = REPO / "docs" / "runbook.md"
MODULES = {
    "apply": "ops.lifecycle.environment apply",
    "upload-dataset": "ops.lifecycle.upload",
    "run-step": "ops.cli.run_step",
    "watch": "ops.cli.run_step",
    "status": "ops.cli.status",
    "steps": "ops.cli.steps",
    "logs": "ops.cli.logs",
    "diagnose": "ops.cli.diagnose",
    "shell": "ops.cli.shell",
    "ui": "ops.cli.ui",
    "cost": "ops.cli.cost",
    "results": "ops.lifecycle.environment results",
    "destroy": "ops.lifecycle.environment destroy",
    "purge": "ops.lifecycle.environment purge",
}


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

    @property
    def environ(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {
            **kept,
            "PYTHONPATH": f"{REPO}{os.pathsep}{REPO / 'jobs'}",
            "LOCALAWS_HOME": str(self.folder / "aws"),
            "LOCALAWS_LOG_DELAY_SECONDS": "0.5",
            "COLUMNS": "200",
        }

    def start(self, target: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", *MODULES[target].split()],
            cwd=self.folder,
            env={**self.environ, **variables},
            preexec_fn=interruptible,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def types(self, target: str, name: str = "", enters: str = "", **variables: str) -> tuple[int, str]:
        """Run a target of the Makefile; its exit code and what it printed are also kept under a name."""
        process = self.start(target, **variables)
        printed, _ = process.communicate(enters, timeout=420)
        self.said[name or target] = process.returncode, printed
        return process.returncode, printed

    def follows(self, symptom: str, *, enters: str = "", step: str = "", cluster: str = "") -> list[tuple[int, str]]:
        """Type what the runbook says for a symptom, line by line; the value is what came of each.

        Parameters
        ----------
        enters : what is entered into a command that reads
        step, cluster : what stands for ``s-…`` and ``j-…``
        """
        done = []
        for line in entries(RUNBOOK.read_text())[symptom]:
            _, target, *given = shlex.split(line.replace("s-…", step).replace("j-…", cluster))
            variables = dict(word.split("=", 1) for word in given)
            done.append(self.types(target, f"{symptom}: {line}", enters, **variables))
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
            rest, _ = process.communicate(timeout=60)
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
