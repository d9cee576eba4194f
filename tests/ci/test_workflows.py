"""The workflows as GitHub would read them: pinned, with few rights, and naming nothing that does not exist."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.terraform.binary import MINIMUM

ROOT = Path(__file__).resolve().parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9_-]+):(?!=)", MAKEFILE, re.MULTILINE))
NAMES = [path.name for path in WORKFLOWS]


def load(path: Path) -> dict[str, Any]:
    """A workflow; YAML 1.1 reads its key ``on`` as true."""
    read: dict[Any, Any] = yaml.safe_load(path.read_text())
    return {("on" if key is True else key): value for key, value in read.items()}


def steps(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step with its job's name."""
    for name, job in load(path)["jobs"].items():
        for step in job["steps"]:
            yield name, step


def tool(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A linter of the test environment."""
    command = [Path(sys.executable).parent / name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_five_are_there() -> None:
    assert NAMES == ["apply.yml", "drift.yml", "nightly.yml", "plan.yml", "tests.yml"]


# ------------------------------------------------------------------------------------------------------------ linters


def zizmor(folder: Path) -> subprocess.CompletedProcess[str]:
    return tool("zizmor", "--offline", "--persona=pedantic", "--no-progress", folder)


def schema(*paths: Path) -> subprocess.CompletedProcess[str]:
    return tool("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *paths)


def test_zizmor_finds_nothing() -> None:
    done = zizmor(ROOT / ".github")
    assert done.returncode == 0, done.stdout


@pytest.mark.costly
def test_schemas_hold() -> None:
    done = schema(*WORKFLOWS)
    assert done.returncode == 0, done.stdout
    bot = tool("check-jsonschema", "--builtin-schema", "vendor.dependabot", ".github/dependabot.yml")
    assert bot.returncode == 0, bot.stdout


@pytest.mark.parametrize(
    ("was", "is_", "finding"),
    [
        (r"        with:\n          persist-credentials: false\n", "", "artipacked"),
        (r"actions/checkout@[0-9a-f]{40} # v[0-9.]+", "actions/checkout@v6", "unpinned-uses"),
        ("  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
        ("permissions: {}", "permissions: write-all", "excessive-permissions"),
        (r"run: make fmt-check", "run: echo ${{ github.event.pull_request.title }}", "template-injection"),
    ],
)
def test_zizmor_would_find(tmp_path: Path, was: str, is_: str, finding: str) -> None:
    """The linter above can fail: each of these mistakes is named."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = (ROOT / ".github" / "workflows" / "plan.yml").read_text()
    worse = re.sub(was, lambda _: is_, text, count=1)
    assert worse != text
    (folder / "plan.yml").write_text(worse)
    done = zizmor(tmp_path / ".github")
    assert done.returncode != 0
    assert finding in done.stdout


def test_schema_would_find_a_misspelt_key(tmp_path: Path) -> None:
    worse = (ROOT / ".github" / "workflows" / "plan.yml").read_text().replace("timeout-minutes", "timeout_minutes")
    (tmp_path / "plan.yml").write_text(worse)
    assert schema(tmp_path / "plan.yml").returncode == 1


# ------------------------------------------------------------------------------------------------- rights and triggers


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_action_is_pinned_by_commit_with_its_version(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" in line:
            assert re.search(r"uses: [\w.-]+/[\w.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_version() -> None:
    pins = {pin for path in WORKFLOWS for pin in re.findall(r"uses: (\S+) # (\S+)", path.read_text())}
    assert len({pin.partition("@")[0] for pin, _ in pins}) == len(pins)


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_nothing_is_granted_but_what_a_job_needs(path: Path) -> None:
    read = load(path)
    assert read["permissions"] == {}
    granted = {name: {**job["permissions"]} for name, job in read["jobs"].items()}
    token = {"contents": "read", "id-token": "write"}
    allowed: dict[str, dict[str, dict[str, str]]] = {
        "tests.yml": {"tests": {"contents": "read"}},
        "nightly.yml": {"check": {"contents": "read"}},
        "plan.yml": {
            "checks": {"contents": "read"},
            "plan": token,
            "comment": {"pull-requests": "write"},
        },
        "apply.yml": {"apply": token},
        "drift.yml": {"look": token, "issue": {"issues": "write"}},
    }
    assert granted == allowed[path.name]


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_no_stored_key_and_no_text_of_strangers_in_a_script(path: Path) -> None:
    text = path.read_text()
    assert "secrets." not in text
    assert "pull_request_target" not in text
    assert "access-key" not in text
    for job, step in steps(path):
        assert "${{" not in step.get("run", ""), f"{job}: give it through env:"


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_runs_end_and_do_not_race(path: Path) -> None:
    read = load(path)
    assert read["concurrency"]["group"]
    most = 180 if path.name == "nightly.yml" else 60
    assert all(0 < job["timeout-minutes"] <= most for job in read["jobs"].values())
    # what changes an account is never cut off
    if path.name in ("apply.yml", "drift.yml"):
        assert read["concurrency"]["cancel-in-progress"] is False
    assert all(
        step["with"]["persist-credentials"] is False
        for _, step in steps(path)
        if step.get("uses", "").startswith("actions/checkout@")
    )


def test_plan_looks_at_what_a_plan_depends_on() -> None:
    on = load(ROOT / ".github" / "workflows" / "plan.yml")["on"]["pull_request"]
    assert {"infra/**", "bootstrap/**", "jobs/**"} <= set(on["paths"])
    assert {"labeled", "unlabeled", "synchronize"} <= set(on["types"])  # a label alone must decide anew


def test_role_is_asked_for_only_where_there_may_be_one() -> None:
    """A fork's pull request, or a repository without the role, plans offline and says why."""
    job = load(ROOT / ".github" / "workflows" / "plan.yml")["jobs"]["plan"]
    (taking,) = [step for step in job["steps"] if step.get("uses", "").startswith("aws-actions/")]
    assert taking["if"] == "env.UNSEEN == ''"
    assert "head.repo.full_name != github.repository" in job["env"]["UNSEEN"]
    assert "vars.AWS_PLAN_ROLE == ''" in job["env"]["UNSEEN"]


def test_apply_is_by_hand_on_a_protected_environment() -> None:
    read = load(ROOT / ".github" / "workflows" / "apply.yml")
    assert list(read["on"]) == ["workflow_dispatch"]
    assert read["jobs"]["apply"]["environment"] == "${{ inputs.environment }}"
    assert read["jobs"]["apply"]["if"] == "github.ref == 'refs/heads/main'"
    for name in read["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]:
        assert (ROOT / "infra" / "env" / f"{name}.tfvars").exists()


def test_drift_looks_every_night() -> None:
    on = load(ROOT / ".github" / "workflows" / "drift.yml")["on"]
    (when,) = on["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", when["cron"])


# -------------------------------------------------------------------------------------------- nothing that is not there


def commands(path: Path) -> Iterator[str]:
    for _, step in steps(path):
        yield from step.get("run", "").splitlines()


@pytest.mark.parametrize("path", WORKFLOWS, ids=NAMES)
def test_every_target_and_file_exists(path: Path) -> None:
    text = path.read_text()
    for command in commands(path):
        for target in re.findall(r"(?:^|\s)make ([a-z][a-z0-9-]*)", command):
            assert target in TARGETS, f"make {target}"
        for name in re.findall(r"(?:^|\s|=)((?:\.ci|docs|infra|tests|tools|ops)/[\w./-]+)", command):
            assert (ROOT / name).exists(), name
        modules = re.findall(r"python3? -m ([\w.]+)", command)
        assert all((ROOT / f"{module.replace('.', '/')}.py").exists() for module in modules), modules
    for name in re.findall(r"docs/[\w.-]+\.md|infra/github", text):
        assert (ROOT / name).exists(), name
    for pattern in (load(path)["on"].get("pull_request") or {}).get("paths", []):
        assert (ROOT / pattern.removesuffix("/**")).exists(), pattern


def test_tests_run_the_command_of_the_readme() -> None:
    assert ".ci/run" in set(commands(ROOT / ".github" / "workflows" / "tests.yml"))
    script = (ROOT / ".ci" / "run").read_text()
    assert "make lint" in script
    assert "make test" in script
    assert "make test " in (ROOT / "README.md").read_text()


def test_python_and_terraform_are_the_pinned_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for path in WORKFLOWS:
        for _, step in steps(path):
            settings = step.get("with", {})
            if "python-version" in settings:
                assert project["requires-python"] == f"=={settings['python-version']}.*"
            if "terraform_version" in settings:
                version = tuple(int(part) for part in settings["terraform_version"].split("."))
                assert version >= MINIMUM
                assert settings["terraform_version"] == "1.11.4"  # the one that the stacks were tested with
                assert settings["terraform_wrapper"] is False  # its wrapper spoils exit codes and JSON


def test_variables_are_described() -> None:
    """What a repository has to set stands in docs/ci.md and nowhere else; the roles are the outputs of infra/github."""
    named = {name for path in WORKFLOWS for name in re.findall(r"vars\.([A-Z_]+)", path.read_text())}
    page = (ROOT / "docs" / "ci.md").read_text()
    assert named == set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    outputs = (ROOT / "infra" / "github" / "outputs.tf").read_text()
    assert {"AWS_PLAN_ROLE", "AWS_APPLY_ROLE"} <= named
    assert all(name in outputs for name in ("AWS_PLAN_ROLE", "AWS_APPLY_ROLE"))


# --------------------------------------------------------------------------------------------------------- pre-commit


def hooks() -> list[dict[str, Any]]:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"  # nothing to fetch
    held: list[dict[str, Any]] = repo["hooks"]
    return held


def test_hooks_are_targets_that_check_runs() -> None:
    (line,) = re.findall(r"^check: (.*?)(?: ##.*)?$", MAKEFILE, re.MULTILINE)
    for hook in hooks():
        assert hook["language"] == "system"
        command, target = hook["entry"].split()
        assert command == "make"
        assert target in line.split()


def test_hooks_see_the_files_that_they_are_for() -> None:
    """Every script, workflow, Python and Terraform file lets its hook run."""
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    seen = {hook["id"]: [name for name in files if re.search(hook["files"], name)] for hook in hooks()}
    assert {"ops/terraform/workspace.py", ".github/workflows/plan.yml"} <= set(seen["lint"])
    assert {name for name in files if name.endswith(".sh")} | {".ci/run"} == set(seen["shellcheck"])
    scripts = re.search(r"^\t.*shellcheck .*?((?: \S+(?:\.sh|/run))+)$", MAKEFILE, re.MULTILINE)
    assert scripts
    assert set(scripts[1].split()) == set(seen["shellcheck"])
    assert "infra/modules/emr/main.tf" in seen["terraform-validate"]


def test_pre_commit_takes_the_configuration() -> None:
    assert shutil.which("git")
    done = tool("pre-commit", "validate-config", ".pre-commit-config.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
