"""Every command of the README is typed by a test: most in the other files here, the rest below, in a fresh clone.

What is compared is the command, not its variables: `ENV=dev` needs an account.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator

import pytest

from ops.cli.commands import COMMANDS
from tests.conftest import KERAS_WEIGHTS
from tests.drawn import draw_once
from tests.rehearsal.clones import TYPED_ALONE, TYPED_SIDE_BY_SIDE, Clone, clone_into
from tests.rehearsal.support import COMMANDS as TYPED_BY_PROGRAM
from tests.rehearsal.support import REPO

MAKEFILE = (REPO / "Makefile").read_text()
NO_SERVER = "the embedded AWS of ENV=local is not running: there is no cluster and no bucket. Fix: make apply starts it"
LINES = [
    ("help", 0, "Run the whole cycle on the embedded AWS"),
    ("help-all", 0, "Explain the exit codes"),
    ("fmt-check", 0, ""),
    ("local-fault FAULT=none", 2, "start it with make local-up"),
    ("operators", 2, NO_SERVER),
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
    ("run-local K=many", 2, "run-local: K=many is not a whole number. Fix: for example K=50."),
    ("dataset SOURCE=nowhere", 2, "The source nowhere is not known here. Fix: choose SOURCE= from github, kaggle."),
    ("wheelhouse ARCH=riscv", 2, "ARCH=riscv is not known. Fix: choose from x86_64, aarch64, arm64."),
    ("studio-notebook", 2, NO_SERVER),
    ("studio-open", 2, NO_SERVER),
    ("studio-stop", 2, NO_SERVER),
    ("drift", 2, NO_SERVER),
    ("plan-report BASE=nothing", 2, "Fix: BASE= names a commit that is here, for instance BASE=origin/main"),
    ("yarn-jars IVY_SETTINGS=nothing.xml", 2, "give Ivy a settings file that names your mirror"),
    ("neighbours", 2, "Fix: make neighbours IMAGE=path/of/a/photograph.jpg."),
    ("tune PRECISION=f16", 2, "PRECISION=f16 is not known. Fix: choose from f32, bf16."),
    ("classify OUTPUT=nothing", 2, "Fix: make run-local, or make run-step and make results"),
    ("export OUTPUT=nothing", 2, "export: TO= was not given. Fix: TO=projector, TO=fiftyone or TO=spotlight."),
    ("bench ARGS=nothing", 2, "error: no benchmark is called nothing; there are notebook,"),
]
"""What is typed in a clone that is set up, make's exit code, and words of what must be printed: long commands by what
they refuse, their work being the matter of other tests."""
SLOW_LINES = [
    ("validate", "The configuration is valid"),
    ("plan ENV=dev OFFLINE=1", " to create; all of it: build/plan/dev-cluster.txt"),
    ("doctor INPUT=photos", "24 images"),
]
TYPED_HERE = {line[0].split()[0] for line in (*LINES, *SLOW_LINES)} | {"weights"}
BY_CI = {"test", "lint"}


def commands(text: str) -> set[str]:
    """Targets of make that a Markdown text names in its blocks or between backticks."""
    blocks = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    named = (re.search(r"(?:^|\$\()make (?:-s )?([a-z][a-z0-9-]*)", line) for line in lines)
    return {found[1] for found in named if found}


def test_every_command_of_the_readme_is_typed_by_a_test() -> None:
    named = commands((REPO / "README.md").read_text() + (REPO / "docs" / "commands.md").read_text())
    assert len(named) > 30
    assert named <= set(re.findall(r"^([a-z0-9-]+):.*##", MAKEFILE, re.MULTILINE))
    typed = {*TYPED_BY_PROGRAM, *TYPED_SIDE_BY_SIDE, *TYPED_ALONE, *TYPED_HERE, *BY_CI}
    assert named - typed == set(), "a line of LINES types it, or a rehearsal"


def test_the_operators_commands_are_those_of_the_command_line() -> None:
    assert set(TYPED_BY_PROGRAM) <= set(COMMANDS)


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
@pytest.mark.parametrize(("line", "code", "words"), LINES)
def test_a_command_of_the_readme(clone: Clone, line: str, code: int, words: str) -> None:
    ended, printed = clone.types(*line.split())
    assert (ended, words in printed) == (code, True), printed


@pytest.mark.slow
@pytest.mark.terraform
@pytest.mark.parametrize(("line", "words"), SLOW_LINES)
def test_a_slow_command_of_the_readme(clone: Clone, line: str, words: str) -> None:
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


@pytest.mark.costly
def test_a_bill_for_a_program_before_anything_is_there(clone: Clone) -> None:
    code, printed = clone.types("-s", "billing", "JSON=1")
    assert code == 0, printed
    assert json.loads(printed) == {"items": [], "free": [], "unseen": []}
