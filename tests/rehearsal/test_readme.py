"""Every command of the README is typed by a test: most in the other files here, the rest below, in a fresh clone.

What is compared is the command, not its variables: `ENV=dev` needs an account.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.cli.commands import COMMANDS
from tests.conftest import KERAS_WEIGHTS
from tests.drawn import draw_once
from tests.rehearsal.clones import Clone, clone_into
from tests.rehearsal.support import COMMANDS as TYPED_BY_PROGRAM
from tests.rehearsal.support import REPO, RUNBOOK, entries

MAKEFILE = (REPO / "Makefile").read_text()
TYPED_HERE = {
    *("help", "help-exit", "shellcheck", "sample", "weights", "notebook", "fmt", "state", "prices", "billing"),
    *("validate", "plan", "doctor", "help-all", "fmt-check", "local-fault", "local-up", "operators", "github"),
}
"""In a clone that is set up; what they must print is in `test_a_command_of_the_readme`."""
PROGRAM_ONLY = {
    "run-local": "tests/cli/test_run_local.py",
    "dataset": "tests/datasets/test_fetch.py",
    "cost": "tests/rehearsal/conftest.py",
    "wheelhouse": "tests/bootstrap/conftest.py",
    "bench": "tests/benchmarks/test_bench_smoke.py",
    "studio-notebook": "tests/localaws/test_studio_apps.py",
    "studio-open": "tests/localaws/test_studio_apps.py",
    "studio-stop": "tests/localaws/test_studio_apps.py",
    "plan-report": "tests/infra/test_plan_report.py",
    "drift": "tests/infra/test_nightly.py",
    "yarn-jars": "tests/localaws/test_yarn_jars.py",
    "neighbours": "tests/job/test_result_commands.py",
    "classify": "tests/job/test_result_commands.py",
    "tune": "tests/ops/test_tune.py",
}
"""Too long to be typed twice, or in need of the internet: a test starts, or calls, the program behind the command."""
BY_CI = {"test", "lint"}
NOT_TYPED = {
    "checkov": "an environment of its own; a part of make check",
    "check": "the tests themselves, with all that is slow",
    "test-fast": "the tests themselves, most of them",
}


def commands(text: str) -> set[str]:
    """Targets of make that a Markdown text names in its blocks or between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    named = (re.search(r"(?:^|\$\()make (?:-s )?([a-z][a-z0-9-]*)", line) for line in lines)
    return {found[1] for found in named if found}


def typed_in_rehearsals() -> set[str]:
    """Targets that the other files of this folder type, or follow in the runbook."""
    sources = "".join(
        path.read_text() for path in Path(__file__).parent.glob("*.py") if path.name != Path(__file__).name
    )
    typed = set(re.findall(r'\b(?:types|start|make)\(\s*"([a-z-]+)"', sources)) | set(
        re.findall(r"make -s (\w+)", sources)
    )
    return typed | {line.split()[1] for lines in entries(RUNBOOK.read_text()).values() for line in lines}


def program(target: str) -> str:
    """The module behind a target: of the command line, or of the Makefile where it is a developer's."""
    if target in COMMANDS:
        return COMMANDS[target].runs.partition(":")[0]
    found = re.search(rf"^{target}:.*\n\t@.*?\$\(PY\) -m ([\w.]+)", MAKEFILE, re.MULTILINE)
    assert found, target
    return found[1]


def test_every_command_of_the_readme_is_typed_by_a_test() -> None:
    named = commands((REPO / "README.md").read_text() + (REPO / "docs" / "commands.md").read_text())
    assert len(named) > 30
    assert named <= set(re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.MULTILINE))
    covered = typed_in_rehearsals() | {*TYPED_HERE, *PROGRAM_ONLY, *BY_CI, *NOT_TYPED}
    assert named - covered == set()
    assert {*NOT_TYPED, *PROGRAM_ONLY} & typed_in_rehearsals() <= {"cost"}


def test_the_operators_commands_are_those_of_the_command_line() -> None:
    assert set(TYPED_BY_PROGRAM) <= set(COMMANDS)


def test_the_tests_of_a_program_are_there() -> None:
    assert [file for file in PROGRAM_ONLY.values() if not (REPO / file).exists()] == []


def test_ci_types_the_readmes_test_command() -> None:
    script = (REPO / ".ci" / "run").read_text()
    assert commands(f"```\n{script}\n```") | set(re.findall(r"\bmake ([a-z]+)", script)) >= BY_CI


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = clone_into(tmp_path_factory.mktemp("readme") / "clone")
    draw_once(made.folder / "photos", views=3)
    try:
        yield made
    finally:
        made.types("local-down", timeout=300)


@pytest.mark.terraform
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("help", 0, "Run the whole cycle on the embedded AWS"),
        ("help-all", 0, "Explain the exit codes"),
        ("fmt-check", 0, ""),
        ("local-fault FAULT=none", 2, "start it with make local-up"),
        ("operators", 2, "start it with make local-up"),
        ("github", 2, "Fix: REPOSITORY=owner/name"),
        ("help-exit", 0, "there is no cluster"),
        ("sample SOURCE=photos CLASSES=5 IMAGES=2 DEST=small", 0, "10 images"),
        ("notebook", 0, "notebooks/fruits.ipynb"),
        ("fmt", 0, ""),
        ("shellcheck", 0, ""),
        ("state ENV=local", 0, "there is nothing to make"),
        ("billing ENV=local", 0, "nothing bills"),
        ("prices ENV=local", 2, "Fix: "),
        ("local-up YARN=1", 2, "Fix: make yarn-jars fetches them (101 MB, once)"),
    ],
)
def test_a_command_of_the_readme(clone: Clone, line: str, code: int, words: str) -> None:
    assert line.split()[0] in TYPED_HERE
    ended, printed = clone.types(*line.split())
    assert (ended, words in printed) == (code, True), printed


@pytest.mark.slow
@pytest.mark.terraform
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("validate", "The configuration is valid"),
        ("plan ENV=dev OFFLINE=1", "aws_emr_cluster"),
        ("doctor INPUT=photos", "24 images"),
    ],
)
def test_a_slow_command_of_the_readme(clone: Clone, line: str, words: str) -> None:
    assert line.split()[0] in TYPED_HERE
    _, printed = clone.types(*line.split())
    assert words in printed


@pytest.mark.photos
def test_weights_that_were_fetched_elsewhere_are_checked_and_vouched_for(clone: Clone) -> None:
    (clone.folder / "weights").mkdir()
    for file in KERAS_WEIGHTS.glob("mobilenet_v2_*.h5"):
        shutil.copy(file, clone.folder / "weights")
    code, printed = clone.types("weights", "MODEL=mobilenet_v2_035")
    assert code == 0, printed
    assert re.fullmatch(r"[0-9a-f]{64}  mobilenet_v2_\S+\n", (clone.folder / "weights" / "SHA256SUMS").read_text())


def test_a_bill_for_a_program_before_anything_is_there(clone: Clone) -> None:
    code, printed = clone.types("-s", "billing", "JSON=1")
    assert code == 0, printed
    assert json.loads(printed) == {"items": [], "free": [], "unseen": []}
