"""The modules' logic with ``terraform test`` and mocked providers: the files are in ``roots/modules``.

What a test says is a function of the code and the programs, and kept as plans are (`planning.kept`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from ops.terraform.binary import find_mirror, render_cli_config
from tests.infra import provider
from tests.infra.planning import ROOT, diagnostics, kept

pytestmark = pytest.mark.terraform

FILES = sorted(path.name for path in (ROOT / "tests" / "infra" / "roots" / "modules").glob("*.tftest.hcl"))


class Bench:
    """A copy of the modules and their tests."""

    def __init__(self, terraform: Path, home: Path) -> None:
        self.terraform = terraform
        self.home, self.directory = home, home / "tests"
        self._is_ready = False
        shutil.copytree(ROOT / "infra" / "modules", home / "modules")
        shutil.copytree(ROOT / "tests" / "infra" / "roots" / "modules", self.directory)
        shutil.copy(ROOT / "infra" / "storage" / ".terraform.lock.hcl", self.directory)
        (home / "terraform.rc").write_text(render_cli_config(find_mirror()))
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TF_"))},
            "TF_CLI_CONFIG_FILE": str(home / "terraform.rc"),
        }

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.terraform, *arguments],
            cwd=self.directory,
            env=self.environ,
            capture_output=True,
            text=True,
            check=False,
        )

    def test(self, *files: str) -> tuple[dict[str, str], list[str]]:
        """The state of each run ("file: run"), and the messages of those that did not pass."""
        runs, said = kept(lambda: self._test(*files), self.home, self.terraform, {"test": files})
        return runs, said

    def _test(self, *files: str) -> tuple[dict[str, str], list[str]]:
        if not self._is_ready:
            done = self._run("init", "-input=false", "-lockfile=readonly")
            assert done.returncode == 0, done.stderr
            self._is_ready = True
        with provider.attached() as is_attached:  # or it would be started for each run
            self.environ |= {provider.NAME: os.environ[provider.NAME]} if is_attached else {}
            done = self._run("test", "-json", *(f"-filter={name}" for name in files))
            self.environ.pop(provider.NAME, None)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        runs = {
            f"{line['test_run']['path']}: {line['test_run']['run']}": line["test_run"]["status"]
            for line in lines
            if line["type"] == "test_run" and "status" in line["test_run"]
        }
        said = [
            f"{found['summary']}: {found['detail']}"
            for found in diagnostics(done.stdout)
            if found["severity"] == "error"
        ]
        return runs, said


@pytest.fixture(scope="module")
def bench(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(terraform, tmp_path_factory.mktemp("modules"))


def test_every_run_passes(bench: Bench) -> None:
    runs, said = bench.test()
    assert {name: status for name, status in runs.items() if status != "pass"} == {}, said
    assert {name.split(":")[0] for name in runs} == set(FILES)
    assert len(runs) >= 40


def test_a_run_fails_when_the_module_is_wrong(bench: Bench) -> None:
    """Executors that do not fill the node: the fault that this arithmetic is there to avoid."""
    main = bench.directory.parent / "modules" / "sizing" / "main.tf"
    sound = main.read_text()
    assert "local.one_node ? size.vcpu : size.vcpu / 2" in sound
    main.write_text(sound.replace("local.one_node ? size.vcpu : size.vcpu / 2", "size.vcpu"))
    try:
        runs, said = bench.test("sizing.tftest.hcl")
    finally:
        main.write_text(sound)
    assert runs["sizing.tftest.hcl: executors_fill_the_node"] == "fail"
    assert any("two executors of two cores" in message for message in said)
