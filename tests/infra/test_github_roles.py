"""Whose tokens the roles of ``infra/github`` take, and what they may do: the planned policies, evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localaws.policy import AccessRequest, Decision, decide
from ops.cli.values import read_repository
from ops.core.errors import WrongUseError
from ops.core.target import NO_ACCOUNT
from ops.plan import contents
from tests.infra.planning import Planner

Plan = dict[str, Any]
PlanOf = Callable[[str], Plan]

ISSUER = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::{NO_ACCOUNT}:oidc-provider/{ISSUER}"
OURS = "repo:octocat@123456/fruits@456789"
MAIN = "refs/heads/main"


def values(plan: Plan, type_: str, name: str) -> Any:
    return next(r.values for r in contents.list_resources(plan) if (r.type, r.name) == (type_, name))


def taken(plan: Plan, role: str, subject: str, ref: str, audience: str = "sts.amazonaws.com") -> bool:
    """Whether a role takes a token."""
    trust = json.loads(values(plan, "aws_iam_role", role)["assume_role_policy"])
    context = {f"{ISSUER}:{claim}": value for claim, value in (("aud", audience), ("sub", subject), ("ref", ref))}
    request = AccessRequest("sts:AssumeRoleWithWebIdentity", "*", context)
    return decide([trust], request, principal=PROVIDER) is Decision.ALLOW


def decision(plan: Plan, role: str, action: str, resource: str, **context: str) -> Decision:
    """What the role's own policies say."""
    names = {"plan": ("plan",), "apply": ("apply", "never")}[role]
    documents = [json.loads(values(plan, "aws_iam_role_policy", name)["policy"]) for name in names]
    return decide(documents, AccessRequest(action, resource, context))


@pytest.mark.terraform
@pytest.mark.parametrize(
    ("role", "subject", "ref", "expected"),
    [
        ("plan", f"{OURS}:pull_request", "refs/pull/7/merge", True),
        ("plan", f"{OURS}:ref:{MAIN}", MAIN, True),
        ("plan", f"{OURS}:ref:refs/heads/other", "refs/heads/other", False),
        ("plan", f"{OURS}:environment:dev", MAIN, False),
        ("plan", "repo:octocat/fruits:pull_request", "refs/pull/7/merge", False),  # the name, taken over by another
        ("plan", "repo:stranger@1/fruits@2:pull_request", "refs/pull/7/merge", False),
        ("apply", f"{OURS}:environment:dev", MAIN, True),
        ("apply", f"{OURS}:environment:dev", "refs/heads/other", False),
        ("apply", f"{OURS}:environment:prod", MAIN, False),
        ("apply", f"{OURS}:pull_request", "refs/pull/7/merge", False),
        ("apply", f"{OURS}:ref:{MAIN}", MAIN, False),
    ],
)
def test_role_takes_only_these_tokens(plan_of: PlanOf, role: str, subject: str, ref: str, expected: bool) -> None:
    plan = plan_of("dev-github")
    assert taken(plan, role, subject, ref) is expected
    assert not taken(plan, role, subject, ref, audience="https://github.com/octocat")


@pytest.mark.terraform
def test_plan_role_reads_settings_and_no_photograph(plan_of: PlanOf) -> None:
    plan, data = plan_of("dev-github"), f"arn:aws:s3:::fruits-dev-data-{NO_ACCOUNT}"
    state = f"arn:aws:s3:::fruits-tfstate-{NO_ACCOUNT}/dev/cluster.tfstate"
    assert decision(plan, "plan", "s3:GetBucketPolicy", data) is Decision.ALLOW
    assert decision(plan, "plan", "s3:GetObject", state) is Decision.ALLOW
    boundary = f"arn:aws:iam::{NO_ACCOUNT}:policy/fruits-dev-boundary"
    assert decision(plan, "plan", "iam:GetPolicy", boundary) is Decision.ALLOW
    # what make drift lists
    for action in ("ec2:DescribeInstances", "ec2:DescribeVolumes", "sagemaker:ListDomains", "tag:GetResources"):
        assert decision(plan, "plan", action, "*") is Decision.ALLOW
    assert decision(plan, "plan", "s3:GetObject", state.replace("/dev/", "/prod/")) is Decision.SILENT
    assert decision(plan, "plan", "s3:GetObject", f"{data}/images/a.jpg") is Decision.SILENT
    document = json.loads(values(plan, "aws_iam_role_policy", "plan")["policy"])
    actions = {action for s in document["Statement"] for action in contents._tuple(s["Action"])}
    assert {action.split(":")[1][:4] for action in actions} <= {"Desc", "GetA", "GetB", "GetE", "GetI", "GetK", "GetL",
        "GetM", "GetO", "GetP", "GetR", "GetS", "List", "View"}  # fmt: skip


@pytest.mark.terraform
def test_apply_role_never_widens_its_own_rights(plan_of: PlanOf) -> None:
    plan = plan_of("dev-github")
    own = f"arn:aws:iam::{NO_ACCOUNT}:role/fruits-dev-github-apply"
    other = f"arn:aws:iam::{NO_ACCOUNT}:role/fruits-dev-emr-node"
    for action in ("iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy"):
        assert decision(plan, "apply", action, own) is Decision.DENY
        assert decision(plan, "apply", action, other) is Decision.SILENT  # what the operators' policies are asked
    history = f"arn:aws:s3:::fruits-tfstate-{NO_ACCOUNT}/dev/cluster.tfstate"
    assert decision(plan, "apply", "s3:DeleteObjectVersion", history) is Decision.DENY


@pytest.mark.terraform
def test_refused_with_these_sentences(planner: Planner) -> None:
    wrong: dict[str, Any] = {
        "repository": "https://github.com/octocat/fruits",
        "branch": "*",
        "subject": "octocat/*",
        "github_environment": "any*",
        "state_bucket": "s3://states",
        "apply_policy_arns": ["arn:aws:iam::aws:policy/AdministratorAccess"],
    }
    said = {s.split("\n\n")[0].replace("\n", " ").split(".")[0] for s in planner.refusals("github", **wrong)}
    assert said == {
        '"https://github',
        "branch must be the name of one branch, without refs/heads/ and without a wildcard",
        'subject must be what stands between "repo:" and the next colon of the token\'s subject, for instance '
        "octocat@123456/fruits@456789; no wildcard",
        "github_environment must be the name of one environment of the repository, without a wildcard",
        "state_bucket must be the name of a bucket (no URI, no wildcard)",
        "apply_policy_arns takes up to 10 ARNs of policies of your own account",
    }


def test_variables_come_from_make() -> None:
    assert read_repository({"REPOSITORY": "octocat/fruits", "BRANCH": "release"}) == {
        "repository": "octocat/fruits",
        "branch": "release",
    }
    with pytest.raises(WrongUseError, match=r"^no repository was given\. Fix: REPOSITORY=owner/name\.$"):
        read_repository({"BRANCH": "main"})
