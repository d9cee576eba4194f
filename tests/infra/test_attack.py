"""Nobody rises: what operators, workflows, nodes and the roles they make may do to things that are not theirs.

The account holds, beside the attacker's own environment, another environment of the project, a stranger's things with
tags of his own, and a stranger's things without any. What remains possible is listed with its reason, and the list is
complete; SECURITY.md says the same in words.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from localaws import reference
from ops.plan import contents
from tests.infra import attack
from tests.infra.attack import ACCOUNT, REGION, Holder, as_made, paths, without_resource, world
from tests.infra.policy_lint import list_actions

pytestmark = pytest.mark.terraform

Plan = dict[str, Any]
PlanOf = Callable[[str], Plan]
STACKS = {"dev": "dev-operators", "dev with all": "all-operators", "prod": "prod-operators"}


def documents(plan: Plan, *types: str) -> dict[str, Any]:
    return {r.name: json.loads(r.values["policy"]) for r in contents.list_resources(plan) if r.type in types}


def operators(plan: Plan, env: str) -> tuple[Holder, dict[str, Any]]:
    """The operators of an environment, and their roles' ceiling."""
    held = documents(plan, "aws_iam_policy")
    ceiling = held.pop("boundary")
    return Holder(f"operators of {env}", tuple(held.values()), tags={"Project": "fruits", "Environment": env}), ceiling


def others(env: str) -> list[attack.Thing]:
    """Everything in the account that does not belong to an environment."""
    neighbour = "prod" if env == "dev" else "dev"
    return [
        *world(f"fruits-{neighbour}", {"Project": "fruits", "Environment": neighbour}, owner=f"fruits-{neighbour}"),
        *world(f"fruits-{neighbour}2", {"Project": "fruits", "Environment": neighbour, **attack.EMR_TAG}),
        *world("payroll", {"Project": "payroll", "Environment": env}),
        *world("payroll-emr", {"Project": "payroll", **attack.EMR_TAG}),
        *world("bare", {}),
    ]


# What AWS leaves open, with the reason; SECURITY.md has each of them.
WITHOUT_RESOURCE = {
    "elasticmapreduce:CreateSecurityConfiguration": "EMR knows no resource for it; it changes nothing that runs",
    "elasticmapreduce:DeleteSecurityConfiguration": "EMR knows no resource for it; running clusters keep theirs",
    "elasticmapreduce:RunJobFlow": "a cluster of one's own, of the roles that may be passed",
    "kms:CreateKey": "a key of one's own",
    "ssmmessages:OpenDataChannel": "takes the token that StartSession gave",
}
OF_A_NODE = {
    "ec2messages:AcknowledgeMessage": "of messages that GetMessages gave, which only a machine with the role may call",
    "ec2messages:DeleteMessage": "as above",
    "ec2messages:FailMessage": "as above",
    "ec2messages:SendReply": "as above",
    "ssmmessages:CreateDataChannel": "of a session that CreateControlChannel told of",
    "ssmmessages:OpenControlChannel": "takes the token that CreateControlChannel gave",
    "ssmmessages:OpenDataChannel": "takes a token",
}
# EMR has no key that tells a tag given at birth from a later one: a cluster without tags can be taken.
UNTAGGED_CLUSTER = f"arn:aws:elasticmapreduce:{REGION}:{ACCOUNT}:cluster/j-bare"


def env_of(scenario: str) -> str:
    return "prod" if scenario.startswith("prod") else "dev"


@pytest.fixture(params=STACKS.values(), ids=list(STACKS))
def attackers(request: pytest.FixtureRequest, plan_of: PlanOf) -> tuple[Holder, Holder, str]:
    """The operators of an environment, a role that they made, and the environment."""
    env = env_of(request.param)
    holder, ceiling = operators(plan_of(request.param), env)
    return holder, as_made(holder, ceiling), env


def test_operators_touch_nothing_of_others(attackers: tuple[Holder, Holder, str]) -> None:
    holder, _, env = attackers
    things = others(env)
    assert len(things) > 200
    assert [path for path in paths(holder, things) if not path.endswith(UNTAGGED_CLUSTER)] == []
    assert set(without_resource(holder)) <= set(WITHOUT_RESOURCE)


def test_a_role_that_they_make_touches_nothing_of_others(attackers: tuple[Holder, Holder, str]) -> None:
    _, made, env = attackers
    assert paths(made, others(env)) == []
    assert set(without_resource(made)) <= set(OF_A_NODE)


def test_the_open_cluster_is_still_open(attackers: tuple[Holder, Holder, str]) -> None:
    """When it no longer is, SECURITY.md must no longer say so."""
    holder, _, _ = attackers
    found = paths(holder, [attack.Thing(UNTAGGED_CLUSTER)])
    assert f"{holder.name}: tagged, then elasticmapreduce:AddJobFlowSteps on {UNTAGGED_CLUSTER}" in found


def test_the_attacker_finds_what_is_open() -> None:
    """Of a policy as it was once: tags by the request alone, and a machine behind them."""
    tags = {"Project": "fruits", "Environment": "dev"}

    def allow(action: str, key: str) -> dict[str, Any]:
        asked = {f"{key}/{name}": value for name, value in tags.items()}
        return {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {"StringEquals": asked}}

    before = [allow("ec2:CreateTags", "aws:RequestTag"), allow("ec2:TerminateInstances", "aws:ResourceTag")]
    holder = Holder("somebody", ({"Statement": before},), tags=tags)
    machine = next(thing for thing in others("dev") if ":instance/payroll" in thing.arn)
    assert [path.partition(": ")[2] for path in paths(holder, [machine])] == [
        f"ec2:CreateTags on {machine.arn}",
        f"tagged, then ec2:TerminateInstances on {machine.arn}",
    ]


# ------------------------------------------------------------------------------------------- the boundary, and passing


def own(env: str, role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/fruits-{env}-{role}"


BOUNDED = ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy", "iam:UpdateAssumeRolePolicy")


def test_no_role_is_made_or_written_outside_the_boundary(attackers: tuple[Holder, Holder, str]) -> None:
    holder, _, env = attackers
    ours = f"arn:aws:iam::{ACCOUNT}:policy/fruits-{env}-boundary"
    emr = {"iam:PolicyARN": "arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"}
    for action in BOUNDED:
        for boundary in ({}, {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"}):
            assert not holder.may(action, own(env, "ttl-j-EVIL"), {**boundary, **emr}), action
        assert holder.may(action, own(env, "ttl-j-ABC"), {"iam:PermissionsBoundary": ours, **emr}), action
    admin = {"iam:PermissionsBoundary": ours, "iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"}
    assert not holder.may("iam:AttachRolePolicy", own(env, "emr-node"), admin)


def test_nobody_changes_a_boundary_or_his_own_rights(attackers: tuple[Holder, Holder, str]) -> None:
    ours = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/fruits-{attackers[2]}-boundary"}
    for holder in attackers[:2]:
        for name in ("emr-node", "emr-service", "ttl-j-ABC", "github-apply"):
            for action in ("iam:PutRolePermissionsBoundary", "iam:DeleteRolePermissionsBoundary"):
                assert not holder.may(action, own(attackers[2], name), ours)
        for action in ("iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion", "iam:DeletePolicy"):
            for policy in ("boundary", "operators-cluster"):
                assert not holder.may(action, f"arn:aws:iam::{ACCOUNT}:policy/fruits-{attackers[2]}-{policy}", {})
        for action in ("iam:PutUserPolicy", "iam:AttachUserPolicy", "iam:CreateAccessKey"):
            assert not holder.may(action, f"arn:aws:iam::{ACCOUNT}:user/ana", {})
        group = f"arn:aws:iam::{ACCOUNT}:group/fruits-{attackers[2]}-operators"
        assert not any(holder.may(f"iam:{a}", group, {}) for a in ("AttachGroupPolicy", "AddUserToGroup"))
        assert not holder.may("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/admin", {})


@pytest.mark.parametrize(
    ("role", "service"),
    [("emr-node", "ec2"), ("emr-service", "elasticmapreduce"), ("ttl-j-ABC", "scheduler")],
)
def test_a_role_is_passed_to_its_service_only(attackers: tuple[Holder, Holder, str], role: str, service: str) -> None:
    holder, made, env = attackers
    taken = {
        name: [
            one
            for one in ("ec2", "elasticmapreduce", "scheduler", "lambda", "glue", "sagemaker")
            if who.may("iam:PassRole", own(env, role), {"iam:PassedToService": f"{one}.amazonaws.com"})
        ]
        for name, who in (("operators", holder), ("made", made))
    }
    assert taken == {"operators": [service], "made": [service] if role == "emr-node" else []}


# ------------------------------------------------------------------------------------------------- the shared bucket


def test_the_states_of_others_are_out_of_reach(attackers: tuple[Holder, Holder, str]) -> None:
    holder, made, env = attackers
    bucket, other = f"arn:aws:s3:::fruits-tfstate-{ACCOUNT}", "dev" if env == "prod" else "prod"
    for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
        assert holder.may(action, f"{bucket}/{env}/cluster.tfstate", {})
        assert holder.may(action, f"{bucket}/{env}/storage.tfstate.tflock", {})
        for key in (f"{other}/cluster.tfstate", f"{env}/operators.tfstate", f"{env}/github.tfstate"):
            assert not holder.may(action, f"{bucket}/{key}", {}), key
        assert not made.may(action, f"{bucket}/{env}/cluster.tfstate", {})
    changes = [a for a in list_actions("s3:*Bucket*") if not reference.find_action(a).is_read_only]
    assert len(changes) > 20
    assert [a for a in changes for who in (holder, made) if who.may(a, bucket, {})] == []


# ------------------------------------------------------------------------------ whom else the stacks give rights


def roles(plan: Plan) -> dict[str, Holder]:
    """The roles of a plan, with their inline policies; without a ceiling, as an administrator makes them."""
    found: dict[str, list[Any]] = {}
    for resource in contents.list_resources(plan):
        # the clock's names a cluster that is not there yet
        if resource.type == "aws_iam_role_policy" and "policy" in resource.values:
            module = resource.address.split(".")[1] if resource.module else ""
            name = resource.name if not module else f"{module} {resource.name}"
            found.setdefault(name, []).append(json.loads(resource.values["policy"]))
    return {name: Holder(name, tuple(held), tags={"Project": "fruits", "Environment": "dev"})
            for name, held in found.items()}  # fmt: skip


def test_no_role_of_a_cluster_touches_anything_of_others(plan_of: PlanOf) -> None:
    found = roles(plan_of("all-cluster"))
    assert {"iam instance", "iam service"} <= set(found)
    assert {name: p for name, holder in found.items() if (p := paths(holder, others("dev")))} == {}


def test_no_role_of_a_workflow_touches_anything_of_others(plan_of: PlanOf) -> None:
    found = roles(plan_of("dev-github"))
    held, _ = operators(plan_of("all-operators"), "dev")
    apply = Holder("apply", (*found["apply"].policies, *found["never"].policies, *held.policies), tags=held.tags)
    things = others("dev")
    assert paths(found["plan"], things) == []
    assert [path for path in paths(apply, things) if not path.endswith(UNTAGGED_CLUSTER)] == []


def test_a_node_reads_no_parameter(plan_of: PlanOf) -> None:
    """AWS's policy for the agent allows it; ours denies it, with or without a ceiling."""
    node = roles(plan_of("all-cluster"))["iam instance"]
    agent: dict[str, Any] = {"Statement": [{"Effect": "Allow", "Action": "ssm:GetParameter*", "Resource": "*"}]}
    with_agent = Holder("node", (*node.policies, agent), tags=node.tags)
    parameter = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/payroll"
    assert not any(with_agent.may(f"ssm:{a}", parameter, {}) for a in ("GetParameter", "GetParameters"))
