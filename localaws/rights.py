"""What IAM asks of a caller for an API operation: actions, resources and condition keys, as policies name them.

Which resource types and condition keys an action is decided on is AWS's own reference (``reference``). What stands
here is what no reference says: which action an operation is, where it is not of the same name, and where a request
names the things that it is about. A service that is not written here is asked for on "*" where its action knows no
resource, and raises ``UnmappedCallError`` otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from localaws import reference
from localaws.calls import Call
from localaws.policy import Context

ANY = "*"


class UnmappedCallError(Exception):
    """An operation whose rights are not written here."""


@dataclass(frozen=True)
class Need:
    """One action on one resource, with the condition keys that the request settles."""

    action: str
    resource: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """An action that a request needs, before the reference has said on what it is decided.

    Attributes
    ----------
    action : as policies write it
    things : ARNs of what the request names
    tags : those that the request gives to what it makes or tags, or takes away (then without values)
    specified : the same by resource type, where a request makes several
    context : other condition keys; those that AWS does not have for the action are left out
    """

    action: str
    things: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    specified: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)


class Facts(Protocol):
    """What IAM knows beside the request: the account, and what exists in it."""

    account: str

    def tags(self, resource_id: str) -> Mapping[str, str]:
        """Tags of an EC2 resource, cluster, or key, by its id; of something in SageMaker Studio, by its ARN."""
        ...

    def role_of_profile(self, profile: str) -> str:
        """Name of the role in an instance profile."""
        ...

    def boundary(self, role: str) -> str | None:
        """ARN of a role's permissions boundary."""
        ...

    def association(self, association_id: str) -> list[str]:
        """Ids of what a route table's association joins; the id of the address of an elastic IP's."""
        ...

    def rule_group(self, rule_id: str) -> str:
        """Id of the security group that holds a rule."""
        ...

    def key_of_alias(self, alias: str) -> str:
        """Id of the key that an alias names."""
        ...

    def owner_of_space(self, domain_id: str, space: str) -> str | None:
        """Name of the user profile that owns a space of SageMaker Studio."""
        ...


def needs(call: Call, facts: Facts) -> list[Need]:
    """Everything that the caller of an operation must be allowed to do; empty where AWS asks for no right.

    Raises
    ------
    UnmappedCallError
        For a service, operation or resource of which nothing is known.
    """
    if call.service == "sts" and call.operation == "GetCallerIdentity":
        return []
    described = _SERVICES.get(call.service, _look)
    try:
        return [need for asked in described(call, facts) for need in _decided(asked, call, facts)]
    except reference.UnknownActionError as error:
        raise UnmappedCallError(f"{call.service}:{call.operation}: AWS has no action {error}") from error


def _decided(asked: Asked, call: Call, facts: Facts) -> Iterator[Need]:
    """One need for every resource that the action is decided on."""
    action = reference.action(asked.action)
    common = {"aws:RequestedRegion": call.region, **asked.context}
    if not action.kinds:
        yield Need(action.name, ANY, _known(action, {**common, **_requested(asked.tags)}))
        return
    pairs = [(kind, arn) for kind in action.kinds for arn in asked.things if kind.takes(arn)]
    if not (pairs and action.looks):  # a look makes nothing: of its resource types one is enough
        pairs = [(kind, arn) for kind in action.kinds for arn in _things(asked, kind, call, facts)]
    if not pairs:
        raise UnmappedCallError(f"{asked.action} with {', '.join(sorted(call.parameters)) or 'nothing'}")
    for kind, arn in pairs:
        tags = asked.specified.get(kind.name, asked.tags)
        context = {**common, **_tagged(facts.tags(_key_of(arn))), **_requested(tags)}
        yield Need(action.name, arn, _known(kind, context))


def _things(asked: Asked, kind: reference.Kind, call: Call, facts: Facts) -> list[str]:
    """What of this type the request names; what it makes, where it names none."""
    named = [arn for arn in asked.things if kind.takes(arn)]
    makes = kind.required or kind.name in asked.specified
    return named or ([kind.new(facts.account, call.region)] if makes else [])


def _known(asked: reference.Action | reference.Kind, context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if asked.knows(key)}


def _key_of(arn: str) -> str:
    """By what `Facts.tags` finds it."""
    return arn if arn.startswith("arn:aws:sagemaker:") else arn.rpartition("/")[2]


def _requested(tags: Mapping[str, str] | None) -> dict[str, Any]:
    if not tags:
        return {}
    return {**{f"aws:RequestTag/{name}": value for name, value in tags.items()}, "aws:TagKeys": sorted(tags)}


def _tagged(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{name}": value for name, value in tags.items()}


# ---------------------------------------------------------------------------------------------------------- S3

_S3_ACTIONS = {
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
}
_OF_VERSION = {"GetObject": "GetObjectVersion", "DeleteObject": "DeleteObjectVersion"}


def _s3(call: Call, facts: Facts) -> Iterator[Asked]:
    asked = call.parameters
    bucket = f"arn:aws:s3:::{asked['Bucket']}" if "Bucket" in asked else ANY
    if call.operation == "DeleteObjects":
        for item in asked["Objects"]:
            action = "DeleteObjectVersion" if item.get("VersionId") else "DeleteObject"
            yield Asked(f"s3:{action}", [f"{bucket}/{item['Key']}"])
        return
    if call.operation in ("CopyObject", "UploadPartCopy"):
        source = str(asked["CopySource"]).lstrip("/").partition("?")[0]
        yield Asked("s3:GetObject", [f"arn:aws:s3:::{source}"])
        yield Asked("s3:PutObject", [f"{bucket}/{asked['Key']}"])
        return
    action = _S3_ACTIONS.get(call.operation, call.operation)
    if asked.get("versionId"):
        action = _OF_VERSION.get(action, action)
    yield Asked(f"s3:{action}", [f"{bucket}/{asked['Key']}" if "Key" in asked else bucket])


# ---------------------------------------------------------------------------------------------------------- EMR


def _emr(call: Call, facts: Facts) -> Iterator[Asked]:
    asked, action = call.parameters, f"elasticmapreduce:{call.operation}"
    where = f"arn:aws:elasticmapreduce:{call.region}:{facts.account}:cluster/"
    tags = {tag["Key"]: tag.get("Value", "") for tag in asked.get("Tags") or []} or None
    if call.operation == "RunJobFlow":
        yield Asked(action, tags=tags)
        if tags:
            yield Asked("elasticmapreduce:AddTags", [f"{where}*"], tags)
        profile = str(asked["JobFlowRole"]).rpartition("/")[2]
        yield _pass(facts, facts.role_of_profile(profile), "ec2.amazonaws.com")
        yield _pass(facts, str(asked["ServiceRole"]).rpartition("/")[2], "elasticmapreduce.amazonaws.com")
        return
    clusters = asked.get("JobFlowIds") or [
        asked[name] for name in ("ClusterId", "JobFlowId", "ResourceId", "TargetResourceArn") if name in asked
    ]
    things = [where + str(cluster).rpartition("/")[2] for cluster in clusters]
    yield Asked(action, things, tags, context=_keys(asked.get("TagKeys")))


def _keys(names: Sequence[str] | None) -> dict[str, Any]:
    """The condition key of a request that takes tags away."""
    return {"aws:TagKeys": sorted(names)} if names else {}


def _pass(facts: Facts, role: str, service: str) -> Asked:
    passed = f"arn:aws:iam::{facts.account}:role/{role}"
    return Asked("iam:PassRole", [passed], context={"iam:PassedToService": service})


# ---------------------------------------------------------------------------------------------------------- IAM


def _iam(call: Call, facts: Facts) -> Iterator[Asked]:
    asked = call.parameters
    root = f"arn:aws:iam::{facts.account}:"
    tags = _members(asked, "Tags.member") or None
    role, profile = asked.get("RoleName"), asked.get("InstanceProfileName")
    things, context = [], {}
    if role:
        things.append(f"{root}role{asked.get('Path', '/')}{role}")
        if boundary := asked.get("PermissionsBoundary") or facts.boundary(str(role)):
            context["iam:PermissionsBoundary"] = str(boundary)
    if profile:
        things.append(f"{root}instance-profile/{profile}")
    if "PolicyArn" in asked:
        things.append(str(asked["PolicyArn"]))
        context["iam:PolicyARN"] = str(asked["PolicyArn"])
    elif "PolicyName" in asked:
        things.append(f"{root}policy{asked.get('Path', '/')}{asked['PolicyName']}")
    if call.operation == "GetUser":  # without a name: the caller's own
        things.append(f"{root}user/{asked.get('UserName', ANY)}")
    if call.operation == "AddRoleToInstanceProfile":
        yield _pass(facts, str(role), "ec2.amazonaws.com")
    removed = [str(value) for name, value in asked.items() if name.startswith("TagKeys.member")]
    yield Asked(f"iam:{call.operation}", things, tags, context={**context, **_keys(removed)})
    if tags and call.operation.startswith("Create"):
        yield Asked(f"iam:Tag{call.operation.removeprefix('Create')}", things, tags)


def _members(asked: Mapping[str, Any], prefix: str) -> dict[str, str]:
    """The tags in a query's flat parameters.

    >>> _members({"Tag.1.Key": "Name", "Tag.1.Value": "a", "Tag.2.Key": "b", "VpcId": "vpc-1"}, "Tag")
    {'Name': 'a', 'b': ''}
    """
    found = {}
    for name, value in asked.items():
        if match := re.fullmatch(rf"{re.escape(prefix)}\.(\d+)\.Key", name):
            found[str(value)] = str(asked.get(f"{prefix}.{match[1]}.Value", ""))
    return found


# ---------------------------------------------------------------------------------------------------------- EC2

# The beginnings of ids that are not the name of the resource type.
_EC2_KINDS = {
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "pl": "prefix-list",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "vpce": "vpc-endpoint",
}
_EC2_ID = re.compile(r"([a-z]+)-[0-9a-f]{8,17}")


def _ec2(call: Call, facts: Facts) -> Iterator[Asked]:
    parameters = call.parameters
    where = f"arn:aws:ec2:{call.region}:{facts.account}:"
    arns = [_arn(where, resource_id) for resource_id in sorted(_ec2_ids(call, facts))]
    kinds = sorted({str(v) for k, v in parameters.items() if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", k)})
    specified = {kind: _specified(parameters, kind) for kind in kinds}
    named = _members(parameters, "Tag")
    if call.operation == "DeleteTags":  # its tags are taken away, not given
        yield Asked(f"ec2:{call.operation}", arns, None, specified, _keys(list(named)))
    else:
        yield Asked(f"ec2:{call.operation}", arns, named or None, specified, {})
    for kind, tags in specified.items():
        context = {"ec2:CreateAction": call.operation}
        yield Asked("ec2:CreateTags", [f"{where}{kind}/{ANY}"], tags, context=context)


def _ec2_ids(call: Call, facts: Facts) -> set[str]:
    """Ids of what a request is about: those among its parameters, except that

    - of the groups, ``GroupId`` is meant where it is given: others (``….Groups.1.GroupId``) stand in a rule;
    - a rule that is revoked by its own id (``SecurityGroupRuleId.1``) stands for its group;
    - an association (``AssociationId``) stands for what it joins.
    """
    parameters = call.parameters
    ids = {str(value) for value in parameters.values() if _kind(str(value))}
    if "GroupId" in parameters:
        ids = {found for found in ids if not found.startswith("sg-")} | {str(parameters["GroupId"])}
    elif call.operation.startswith("RevokeSecurityGroup"):
        ids = {facts.rule_group(rule) for rule in ids if rule.startswith("sgr-")}
    if "AssociationId" in parameters:
        ids |= set(facts.association(str(parameters["AssociationId"])))
    return ids


def _arn(where: str, resource_id: str) -> str:
    if resource_id.startswith("pl-"):  # AWS's own lists are of no account
        where = re.sub(r"\d{12}:$", "aws:", where)
    return f"{where}{_kind(resource_id)}/{resource_id}"


def _kind(value: str) -> str | None:
    """The kind of an EC2 id, as ARNs call it.

    >>> _kind("vpce-0123456789abcdef0"), _kind("subnet-0123456789abcdef0"), _kind("10.42.0.0/16")
    ('vpc-endpoint', 'subnet', None)
    """
    found = _EC2_ID.fullmatch(value)
    return _EC2_KINDS.get(found[1], found[1]) if found else None


def _specified(asked: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The tags that a request gives to what it makes."""
    for name, value in asked.items():
        if value == kind and (found := re.fullmatch(r"(TagSpecification\.\d+)\.ResourceType", name)):
            return _members(asked, f"{found[1]}.Tag")
    return {}


# ------------------------------------------------------------------------------------------ the smaller services

_BUDGET_ACTIONS = ("ListTagsForResource", "TagResource", "UntagResource")


def _budgets(call: Call, facts: Facts) -> Iterator[Asked]:
    asked = call.parameters
    name = asked.get("BudgetName") or (asked.get("Budget") or asked.get("NewBudget") or {}).get("BudgetName")
    things = [str(asked.get("ResourceARN") or f"arn:aws:budgets::{facts.account}:budget/{name}")]
    if call.operation in _BUDGET_ACTIONS:
        action = call.operation
    else:
        action = "ViewBudget" if call.operation.startswith("Describe") else "ModifyBudget"
    tags = {tag["Key"]: tag["Value"] for tag in asked.get("ResourceTags") or []} or None
    yield Asked(f"budgets:{action}", things, tags, context=_keys(asked.get("ResourceTagKeys")))
    if call.operation == "CreateBudget" and tags:
        yield Asked("budgets:TagResource", things, tags)


def _scheduler(call: Call, facts: Facts) -> Iterator[Asked]:
    asked = call.parameters
    group = asked.get("GroupName") or asked.get("groupName") or "default"
    where = f"arn:aws:scheduler:{call.region}:{facts.account}:schedule/{group}/"
    yield Asked(f"scheduler:{call.operation}", [where + str(asked["Name"])] if "Name" in asked else [])
    if role := asked.get("Target", {}).get("RoleArn"):
        yield _pass(facts, str(role).rpartition("/")[2], "scheduler.amazonaws.com")


def _stepfunctions(call: Call, facts: Facts) -> Iterator[Asked]:
    asked, action = call.parameters, f"states:{call.operation}"
    named = asked.get("stateMachineArn") or asked.get("resourceArn")
    if named is None and "name" in asked:
        named = f"arn:aws:states:{call.region}:{facts.account}:stateMachine:{asked['name']}"
    tags = {tag["key"]: tag["value"] for tag in asked.get("tags", [])} or None
    things = [str(named)] if named else []
    yield Asked(action, things, tags, context=_keys(asked.get("tagKeys")))
    if call.operation == "CreateStateMachine" and tags:
        yield Asked("states:TagResource", things, tags)
    if role := asked.get("roleArn"):
        yield _pass(facts, str(role).rpartition("/")[2], "states.amazonaws.com")


def _kms(call: Call, facts: Facts) -> Iterator[Asked]:
    asked = call.parameters
    where = f"arn:aws:kms:{call.region}:{facts.account}:"
    tags = {tag["TagKey"]: tag["TagValue"] for tag in asked.get("Tags") or []} or None
    key = str(asked.get("TargetKeyId") or asked.get("KeyId") or "").rpartition("/")[2]
    things = [f"{where}key/{key}"] if key else []
    if "AliasName" in asked:
        things.append(f"{where}{asked['AliasName']}")
    if call.operation == "DeleteAlias":
        # decided on the key as well, which the request does not name
        things.append(f"{where}key/{facts.key_of_alias(str(asked['AliasName']))}")
    yield Asked(f"kms:{call.operation}", things, tags, context=_keys(asked.get("TagKeys")))
    if tags and call.operation == "CreateKey":
        yield Asked("kms:TagResource", [f"{where}key/{ANY}"], tags)


def _sagemaker(call: Call, facts: Facts) -> Iterator[Asked]:
    asked, action = call.parameters, f"sagemaker:{call.operation}"
    where = f"arn:aws:sagemaker:{call.region}:{facts.account}:"
    tags = {tag["Key"]: tag["Value"] for tag in asked.get("Tags") or []} or None
    domain, space, user = asked.get("DomainId", ANY), asked.get("SpaceName"), asked.get("UserProfileName")
    if "ResourceArn" in asked:
        things = [str(asked["ResourceArn"])]
    elif "AppName" in asked:
        things = [f"{where}app/{domain}/{space or user}/{str(asked['AppType']).lower()}/{asked['AppName']}"]
    elif space or user:
        things = [f"{where}{'space' if space else 'user-profile'}/{domain}/{space or user}"]
    else:
        things = [f"{where}domain/{domain}"]
    context = _keys(asked.get("TagKeys"))
    if owner := (facts.owner_of_space(str(domain), str(space)) if space else user):
        context["sagemaker:OwnerUserProfileArn"] = f"{where}user-profile/{domain}/{owner}"
    yield Asked(action, things, tags, context=context)
    if tags and call.operation.startswith("Create"):
        yield Asked("sagemaker:AddTags", things, tags, context={"sagemaker:TaggingAction": call.operation})
    settings = asked.get("DefaultUserSettings") or asked.get("UserSettings") or {}
    if role := settings.get("ExecutionRole"):
        yield _pass(facts, str(role).rpartition("/")[2], "sagemaker.amazonaws.com")


# Prefixes of actions that are not the name of botocore's model.
_PREFIXES = {"resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas", "stepfunctions": "states"}


def _look(call: Call, facts: Facts) -> Iterator[Asked]:
    action = reference.action(f"{_PREFIXES.get(call.service, call.service)}:{call.operation}")
    if action.kinds and not action.looks:
        raise UnmappedCallError(f"{call.service}:{call.operation}")
    yield Asked(action.name, [kind.new(facts.account, call.region) for kind in action.kinds])


_SERVICES: Mapping[str, Callable[[Call, Facts], Iterator[Asked]]] = {
    "budgets": _budgets,
    "ec2": _ec2,
    "emr": _emr,
    "iam": _iam,
    "kms": _kms,
    "s3": _s3,
    "sagemaker": _sagemaker,
    "scheduler": _scheduler,
    "stepfunctions": _stepfunctions,
}
