"""An attacker who holds what a policy grants, and plays it over things that are not his.

He tags first and acts then, makes a role and takes it, passes one, steps into a machine, opens a bucket to himself.
What he may do is decided by the planned policies and AWS's reference; what he can choose he chooses, what AWS settles
(the tags of what is there, the owner of a space, the call in which a tag is given) he does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from typing import Any

from localaws import reference
from localaws.policy import AccessRequest, Decision, Document, decide
from tests.infra.policy_lint import list_actions

ACCOUNT, REGION = "000000000000", "eu-west-3"
EMR_TAG = {"for-use-with-amazon-emr-managed-policies": "true"}
EVERYTHING: Document = {"Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}]}
# Reading these is already the loss.
SECRETS = (
    "ec2:DescribeInstanceAttribute",
    "kms:Decrypt",
    "s3:GetObject",
    "s3:GetObjectVersion",
    "secretsmanager:GetSecretValue",
    "ssm:GetParameter",
    "ssm:GetParameters",
    "ssm:GetParametersByPath",
)
TAGS = ("ec2:CreateTags", "elasticmapreduce:AddTags", "kms:TagResource", "sagemaker:AddTags", "iam:TagRole")


@dataclass(frozen=True)
class Thing:
    """Something in the account.

    Attributes
    ----------
    arn : as policies name it
    tags : pairs of name and value
    context : what else AWS knows of it when it decides
    """

    arn: str
    tags: tuple[tuple[str, str], ...] = ()
    context: tuple[tuple[str, str], ...] = ()

    def tagged(self, tags: Mapping[str, str]) -> Thing:
        return replace(self, tags=tuple(sorted({**dict(self.tags), **tags}.items())))


@dataclass(frozen=True)
class Holder:
    """Who acts: policies, the ceiling over them, and how the tags of his environment read."""

    name: str
    policies: tuple[Document, ...]
    boundary: Document | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def may(self, action: str, arn: str, context: Mapping[str, Any]) -> bool:
        """An Allow of his own and of the ceiling, and no Deny."""
        request = AccessRequest(action, arn, {"aws:RequestedRegion": REGION, "aws:userid": "AIDAATTACKER", **context})
        own = decide(self.policies, request)
        above = decide([self.boundary], request) if self.boundary is not None else Decision.ALLOW
        return own is above is Decision.ALLOW

    @cached_property
    def actions(self) -> list[reference.Action]:
        """What the policies (of a role that may do all: its ceiling) speak of, but looks that tell no secret."""
        documents = [self.boundary] if self.boundary is not None and EVERYTHING in self.policies else self.policies
        names = {name for d in documents if d for pattern in granted(d) for name in list_actions(pattern)}
        found = map(reference.find_action, sorted(names))
        return [action for action in found if not action.is_read_only or action.name in SECRETS]


def granted(document: Document) -> list[str]:
    """The patterns of actions that a document allows."""
    found = []
    for statement in document["Statement"]:
        if statement["Effect"] == "Allow":
            action = statement.get("Action", [])
            found += [action] if isinstance(action, str) else list(action)
    return found


def as_made(holder: Holder, boundary: Document) -> Holder:
    """A role that the holder makes, with all that he can write into it, below the ceiling."""
    return Holder(f"role made by {holder.name}", (EVERYTHING,), boundary, holder.tags)


def world(name: str, tags: Mapping[str, str], *, owner: str = "somebody") -> list[Thing]:
    """One thing of each kind that somebody else has; ``name`` is in its name."""
    pairs = tuple(sorted(tags.items()))
    session = tuple((f"ssm:resourceTag/{key}", value) for key, value in pairs)

    def regional(service: str, *paths: str, tags: tuple[tuple[str, str], ...] = pairs, **context: str) -> list[Thing]:
        known = tuple((key.replace("__", ":"), value) for key, value in context.items())
        return [Thing(f"arn:aws:{service}:{REGION}:{ACCOUNT}:{path}", tags, known + session) for path in paths]

    kinds = (
        "instance", "internet-gateway", "launch-template", "natgateway", "network-interface", "elastic-ip",
        "route-table", "security-group", "security-group-rule", "snapshot", "subnet", "volume", "vpc", "vpc-endpoint",
    )  # fmt: skip
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/{name}-boundary"
    profile = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/d-{name}/{owner}"
    return [
        *regional("ec2", *(f"{kind}/{name}-{kind}" for kind in kinds)),
        Thing(f"arn:aws:ec2:{REGION}::image/ami-{name}", pairs, (("ec2:Owner", ACCOUNT),)),
        *regional("elasticmapreduce", f"cluster/j-{name}"),
        *regional("kms", f"key/{name}", kms__ResourceAliases=f"alias/{name}"),
        *regional("kms", f"alias/{name}", tags=()),
        *regional("sagemaker", f"domain/d-{name}", f"user-profile/d-{name}/{owner}", f"notebook-instance/{name}"),
        *regional(
            "sagemaker", f"app/d-{name}/s/jupyterlab/a", f"space/d-{name}/s", tags=(),
            sagemaker__OwnerUserProfileArn=profile,
        ),
        *regional("ssm", f"parameter/{name}", f"document/{name}", tags=pairs),
        *regional("ssm", f"session/{name}-0", **{"ssm__resourceTag/aws:ssmmessages:session-id": "AIDAOTHER"}),
        *regional("scheduler", f"schedule/default/{name}-ttl"),
        *regional("secretsmanager", f"secret:{name}"),
        *regional("states", f"stateMachine:{name}-idle"),
        *regional("cloudwatch", f"alarm:{name}"),
        Thing(f"arn:aws:s3:::{name}-data-{ACCOUNT}"),
        Thing(f"arn:aws:s3:::{name}-data-{ACCOUNT}/images/a.jpg"),
        Thing(f"arn:aws:budgets::{ACCOUNT}:budget/{name}-monthly", pairs),
        *(
            Thing(f"arn:aws:iam::{ACCOUNT}:role/{name}-{role}", pairs, (("iam:PermissionsBoundary", boundary),))
            for role in ("emr-node", "emr-service", "ttl-j-X", "studio", "github-apply")
        ),
        Thing(f"arn:aws:iam::{ACCOUNT}:role/{name}-admin", pairs),
        Thing(f"arn:aws:iam::{ACCOUNT}:instance-profile/{name}-emr-node"),
        Thing(boundary),
    ]  # fmt: skip


def choices(holder: Holder, arn: str) -> Iterator[dict[str, Any]]:
    """What the attacker can write into a request: tags of his own environment, EMR's tag, whom a role is passed to."""
    every = ("ec2", "elasticmapreduce", "lambda", "sagemaker", "scheduler", "states")
    services = every if ":role/" in arn else every[:1]
    tags = ({}, dict(holder.tags), {**holder.tags, **EMR_TAG}, {**holder.tags, **EMR_TAG, "Name": "emr-service-vpce"})
    for given, service in product(tags, services):
        requested = {f"aws:RequestTag/{key}": value for key, value in given.items()}
        keys = {"aws:TagKeys": sorted(given)} if given else {}
        yield {**requested, **keys, "iam:PassedToService": f"{service}.amazonaws.com"}


def moves(holder: Holder, thing: Thing) -> Iterator[str]:
    """The actions that the holder may do on a thing."""
    of_it = {f"aws:ResourceTag/{key}": value for key, value in thing.tags} | dict(thing.context)
    asked = [{**of_it, **chosen} for chosen in choices(holder, thing.arn)]
    for action in holder.actions:
        if any(kind.takes(thing.arn) and not makes(action, kind) for kind in action.kinds) and any(
            holder.may(action.name, thing.arn, context) for context in asked
        ):
            yield action.name


def makes(action: reference.Action, kind: reference.Kind) -> bool:
    """Whether the action makes a new thing of this type, and so cannot mean one that is there.

    RunInstances can take an interface that is there; its subnet, and the machine's groups, are then decided on too.
    """
    made = kind.knows("aws:RequestTag/x") and not kind.knows("aws:ResourceTag/x")
    return made or (action.name, kind.name) == ("sagemaker:CreateDomain", "domain")


def paths(holder: Holder, things: Iterable[Thing]) -> list[str]:
    """Every way in which the holder touches something of somebody else; a tag that he can put counts as put."""
    found = []
    for thing in things:
        steps = list(moves(holder, thing))
        found += [f"{holder.name}: {step} on {thing.arn}" for step in steps]
        if set(steps) & set(TAGS):
            then = set(moves(holder, thing.tagged(holder.tags))) - set(steps)
            found += [f"{holder.name}: tagged, then {step} on {thing.arn}" for step in sorted(then)]
    return found


def without_resource(holder: Holder) -> list[str]:
    """The changes that AWS decides on no resource, and that the holder may therefore do to anybody's."""
    found = [action for action in holder.actions if not action.kinds and not action.is_read_only]
    return [a.name for a in found if any(holder.may(a.name, "*", chosen) for chosen in choices(holder, "*"))]
