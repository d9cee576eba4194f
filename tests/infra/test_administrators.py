"""The two stacks that an administrator applies, on the embedded AWS: apply, a second plan, destroy (about a minute)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from localaws import server
from localaws.settings import Settings
from localaws.state import Record
from ops.core.target import EMULATED_ACCOUNT, Target
from ops.terraform.workspace import Stack, Workspace
from tests.infra.planning import told

pytestmark = [pytest.mark.terraform, pytest.mark.aws, pytest.mark.slow]
REGION = "eu-west-3"
NAME = "fruits-dev"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    with server.running(Settings(home=tmp_path_factory.mktemp("administrators"), execute=False)) as started:
        yield started


@pytest.fixture(scope="module")
def iam(aws: Record) -> Any:
    session = boto3.session.Session(region_name=REGION, **aws.keys.arguments())
    return session.client("iam", endpoint_url=aws.endpoint)


def inventory(iam: Any) -> dict[str, list[str]]:
    """Everything of IAM that the two stacks could have made."""
    return {
        "groups": sorted(g["GroupName"] for g in iam.list_groups()["Groups"]),
        "policies": sorted(p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]),
        "roles": sorted(r["RoleName"] for r in iam.list_roles()["Roles"]),
        "providers": sorted(p["Arn"] for p in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]),
        "members": sorted(g["GroupName"] for g in iam.list_groups_for_user(UserName="ana")["Groups"]),
    }


@pytest.fixture(scope="module")
def history(
    aws: Record, iam: Any, terraform: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """Operators, then GitHub's roles with the operators' policies and boundary; then both removed again."""
    target = Target(env="dev", region=REGION, account_id=EMULATED_ACCOUNT, endpoint=aws.endpoint, keys=aws.keys)
    home = tmp_path_factory.mktemp("terraform")
    iam.create_user(UserName="ana")
    seen: dict[str, dict[str, Any]] = {"before": inventory(iam)}

    def stack(name: Stack, **extra: Any) -> Workspace:
        return Workspace(target=target, stack=name, extra=extra, home=home, terraform=terraform, capture=True)

    with told():
        operators = stack("operators", users=["ana"])
        operators.apply()
        outputs = operators.outputs()
        github = stack(
            "github",
            repository="octocat/fruits",
            permissions_boundary=None,
            apply_policy_arns=sorted(outputs["policy_arns"].values()),
        )
        github.apply()
        seen["applied"] = inventory(iam)
        seen["outputs"] = {"operators": outputs, "github": github.outputs()}
        seen["second plan"] = {"operators": operators.plan(), "github": github.plan()}
        attached = iam.list_attached_role_policies(RoleName=f"{NAME}-github-apply")["AttachedPolicies"]
        seen["attached"] = {p["PolicyName"]: p["PolicyArn"] for p in attached}
        trust = iam.get_role(RoleName=f"{NAME}-github-plan")["Role"]["AssumeRolePolicyDocument"]
        seen["trust"] = trust if isinstance(trust, dict) else json.loads(trust)
        github.destroy()
        operators.destroy()
    seen["after"] = inventory(iam)
    return seen


def test_apply_makes_the_group_with_its_user_and_the_roles(history: dict[str, dict[str, Any]]) -> None:
    made, before = history["applied"], history["before"]
    assert made["groups"] == made["members"] == [f"{NAME}-operators"]
    new = set(made["policies"]) - set(before["policies"])
    parts = ("storage", "network", "cluster", "roles", "doctor", "look")
    assert new == {f"{NAME}-boundary", *(f"{NAME}-operators-{part}" for part in parts)}
    assert set(made["roles"]) - set(before["roles"]) == {f"{NAME}-github-plan", f"{NAME}-github-apply"}
    issuer = "token.actions.githubusercontent.com"
    assert made["providers"] == [f"arn:aws:iam::{EMULATED_ACCOUNT}:oidc-provider/{issuer}"]
    assert history["outputs"]["github"]["provider_arn"] == made["providers"][0]


def test_a_second_plan_has_nothing_to_do(history: dict[str, dict[str, Any]]) -> None:
    assert history["second plan"] == {"operators": False, "github": False}


def test_the_applying_role_holds_the_operators_policies(history: dict[str, dict[str, Any]]) -> None:
    assert sorted(history["attached"].values()) == sorted(history["outputs"]["operators"]["policy_arns"].values())


def test_the_planning_role_trusts_the_repositorys_tokens_only(history: dict[str, dict[str, Any]]) -> None:
    statement = history["trust"]["Statement"][0]
    assert statement["Principal"] == {"Federated": history["outputs"]["github"]["provider_arn"]}
    subjects = statement["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"]
    assert subjects == history["outputs"]["github"]["subjects"]["plan"]
    assert all(subject.startswith("repo:octocat/fruits:") for subject in subjects)


def test_destroy_leaves_nothing_of_either(history: dict[str, dict[str, Any]]) -> None:
    assert history["after"] == history["before"]
