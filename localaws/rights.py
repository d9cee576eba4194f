"""What IAM asks of a caller for an API operation: actions, resources and condition keys, as policies name them.

Source: AWS's Service Authorization Reference
(https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html).
Written out for the services that this repository's stacks and tools call; another one raises ``UnmappedCallError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from localaws.calls import Call

ANY = "*"


class UnmappedCallError(Exception):
    """An operation whose rights are not written here."""


@dataclass(frozen=True)
class Need:
    """One action on one resource, with the condition keys that the request settles."""

    action: str
    resource: str
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


def needs(call: Call, facts: Facts) -> list[Need]:
    """Everything that the caller of an operation must be allowed to do; empty where AWS asks for no right.

    Raises
    ------
    UnmappedCallError
        For a service or resource that is not written here.
    """
    if call.service == "sts" and call.operation == "GetCallerIdentity":
        return []
    described = _SERVICES.get(call.service)
    if described is None:
        raise UnmappedCallError(f"{call.service}:{call.operation}")
    common = {"aws:RequestedRegion": call.region}
    return [Need(need.action, need.resource, {**common, **need.context}) for need in described(call, facts)]


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


def _s3(call: Call, facts: Facts) -> Iterator[Need]:
    asked = call.parameters
    bucket = f"arn:aws:s3:::{asked['Bucket']}" if "Bucket" in asked else ANY
    if call.operation == "DeleteObjects":
        for item in asked["Objects"]:
            action = "DeleteObjectVersion" if item.get("VersionId") else "DeleteObject"
            yield Need(f"s3:{action}", f"{bucket}/{item['Key']}")
        return
    if call.operation in ("CopyObject", "UploadPartCopy"):
        source = str(asked["CopySource"]).lstrip("/").partition("?")[0]
        yield Need("s3:GetObject", f"arn:aws:s3:::{source}")
        yield Need("s3:PutObject", f"{bucket}/{asked['Key']}")
        return
    action = _S3_ACTIONS.get(call.operation, call.operation)
    if asked.get("versionId"):
        action = _OF_VERSION.get(action, action)
    yield Need(f"s3:{action}", f"{bucket}/{asked['Key']}" if "Key" in asked else bucket)


# ---------------------------------------------------------------------------------------------------------- EMR


def _emr(call: Call, facts: Facts) -> Iterator[Need]:
    asked, action = call.parameters, f"elasticmapreduce:{call.operation}"
    where = f"arn:aws:elasticmapreduce:{call.region}:{facts.account}:cluster/"
    requested = _requested({tag["Key"]: tag.get("Value", "") for tag in asked.get("Tags") or []})
    if call.operation == "RunJobFlow":
        yield Need(action, ANY, requested)
        if requested:
            yield Need("elasticmapreduce:AddTags", f"{where}*", requested)
        profile = str(asked["JobFlowRole"]).rpartition("/")[2]
        service = str(asked["ServiceRole"]).rpartition("/")[2]
        yield _pass(facts, facts.role_of_profile(profile), "ec2.amazonaws.com")
        yield _pass(facts, service, "elasticmapreduce.amazonaws.com")
        return
    clusters = asked.get("JobFlowIds") or [
        asked[name] for name in ("ClusterId", "JobFlowId", "ResourceId") if name in asked
    ]
    for cluster in clusters:
        yield Need(action, where + str(cluster), {**_tagged(facts.tags(str(cluster))), **requested})
    if not clusters:
        yield Need(action, ANY)


def _pass(facts: Facts, role: str, service: str) -> Need:
    return Need("iam:PassRole", f"arn:aws:iam::{facts.account}:role/{role}", {"iam:PassedToService": service})


def _requested(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:RequestTag/{name}": value for name, value in tags.items()}


def _tagged(tags: Mapping[str, str]) -> dict[str, str]:
    return {f"aws:ResourceTag/{name}": value for name, value in tags.items()}


# ---------------------------------------------------------------------------------------------------------- IAM

# The only actions on roles that know this key: a condition on another one would never hold
# (https://docs.aws.amazon.com/service-authorization/latest/reference/list_iam.html).
_IAM_BOUNDED = (
    "AttachRolePolicy",
    "CreateRole",
    "DeleteRolePermissionsBoundary",
    "DeleteRolePolicy",
    "DetachRolePolicy",
    "PutRolePermissionsBoundary",
    "PutRolePolicy",
)
_IAM_TAGS = {"CreateRole": "TagRole", "CreatePolicy": "TagPolicy", "CreateInstanceProfile": "TagInstanceProfile"}


def _iam(call: Call, facts: Facts) -> Iterator[Need]:
    asked, action = call.parameters, f"iam:{call.operation}"
    root = f"arn:aws:iam::{facts.account}:"
    requested = _requested(_members(asked, "Tags.member"))
    context = dict(requested)
    role = asked.get("RoleName")
    bounded = role and call.operation in _IAM_BOUNDED
    if bounded and (boundary := asked.get("PermissionsBoundary") or facts.boundary(str(role))):
        context["iam:PermissionsBoundary"] = boundary
    if role and "PolicyArn" in asked:
        context["iam:PolicyARN"] = str(asked["PolicyArn"])
    if "InstanceProfileName" in asked:
        resource = f"{root}instance-profile/{asked['InstanceProfileName']}"
        if call.operation == "AddRoleToInstanceProfile":
            yield _pass(facts, str(role), "ec2.amazonaws.com")
    elif role:
        resource = f"{root}role{asked.get('Path', '/')}{role}"
    elif "PolicyArn" in asked:
        resource = str(asked["PolicyArn"])
    elif "PolicyName" in asked:
        resource = f"{root}policy{asked.get('Path', '/')}{asked['PolicyName']}"
    elif call.operation == "GetUser":  # without a name: the caller's own
        resource = f"{root}user/{asked.get('UserName', ANY)}"
    else:
        raise UnmappedCallError(f"iam:{call.operation} with {', '.join(sorted(asked)) or 'nothing'}")
    yield Need(action, resource, context)
    if requested and call.operation in _IAM_TAGS:
        yield Need(f"iam:{_IAM_TAGS[call.operation]}", resource, requested)


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

_EC2_KINDS = {
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "igw": "internet-gateway",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
_EC2_CREATES = {
    "AllocateAddress": "elastic-ip",
    "CreateInternetGateway": "internet-gateway",
    "CreateNatGateway": "natgateway",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
}
# Of these only the group itself is asked for; the ids in the rule are values.
_EC2_RULES = (
    "AuthorizeSecurityGroupEgress",
    "AuthorizeSecurityGroupIngress",
    "RevokeSecurityGroupEgress",
    "RevokeSecurityGroupIngress",
)
# Of these only the table is asked for; the gateway is a value.
_EC2_ROUTES = ("CreateRoute", "DeleteRoute", "ReplaceRoute")
_EC2_ID = re.compile(r"([a-z]+)-[0-9a-f]{8,17}")


def _ec2(call: Call, facts: Facts) -> Iterator[Need]:
    asked, action = call.parameters, f"ec2:{call.operation}"
    where = f"arn:aws:ec2:{call.region}:{facts.account}:"
    if call.operation.startswith("Describe"):
        yield Need(action, ANY)
        return
    ids = {str(value) for value in asked.values() if _kind(str(value))}
    if call.operation in _EC2_RULES:
        rules = [i for i in ids if i.startswith("sgr-")]
        ids = {str(asked["GroupId"])} if "GroupId" in asked else {facts.rule_group(rule) for rule in rules}
    if call.operation in _EC2_ROUTES:
        ids = {str(asked["RouteTableId"])}
    if "AssociationId" in asked:
        ids |= set(facts.association(str(asked["AssociationId"])))
    tags = _members(asked, "Tag")
    for found in sorted(ids):
        kind = _kind(found)
        context = {**_tagged(facts.tags(found)), **_requested(tags)}
        yield Need(action, f"{where}{kind}/{found}", context)
    if created := _EC2_CREATES.get(call.operation):
        specified = _specified(asked, created)
        yield Need(action, f"{where}{created}/{ANY}", _requested(specified))
    elif not ids:
        raise UnmappedCallError(f"ec2:{call.operation} with {', '.join(sorted(asked))}")
    for kind in sorted({str(v) for k, v in asked.items() if re.fullmatch(r"TagSpecification\.\d+\.ResourceType", k)}):
        context = {**_requested(_specified(asked, kind)), "ec2:CreateAction": call.operation}
        yield Need("ec2:CreateTags", f"{where}{kind}/{ANY}", context)


def _kind(value: str) -> str | None:
    """The kind of an EC2 id, as ARNs call it.

    >>> _kind("vpce-0123456789abcdef0"), _kind("10.42.0.0/16"), _kind("pl-12345678")
    ('vpc-endpoint', None, None)
    """
    found = _EC2_ID.fullmatch(value)
    return _EC2_KINDS.get(found[1]) if found else None


def _specified(asked: Mapping[str, Any], kind: str) -> dict[str, str]:
    """The tags that a request gives to what it makes."""
    for name, value in asked.items():
        if value == kind and (found := re.fullmatch(r"(TagSpecification\.\d+)\.ResourceType", name)):
            return _members(asked, f"{found[1]}.Tag")
    return {}


# ------------------------------------------------------------------------------------------ the smaller services

_BUDGET_ACTIONS = ("ListTagsForResource", "TagResource", "UntagResource")


def _budgets(call: Call, facts: Facts) -> Iterator[Need]:
    asked = call.parameters
    name = asked.get("BudgetName") or (asked.get("Budget") or asked.get("NewBudget") or {}).get("BudgetName")
    resource = asked.get("ResourceARN") or f"arn:aws:budgets::{facts.account}:budget/{name}"
    if call.operation in _BUDGET_ACTIONS:
        action = call.operation
    else:
        action = "ViewBudget" if call.operation.startswith("Describe") else "ModifyBudget"
    yield Need(f"budgets:{action}", str(resource))
    if call.operation == "CreateBudget" and (tags := asked.get("ResourceTags")):
        yield Need("budgets:TagResource", str(resource), _requested({tag["Key"]: tag["Value"] for tag in tags}))


def _scheduler(call: Call, facts: Facts) -> Iterator[Need]:
    asked = call.parameters
    if "Name" not in asked:
        raise UnmappedCallError(f"scheduler:{call.operation} with {', '.join(sorted(asked))}")
    group = asked.get("GroupName") or asked.get("groupName") or "default"
    resource = f"arn:aws:scheduler:{call.region}:{facts.account}:schedule/{group}/{asked['Name']}"
    yield Need(f"scheduler:{call.operation}", resource)
    if role := asked.get("Target", {}).get("RoleArn"):
        yield _pass(facts, str(role).rpartition("/")[2], "scheduler.amazonaws.com")


def _kms(call: Call, facts: Facts) -> Iterator[Need]:
    asked, action = call.parameters, f"kms:{call.operation}"
    where = f"arn:aws:kms:{call.region}:{facts.account}:"
    requested = _requested({tag["TagKey"]: tag["TagValue"] for tag in asked.get("Tags") or []})
    if call.operation == "CreateKey":
        yield Need(action, ANY, requested)
        if requested:
            yield Need("kms:TagResource", f"{where}key/{ANY}", requested)
        return
    if "AliasName" in asked:
        yield Need(action, f"{where}{asked['AliasName']}")
    key = str(asked.get("TargetKeyId") or asked.get("KeyId") or "").rpartition("/")[2]
    if key:
        yield Need(action, f"{where}key/{key}", {**_tagged(facts.tags(key)), **requested})
    elif "AliasName" not in asked:
        yield Need(action, ANY)


_SAGEMAKER_KNOW_NO_RESOURCE = ("ListApps", "ListDomains", "ListSpaces", "ListUserProfiles")


def _sagemaker(call: Call, facts: Facts) -> Iterator[Need]:
    asked, action = call.parameters, f"sagemaker:{call.operation}"
    if call.operation in _SAGEMAKER_KNOW_NO_RESOURCE:
        yield Need(action, ANY)
        return
    requested = _requested({tag["Key"]: tag["Value"] for tag in asked.get("Tags") or []})
    owner = asked.get("SpaceName") or asked.get("UserProfileName")
    if "ResourceArn" in asked:
        path = str(asked["ResourceArn"]).rpartition(":")[2]
    elif "AppName" in asked:
        path = f"app/{asked['DomainId']}/{owner}/{str(asked['AppType']).lower()}/{asked['AppName']}"
    elif owner:
        path = f"{'space' if 'SpaceName' in asked else 'user-profile'}/{asked['DomainId']}/{owner}"
    elif "DomainId" in asked or call.operation == "CreateDomain":
        path = f"domain/{asked.get('DomainId', ANY)}"
    else:
        raise UnmappedCallError(f"sagemaker:{call.operation} with {', '.join(sorted(asked))}")
    resource = f"arn:aws:sagemaker:{call.region}:{facts.account}:{path}"
    yield Need(action, resource, {**_tagged(facts.tags(resource)), **requested})
    if requested and call.operation.startswith("Create"):
        yield Need("sagemaker:AddTags", resource, requested)
    settings = asked.get("DefaultUserSettings") or asked.get("UserSettings") or {}
    if role := settings.get("ExecutionRole"):
        yield _pass(facts, str(role).rpartition("/")[2], "sagemaker.amazonaws.com")


# Reads that know no resource: their action's service prefix by the name of botocore's model.
_LOOKS = {
    ("pricing", "GetProducts"): "pricing",
    ("resourcegroupstaggingapi", "GetResources"): "tag",
    ("service-quotas", "GetServiceQuota"): "servicequotas",
}


def _look(call: Call, facts: Facts) -> Iterator[Need]:
    prefix = _LOOKS.get((call.service, call.operation))
    if prefix is None:
        raise UnmappedCallError(f"{call.service}:{call.operation}")
    yield Need(f"{prefix}:{call.operation}", ANY)


_SERVICES: Mapping[str, Callable[[Call, Facts], Iterator[Need]]] = {
    "budgets": _budgets,
    "ec2": _ec2,
    "emr": _emr,
    "iam": _iam,
    "kms": _kms,
    "pricing": _look,
    "resourcegroupstaggingapi": _look,
    "s3": _s3,
    "sagemaker": _sagemaker,
    "scheduler": _scheduler,
    "service-quotas": _look,
}
