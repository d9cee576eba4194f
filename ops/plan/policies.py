"""What every plan of the stacks must keep to, checked on ``terraform show -json`` before anything is created.

Pure functions on plain values: no AWS, no Terraform. ``check`` gives the broken rules; ``price`` what the plan costs.
Values that are only known after apply cannot be judged; the modules write names out so that policies are known.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ops.prices import table as prices

IDLE_CEILING_SECONDS = 3600
WATCH_MINUTES = 5  # between two looks of infra/modules/idle
WATCH_RATE = f"rate({WATCH_MINUTES} minutes)"
EMR_ENDPOINT = "EMR's endpoint emr-service-vpce"
EMR_TAG = "for-use-with-amazon-emr-managed-policies"
REQUIRED_TAGS = ("Project", "Environment", "ManagedBy", "Stack")

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
MANAGED_POLICIES = frozenset(
    {
        "service-role/AmazonEMRServicePolicy_v2",
        "AmazonSSMManagedInstanceCore",
    }
)

# Types that AmazonEMRServicePolicy_v2 acts upon; by the name of the resource where not all of a type are meant.
EMR_TAGGED: Mapping[str, tuple[str, ...]] = {
    "aws_vpc": (),
    "aws_subnet": ("private",),
    "aws_security_group": ("primary", "core", "service"),
    "aws_emr_cluster": (),
    "aws_iam_instance_profile": (),
}


@dataclass(frozen=True, order=True)
class Violation:
    """A rule that a plan breaks.

    Attributes
    ----------
    policy : name of the rule
    address : the resource, as Terraform names it
    message : what is wrong with it
    """

    policy: str
    address: str
    message: str

    def __str__(self) -> str:
        return f"{self.address}: {self.message} [{self.policy}]"


@dataclass(frozen=True)
class Resource:
    """A resource as it will be after the plan.

    Attributes
    ----------
    address, module, type, name : as Terraform names it; module is "" in the root
    values : the attributes that are known, also those that AWS fills in
    written : the names of those that the code gives
    """

    address: str
    module: str
    type: str
    name: str
    values: Mapping[str, Any]
    written: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Statement:
    """A statement of a policy document.

    Attributes
    ----------
    resource : what the document belongs to
    attribute : which of its attributes holds it
    """

    resource: Resource
    attribute: str
    sid: str
    effect: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    principals: Mapping[str, tuple[str, ...]]
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]]

    def condition(self, test: str, key: str) -> tuple[str, ...]:
        """The values that a condition asks for."""
        return self.conditions.get(test, {}).get(key, ())

    def asks_for(self, key: str) -> bool:
        """Whether any condition names a key."""
        return any(key in keys for keys in self.conditions.values())


def resources(plan: Mapping[str, Any]) -> list[Resource]:
    """Every managed resource that the plan leaves in being."""

    def walk(module: Mapping[str, Any], name: str, code: Mapping[str, Any]) -> Iterator[Resource]:
        expressions = {
            (entry["type"], entry["name"]): frozenset(entry.get("expressions", {}))
            for entry in code.get("resources", [])
        }
        for found in module.get("resources", []):
            if found["mode"] == "managed":
                kind, own = found["type"], found["name"]
                written = expressions.get((kind, own), frozenset(found["values"]))
                yield Resource(found["address"], name, kind, own, found["values"], written)
        for child in module.get("child_modules", []):
            call = child["address"].rpartition("module.")[2].partition("[")[0]
            yield from walk(child, child["address"], code.get("module_calls", {}).get(call, {}).get("module", {}))

    return list(walk(plan["planned_values"]["root_module"], "", plan.get("configuration", {}).get("root_module", {})))


def _tuple(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(str(item) for item in value) if isinstance(value, list) else (str(value),)


DOCUMENTS: Mapping[str, tuple[str, ...]] = {
    "aws_iam_role": ("assume_role_policy",),
    "aws_iam_role_policy": ("policy",),
    "aws_iam_policy": ("policy",),
    "aws_s3_bucket_policy": ("policy",),
    "aws_vpc_endpoint": ("policy",),
    "aws_kms_key": ("policy",),
}


def statements(found: Iterable[Resource]) -> Iterator[Statement]:
    """Every statement of every policy document that is known."""
    for resource in found:
        for attribute in DOCUMENTS.get(resource.type, ()):
            text = resource.values.get(attribute)
            if not text:
                continue
            listed = json.loads(text)["Statement"]
            for entry in listed if isinstance(listed, list) else [listed]:
                principal = entry.get("Principal", {})
                principals = {"*": "*"} if principal == "*" else principal
                yield Statement(
                    resource=resource,
                    attribute=attribute,
                    sid=entry.get("Sid", ""),
                    effect=entry["Effect"],
                    actions=_tuple(entry.get("Action")),
                    resources=_tuple(entry.get("Resource")),
                    principals={kind: _tuple(names) for kind, names in principals.items()},
                    conditions={
                        test: {key: _tuple(values) for key, values in keys.items()}
                        for test, keys in entry.get("Condition", {}).items()
                    },
                )


Rule = Callable[[list[Resource]], Iterator[tuple[str, str]]]
RULES: dict[str, Rule] = {}


def rule(function: Rule) -> Rule:
    """Register a rule under its name, with hyphens."""
    RULES[function.__name__.replace("_", "-")] = function
    return function


def check(plan: Mapping[str, Any], *, ceiling: float | None = None, region: str = "") -> list[Violation]:
    """The rules that a plan breaks, sorted; an empty list is a good plan.

    Parameters
    ----------
    plan : what ``terraform show -json`` gives for a kept plan
    ceiling : dollars an hour that the cluster may cost on demand; None does not look
    region : of the prices
    """
    found = resources(plan)
    broken = [Violation(name, address, message) for name, keep in RULES.items() for address, message in keep(found)]
    if ceiling is not None:
        broken += _too_dear(plan, found, ceiling, region)
    return sorted(broken)


def _too_dear(plan: Mapping[str, Any], found: list[Resource], ceiling: float, region: str) -> Iterator[Violation]:
    try:
        hour = price(plan, region)
    except prices.UnknownPriceError as error:
        yield Violation("hourly-price", "module.emr", f"there is a ceiling, and {error}")
        return
    if hour is not None and hour.total_on_demand > ceiling:
        cluster = _of(found, "aws_emr_cluster")[0]
        text = f"an hour may cost {hour.total_on_demand:.2f} USD, more than the {ceiling:.2f} that are allowed"
        yield Violation("hourly-price", cluster.address, text)


def _of(found: Iterable[Resource], *types: str) -> list[Resource]:
    return [resource for resource in found if resource.type in types]


def _beside(found: Iterable[Resource], resource: Resource, type_: str) -> Resource | None:
    """The resource of a type in the same module: a bucket's id is not known before it exists."""
    return next((other for other in found if other.type == type_ and other.module == resource.module), None)


def _first(value: Any) -> Mapping[str, Any]:
    """The one block of a list of blocks, or nothing."""
    return value[0] if value else {}


# ----------------------------------------------------------------------------------------------------- nothing public


@rule
def nothing_public(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Buckets block public access, subnets give no public address, no policy lets everybody in."""
    blocks = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    for bucket in _of(found, "aws_s3_bucket"):
        guard = _beside(found, bucket, "aws_s3_bucket_public_access_block")
        if guard is None or not all(guard.values.get(name) is True for name in blocks):
            yield bucket.address, "public access to this bucket is not blocked"
        owner = _beside(found, bucket, "aws_s3_bucket_ownership_controls")
        rule_ = _first(owner.values.get("rule")) if owner else {}
        if rule_.get("object_ownership") != "BucketOwnerEnforced":
            yield bucket.address, "access control lists are not turned off (BucketOwnerEnforced)"
    for resource in _of(found, "aws_s3_bucket_acl"):
        yield resource.address, "access control lists are not used here"
    for subnet in _of(found, "aws_subnet"):
        if subnet.values.get("map_public_ip_on_launch"):
            yield subnet.address, "instances in this subnet get a public address"
    for domain in _of(found, "aws_sagemaker_domain"):
        if domain.values.get("app_network_access_type") != "VpcOnly":
            yield domain.address, "notebooks would reach the internet past our network"
    for statement in statements(_of(found, "aws_s3_bucket_policy")):
        everybody = any("*" in names for names in statement.principals.values())
        if statement.effect == "Allow" and everybody and not statement.conditions:
            yield statement.resource.address, f"statement {statement.sid} lets everybody in"


@rule
def no_open_ingress(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Nothing comes in from an address outside a private network."""

    def public(cidr: str | None) -> bool:
        if not cidr:
            return False
        network = ipaddress.ip_network(cidr, strict=False)
        return network.prefixlen == 0 or not network.is_private

    for resource in _of(found, "aws_vpc_security_group_ingress_rule"):
        for cidr in (resource.values.get("cidr_ipv4"), resource.values.get("cidr_ipv6")):
            if public(cidr):
                yield resource.address, f"{cidr} may come in"
    for resource in _of(found, "aws_security_group", "aws_default_security_group"):
        for entry in resource.values.get("ingress") or []:
            for cidr in [*(entry.get("cidr_blocks") or []), *(entry.get("ipv6_cidr_blocks") or [])]:
                if public(cidr):
                    yield resource.address, f"{cidr} may come in"
    for resource in _of(found, "aws_security_group_rule"):
        if resource.values.get("type") == "ingress":
            for cidr in resource.values.get("cidr_blocks") or []:
                if public(cidr):
                    yield resource.address, f"{cidr} may come in"


@rule
def own_security_groups(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Groups go away with the stack: ours, without inline rules that fight EMR's, rules revoked first."""
    for group in _of(found, "aws_security_group"):
        if group.values.get("revoke_rules_on_delete") is not True:
            yield group.address, "revoke_rules_on_delete is off: groups that name each other cannot be deleted"
        if group.written & {"ingress", "egress"}:
            yield group.address, "inline rules would take EMR's own rules away at every apply"


# --------------------------------------------------------------------------------------------- transport, encryption


@rule
def tls_only(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Every bucket refuses plain HTTP, for itself and its objects."""
    for bucket in _of(found, "aws_s3_bucket"):
        policy = _beside(found, bucket, "aws_s3_bucket_policy")
        name = bucket.values.get("bucket", "")
        refused = any(
            statement.effect == "Deny"
            and statement.actions == ("s3:*",)
            and statement.condition("Bool", "aws:SecureTransport") == ("false",)
            and any("*" in names for names in statement.principals.values())
            and {arn.rsplit(":", 1)[1] for arn in statement.resources} == {name, f"{name}/*"}
            for statement in statements([policy] if policy else [])
        )
        if not refused:
            yield bucket.address, "plain HTTP is not refused"


@rule
def encryption(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Objects are encrypted, keys rotate, and volumes are encrypted wherever there is a key."""
    for bucket in _of(found, "aws_s3_bucket"):
        settings = _beside(found, bucket, "aws_s3_bucket_server_side_encryption_configuration")
        by_default = _first(
            _first(settings.values["rule"] if settings else None).get("apply_server_side_encryption_by_default")
        )
        if by_default.get("sse_algorithm") not in ("AES256", "aws:kms"):
            yield bucket.address, "objects are not encrypted"
    for key in _of(found, "aws_kms_key"):
        if key.values.get("enable_key_rotation") is not True:
            yield key.address, "the key is not rotated"
    for resource, configuration in _security_configurations(found):
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
    for cluster in _of(found, "aws_emr_cluster"):
        if not _of(found, "aws_emr_security_configuration"):
            yield cluster.address, "the cluster has no security configuration"


def _security_configurations(found: Iterable[Resource]) -> Iterator[tuple[Resource, Mapping[str, Any]]]:
    for resource in found:
        if resource.type == "aws_emr_security_configuration" and resource.values.get("configuration"):
            yield resource, json.loads(resource.values["configuration"])


@rule
def metadata_by_token(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Nodes answer for their credentials only to who holds a session token (IMDSv2)."""
    for resource, configuration in _security_configurations(found):
        metadata = configuration.get("InstanceMetadataServiceConfiguration", {})
        if metadata.get("MinimumInstanceMetadataServiceVersion") != 2 or metadata.get("HttpPutResponseHopLimit") != 1:
            yield resource.address, "instance metadata version 1 is allowed, or reaches further than the node"


# --------------------------------------------------------------------------------------------------------- identities


@rule
def known_managed_policies(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """AWS's managed policies only from a short list: above all not EMR's version 1."""
    for attachment in _of(found, "aws_iam_role_policy_attachment", "aws_iam_policy_attachment"):
        arn = str(attachment.values.get("policy_arn", ""))
        ours = re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:policy/.+", arn)  # judged by the plan that makes it
        if not ours and arn.split(":policy/")[-1] not in MANAGED_POLICIES:
            yield attachment.address, f"{arn} is not among the managed policies that are used here"
    for role in _of(found, "aws_iam_role"):
        if "managed_policy_arns" in role.written:
            yield role.address, "managed policies are attached one by one, where they can be seen"


@rule
def tokens_of_one_subject(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A role that is taken by a token names the token's audience and its subjects, to the letter."""
    for statement in statements(_of(found, "aws_iam_role")):
        for provider in statement.principals.get("Federated", ()):
            issuer = provider.partition(":oidc-provider/")[2]
            for claim in ("aud", "sub"):
                named = statement.condition("StringEquals", f"{issuer}:{claim}")
                if not named or any("*" in value for value in named):
                    yield statement.resource.address, f"a token with any {claim} of {issuer or provider} may take it"


def is_default_of_interface(statement: Statement) -> bool:
    """Whether this is the policy that AWS gives an interface endpoint without one, and that a later plan reads back.

    What may be called through it is decided by the caller's rights and its security group.
    """
    resource = statement.resource
    whole = (statement.actions, statement.resources, statement.sid, dict(statement.conditions))
    return (
        resource.type == "aws_vpc_endpoint"
        and resource.values.get("vpc_endpoint_type") == "Interface"
        and whole == (("*",), ("*",), "", {})
    )


@rule
def no_wildcards(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """No ``*`` as action or resource in what we allow, except where AWS offers nothing else."""
    for statement in statements(_of(found, "aws_iam_role_policy", "aws_iam_policy", "aws_vpc_endpoint")):
        # a boundary gives nothing: it is the ceiling of what a role's own policies give
        if statement.effect != "Allow" or (statement.resource.type, statement.resource.name) == (
            "aws_iam_policy",
            "boundary",
        ):
            continue
        if is_default_of_interface(statement):
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
def pass_role_scoped(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A role is passed by its name, and only to the service that is to have it."""
    for statement in statements(_of(found, "aws_iam_role_policy", "aws_iam_policy")):
        passing = any(re.fullmatch(action.replace("*", ".*"), "iam:PassRole") for action in statement.actions)
        if statement.effect == "Allow" and passing:
            # the rest of a name may be open (a cluster's id), its beginning not
            if any("*" in arn and not re.search(r":role/[a-z][a-z0-9-]{7,}-\*$", arn) for arn in statement.resources):
                yield statement.resource.address, f"statement {statement.sid} passes any role"
            if not statement.asks_for("iam:PassedToService"):
                yield statement.resource.address, f"statement {statement.sid} passes the role to any service"


@rule
def no_confused_deputy(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A service takes a role only on behalf of this account. EC2 gives no such condition, and needs none."""
    for statement in statements(_of(found, "aws_iam_role")):
        services = statement.principals.get("Service", ())
        outside = [name for name in services if not name.startswith("ec2.")]
        if outside and not statement.condition("StringEquals", "aws:SourceAccount"):
            yield statement.resource.address, f"{', '.join(outside)} may take this role for another account"
        if any("*" in names for names in statement.principals.values()):
            yield statement.resource.address, "everybody may take this role"


# --------------------------------------------------------------------------------------------------------------- tags


@rule
def required_tags(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Everything that can bear tags says whose it is; what EMR touches bears EMR's tag."""
    for resource in found:
        if "tags_all" not in resource.values:
            continue
        tags = resource.values["tags_all"] or {}
        missing = [name for name in REQUIRED_TAGS if not tags.get(name)]
        if missing:
            yield resource.address, f"the tags {', '.join(missing)} are missing"
        names = EMR_TAGGED.get(resource.type)
        if names is not None and (not names or resource.name in names) and tags.get(EMR_TAG) != "true":
            yield resource.address, f"EMR may not use it: the tag {EMR_TAG} is missing"


# ------------------------------------------------------------------------------------------------------- the cluster


@rule
def spot_for_task_only(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Primary and core run on demand; Spot bids no more than the on-demand price."""
    for cluster in _of(found, "aws_emr_cluster"):
        for kind in ("master_instance_fleet", "core_instance_fleet"):
            fleet = _first(cluster.values.get(kind))
            if not fleet and kind == "core_instance_fleet":
                continue  # a primary alone
            specification = _first(fleet.get("launch_specifications"))
            bids = [t for t in fleet.get("instance_type_configs", []) if t.get("bid_price")]
            if fleet.get("target_spot_capacity") or bids or specification.get("spot_specification"):
                yield cluster.address, f"{kind} may run on Spot"
            if not fleet.get("target_on_demand_capacity"):
                yield cluster.address, f"{kind} asks for nothing on demand"
        if cluster.values.get("master_instance_group") or cluster.values.get("core_instance_group"):
            yield cluster.address, "instance groups take one type only; fleets are used here"
    for task in _of(found, "aws_emr_instance_fleet"):
        for config in task.values.get("instance_type_configs", []):
            if config.get("bid_price") or (config.get("bid_price_as_percentage_of_on_demand_price") or 0) > 100:
                yield task.address, f"{config['instance_type']} may cost more than on demand"


@rule
def primary_alone(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A cluster of one node has nothing beside its primary, and no label that would keep the driver from it."""
    for cluster in _of(found, "aws_emr_cluster"):
        if cluster.values.get("core_instance_fleet") or cluster.values.get("core_instance_group"):
            continue
        if _of(found, "aws_emr_instance_fleet", "aws_emr_managed_scaling_policy"):
            yield cluster.address, "EMR takes no task fleet without a core fleet"
        classified = {entry["Classification"]: entry["Properties"] for entry in _configurations(cluster)}
        if classified.get("yarn-site", {}).get("yarn.node-labels.enabled") == "true":
            yield cluster.address, "node labels on a primary alone can keep the driver from the only node"


def _configurations(cluster: Resource) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cluster.values.get("configurations_json") or "[]")
    return found


@rule
def ends_by_itself(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A forgotten cluster ends: an idle limit inside, a clock outside, nothing that protects it."""
    for cluster in _of(found, "aws_emr_cluster"):
        limit = _first(cluster.values.get("auto_termination_policy")).get("idle_timeout")
        if limit is None:
            yield cluster.address, "there is no idle limit"
        elif limit > IDLE_CEILING_SECONDS:
            yield cluster.address, f"the idle limit of {limit} s is above {IDLE_CEILING_SECONDS}"
        if cluster.values.get("termination_protection"):
            yield cluster.address, "termination protection keeps the clock and `make destroy` out"
        clocks = [
            schedule
            for schedule in _of(found, "aws_scheduler_schedule")
            if _first(schedule.values.get("target")).get("arn", "").endswith(":aws-sdk:emr:terminateJobFlows")
            and schedule.values.get("state", "ENABLED") == "ENABLED"
        ]
        if not clocks:
            yield cluster.address, "nothing outside ends a cluster whose step hangs"
        watches = [
            schedule
            for schedule in _of(found, "aws_scheduler_schedule")
            if schedule.values.get("schedule_expression") == WATCH_RATE
            and schedule.values.get("state", "ENABLED") == "ENABLED"
        ]
        if not watches or not any(True for _ in _of(found, "aws_sfn_state_machine")):
            yield cluster.address, "nothing outside ends a cluster that is idle, and EMR's own limit needs a way out"


@rule
def steps_stay_outside(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A step in the cluster's code makes every step submitted later a reason to replace the cluster."""
    for cluster in _of(found, "aws_emr_cluster"):
        if cluster.values.get("step"):
            yield cluster.address, "it holds a step"


@rule
def private_cluster(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Several subnets, no SSH key, logs kept."""
    for cluster in _of(found, "aws_emr_cluster"):
        attributes = _first(cluster.values.get("ec2_attributes"))
        if attributes.get("key_name"):
            yield cluster.address, "an SSH key is a second way in; use Systems Manager"
        if not str(cluster.values.get("log_uri", "")).startswith("s3://"):
            yield cluster.address, "its logs are not kept"
    if _of(found, "aws_emr_cluster"):
        private = [subnet for subnet in _of(found, "aws_subnet") if subnet.name == "private"]
        if len({subnet.values.get("availability_zone") for subnet in private}) < 2:
            yield "aws_subnet", "there are not two zones to choose from"


@rule
def one_python_everywhere(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Driver and executors run the same interpreter in the right memory setting, and fail once."""
    for cluster in _of(found, "aws_emr_cluster"):
        classified = {entry["Classification"]: entry["Properties"] for entry in _configurations(cluster)}
        spark = classified.get("spark-defaults", {})
        driver = spark.get("spark.yarn.appMasterEnv.PYSPARK_PYTHON")
        if driver is None or driver != spark.get("spark.executorEnv.PYSPARK_PYTHON"):
            yield cluster.address, "driver and executors do not name the same Python"
        if "spark.executor.pyspark.memory" in spark:
            yield cluster.address, "spark.executor.pyspark.memory limits the address space, and TensorFlow dies of it"
        if not all(f"spark.{part}.memoryOverhead" in spark for part in ("driver", "executor")):
            yield cluster.address, "memoryOverhead, where Python lives, is left to a tenth of the heap"
        if not all(f"spark.{part}.AWS_REGION" in spark for part in ("executorEnv", "yarn.appMasterEnv")):
            yield cluster.address, "AWS_REGION is not set: S3 clients ask us-east-1 and hang"
        spot = any(fleet.values.get("target_spot_capacity") for fleet in _of(found, "aws_emr_instance_fleet"))
        labels = classified.get("yarn-site", {}).get("yarn.node-labels.am.default-node-label-expression")
        if spark.get("spark.yarn.maxAppAttempts") != "1":
            yield cluster.address, "a job that fails would be tried, and paid, twice"
        elif spot and labels != "ON_DEMAND":
            yield cluster.address, "the only attempt of the job may run its driver on Spot"


@rule
def emr_reaches_its_buckets(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """The S3 endpoint lets EMR's and Amazon Linux's own buckets through, or no cluster starts."""
    for endpoint in _of(found, "aws_vpc_endpoint"):
        if not str(endpoint.values.get("service_name", "")).endswith(".s3"):
            continue
        region = str(endpoint.values["service_name"]).split(".")[2]
        allowed = {
            arn.split(":::")[-1]
            for statement in statements([endpoint])
            if statement.effect == "Allow" and "s3:GetObject" in statement.actions
            for arn in statement.resources
        }
        needed = (f"al2023-repos-{region}-*/*", f"repo.{region}.emr.amazonaws.com/*", f"prod.{region}.appinfo.src/*")
        for name in needed:
            if name not in allowed:
                yield endpoint.address, f"EMR cannot read {name}, and no cluster starts"


@rule
def storage_stays(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """What a cluster's destroy takes with it holds no bucket."""
    if _of(found, "aws_emr_cluster"):
        for bucket in _of(found, "aws_s3_bucket"):
            yield bucket.address, "a bucket in the cluster's stack would go with the cluster"


@rule
def buckets_keep_their_objects(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """Only `make purge` may delete what is in a bucket."""
    for bucket in _of(found, "aws_s3_bucket"):
        if bucket.values.get("force_destroy"):
            yield bucket.address, "destroying it would delete its objects"


@rule
def images_and_results_stay(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """No lifecycle rule deletes photographs, or what was computed from them; older versions may go."""
    for settings in _of(found, "aws_s3_bucket_lifecycle_configuration"):
        bucket = _beside(found, settings, "aws_s3_bucket")
        if bucket is None or "-data-" not in str(bucket.values.get("bucket")):
            continue
        for entry in settings.values.get("rule") or []:
            expiration = _first(entry.get("expiration"))
            filter_ = _first(entry.get("filter"))
            prefix = filter_.get("prefix") or _first(filter_.get("and")).get("prefix") or entry.get("prefix") or ""
            kept = [name for name in ("images/", "results/") if name.startswith(prefix) or prefix.startswith(name)]
            if (expiration.get("days") or expiration.get("date")) and kept and entry.get("status") == "Enabled":
                yield settings.address, f"its rule {entry.get('id')} deletes what lies below {' and '.join(kept)}"


@rule
def somebody_watches_the_bill(found: list[Resource]) -> Iterator[tuple[str, str]]:
    """A storage stack has a budget above nothing; its alerts are at 50, 80 and 100%."""
    budgets = _of(found, "aws_budgets_budget")
    if _of(found, "aws_s3_bucket") and not budgets:
        yield "aws_budgets_budget", "there is no budget"
    for budget in budgets:
        if float(budget.values.get("limit_amount") or 0) <= 0:
            yield budget.address, "the budget is 0"
        alerts = {entry.get("threshold") for entry in budget.values.get("notification") or []}
        if alerts and not {50, 80, 100} <= alerts:
            yield budget.address, f"alerts are at {sorted(alerts)}%, not at 50, 80 and 100"


# --------------------------------------------------------------------------------------------------- price and change


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a planned cluster's price depends on: its fleets, the volumes of a node (GiB), and its network."""

    fleets: tuple[prices.Fleet, ...]
    volume_gib: float
    nat: bool
    endpoints: int


def shape(plan: Mapping[str, Any]) -> Shape | None:
    """The size of the planned cluster; None for a plan without a cluster."""
    found = resources(plan)
    cluster = next(iter(_of(found, "aws_emr_cluster")), None)
    if cluster is None:
        return None
    outputs: dict[str, dict[str, Any]] = plan["planned_values"]["outputs"]["fleets"]["value"]
    first = _first(cluster.values["master_instance_fleet"])["instance_type_configs"][0]
    data = sum(volume["size"] * (volume.get("volumes_per_instance") or 1) for volume in first.get("ebs_config", []))
    return Shape(
        fleets=tuple(
            prices.Fleet(name=name, types=fleet["types"], units=fleet["units"], market=fleet["market"])
            for name, fleet in outputs.items()
        ),
        volume_gib=cluster.values["ebs_root_volume_size"] + data,
        nat=bool(_of(found, "aws_nat_gateway")),
        endpoints=sum(r.values.get("vpc_endpoint_type") == "Interface" for r in _of(found, "aws_vpc_endpoint")),
    )


def types(plan: Mapping[str, Any], *, unused: bool = False) -> set[str]:
    """The instance types that a plan's cluster may come to have; ``unused``: those of fleets without nodes too."""
    size = shape(plan)
    return {name for fleet in size.fleets if fleet.units > 0 or unused for name in fleet.types} if size else set()


def worker_types(fleets: Iterable[prices.Fleet]) -> list[str]:
    """The types on which executors run: of core and task fleets, or of the primary that is alone."""
    listed = [fleet for fleet in fleets if fleet.units > 0]
    working = [fleet for fleet in listed if fleet.name != "primary"] or listed
    return [name for fleet in working for name in fleet.types]


def price_of(size: Shape, region: str, book: prices.Book | None = None) -> prices.Hourly:
    """What an hour of a cluster costs at most, with the interface endpoint that EMR may make and no plan shows.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    book = book or prices.table()
    hour = prices.hourly(
        region, size.fleets, volume_gib=size.volume_gib, nat=size.nat, endpoints=size.endpoints, book=book
    )
    # that it is billed like ours was not seen: it stays marked
    own = prices.NetworkHour(name=EMR_ENDPOINT, usd=book.service(region, "interface_endpoint").usd, inferred=True)
    return dataclasses.replace(hour, items=(*hour.items, own))


def price(plan: Mapping[str, Any], region: str, book: prices.Book | None = None) -> prices.Hourly | None:
    """What an hour of the planned cluster costs at most; None for a plan without a cluster.

    Raises
    ------
    prices.UnknownPriceError : a type has no price in this region
    """
    size = shape(plan)
    return price_of(size, region, book) if size else None


def replaced(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    """The resources that the plan replaces, and the attributes that make it do so."""
    return {
        change["address"]: sorted(
            ".".join(str(part) for part in path) for path in change["change"].get("replace_paths", [])
        )
        for change in plan.get("resource_changes", [])
        if set(change["change"]["actions"]) == {"create", "delete"}
    }
