"""Bad changes to the stacks, each with the check that must notice it.

A change is a piece of text of one file below ``infra`` and what stands there instead. The checks are the rules of
``ops/plan/policies.py`` (on a plan of a scenario), the functions of `test_code`, and the refusals of `test_refusals`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Mutation:
    """A bad change.

    Attributes
    ----------
    name : what is wrong with it
    file : below ``infra``
    was, is_ : text that stands there once at least, of which the first is replaced; "" for ``was`` adds at the end
    by : rule, code or refusal
    check : name of the rule, of the function, or of the group of refusals
    scenario : of `planning.SCENARIOS`, for a rule
    """

    name: str
    file: str
    was: str
    is_: str
    by: Literal["rule", "code", "refusal"]
    check: str
    scenario: str = ""

    def apply(self, infra: Path) -> str:
        """Change the file; what stood in it before."""
        path = infra / self.file
        before = path.read_text()
        assert self.was in before, f"{self.file} has changed: what this mutation replaces stands there no more"
        path.write_text(before.replace(self.was, self.is_, 1) if self.was else before + self.is_)
        return before


def block(file: str, header: str) -> str:
    """The text of a block in a file of ours, for a change that takes it away.

    Blocks end with a closing brace that stands as far in as their header.
    """
    text = (Path(__file__).resolve().parents[2] / "infra" / file).read_text()
    found = re.search(rf"^(?P<indent> *){re.escape(header)} \{{\n.*?^(?P=indent)\}}\n", text, re.MULTILINE | re.DOTALL)
    assert found, f"{file} has no {header}"
    return found[0]


def rule(name: str, scenario: str, check: str, file: str, was: str, is_: str = "") -> Mutation:
    return Mutation(name, file, was, is_, "rule", check, scenario)


def refusal(name: str, group: str, file: str, was: str, is_: str) -> Mutation:
    return Mutation(name, file, was, is_, "refusal", group)


def code(name: str, check: str, file: str, was: str, is_: str) -> Mutation:
    return Mutation(name, file, was, is_, "code", check)


BUCKET, NETWORK, IAM, EMR = "modules/bucket/main.tf", "modules/network", "modules/iam", "modules/emr/main.tf"
SERVICE, GROUPS = f"{IAM}/service_role.tf", f"{NETWORK}/groups.tf"
SECURITY = "modules/emr/security.tf"

OPEN_ACL = """
resource "aws_s3_bucket_acl" "this" {
  bucket = aws_s3_bucket.this.id
  acl    = "public-read"
}
"""
STEP = (
    "  bootstrap_action {",
    """  step {
    name              = "featurize"
    action_on_failure = "CONTINUE"
    hadoop_jar_step {
      jar = "command-runner.jar"
    }
  }

  bootstrap_action {""",
)

# fmt: off
MUTATIONS = [
    # ---- public, open
    rule("public bucket", "dev-storage", "nothing-public", BUCKET, "block_public_policy     = true",
         "block_public_policy     = false"),
    rule("access lists on", "dev-storage", "nothing-public", BUCKET, "BucketOwnerEnforced", "ObjectWriter"),
    rule("public access list", "dev-storage", "nothing-public", BUCKET, "", OPEN_ACL),
    rule("public addresses for nodes", "dev-cluster", "nothing-public", f"{NETWORK}/main.tf",
         "  availability_zone = each.key\n", "  availability_zone = each.key\n  map_public_ip_on_launch = true\n"),
    rule("notebooks past our network", "all-cluster", "nothing-public", "modules/studio/main.tf", '"VpcOnly"',
         '"PublicInternetOnly"'),
    rule("open port", "dev-cluster", "no-open-ingress", GROUPS,
         "referenced_security_group_id = aws_security_group.primary.id", 'cidr_ipv4 = "0.0.0.0/0"'),
    rule("port open to a stranger's network", "dev-cluster", "no-open-ingress", GROUPS,
         "referenced_security_group_id = aws_security_group.primary.id", 'cidr_ipv4 = "203.0.114.0/24"'),
    rule("inline rules", "dev-cluster", "own-security-groups", GROUPS, "  revoke_rules_on_delete = true\n",
         "  revoke_rules_on_delete = true\n  egress {\n    from_port = 0\n    to_port = 0\n    protocol = \"-1\"\n"
         '    cidr_blocks = ["10.0.0.0/8"]\n  }\n'),
    rule("groups that cannot be deleted", "dev-cluster", "own-security-groups", GROUPS,
         "revoke_rules_on_delete = true", "revoke_rules_on_delete = false"),
    # ---- encryption
    rule("plain HTTP", "dev-storage", "tls-only", BUCKET, 'values   = ["false"]', 'values   = ["true"]'),
    rule("plain HTTP for objects", "dev-storage", "tls-only", BUCKET, 'resources = [local.arn, "${local.arn}/*"]',
         "resources = [local.arn]"),
    rule("unencrypted bucket", "dev-storage", "encryption", BUCKET,
         block(BUCKET, 'resource "aws_s3_bucket_server_side_encryption_configuration" "this"')),
    rule("key that never rotates", "prod-storage", "encryption", "storage/kms.tf", "enable_key_rotation     = true",
         "enable_key_rotation     = false"),
    rule("nothing encrypted at rest", "dev-cluster", "encryption", SECURITY, "EnableAtRestEncryption    = true",
         "EnableAtRestEncryption    = false"),
    rule("volumes without the key", "prod-cluster", "encryption", SECURITY, "EnableEbsEncryption       = true",
         "EnableEbsEncryption       = false"),
    rule("metadata without a token", "dev-cluster", "metadata-by-token", SECURITY,
         "MinimumInstanceMetadataServiceVersion = 2", "MinimumInstanceMetadataServiceVersion = 1"),
    # ---- identities
    rule("v1 service policy", "dev-cluster", "known-managed-policies", SERVICE, "AmazonEMRServicePolicy_v2",
         "AmazonElasticMapReduceRole"),
    rule("administrator by SSM's attachment", "all-cluster", "known-managed-policies", f"{IAM}/instance_role.tf",
         "aws:policy/AmazonSSMManagedInstanceCore", "aws:policy/AdministratorAccess"),
    rule("wildcard action", "dev-cluster", "no-wildcards", f"{IAM}/instance_role.tf",
         'actions   = ["s3:GetObject"]\n    resources = local.readable',
         'actions   = ["s3:*"]\n    resources = local.readable'),
    rule("any resource", "dev-cluster", "no-wildcards", f"{IAM}/instance_role.tf", '["${local.artifacts_arn}/*"]',
         '["*"]'),
    rule("endpoint for every bucket", "dev-cluster", "no-wildcards", f"{NETWORK}/endpoints.tf",
         'concat(local.our_bucket_arns, [for arn in local.our_bucket_arns : "${arn}/*"])', '["*"]'),
    rule("any role passed", "dev-cluster", "pass-role-scoped", SERVICE, "resources = [local.instance_role_arn]",
         'resources = ["arn:${local.partition}:iam::${var.account_id}:role/*"]'),
    rule("role passed to any service", "dev-cluster", "pass-role-scoped", SERVICE, "iam:PassedToService",
         "iam:AssociatedResourceArn"),
    rule("confused deputy", "dev-cluster", "no-confused-deputy", SERVICE, "aws:SourceAccount", "aws:PrincipalOrgID"),
    rule("every branch of the repository", "dev-github", "tokens-of-one-subject", "github/main.tf",
         '"${local.subject}:ref:refs/heads/${var.branch}"', '"${local.subject}:ref:refs/heads/*"'),
    rule("every repository", "dev-github", "tokens-of-one-subject", "github/main.tf", "values   = local.plan_subjects",
         'values   = ["repo:*"]'),
    rule("subject matched like a pattern", "dev-github", "tokens-of-one-subject", "github/main.tf",
         'test     = "StringEquals"\n      variable = "${local.issuer}:sub"',
         'test     = "StringLike"\n      variable = "${local.issuer}:sub"'),
    # ---- tags
    rule("missing tag", "dev-storage", "required-tags", "storage/account.tf", "    Environment = var.env\n"),
    rule("network that EMR may not use", "dev-cluster", "required-tags", f"{NETWORK}/main.tf",
         "merge(local.tags, { Name = var.name })", "merge(var.tags, { Name = var.name })"),
    # ---- the cluster
    rule("Spot core", "small-cluster", "spot-for-task-only", EMR, "target_on_demand_capacity = var.core.units",
         "target_on_demand_capacity = 4\n    target_spot_capacity = 4"),
    rule("Spot primary", "dev-cluster", "spot-for-task-only", EMR, "target_on_demand_capacity = 1",
         "target_spot_capacity = 1"),
    rule("Spot dearer than on demand", "prod-cluster", "spot-for-task-only", "modules/emr/fleets.tf",
         "local.task_spot ? 100 : null", "local.task_spot ? 200 : null"),
    rule("labels on one node", "dev-cluster", "primary-alone", "modules/emr/configurations.tf",
         "node_labels = local.has_task_fleet && local.task_spot ?", "node_labels = local.task_spot ?"),
    rule("no idle limit", "dev-cluster", "ends-by-itself", EMR, block(EMR, "auto_termination_policy")),
    rule("idle for four hours", "dev-cluster", "ends-by-itself", EMR, "idle_timeout = var.idle_timeout_seconds",
         "idle_timeout = 14400"),
    rule("protected from its end", "dev-cluster", "ends-by-itself", EMR, "termination_protection            = false",
         "termination_protection            = true"),
    rule("clock that stands still", "dev-cluster", "ends-by-itself", "modules/ttl/main.tf",
         '  name        = "${var.name}-ttl"\n', '  name        = "${var.name}-ttl"\n  state = "DISABLED"\n'),
    rule("idle watch that stands still", "dev-cluster", "ends-by-itself", "modules/idle/main.tf",
         "  flexible_time_window {", '  state = "DISABLED"\n\n  flexible_time_window {'),
    rule("idle watch once an hour", "dev-cluster", "ends-by-itself", "modules/idle/main.tf", "  minutes = 5\n",
         "  minutes = 60\n"),
    rule("step in Terraform", "dev-cluster", "steps-stay-outside", EMR, *STEP),
    rule("SSH key", "dev-cluster", "private-cluster", EMR, "  ec2_attributes {\n",
         '  ec2_attributes {\n    key_name = "laptop"\n'),
    rule("logs not kept", "dev-cluster", "private-cluster", EMR, "  log_uri       = var.log_uri\n"),
    rule("two tries of a failing job", "dev-cluster", "one-python-everywhere", "modules/emr/configurations.tf",
         '"spark.yarn.maxAppAttempts" = "1"', '"spark.yarn.maxAppAttempts" = "2"'),
    rule("address space limited", "dev-cluster", "one-python-everywhere", "modules/emr/configurations.tf",
         '"spark.yarn.maxAppAttempts" = "1"',
         '"spark.yarn.maxAppAttempts" = "1"\n          "spark.executor.pyspark.memory" = "1g"'),
    rule("no region for S3", "dev-cluster", "one-python-everywhere", "modules/emr/configurations.tf",
         "    AWS_REGION         = var.region\n"),
    rule("no packages for a node", "dev-cluster", "emr-reaches-its-buckets", f"{NETWORK}/endpoints.tf",
         "al2023-repos-${var.region}-*/*", "al2-repos-${var.region}-*/*"),
    # ---- data and bill
    rule("bucket that goes with the cluster", "dev-cluster", "storage-stays", "cluster/main.tf", "",
         '\nresource "aws_s3_bucket" "results" {\n  bucket = "fruits-results"\n}\n'),
    rule("purge without asking", "dev-storage", "buckets-keep-their-objects", "storage/main.tf",
         "force_destroy   = var.force_destroy", "force_destroy   = true"),
    rule("lifecycle that deletes images", "dev-storage", "images-and-results-stay", "storage/main.tf",
         '{ "requests/" = 90 }', '{ "images/" = 90 }'),
    rule("lifecycle that deletes everything", "dev-storage", "images-and-results-stay", BUCKET,
         "        expired_object_delete_marker = true\n", "        days = 30\n"),
    rule("alerts when it is too late", "dev-storage", "somebody-watches-the-bill", "modules/budget/main.tf",
         "[for threshold in var.thresholds : threshold]", "[100]"),
    rule("eight times the price", "dev-cluster", "hourly-price", "env/dev.cluster.tfvars", "core = { units = 0 }\n",
         "core = { units = 64 }\n"),
    # ---- what no plan shows
    code("hard-coded key", "test_no_clock_no_credentials", "storage/providers.tf",
         "  region              = var.region\n",
         '  region              = var.region\n  access_key = "AKIAIOSFODNN7EXAMPLE"\n'),
    code("clock in the code", "test_no_clock_no_credentials", "cluster/main.tf", "locals {\n",
         "locals {\n  now = timestamp()\n"),
    code("partition written out", "test_no_clock_no_credentials", SERVICE, "arn:${local.partition}:iam::aws",
         "arn:aws:iam::aws"),
    code("unpinned provider", "test_versions_are_pinned", "modules/emr/versions.tf", '"~> 5.100"', '">= 5.0"'),
    code("any Terraform", "test_versions_are_pinned", "storage/versions.tf", '">= 1.10, < 2.0"', '">= 1.0"'),
    code("step in the code", "test_no_step_inside_the_cluster", EMR, *STEP),
    code("day of the plan in an attribute", "test_plan_time_decides_no_attribute", EMR, "  name          = var.name\n",
         '  name          = "${var.name}-${local.today}"\n'),
    code("variable without a judge", "test_every_variable_is_typed_described_and_judged",
         "modules/ttl/variables.tf", "", '\nvariable "grace" {\n  description = "Minutes more."\n  type = number\n}\n'),
    code("setting that no stack knows", "test_environments_set_only_what_the_stacks_know", "env/prod.tfvars", "",
         "idle_timeout_second = 900\n"),
    code("suppression without a reason", "test_every_suppression_has_its_reason_beside_its_resource", BUCKET,
         "CKV2_AWS_62:Nothing would listen to the events", "CKV2_AWS_62"),
    code("stack that is elsewhere", "test_stacks_share_the_text_that_says_where_they_are", "cluster/providers.tf",
         "allowed_account_ids = var.offline ? null : [var.account_id]", "allowed_account_ids = null"),
    # ---- what is no longer refused
    refusal("region outside the EU", "storage", "regions.json", '"eu-west-3"]',
            '"eu-west-3", "us-east-1"]'),
    refusal("way in from everywhere", "network, size and clock", "modules/network/variables.tf",
            'rule.cidr)) && can(regex("^(10',
            'rule.cidr)) && can(regex("^(|10'),
    refusal("task fleet beside a primary alone", "no core fleet, and what needs one", "modules/sizing/variables.tf",
            "var.core_units > 0 || var.task_units == 0 && !var.task_may_grow", "true || var.task_units > 0"),
    refusal("idle limit of two hours", "values that the cluster's module judges", "modules/emr/variables.tf",
            "default     = 3600", "default     = 7200"),
]
# fmt: on
