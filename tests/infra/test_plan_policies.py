"""Every plan keeps the rules of ``ops.plan.policies``, and every rule is seen to fail on a plan that breaks it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ops.plan import cluster_rules, contents, policies
from tests.infra.planning import REGION, SCENARIOS

pytestmark = pytest.mark.terraform

Plan = dict[str, Any]
PlanOf = Callable[[str], Plan]

# Dollars an hour on demand that an environment's cluster may cost, with headroom.
CEILINGS = {"dev-cluster": 0.4, "small-cluster": 1.2, "prod-cluster": 3.2, "all-cluster": 2.5}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_plan_breaks_no_rule(plan_of: PlanOf, scenario: str) -> None:
    broken = policies.check_plan(plan_of(scenario), ceiling=CEILINGS.get(scenario), region=REGION)
    assert not broken, "\n".join(map(str, broken))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_plan_creates_only(plan_of: PlanOf, scenario: str) -> None:
    changes = [c for c in plan_of(scenario)["resource_changes"] if c["mode"] == "managed"]
    assert len(changes) >= {"github": 7, "operators": 14}.get(scenario.partition("-")[2], 20)
    assert {tuple(c["change"]["actions"]) for c in changes} == {("create",)}


# ------------------------------------------------------------------------------------------- plans that break a rule


def values(plan: Plan, type_: str, name: str | None = None, index: int = 0) -> dict[str, Any]:
    """The attributes of one planned resource, to be changed in place."""
    found: list[dict[str, Any]] = []

    def walk(module: dict[str, Any]) -> None:
        found.extend(
            r["values"]
            for r in module.get("resources", [])
            if r["type"] == type_ and r["mode"] == "managed" and name in (None, r["name"])
        )
        for child in module.get("child_modules", []):
            walk(child)

    walk(plan["planned_values"]["root_module"])
    return found[index]


def named(plan: Plan, type_: str) -> list[str]:
    """The names of the planned resources of a type, one for each."""
    return [r.name for r in contents.list_resources(plan) if r.type == type_]


def remove(plan: Plan, type_: str) -> None:
    """Take every resource of a type out of the plan."""

    def walk(module: dict[str, Any]) -> None:
        module["resources"] = [r for r in module.get("resources", []) if r["type"] != type_]
        for child in module.get("child_modules", []):
            walk(child)

    walk(plan["planned_values"]["root_module"])


def add(plan: Plan, type_: str, **attributes: Any) -> None:
    """Put a resource into the plan."""
    plan["planned_values"]["root_module"].setdefault("resources", []).append(
        {"address": f"{type_}.added", "mode": "managed", "type": type_, "name": "added", "values": attributes}
    )


def write(plan: Plan, module: str, type_: str, **attributes: Any) -> None:
    """Give a resource an attribute in its code, as the plan's configuration shows it."""
    code = plan["configuration"]["root_module"]["module_calls"][module]["module"]["resources"]
    next(entry for entry in code if entry["type"] == type_)["expressions"].update(attributes)


def document(attributes: dict[str, Any], change: Callable[[list[dict[str, Any]]], object], key: str = "policy") -> None:
    """Change the statements of a policy document."""
    held = json.loads(attributes[key])
    change(held["Statement"])
    attributes[key] = json.dumps(held)


def spark(plan: Plan, classification: str = "spark-defaults", **properties: str | None) -> None:
    """Set or take away properties of the cluster's configuration ("__" stands for a dot)."""
    cluster = values(plan, "aws_emr_cluster")
    held = json.loads(cluster["configurations_json"])
    target = next(entry["Properties"] for entry in held if entry["Classification"] == classification)
    for name, value in properties.items():
        target.pop(name.replace("__", "."), None)
        if value is not None:
            target[name.replace("__", ".")] = value
    cluster["configurations_json"] = json.dumps(held)


def security(plan: Plan, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the cluster's security configuration."""
    held = values(plan, "aws_emr_security_configuration")
    configuration = json.loads(held["configuration"])
    change(configuration)
    held["configuration"] = json.dumps(configuration)


def fleet(plan: Plan, kind: str = "core_instance_fleet") -> dict[str, Any]:
    held: dict[str, Any] = values(plan, "aws_emr_cluster")[kind][0]
    return held


INSTANCE_POLICY = ("aws_iam_role_policy", "instance")
SERVICE_POLICY = ("aws_iam_role_policy", "service")
ISSUER = "token.actions.githubusercontent.com"

# https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html: "the default endpoint policy"
DEFAULT_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)


def test_what_aws_gives_an_interface_endpoint_and_a_later_plan_reads_breaks_no_rule(plan_of: PlanOf) -> None:
    plan = copy.deepcopy(plan_of("prod-cluster"))
    endpoints = [
        values(plan, "aws_vpc_endpoint", "interface", index)
        for index, name in enumerate(n for n in named(plan, "aws_vpc_endpoint") if n == "interface")
    ]
    assert len(endpoints) >= 4
    for endpoint in endpoints:
        endpoint["policy"] = DEFAULT_POLICY
    assert policies.check_plan(plan, ceiling=CEILINGS["prod-cluster"], region=REGION) == []


@pytest.mark.parametrize("scenario", ["small-cluster", "prod-cluster"])
def test_a_change_of_a_cluster_that_stands_breaks_no_rule(plan_of: PlanOf, scenario: str) -> None:
    """EMR answers the logs' address with another scheme, and the provider keeps that, and the steps that have run."""
    plan = copy.deepcopy(plan_of(scenario))
    cluster = values(plan, "aws_emr_cluster")
    cluster["log_uri"] = cluster["log_uri"].replace("s3://", "s3n://")
    cluster["step"] = [{"name": "featurize", "action_on_failure": "CONTINUE"}]
    assert policies.check_plan(plan, region=REGION) == []


def expressions(plan: Plan, type_: str, name: str) -> dict[str, Any]:
    """What the code writes of a resource, wherever in its modules it stands."""

    def walk(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for entry in module.get("resources", []):
            if (entry["type"], entry["name"]) == (type_, name):
                yield entry["expressions"]
        for call in module.get("module_calls", {}).values():
            yield from walk(call["module"])

    (written,) = walk(plan["configuration"]["root_module"])
    return written


@pytest.mark.parametrize("policy", [None, DEFAULT_POLICY])
def test_code_is_judged_alike_before_and_after_it_is_applied(plan_of: PlanOf, policy: str | None) -> None:
    plan = copy.deepcopy(plan_of("prod-cluster"))
    expressions(plan, "aws_vpc_endpoint", "s3").pop("policy")
    gateway = values(plan, "aws_vpc_endpoint", "s3")
    gateway.pop("policy")
    if policy:
        gateway["policy"] = policy  # as AWS answers
    (violation,) = policies.check_plan(plan, region=REGION)
    assert violation.policy == "no-wildcards"
    assert violation.message == "without a policy it lets every action on everything through"


def test_the_same_policy_breaks_a_rule_where_the_code_writes_it(plan_of: PlanOf) -> None:
    plan = copy.deepcopy(plan_of("prod-cluster"))
    expressions(plan, "aws_vpc_endpoint", "interface")["policy"] = {"constant_value": DEFAULT_POLICY}
    values(plan, "aws_vpc_endpoint", "interface")["policy"] = DEFAULT_POLICY
    assert {violation.policy for violation in policies.check_plan(plan, region=REGION)} == {"no-wildcards"}


# rule, scenario, what is done to the plan
BREAKS: list[tuple[str, str, Callable[[Plan], object]]] = [
    ("nothing-public", "dev-storage", lambda p: remove(p, "aws_s3_bucket_public_access_block")),
    (
        "nothing-public",
        "dev-storage",
        lambda p: values(p, "aws_s3_bucket_public_access_block").update(block_public_policy=False),
    ),
    ("nothing-public", "dev-storage", lambda p: remove(p, "aws_s3_bucket_ownership_controls")),
    ("nothing-public", "dev-storage", lambda p: add(p, "aws_s3_bucket_acl", acl="public-read")),
    (
        "nothing-public",
        "dev-storage",
        lambda p: document(
            values(p, "aws_s3_bucket_policy"),
            lambda s: s.append(
                {
                    "Sid": "All",
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "s3:GetObject",
                    "Resource": "arn:aws:s3:::b/*",
                }
            ),
        ),
    ),
    ("nothing-public", "dev-cluster", lambda p: values(p, "aws_subnet").update(map_public_ip_on_launch=True)),
    (
        "nothing-public",
        "all-cluster",
        lambda p: values(p, "aws_sagemaker_domain").update(app_network_access_type="PublicInternetOnly"),
    ),
    (
        "no-open-ingress",
        "dev-cluster",
        lambda p: values(p, "aws_vpc_security_group_ingress_rule").update(cidr_ipv4="0.0.0.0/0"),
    ),
    (
        "no-open-ingress",
        "dev-cluster",
        lambda p: values(p, "aws_vpc_security_group_ingress_rule").update(cidr_ipv6="::/0"),
    ),
    (
        "no-open-ingress",
        "dev-cluster",
        lambda p: add(p, "aws_security_group_rule", type="ingress", cidr_blocks=["8.8.8.0/24"]),
    ),
    (
        "no-open-ingress",
        "dev-cluster",
        lambda p: values(p, "aws_security_group").update(ingress=[{"cidr_blocks": ["0.0.0.0/0"]}]),
    ),
    (
        "own-security-groups",
        "dev-cluster",
        lambda p: values(p, "aws_security_group").update(revoke_rules_on_delete=False),
    ),
    (
        "own-security-groups",
        "dev-cluster",
        lambda p: write(p, "network", "aws_security_group", egress=[{"cidr_blocks": ["10.0.0.0/8"]}]),
    ),
    ("tls-only", "dev-storage", lambda p: remove(p, "aws_s3_bucket_policy")),
    (
        "tls-only",
        "dev-storage",
        lambda p: document(values(p, "aws_s3_bucket_policy"), lambda s: s[0].update(Resource=s[0]["Resource"][:1])),
    ),
    (
        "tls-only",
        "dev-storage",
        lambda p: document(values(p, "aws_s3_bucket_policy"), lambda s: s[0].update(Effect="Allow")),
    ),
    (
        "tls-only",
        "dev-storage",
        lambda p: document(
            values(p, "aws_s3_bucket_policy"),
            lambda s: s[0]["Condition"]["Bool"].update({"aws:SecureTransport": "true"}),
        ),
    ),
    ("encryption", "dev-storage", lambda p: remove(p, "aws_s3_bucket_server_side_encryption_configuration")),
    (
        "encryption",
        "dev-storage",
        lambda p: values(p, "aws_s3_bucket_server_side_encryption_configuration")["rule"][0].update(
            apply_server_side_encryption_by_default=[]
        ),
    ),
    ("encryption", "prod-storage", lambda p: values(p, "aws_kms_key").update(enable_key_rotation=False)),
    ("encryption", "dev-cluster", lambda p: remove(p, "aws_emr_security_configuration")),
    (
        "encryption",
        "dev-cluster",
        lambda p: security(p, lambda c: c["EncryptionConfiguration"].update(EnableAtRestEncryption=False)),
    ),
    (
        "encryption",
        "prod-cluster",
        lambda p: security(
            p,
            lambda c: c["EncryptionConfiguration"]["AtRestEncryptionConfiguration"].pop(
                "LocalDiskEncryptionConfiguration"
            ),
        ),
    ),
    (
        "metadata-by-token",
        "dev-cluster",
        lambda p: security(p, lambda c: c.pop("InstanceMetadataServiceConfiguration")),
    ),
    (
        "metadata-by-token",
        "dev-cluster",
        lambda p: security(
            p, lambda c: c["InstanceMetadataServiceConfiguration"].update(MinimumInstanceMetadataServiceVersion=1)
        ),
    ),
    (
        "known-managed-policies",
        "dev-cluster",
        lambda p: values(p, "aws_iam_role_policy_attachment").update(
            policy_arn="arn:aws:iam::aws:policy/service-role/AmazonElasticMapReduceRole"
        ),
    ),
    (
        "known-managed-policies",
        "dev-cluster",
        lambda p: add(
            p,
            "aws_iam_role_policy_attachment",
            policy_arn="arn:aws:iam::aws:policy/service-role/AmazonElasticMapReduceforEC2Role",
        ),
    ),
    (
        "known-managed-policies",
        "dev-cluster",
        lambda p: write(p, "iam", "aws_iam_role", managed_policy_arns=["arn:aws:iam::aws:policy/AdministratorAccess"]),
    ),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, *INSTANCE_POLICY), lambda s: s[0].update(Action="s3:*")),
    ),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, *INSTANCE_POLICY), lambda s: s[1].update(Action=["s3:GetObject", "s3:Put*"])),
    ),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, *INSTANCE_POLICY), lambda s: s[0].update(Resource="*")),
    ),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, *INSTANCE_POLICY), lambda s: s[0].update(Resource="arn:aws:s3:::*")),
    ),
    ("no-wildcards", "dev-cluster", lambda p: document(values(p, *INSTANCE_POLICY), lambda s: s[0].pop("Sid"))),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, "aws_vpc_endpoint"), lambda s: s[0].update(Action="s3:*")),
    ),
    (
        "no-wildcards",
        "dev-cluster",
        lambda p: document(values(p, "aws_vpc_endpoint"), lambda s: s[0].update(Resource=["*"])),
    ),
    ("no-wildcards", "dev-cluster", lambda p: values(p, "aws_vpc_endpoint").update(policy=DEFAULT_POLICY)),
    (
        "pass-role-scoped",
        "dev-cluster",
        lambda p: document(
            values(p, *SERVICE_POLICY), lambda s: s[0].update(Resource="arn:aws:iam::000000000000:role/*")
        ),
    ),
    (
        "pass-role-scoped",
        "dev-cluster",
        lambda p: document(values(p, *SERVICE_POLICY), lambda s: s[0].pop("Condition")),
    ),
    (
        "no-confused-deputy",
        "dev-cluster",
        lambda p: document(values(p, "aws_iam_role", "service"), lambda s: s[0].pop("Condition"), "assume_role_policy"),
    ),
    (
        "no-confused-deputy",
        "dev-cluster",
        lambda p: document(
            values(p, "aws_iam_role", "service"), lambda s: s[0].update(Principal={"AWS": "*"}), "assume_role_policy"
        ),
    ),
    *(
        (
            "tokens-of-one-subject",
            "dev-github",
            lambda p, change=change: document(
                values(p, "aws_iam_role", "apply"), lambda s: change(s[0]["Condition"]), "assume_role_policy"
            ),
        )
        for change in (
            lambda c: c["StringEquals"].pop(f"{ISSUER}:sub"),
            lambda c: c["StringEquals"].pop(f"{ISSUER}:aud"),
            lambda c: c["StringEquals"].update({f"{ISSUER}:sub": "repo:octocat/fruits:*"}),
            lambda c: c.update(StringLike=c.pop("StringEquals")),
        )
    ),
    ("required-tags", "dev-cluster", lambda p: values(p, "aws_vpc")["tags_all"].pop("Environment")),
    ("required-tags", "dev-cluster", lambda p: values(p, "aws_vpc")["tags_all"].pop(cluster_rules.EMR_TAG)),
    (
        "required-tags",
        "dev-cluster",
        lambda p: values(p, "aws_subnet", "private", 2)["tags_all"].update({cluster_rules.EMR_TAG: "false"}),
    ),
    (
        "required-tags",
        "dev-cluster",
        lambda p: values(p, "aws_security_group", "service")["tags_all"].pop(cluster_rules.EMR_TAG),
    ),
    ("required-tags", "dev-cluster", lambda p: values(p, "aws_emr_cluster")["tags_all"].pop(cluster_rules.EMR_TAG)),
    ("spot-for-task-only", "small-cluster", lambda p: fleet(p).update(target_spot_capacity=4)),
    (
        "spot-for-task-only",
        "dev-cluster",
        lambda p: fleet(p, "master_instance_fleet").update(target_on_demand_capacity=0),
    ),
    (
        "spot-for-task-only",
        "small-cluster",
        lambda p: fleet(p)["launch_specifications"][0].update(
            spot_specification=[{"timeout_action": "TERMINATE_CLUSTER"}]
        ),
    ),
    ("spot-for-task-only", "small-cluster", lambda p: fleet(p)["instance_type_configs"][0].update(bid_price="0.1")),
    (
        "spot-for-task-only",
        "prod-cluster",
        lambda p: values(p, "aws_emr_instance_fleet")["instance_type_configs"][0].update(
            bid_price_as_percentage_of_on_demand_price=200
        ),
    ),
    (
        "spot-for-task-only",
        "dev-cluster",
        lambda p: values(p, "aws_emr_cluster").update(core_instance_group=[{"instance_type": "m5.xlarge"}]),
    ),
    (
        "primary-alone",
        "dev-cluster",
        lambda p: add(p, "aws_emr_instance_fleet", target_on_demand_capacity=4, instance_type_configs=[]),
    ),
    ("primary-alone", "dev-cluster", lambda p: spark(p, "yarn-site", **{"yarn__node-labels__enabled": "true"})),
    ("primary-alone", "all-cluster", lambda p: values(p, "aws_emr_cluster").update(core_instance_fleet=[])),
    ("ends-by-itself", "dev-cluster", lambda p: values(p, "aws_emr_cluster").update(auto_termination_policy=[])),
    (
        "ends-by-itself",
        "dev-cluster",
        lambda p: values(p, "aws_emr_cluster")["auto_termination_policy"][0].update(idle_timeout=14400),
    ),
    ("ends-by-itself", "dev-cluster", lambda p: values(p, "aws_emr_cluster").update(termination_protection=True)),
    ("ends-by-itself", "dev-cluster", lambda p: remove(p, "aws_scheduler_schedule")),
    ("ends-by-itself", "dev-cluster", lambda p: values(p, "aws_scheduler_schedule").update(state="DISABLED")),
    ("ends-by-itself", "dev-cluster", lambda p: remove(p, "aws_sfn_state_machine")),
    ("steps-stay-outside", "dev-cluster", lambda p: expressions(p, "aws_emr_cluster", "this").update(step=[{}])),
    (
        "private-cluster",
        "dev-cluster",
        lambda p: values(p, "aws_emr_cluster")["ec2_attributes"][0].update(key_name="laptop"),
    ),
    ("private-cluster", "dev-cluster", lambda p: values(p, "aws_emr_cluster").update(log_uri=None)),
    ("private-cluster", "dev-cluster", lambda p: remove(p, "aws_subnet")),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__executorEnv__PYSPARK_PYTHON="/usr/bin/python3")),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__yarn__appMasterEnv__PYSPARK_PYTHON=None)),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__executor__pyspark__memory="1g")),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__driver__memoryOverhead=None)),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__executorEnv__AWS_REGION=None)),
    ("one-python-everywhere", "dev-cluster", lambda p: spark(p, spark__yarn__maxAppAttempts=None)),
    (
        "one-python-everywhere",
        "prod-cluster",
        lambda p: spark(p, "yarn-site", **{"yarn__node-labels__am__default-node-label-expression": None}),
    ),
    ("emr-reaches-its-buckets", "dev-cluster", lambda p: document(values(p, "aws_vpc_endpoint"), lambda s: s.pop(1))),
    ("emr-reaches-its-buckets", "dev-cluster", lambda p: document(values(p, "aws_vpc_endpoint"), lambda s: s.pop(2))),
    ("storage-stays", "dev-cluster", lambda p: add(p, "aws_s3_bucket", bucket="results", force_destroy=True)),
    ("buckets-keep-their-objects", "dev-storage", lambda p: values(p, "aws_s3_bucket").update(force_destroy=True)),
    *(
        (
            "images-and-results-stay",
            "dev-storage",
            lambda p, filter_=filter_: values(p, "aws_s3_bucket_lifecycle_configuration", index=1)["rule"].append(
                {"id": "old", "status": "Enabled", "filter": filter_, "expiration": [{"days": 30}]}
            ),
        )
        for filter_ in ([{"prefix": "images/apples/"}], [{"prefix": "res"}], [{}], [])
    ),
    ("somebody-watches-the-bill", "dev-storage", lambda p: remove(p, "aws_budgets_budget")),
    ("somebody-watches-the-bill", "dev-storage", lambda p: values(p, "aws_budgets_budget").update(limit_amount="0.00")),
    ("somebody-watches-the-bill", "dev-storage", lambda p: values(p, "aws_budgets_budget")["notification"].pop()),
    (
        "hourly-price",
        "dev-cluster",
        lambda p: p["planned_values"]["outputs"]["fleets"]["value"]["core"].update(units=400),
    ),
]


@pytest.mark.parametrize(("rule", "scenario", "spoil"), BREAKS, ids=[f"{r}-{n}" for n, (r, _, _) in enumerate(BREAKS)])
def test_rule_fails_on_a_plan_that_breaks_it(
    plan_of: PlanOf, rule: str, scenario: str, spoil: Callable[[Plan], object]
) -> None:
    plan = copy.deepcopy(plan_of(scenario))
    spoil(plan)
    assert rule in {
        broken.policy for broken in policies.check_plan(plan, ceiling=CEILINGS.get(scenario), region=REGION)
    }


def test_every_rule_was_broken_once() -> None:
    assert {rule for rule, _, _ in BREAKS} == {*policies.RULES, "hourly-price"}


def test_what_aws_fills_in_is_no_code_of_ours(plan_of: PlanOf) -> None:
    """On a running cluster EMR's rules and the attached policies stand in the plan as attributes that nobody wrote."""
    plan = copy.deepcopy(plan_of("dev-cluster"))
    values(plan, "aws_security_group").update(
        ingress=[{"cidr_blocks": [], "security_groups": ["sg-1"], "from_port": 0}]
    )
    values(plan, "aws_iam_role").update(
        managed_policy_arns=["arn:aws:iam::aws:policy/service-role/AmazonEMRServicePolicy_v2"]
    )
    assert policies.check_plan(plan) == []
