"""The rules on who gets in: nothing public, transport and encryption, roles and what they may do."""

import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ops.plan.contents import Resource, filter_types, find_beside, list_statements, take_block
from ops.plan.rules import rule

# Actions that AWS offers without a resource: "*" is the only thing that can be written.
WITHOUT_RESOURCE = frozenset(
    {
        "cloudwatch:GetMetricStatistics",
        "ec2:DescribeAddresses",
        "ec2:DescribeAddressesAttribute",
        "ec2:DescribeInstanceTypeOfferings",
        "ec2:DescribeInstances",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeNatGateways",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribePrefixLists",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVolumes",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeVpcs",
        "elasticmapreduce:CreateSecurityConfiguration",
        "elasticmapreduce:DeleteSecurityConfiguration",
        "elasticmapreduce:DescribeSecurityConfiguration",
        "elasticmapreduce:GetBlockPublicAccessConfiguration",
        "elasticmapreduce:ListClusters",
        "elasticmapreduce:ListReleaseLabels",
        "elasticmapreduce:ListSecurityConfigurations",
        "elasticmapreduce:RunJobFlow",
        "iam:ListRoles",
        "kms:CreateKey",
        "kms:ListAliases",
        "ce:GetCostAndUsage",
        "pricing:GetProducts",
        "states:ValidateStateMachineDefinition",
        "sagemaker:ListApps",
        "sagemaker:ListDomains",
        "sagemaker:ListSpaces",
        "sagemaker:ListUserProfiles",
        "scheduler:ListSchedules",
        "servicequotas:GetServiceQuota",
        "ssm:DescribeInstanceInformation",
        "ssmmessages:OpenDataChannel",
        "tag:GetResources",
    }
)

# AWS's own managed policies that a role may have; the v1 EMR policies are not among them.
MANAGED_POLICIES = frozenset({"service-role/AmazonEMRServicePolicy_v2", "AmazonSSMManagedInstanceCore"})


@rule
def nothing_public(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Buckets block public access, subnets give no public address, no policy lets everybody in."""
    blocks = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    for bucket in filter_types(resources, "aws_s3_bucket"):
        guard = find_beside(resources, bucket, "aws_s3_bucket_public_access_block")
        if guard is None or not all(guard.values.get(name) is True for name in blocks):
            yield bucket.address, "public access to this bucket is not blocked"
        owner = find_beside(resources, bucket, "aws_s3_bucket_ownership_controls")
        ownership = take_block(owner.values.get("rule")) if owner else {}
        if ownership.get("object_ownership") != "BucketOwnerEnforced":
            yield bucket.address, "access control lists are not turned off (BucketOwnerEnforced)"
    for resource in filter_types(resources, "aws_s3_bucket_acl"):
        yield resource.address, "access control lists are not used here"
    for subnet in filter_types(resources, "aws_subnet"):
        if subnet.values.get("map_public_ip_on_launch"):
            yield subnet.address, "instances in this subnet get a public address"
    for domain in filter_types(resources, "aws_sagemaker_domain"):
        if domain.values.get("app_network_access_type") != "VpcOnly":
            yield domain.address, "notebooks would reach the internet past our network"
    for statement in list_statements(filter_types(resources, "aws_s3_bucket_policy")):
        everybody = any("*" in names for names in statement.principals.values())
        if statement.effect == "Allow" and everybody and not statement.conditions:
            yield statement.resource.address, f"statement {statement.sid} lets everybody in"


@rule
def no_open_ingress(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Nothing comes in from an address outside a private network."""

    def public(cidr: str | None) -> bool:
        if not cidr:
            return False
        network = ipaddress.ip_network(cidr, strict=False)
        return network.prefixlen == 0 or not network.is_private

    for resource in filter_types(resources, "aws_vpc_security_group_ingress_rule"):
        for cidr in (resource.values.get("cidr_ipv4"), resource.values.get("cidr_ipv6")):
            if public(cidr):
                yield resource.address, f"traffic from {cidr} is let in"
    for resource in filter_types(resources, "aws_security_group", "aws_default_security_group"):
        for entry in resource.values.get("ingress") or []:
            for cidr in [*(entry.get("cidr_blocks") or []), *(entry.get("ipv6_cidr_blocks") or [])]:
                if public(cidr):
                    yield resource.address, f"traffic from {cidr} is let in"
    for resource in filter_types(resources, "aws_security_group_rule"):
        if resource.values.get("type") == "ingress":
            for cidr in resource.values.get("cidr_blocks") or []:
                if public(cidr):
                    yield resource.address, f"traffic from {cidr} is let in"


@rule
def own_security_groups(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Groups go away with the stack: ours, without inline rules that fight EMR's, rules revoked first."""
    for group in filter_types(resources, "aws_security_group"):
        if group.values.get("revoke_rules_on_delete") is not True:
            yield group.address, "revoke_rules_on_delete is off: groups that name each other cannot be deleted"
        if group.written & {"ingress", "egress"}:
            yield group.address, "inline rules would take EMR's own rules away at every apply"


@rule
def tls_only(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Every bucket refuses plain HTTP, for itself and its objects."""
    for bucket in filter_types(resources, "aws_s3_bucket"):
        policy = find_beside(resources, bucket, "aws_s3_bucket_policy")
        name = bucket.values.get("bucket", "")
        refused = any(
            statement.effect == "Deny"
            and statement.actions == ("s3:*",)
            and statement.condition("Bool", "aws:SecureTransport") == ("false",)
            and any("*" in names for names in statement.principals.values())
            and {arn.rsplit(":", 1)[1] for arn in statement.resources} == {name, f"{name}/*"}
            for statement in list_statements([policy] if policy else [])
        )
        if not refused:
            yield bucket.address, "plain HTTP is not refused"


@rule
def encryption(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Objects are encrypted, keys rotate, and volumes are encrypted wherever there is a key."""
    for bucket in filter_types(resources, "aws_s3_bucket"):
        settings = find_beside(resources, bucket, "aws_s3_bucket_server_side_encryption_configuration")
        by_default = take_block(
            take_block(settings.values["rule"] if settings else None).get("apply_server_side_encryption_by_default")
        )
        if by_default.get("sse_algorithm") not in ("AES256", "aws:kms"):
            yield bucket.address, "objects are not encrypted"
    for key in filter_types(resources, "aws_kms_key"):
        if key.values.get("enable_key_rotation") is not True:
            yield key.address, "the key is not rotated"
    for resource, configuration in _security_configurations(resources):
        at_rest = configuration.get("EncryptionConfiguration", {})
        rest = at_rest.get("AtRestEncryptionConfiguration", {})
        mode = rest.get("S3EncryptionConfiguration", {}).get("EncryptionMode")
        if at_rest.get("EnableAtRestEncryption") is not True or mode not in ("SSE-S3", "SSE-KMS"):
            yield resource.address, "what EMR writes to S3 is not encrypted"
        if (
            mode == "SSE-KMS"
            and rest.get("LocalDiskEncryptionConfiguration", {}).get("EnableEbsEncryption") is not True
        ):
            yield resource.address, "there is a key, and the volumes are not encrypted with it"
    for cluster in filter_types(resources, "aws_emr_cluster"):
        if not filter_types(resources, "aws_emr_security_configuration"):
            yield cluster.address, "the cluster has no security configuration"


def _security_configurations(resources: Iterable[Resource]) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for resource in resources:
        if resource.type == "aws_emr_security_configuration" and resource.values.get("configuration"):
            yield resource, json.loads(resource.values["configuration"])


@rule
def metadata_by_token(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """Nodes answer for their credentials only to who holds a session token (IMDSv2)."""
    for resource, configuration in _security_configurations(resources):
        metadata = configuration.get("InstanceMetadataServiceConfiguration", {})
        if metadata.get("MinimumInstanceMetadataServiceVersion") != 2 or metadata.get("HttpPutResponseHopLimit") != 1:
            yield resource.address, "instance metadata version 1 is allowed, or reaches further than the node"


@rule
def known_managed_policies(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """AWS's managed policies only from a short list: above all not EMR's version 1."""
    for attachment in filter_types(resources, "aws_iam_role_policy_attachment", "aws_iam_policy_attachment"):
        arn = str(attachment.values.get("policy_arn", ""))
        ours = re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:policy/.+", arn)  # judged by the plan that makes it
        if not ours and arn.split(":policy/")[-1] not in MANAGED_POLICIES:
            yield attachment.address, f"{arn} is not among the managed policies that are used here"
    for role in filter_types(resources, "aws_iam_role"):
        if "managed_policy_arns" in role.written:
            yield role.address, "managed policies are attached one by one, where they can be seen"


@rule
def tokens_of_one_subject(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A role that is taken by a token names the token's audience and its subjects, to the letter."""
    for statement in list_statements(filter_types(resources, "aws_iam_role")):
        for provider in statement.principals.get("Federated", ()):
            issuer = provider.partition(":oidc-provider/")[2]
            for claim in ("aud", "sub"):
                values = statement.condition("StringEquals", f"{issuer}:{claim}")
                if not values or any("*" in value for value in values):
                    yield statement.resource.address, f"a token with any {claim} of {issuer or provider} may take it"


@rule
def no_wildcards(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """No ``*`` as action or resource in what we allow, except where AWS offers nothing else.

    What may be called through an interface endpoint is decided by the caller's rights and the endpoint's group; through
    a gateway goes whatever its policy lets through.
    """
    for endpoint in filter_types(resources, "aws_vpc_endpoint"):
        if endpoint.values.get("vpc_endpoint_type") != "Interface" and "policy" not in endpoint.written:
            yield endpoint.address, "without a policy it lets every action on everything through"
    for statement in list_statements(
        filter_types(resources, "aws_iam_role_policy", "aws_iam_policy", "aws_vpc_endpoint")
    ):
        # a boundary gives nothing: it is the ceiling of what a role's own policies give
        if statement.effect != "Allow" or (statement.resource.type, statement.resource.name) == (
            "aws_iam_policy",
            "boundary",
        ):
            continue
        where, name = statement.resource.address, statement.sid or "without a sid"
        for action in statement.actions:
            if "*" in action:
                yield where, f"statement {name} allows {action}"
        for arn in statement.resources:
            # arn:aws:s3:::* and arn:aws:iam::1234:role/* alike
            bare = arn == "*" or re.fullmatch(r"arn:[^:]*:[^:]*:[^:]*:[^:]*:([a-z-]+[/:])?\*(/\*)?", arn)
            scoped = (statement.conditions and arn != "*") or ":aws:prefix-list/" in arn  # AWS's own, of no account
            if bare and not scoped and not set(statement.actions) <= WITHOUT_RESOURCE and "sagemaker" not in arn:
                yield where, f"statement {name} allows {', '.join(statement.actions)} on {arn}"
        if not statement.sid:
            yield where, "a statement has no sid that says what it is for"


@rule
def pass_role_scoped(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A role is passed by its name, and only to the service that is to have it."""
    for statement in list_statements(filter_types(resources, "aws_iam_role_policy", "aws_iam_policy")):
        passing = any(re.fullmatch(action.replace("*", ".*"), "iam:PassRole") for action in statement.actions)
        if statement.effect == "Allow" and passing:
            # the rest of a name may be open (a cluster's id), its beginning not
            if any("*" in arn and not re.search(r":role/[a-z][a-z0-9-]{7,}-\*$", arn) for arn in statement.resources):
                yield statement.resource.address, f"statement {statement.sid} passes any role"
            if not statement.asks_for("iam:PassedToService"):
                yield statement.resource.address, f"statement {statement.sid} passes the role to any service"


@rule
def no_confused_deputy(resources: list[Resource]) -> Iterator[tuple[str, str]]:
    """A service takes a role only on behalf of this account. EC2 gives no such condition, and needs none."""
    for statement in list_statements(filter_types(resources, "aws_iam_role")):
        services = statement.principals.get("Service", ())
        outside = [name for name in services if not name.startswith("ec2.")]
        if outside and not statement.condition("StringEquals", "aws:SourceAccount"):
            yield statement.resource.address, f"{', '.join(outside)} may take this role for another account"
        if any("*" in names for names in statement.principals.values()):
            yield statement.resource.address, "everybody may take this role"
