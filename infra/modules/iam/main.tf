# Two roles: what EMR may do in the account, and what a node of the cluster may do. The v1 managed policies are not
# used: AWS deprecates them, and the one for nodes gives every bucket of the account.

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition

  # Written out instead of asked of the resource, so that the policy can be read in the plan.
  instance_role_name = "${var.name}-emr-node"
  instance_role_arn  = "arn:${local.partition}:iam::${var.account_id}:role/${local.instance_role_name}"

  tags = merge(var.tags, { "for-use-with-amazon-emr-managed-policies" = "true" })
}
