"""Every bad change of `mutations` is noticed by the check it names. All but one of those that need a plan are slow."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.plan import policies
from tests.infra import test_code, test_refusals
from tests.infra.mutations import MUTATIONS, Mutation
from tests.infra.planning import REGION, ROOT, SCENARIOS, Planner
from tests.infra.test_plan_policies import CEILINGS
from tools import module_docs

FAST = {"public bucket"}  # of those that need a plan

CODE = [
    check
    for name, check in inspect.getmembers(test_code, inspect.isfunction)
    if name in {mutation.check for mutation in MUTATIONS if mutation.by == "code"}
]


@pytest.fixture(scope="module")
def infra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stacks, to be spoilt and mended."""
    copy = tmp_path_factory.mktemp("mutations") / "infra"
    shutil.copytree(ROOT / "infra", copy, ignore=shutil.ignore_patterns(".terraform"))
    return copy


@pytest.fixture
def spoilt(infra: Path, request: pytest.FixtureRequest) -> Iterator[Mutation]:
    """The change, made in the copy and taken back."""
    mutation: Mutation = request.param
    before = mutation.apply(infra)
    yield mutation
    (infra / mutation.file).write_text(before)


@pytest.fixture(scope="module")
def spoilt_planner(terraform: Path, infra: Path) -> Planner:
    return Planner(home=infra.parent, terraform=terraform, source=infra)


def of(*kinds: str) -> list[object]:
    """The changes that some checks notice; those that need a plan are slow but for one."""
    return [
        pytest.param(
            mutation,
            id=mutation.name.replace(" ", "-"),
            marks=[] if mutation.by == "code" or mutation.name in FAST else [pytest.mark.slow],
        )
        for mutation in MUTATIONS
        if mutation.by in kinds
    ]


def run_on(check: Callable[..., None], infra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test of `test_code` on other stacks, with each of its parameters."""
    files, modules = sorted(infra.rglob("*.tf")), module_docs.list_modules(infra)
    for name, value in (("INFRA", infra), ("FILES", files), ("MODULES", modules)):
        monkeypatch.setattr(test_code, name, value)
    (parameter,) = inspect.signature(check).parameters or [None]
    for value in {"file": files, "module": modules}.get(str(parameter), [None]):
        check(*([] if value is None else [value]))


@pytest.mark.slow
@pytest.mark.parametrize("check", CODE, ids=lambda check: check.__name__)
def test_unspoilt_code_passes(check: Callable[..., None], infra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the checks below would notice anything."""
    run_on(check, infra, monkeypatch)


@pytest.mark.parametrize("spoilt", of("code"), indirect=True)
def test_code_check_notices(spoilt: Mutation, infra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = getattr(test_code, spoilt.check)
    with pytest.raises((AssertionError, ValueError)):
        run_on(check, infra, monkeypatch)


@pytest.mark.terraform
@pytest.mark.parametrize("spoilt", of("rule"), indirect=True)
def test_rule_notices(spoilt: Mutation, spoilt_planner: Planner) -> None:
    """The unspoilt plans break no rule: `test_plan_policies`."""
    stack, env, extra = SCENARIOS[spoilt.scenario]
    plan = spoilt_planner.plan(stack, env, **extra)
    broken = {one.policy for one in policies.check_plan(plan, ceiling=CEILINGS.get(spoilt.scenario), region=REGION)}
    assert spoilt.check in broken


@pytest.mark.terraform
@pytest.mark.parametrize("spoilt", of("refusal"), indirect=True)
def test_refusal_is_missed(spoilt: Mutation, spoilt_planner: Planner) -> None:
    """What is refused no longer is noticed by the sentences that `test_refusals` expects."""
    with pytest.raises(AssertionError):
        test_refusals.test_refused_with_these_sentences(spoilt_planner, spoilt.check)


def test_every_rule_of_the_plans_has_a_mutation() -> None:
    named = {mutation.check for mutation in MUTATIONS if mutation.by == "rule"}
    assert named == {*policies.RULES, "hourly-price"}
    assert len(MUTATIONS) >= 60
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS)
