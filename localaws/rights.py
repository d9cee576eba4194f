"""What IAM asks of a caller for an API operation: actions, resources and condition keys, as policies name them.

The resource types and condition keys that an action is decided on come from AWS's own reference (``reference``).
Written here is what no reference says: which action an operation is, where it is not of the same name, and where a
request names what it is about. An operation of any other service needs its action on "*" where that knows no resource;
otherwise it raises ``UnmappedCallError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from localaws import reference
from localaws.calls import Call
from localaws.policy import AccessRequest

if TYPE_CHECKING:
    from localaws.recording import AccountFacts

ANY = "*"


class UnmappedCallError(Exception):
    """An operation whose rights are not written here."""


@dataclass(frozen=True)
class RequestedAction:
    """An action that a request needs, before the reference has said on what it is decided.

    Attributes
    ----------
    action : as policies write it
    arns : ARNs of what the request names
    tags : those that the request gives to what it makes or tags, or takes away (then without values)
    specified : the same by resource type, where a request makes several
    context : other condition keys; those that AWS does not have for the action are left out
    """

    action: str
    arns: Sequence[str] = ()
    tags: Mapping[str, str] | None = None
    specified: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    context: Mapping[str, str] = field(default_factory=dict)


def list_needs(call: Call, facts: AccountFacts) -> list[AccessRequest]:
    """Everything that the caller of an operation must be allowed to do; empty where AWS asks for no right.

    Parameters
    ----------
    facts : what IAM knows besides the request: the account, and what exists in it

    Raises
    ------
    UnmappedCallError
        For a service, operation or resource of which nothing is known.
    """
    if call.service == "sts" and call.operation == "GetCallerIdentity":
        return []
    list_actions = _SERVICES.get(call.service, _request_plain)
    try:
        return [need for requested in list_actions(call, facts) for need in _decide_needs(requested, call, facts)]
    except reference.UnknownActionError as error:
        raise UnmappedCallError(f"{call.service}:{call.operation}: AWS has no action {error}") from error


def _decide_needs(requested: RequestedAction, call: Call, facts: AccountFacts) -> Iterator[AccessRequest]:
    """One need for every resource that the action is decided on."""
    action = reference.find_action(requested.action)
    common = {"aws:RequestedRegion": call.region, **requested.context}
    if not action.kinds:
        yield AccessRequest(action.name, ANY, _keep_known(action, {**common, **_format_request_tags(requested.tags)}))
        return
    pairs = [(kind, arn) for kind in action.kinds for arn in requested.arns if kind.takes(arn)]
    if not (pairs and action.is_read_only):  # what only reads makes nothing: one of its resource types is enough
        pairs = [(kind, arn) for kind in action.kinds for arn in _list_arns(requested, kind, call, facts)]
    if not pairs:
        raise UnmappedCallError(f"{requested.action} with {', '.join(sorted(call.parameters)) or 'nothing'}")
    for kind, arn in pairs:
        tags = requested.specified.get(kind.name, requested.tags)
        context = {**common, **_format_resource_tags(facts.read_tags(_find_tag_key(arn))), **_format_request_tags(tags)}
        yield AccessRequest(action.name, arn, _keep_known(kind, context))


def _list_arns(requested: RequestedAction, kind: reference.Kind, call: Call, facts: AccountFacts) -> list[str]:
    """The ARNs of this type that a request names; those of what it makes, where it names none."""
    arns = [arn for arn in requested.arns if kind.takes(arn)]
    makes = kind.required or kind.name in requested.specified
    return arns or ([kind.make_arn(facts.account, call.region)] if makes else [])


def _keep_known(target: reference.Action | reference.Kind, context: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if target.knows(key)}


def _find_tag_key(arn: str) -> str:
    """The id by which `AccountFacts.read_tags` finds a resource."""
    return arn if arn.startswith("arn:aws:sagemaker:") else arn.rpartition("/")[2]


def _format_request_tags(tags: Mapping[str, str] | None) -> dict[str, Any]:
    if not tags:
        return {}
    return {**{f"aws:RequestTag/{name}": value for name, value in tags.items()}, "aws:TagKeys": sorted(tags)}


def _format_resource_tags(tags: Mapping[str, str]) -> dict[str, str]:
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


def _request_s3(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    bucket = f"arn:aws:s3:::{parameters['Bucket']}" if "Bucket" in parameters else ANY
    if call.operation == "DeleteObjects":
        for item in parameters["Delete"]["Objects"]:
            action = "DeleteObjectVersion" if item.get("VersionId") else "DeleteObject"
            yield RequestedAction(f"s3:{action}", [f"{bucket}/{item['Key']}"])
        return
    if call.operation in ("CopyObject", "UploadPartCopy"):
        source = unquote(parameters["CopySource"]).lstrip("/").partition("?")[0]
        yield RequestedAction("s3:GetObject", [f"arn:aws:s3:::{source}"])
        yield RequestedAction("s3:PutObject", [f"{bucket}/{parameters['Key']}"])
        return
    action = _S3_ACTIONS.get(call.operation, call.operation)
    if parameters.get("VersionId"):
        action = _OF_VERSION.get(action, action)
    yield RequestedAction(f"s3:{action}", [f"{bucket}/{parameters['Key']}" if "Key" in parameters else bucket])


# -------------------------------------------------------------------------------------------- tags, and roles passed

# What services call the members of a tag, and the parameters that give tags and take them away.
_TAG_MEMBERS = (("Key", "Value"), ("TagKey", "TagValue"), ("key", "value"))
_TAG_LISTS, _REMOVED_TAG_LISTS = ("Tags", "tags", "ResourceTags"), ("TagKeys", "tagKeys", "ResourceTagKeys")


def _read_tags(tags: Sequence[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags by name, whichever member names their service uses.

    >>> _read_tags([{"Key": "Name", "Value": "a"}, {"TagKey": "b"}])
    {'Name': 'a', 'b': ''}
    """
    members = [(tag, key, value) for tag in tags or () for key, value in _TAG_MEMBERS if key in tag]
    return {tag[key]: tag.get(value, "") for tag, key, value in members}


def _format_tag_keys(names: Sequence[str] | None) -> dict[str, Any]:
    """The condition key of a request that takes tags away."""
    return {"aws:TagKeys": sorted(names)} if names else {}


def _request_tagged(
    call: Call, prefix: str, arns: Sequence[str], context: Mapping[str, str], *, tagging: str = "TagResource"
) -> Iterator[RequestedAction]:
    """The action of the operation's own name; and the one that tags, where the operation makes something with tags."""
    parameters = call.parameters
    tags = _read_tags(next((parameters[name] for name in _TAG_LISTS if name in parameters), None)) or None
    removed = next((parameters[name] for name in _REMOVED_TAG_LISTS if name in parameters), None)
    yield RequestedAction(f"{prefix}:{call.operation}", arns, tags, context={**context, **_format_tag_keys(removed)})
    if tags and call.operation.startswith(("Create", "Run")):
        yield RequestedAction(f"{prefix}:{tagging}", arns, tags, context=context)


def _request_pass(facts: AccountFacts, role: object, service: str) -> RequestedAction:
    """The right to hand a role, by its name or ARN, to a service."""
    role_arn = f"arn:aws:iam::{facts.account}:role/{str(role).rpartition('/')[2]}"
    return RequestedAction("iam:PassRole", [role_arn], context={"iam:PassedToService": f"{service}.amazonaws.com"})


# ---------------------------------------------------------------------------------------------------------- EMR


def _request_emr(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    prefix = f"arn:aws:elasticmapreduce:{call.region}:{facts.account}:cluster/"
    clusters = parameters.get("JobFlowIds") or [
        parameters[name] for name in ("ClusterId", "JobFlowId", "ResourceId", "TargetResourceArn") if name in parameters
    ]
    arns = [prefix + str(cluster).rpartition("/")[2] for cluster in clusters or [ANY]]
    yield from _request_tagged(call, "elasticmapreduce", arns, {}, tagging="AddTags")
    if call.operation == "RunJobFlow":
        profile = str(parameters["JobFlowRole"]).rpartition("/")[2]
        yield _request_pass(facts, facts.find_profile_role(profile), "ec2")
        yield _request_pass(facts, parameters["ServiceRole"], "elasticmapreduce")


# ---------------------------------------------------------------------------------------------------------- IAM


def _request_iam(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    root = f"arn:aws:iam::{facts.account}:"
    role, profile = parameters.get("RoleName"), parameters.get("InstanceProfileName")
    arns, context = [], {}
    if role:
        arns.append(f"{root}role{parameters.get('Path', '/')}{role}")
        if boundary := parameters.get("PermissionsBoundary") or facts.find_boundary(str(role)):
            context["iam:PermissionsBoundary"] = str(boundary)
    if profile:
        arns.append(f"{root}instance-profile/{profile}")
    if "PolicyArn" in parameters:
        arns.append(str(parameters["PolicyArn"]))
        context["iam:PolicyARN"] = str(parameters["PolicyArn"])
    elif "PolicyName" in parameters:
        arns.append(f"{root}policy{parameters.get('Path', '/')}{parameters['PolicyName']}")
    if call.operation == "GetUser":  # without a name it is the caller
        arns.append(f"{root}user/{parameters.get('UserName', ANY)}")
    if call.operation == "AddRoleToInstanceProfile":
        yield _request_pass(facts, role, "ec2")
    yield from _request_tagged(call, "iam", arns, context, tagging=call.operation.replace("Create", "Tag"))


# ---------------------------------------------------------------------------------------------------------- EC2

# Prefixes of ids that are not the name of the resource type.
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


def _request_ec2(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters, action = call.parameters, f"ec2:{call.operation}"
    prefix = f"arn:aws:ec2:{call.region}:{facts.account}:"
    arns = [_make_ec2_arn(prefix, resource_id) for resource_id in sorted(_list_ec2_ids(call, facts))]
    specified = {s["ResourceType"]: _read_tags(s.get("Tags")) for s in parameters.get("TagSpecifications", ())}
    tags_given = _read_tags(parameters.get("Tags"))
    if call.operation == "DeleteTags":  # its tags are taken away, not given
        yield RequestedAction(action, arns, None, specified, _format_tag_keys(list(tags_given)))
    else:
        yield RequestedAction(action, arns, tags_given or None, specified)
    for kind, tags in sorted(specified.items()):
        context = {"ec2:CreateAction": call.operation}
        yield RequestedAction("ec2:CreateTags", [f"{prefix}{kind}/{ANY}"], tags, context=context)


def _list_ec2_ids(call: Call, facts: AccountFacts) -> set[str]:
    """The ids that a request is about: those among its parameters, with these exceptions.

    ===========================  ===================================  ==================================
    the request                  names, for instance                  and is about
    ===========================  ===================================  ==================================
    has a ``GroupId``            another group inside of a rule       only that group
    RevokeSecurityGroup…         ``SecurityGroupRuleIds``, no group   the groups that hold the rules
    has an ``AssociationId``     an association                       what it joins, too
    ===========================  ===================================  ==================================
    """
    parameters = call.parameters
    ids = {text for text in _list_texts(parameters) if _find_ec2_kind(text)}
    if "GroupId" in parameters:
        ids = {resource_id for resource_id in ids if not resource_id.startswith("sg-")} | {str(parameters["GroupId"])}
    elif call.operation.startswith("RevokeSecurityGroup"):
        ids = {facts.find_rule_group(rule) for rule in ids if rule.startswith("sgr-")}
    if "AssociationId" in parameters:
        ids |= set(facts.find_association(str(parameters["AssociationId"])))
    return ids


def _list_texts(value: Any) -> Iterator[str]:
    """Every text in a parameter, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _list_texts(inner)


def _make_ec2_arn(prefix: str, resource_id: str) -> str:
    if resource_id.startswith("pl-"):  # AWS's own lists are of no account
        prefix = re.sub(r"\d{12}:$", "aws:", prefix)
    return f"{prefix}{_find_ec2_kind(resource_id)}/{resource_id}"


def _find_ec2_kind(value: str) -> str | None:
    """The kind of an EC2 id, as ARNs call it.

    >>> [_find_ec2_kind(value) for value in ("vpce-0123456789abcdef0", "subnet-0123456789abcdef0", "10.42.0.0/16")]
    ['vpc-endpoint', 'subnet', None]
    """
    match = _EC2_ID.fullmatch(value)
    return _EC2_KINDS.get(match[1], match[1]) if match else None


# ------------------------------------------------------------------------------------------ the smaller services

_BUDGET_ACTIONS = ("ListTagsForResource", "TagResource", "UntagResource")


def _request_budgets(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    named = (parameters, parameters.get("Budget") or {}, parameters.get("NewBudget") or {})
    name = next((budget["BudgetName"] for budget in named if "BudgetName" in budget), None)
    arns = [str(parameters.get("ResourceARN") or f"arn:aws:budgets::{facts.account}:budget/{name}")]
    for requested in _request_tagged(call, "budgets", arns, {}):
        action = requested.action.removeprefix("budgets:")
        if action not in _BUDGET_ACTIONS:
            action = "ViewBudget" if action.startswith("Describe") else "ModifyBudget"
        yield replace(requested, action=f"budgets:{action}")


def _request_scheduler(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    group = parameters.get("GroupName") or "default"
    prefix = f"arn:aws:scheduler:{call.region}:{facts.account}:schedule/{group}/"
    arns = [prefix + str(parameters["Name"])] if "Name" in parameters else []
    yield RequestedAction(f"scheduler:{call.operation}", arns)
    if role := parameters.get("Target", {}).get("RoleArn"):
        yield _request_pass(facts, role, "scheduler")


def _request_stepfunctions(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    arn = parameters.get("stateMachineArn") or parameters.get("resourceArn")
    if arn is None and "name" in parameters:
        arn = f"arn:aws:states:{call.region}:{facts.account}:stateMachine:{parameters['name']}"
    yield from _request_tagged(call, "states", [str(arn)] if arn else [], {})
    if role := parameters.get("roleArn"):
        yield _request_pass(facts, role, "states")


def _request_kms(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    prefix = f"arn:aws:kms:{call.region}:{facts.account}:"
    key = str(parameters.get("TargetKeyId") or parameters.get("KeyId") or "").rpartition("/")[2]
    arns = [f"{prefix}key/{key}"] if key else []
    if "AliasName" in parameters:
        arns.append(f"{prefix}{parameters['AliasName']}")
    if call.operation == "DeleteAlias":
        # decided on the key, too, which the request does not name
        arns.append(f"{prefix}key/{facts.find_alias_key(str(parameters['AliasName']))}")
    yield from _request_tagged(call, "kms", arns or [f"{prefix}key/{ANY}"], {})


def _request_sagemaker(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    parameters = call.parameters
    prefix = f"arn:aws:sagemaker:{call.region}:{facts.account}:"
    domain, space, user = (parameters.get(name) for name in ("DomainId", "SpaceName", "UserProfileName"))
    domain = domain or ANY
    if "ResourceArn" in parameters:
        arns = [str(parameters["ResourceArn"])]
    elif "AppName" in parameters:
        arns = [f"{prefix}app/{domain}/{space or user}/{str(parameters['AppType']).lower()}/{parameters['AppName']}"]
    elif space or user:
        arns = [f"{prefix}{'space' if space else 'user-profile'}/{domain}/{space or user}"]
    else:
        arns = [f"{prefix}domain/{domain}"]
    owner = facts.find_space_owner(str(domain), str(space)) if space else user
    context = {"sagemaker:TaggingAction": call.operation} if call.operation.startswith("Create") else {}
    if owner:
        context["sagemaker:OwnerUserProfileArn"] = f"{prefix}user-profile/{domain}/{owner}"
    yield from _request_tagged(call, "sagemaker", arns, context, tagging="AddTags")
    settings = parameters.get("DefaultUserSettings") or parameters.get("UserSettings") or {}
    if role := settings.get("ExecutionRole"):
        yield _request_pass(facts, role, "sagemaker")


# Prefixes of actions that are not the name of botocore's model.
_PREFIXES = {"resourcegroupstaggingapi": "tag", "service-quotas": "servicequotas", "stepfunctions": "states"}


def _request_plain(call: Call, facts: AccountFacts) -> Iterator[RequestedAction]:
    action = reference.find_action(f"{_PREFIXES.get(call.service, call.service)}:{call.operation}")
    if action.kinds and not action.is_read_only:
        raise UnmappedCallError(f"{call.service}:{call.operation}")
    yield RequestedAction(action.name, [kind.make_arn(facts.account, call.region) for kind in action.kinds])


_SERVICES: Mapping[str, Callable[[Call, AccountFacts], Iterator[RequestedAction]]] = {
    "budgets": _request_budgets,
    "ec2": _request_ec2,
    "emr": _request_emr,
    "iam": _request_iam,
    "kms": _request_kms,
    "s3": _request_s3,
    "sagemaker": _request_sagemaker,
    "scheduler": _request_scheduler,
    "stepfunctions": _request_stepfunctions,
}
