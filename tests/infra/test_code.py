"""The Terraform code itself, parsed with python-hcl2: what no plan can show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.infra.planning import ROOT
from tools import module_docs

INFRA = ROOT / "infra"
MODULES = module_docs.list_modules(INFRA)
FILES = sorted(INFRA.rglob("*.tf"))

# Nothing about these can be judged from their value alone.
NEEDS_NO_VALIDATION = {
    "subnet_ids", "security_group_ids", "service_role_arn", "instance_profile_arn", "permissions_boundary", "tags",
    "kms_key_arn", "kms_key", "vpc_id", "primary_group_id", "project", "region", "cluster_id", "buckets", "types",
    "emails", "budget_emails",
}  # fmt: skip

# The stacks hand these on to a module that judges them.
JUDGED_BY_MODULE = {
    "primary", "core", "task", "managed_scaling", "images", "precision",
    "minutes", "root_volume_gib", "idle_timeout_seconds",
    "ttl_hours", "step_concurrency", "zones", "cidr", "ingress", "release_end_of_support", "today",
}  # fmt: skip


def ids(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(INFRA)) for path in paths]


def blocks(module: Path, kind: str) -> list[dict[str, Any]]:
    return [block for parsed in module_docs.load_blocks(module) for block in parsed.get(kind, [])]


@pytest.mark.parametrize("module", MODULES, ids=ids(MODULES))
def test_versions_are_pinned(module: Path) -> None:
    (settings,) = blocks(module, "terraform")
    assert settings["required_version"] == ">= 1.10, < 2.0"
    for provider in settings.get("required_providers", []):
        assert provider == {"aws": {"source": "hashicorp/aws", "version": "~> 5.100"}}


@pytest.mark.parametrize("module", MODULES, ids=ids(MODULES))
def test_every_variable_is_typed_described_and_judged(module: Path) -> None:
    root = module.parent == INFRA
    for name, variable in ((n, v) for block in blocks(module, "variable") for n, v in block.items()):
        assert re.search(r"\.$", variable["description"]), f"{name}: describe it in a sentence"
        assert variable["type"] not in ("any", "${any}"), name
        judged = "validation" in variable or name in NEEDS_NO_VALIDATION or (root and name in JUDGED_BY_MODULE)
        assert judged or variable["type"] in ("bool", "${bool}"), f"{name}: nothing judges its value"


@pytest.mark.parametrize("module", MODULES, ids=ids(MODULES))
def test_every_output_is_described(module: Path) -> None:
    for name, output in ((n, o) for block in blocks(module, "output") for n, o in block.items()):
        assert output["description"].endswith("."), name


def test_refusals_say_what_to_do() -> None:
    """A message has a cause and a cure: at least two parts, and no bare "invalid"."""
    written = re.compile(r'error_message = "(.*)"$', re.MULTILINE)
    messages = [message for file in FILES for message in written.findall(file.read_text())]
    assert len(messages) > 50
    for message in messages:
        assert len(message) > 25, message
        assert "invalid" not in message.lower(), message
        assert message.endswith((".", "…", "…)")), message


@pytest.mark.parametrize("file", FILES, ids=ids(FILES))
def test_no_clock_no_credentials(file: Path) -> None:
    text = re.sub(r"^\s*#.*$", "", file.read_text(), flags=re.MULTILINE)
    assert not re.search(r"(?<!plan)timestamp\(\)|\buuid\(\)|\bbcrypt\(", text), "differs at every plan"
    assert "plantimestamp()" not in text or file.name == "releases.tf"
    assert not re.search(r"\b(access_key|secret_key|token|password|private_key)\s*=", text)
    assert not re.search(r"AKIA[0-9A-Z]{16}", text)
    assert not re.search(r"\barn:aws:", re.sub(r"description\s*=.*", "", text)), "the partition is written out"


def test_plan_time_decides_no_attribute() -> None:
    """The day of the plan is read by preconditions only; an attribute made of it would differ the next day."""
    text = (INFRA / "modules" / "emr" / "main.tf").read_text()
    uses = [line for line in text.splitlines() if "local.today" in line]
    assert uses
    assert all(line.strip().startswith(("condition ", "error_message ")) for line in uses)


def test_no_step_inside_the_cluster() -> None:
    resources = [block for file in FILES for block in module_docs.parse_blocks(file.read_text()).get("resource", [])]
    clusters = [cluster for block in resources for cluster in block.get("aws_emr_cluster", {}).values()]
    assert ["step" in cluster for cluster in clusters] == [False]


def test_stacks_share_the_text_that_says_where_they_are() -> None:
    stacks = sorted(path.parent for path in INFRA.glob("*/versions.tf"))
    assert {path.name for path in stacks} == {"storage", "cluster", "operators", "github"}
    for name in ("account.tf", "providers.tf", "versions.tf", ".terraform.lock.hcl"):
        texts = {(path / name).read_text().replace(f'"{path.name}"', '"stack"') for path in stacks}
        assert len(texts) == 1, name


def test_lock_file_has_the_published_hashes() -> None:
    """All platforms' archives (zh), and the unpacked h1 of the platforms that were seen to give it."""
    (storage,) = {path.read_text() for path in INFRA.glob("*/.terraform.lock.hcl")}
    assert re.search(r'version\s+= "5\.100\.0"', storage)
    assert re.search(r'constraints\s+= "~> 5\.100"', storage)
    assert len(set(re.findall(r'"zh:[0-9a-f]{64}"', storage))) == 15
    assert {
        "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
        "h1:Ijt7pOlB7Tr7maGQIqtsLFbl7pSMIj06TVdkoSBcYOw=",
    } <= set(re.findall(r'"(h1:[^"]+)"', storage))


def test_readmes_are_what_the_code_says() -> None:
    assert [str(path.relative_to(ROOT)) for path in module_docs.find_outdated(INFRA)] == []


def test_outdated_readme_is_noticed(tmp_path: Path) -> None:
    """The check above can fail: another description makes another README."""
    for path in MODULES:
        copy = tmp_path / path.relative_to(INFRA)
        copy.mkdir(parents=True)
        for file in [*path.glob("*.tf"), path / "README.md"]:
            (copy / file.name).write_text(file.read_text())
    assert module_docs.find_outdated(tmp_path) == {}
    variables = tmp_path / "modules" / "ttl" / "variables.tf"
    variables.write_text(variables.read_text().replace("Hours from the cluster's", "Days from the cluster's"))
    assert list(module_docs.find_outdated(tmp_path)) == [tmp_path / "modules" / "ttl" / "README.md"]


def test_environments_set_only_what_the_stacks_know() -> None:
    """A misspelt name in a tfvars file is only a warning to Terraform."""
    known = {
        stack: {name for block in blocks(INFRA / stack, "variable") for name in block}
        for stack in ("storage", "cluster", "operators", "github")
    }
    files = list((INFRA / "env").glob("*.tfvars"))
    assert {file.name for file in files} >= {"dev.cluster.tfvars", "prod.cluster.tfvars"}
    for file in files:
        _, *stack = file.stem.split(".")
        given = module_docs.parse_blocks(file.read_text())
        for name in given:
            for each in stack or ("storage", "cluster"):
                assert name in known[each], f"{file.name} sets {name}, which {each} does not know"


def test_every_suppression_has_its_reason_beside_its_resource() -> None:
    """checkov runs in `make check`; what it is told to overlook says why, inside the block that it is about."""
    said = 0
    for file in FILES:
        for block in re.split(r"^(?=\S)", file.read_text(), flags=re.MULTILINE):
            for name, reason in re.findall(r"checkov:skip=(\w+):?(.*)$", block, re.MULTILINE):
                assert block.startswith(("resource ", "data ")), f"{file.name}: {name} stands beside nothing"
                assert len(reason) > 25, f"{file.name}: {name} has no reason"
                said += 1
    assert said > 10
