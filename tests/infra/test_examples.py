"""The example settings of docs/examples are accepted by their stacks. A second per plan, then kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import hcl2
import pytest

from ops.terraform.workspace import Stack
from tests.infra.planning import ROOT, Planner

EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.tfvars"))


def settings_in(example: Path) -> dict[str, Any]:
    """The settings of a file as Terraform reads them."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items() if not key.startswith("__")}
        if isinstance(value, list):
            return [plain(inner) for inner in value]
        return value.strip('"') if isinstance(value, str) else value

    return cast(dict[str, Any], plain(hcl2.loads(example.read_text())))


def stack_of(example: Path) -> Stack:
    return cast(Stack, example.name.split(".")[1])


def test_there_is_an_example_for_each_stack_that_has_settings() -> None:
    assert {stack_of(example) for example in EXAMPLES} == {"storage", "cluster", "operators", "github"}
    assert [len(settings_in(example)) for example in EXAMPLES] == [6, 4, 2, 4]


@pytest.mark.terraform
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_is_accepted(planner: Planner, example: Path) -> None:
    typed = {"repository": "octocat/fruits"} if stack_of(example) == "github" else {}  # REPOSITORY=
    plan = planner.plan(stack_of(example), "dev", **typed, **settings_in(example))
    given = {name: variable.get("value") for name, variable in plan["variables"].items()}
    for name, value in settings_in(example).items():
        planned = given[name]
        assert planned == value or {key: planned[key] for key in value} == value
