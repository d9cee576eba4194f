"""Fixtures of the infrastructure's tests; Terraform and the plans of all scenarios are in tests/conftest.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.infra.emr_root import Root


@pytest.fixture(scope="session")
def root(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Root:
    """The cluster's modules with a state of their own."""
    return Root(terraform, tmp_path_factory.mktemp("root"))
