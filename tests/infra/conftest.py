"""Fixtures of the infrastructure's tests: one planner and its plans a session."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ops.terraform.workspace import TerraformError, find_mirror, find_terraform
from tests.infra.emr_root import Root
from tests.infra.planning import SCENARIOS, Planner


@pytest.fixture(scope="session")
def terraform() -> Path:
    """The program; skips where there is none, or no provider for it."""
    try:
        program = find_terraform()
    except TerraformError as error:
        pytest.skip(f"needs Terraform: {error}")
    if find_mirror() is None:
        pytest.skip("needs a mirror with the AWS provider (TF_PROVIDER_MIRROR): tests ask no registry")
    return program


@pytest.fixture(scope="session")
def planner(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Planner:
    return Planner(home=tmp_path_factory.mktemp("terraform"), terraform=terraform)


@pytest.fixture(scope="session")
def plan_of(planner: Planner) -> Callable[[str], dict[str, Any]]:
    """The plan of a scenario, made once."""

    @cache
    def plan(name: str) -> dict[str, Any]:
        stack, env, extra = SCENARIOS[name]
        return planner.plan(stack, env, **extra)

    return plan


@pytest.fixture(scope="session")
def root(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """The cluster's modules with a state of their own."""
    return Root(terraform, tmp_path_factory.mktemp("root"))
