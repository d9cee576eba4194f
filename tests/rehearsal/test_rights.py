"""What the commands called while they were typed is what operators may call, and what the record knows.

`make record-calls` runs this file and test_verify.py, and writes the record from what they saw.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from localaws.java import find_java_home
from localaws.policy import AccessRequest, Decision, decide
from ops.core.target import NO_ACCOUNT
from ops.plan import contents
from tests.rehearsal.clones import Clone, clone_into
from tests.rehearsal.everything import type_everything
from tests.rehearsal.support import Operator
from tools.record_calls import RECORDED, Right, parse_rights

pytestmark = [
    pytest.mark.aws,
    pytest.mark.spark,
    pytest.mark.terraform,
    pytest.mark.skipif(find_java_home() is None, reason="needs Java 17"),
]


@pytest.fixture(scope="module")
def documents(plan_of: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    plan = plan_of("prod-operators")
    held = [r for r in contents.list_resources(plan) if r.type == "aws_iam_policy" and r.name != "boundary"]
    return [json.loads(r.values["policy"]) for r in held]


@pytest.fixture(scope="module")
def everything(terraform: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = clone_into(tmp_path_factory.mktemp("everything") / "clone")
    try:
        type_everything(made)
        yield made
    finally:
        made.types("local-down", timeout=300)


def refused(rights: list[Right], documents: list[dict[str, Any]]) -> set[Right]:
    """What the policies do not allow, of what operators need."""

    def real(value: str | tuple[str, ...]) -> Any:
        if isinstance(value, tuple):
            return list(value)
        return value.replace("<account>", NO_ACCOUNT).replace("<id>", "0").replace("<key>", "k")

    def allows(right: Right) -> bool:
        context = {key: real(value) for key, value in right.context}
        return decide(documents, AccessRequest(right.action, real(right.resource), context)) is Decision.ALLOW

    return {right for right in rights if not allows(right)}


def test_an_operator_may_make_every_call_that_was_typed(history: Operator, documents: list[dict[str, Any]]) -> None:
    rights = history.recording.rights()
    assert len(rights) > 150
    assert history.recording.unknown() == set()
    assert refused(rights, documents) == set()


def test_the_record_knows_every_right_that_was_typed(history: Operator) -> None:
    assert set(history.recording.rights()) - set(parse_rights(RECORDED.read_text())) == set()


@pytest.mark.slow
def test_an_operator_may_make_every_call_with_everything_on(everything: Clone, documents: list[dict[str, Any]]) -> None:
    rights = everything.recording.rights()
    assert len(rights) > 250
    assert everything.recording.unknown() == set()
    assert refused(rights, documents) == set()


@pytest.mark.slow
def test_the_record_knows_just_what_was_typed(history: Operator, everything: Clone) -> None:
    typed, kept = {*history.recording.rights(), *everything.recording.rights()}, parse_rights(RECORDED.read_text())
    assert typed - set(kept) == set()
    assert {right.action for right in kept if right.commands != ("verify-aws",)} - {r.action for r in typed} == set()
