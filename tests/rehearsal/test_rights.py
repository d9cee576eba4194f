"""What the commands called while they were typed is what operators may call: no day written by hand stands between."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localaws.policy import Decision, Request, decide
from ops.core.target import NO_ACCOUNT
from ops.plan import contents
from tests.rehearsal.life import ONLOOKER
from tests.rehearsal.support import Operator
from tools.record_calls import RECORDED, Right, list_rights, list_unknown_calls, merge_rights, parse_rights

pytestmark = [pytest.mark.aws, pytest.mark.spark, pytest.mark.terraform]
BOUNDARY = f"arn:aws:iam::{NO_ACCOUNT}:policy/fruits-prod-boundary"
# Called by the emulator's clients or by the tests' own set-up, and not on AWS by an operator.
NOT_OF_AN_OPERATOR = {
    "iam:GetUser": "the provider asks for its account so where credentials are not validated",
    **dict.fromkeys(("iam:CreateUser", "iam:PutUserPolicy", "iam:CreateAccessKey"), f"the tests make the {ONLOOKER}"),
}


def of_prod(right: Right) -> Right:
    """A right of ENV=local as ENV=prod's operators need it: names, tags, and the boundary that apply finds there."""

    def moved(text: Any) -> Any:
        if not isinstance(text, str):
            return tuple(moved(part) for part in text)
        text = text.replace("fruits-local", "fruits-prod").replace("<account>", NO_ACCOUNT)
        return "prod" if text == "local" else text.replace("<id>", "0").replace("<key>", "k")

    context = {key: moved(value) for key, value in right.context}
    if right.action.startswith("iam:") and "Role" in right.action:
        context["iam:PermissionsBoundary"] = BOUNDARY
    return Right(right.action, moved(right.resource), tuple(sorted(context.items())), right.commands)


@pytest.fixture(scope="module")
def typed(history: Operator) -> list[Right]:
    """The rights that the history's commands needed."""
    lines = [json.loads(line) for line in history.recording.read_text().splitlines()]
    # `make shell` of the embedded AWS lends the node's keys; on AWS it is a session of Systems Manager
    assert set(list_unknown_calls(lines)) == {"sts:AssumeRole"}
    return merge_rights(of_prod(right) for right in list_rights(lines, "typed"))


@pytest.fixture(scope="module")
def documents(plan_of: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    plan = plan_of("prod-operators")
    held = [r for r in contents.resources(plan) if r.type == "aws_iam_policy" and r.name != "boundary"]
    return [json.loads(r.values["policy"]) for r in held]


def test_an_operator_may_make_every_call_that_was_typed(typed: list[Right], documents: list[dict[str, Any]]) -> None:
    assert len(typed) > 150
    refused = {
        right
        for right in typed
        if decide(documents, Request(right.action, right.resource, dict(right.context))) is not Decision.ALLOW
    }
    assert {r for r in refused if r.action not in NOT_OF_AN_OPERATOR} == set()


def test_the_record_knows_every_action_that_was_typed(typed: list[Right]) -> None:
    known = {right.action for right in parse_rights(RECORDED.read_text())}
    assert {right.action for right in typed} - known - set(NOT_OF_AN_OPERATOR) == set()
