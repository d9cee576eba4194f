# Who may run the other two stacks: a group with what `make apply` to `make purge` were seen to call, and no more. An
# administrator applies it, once an environment.

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition

  # The names that the stacks storage and cluster give.
  bucket_arns       = [for purpose in ["data", "artifacts", "logs"] : "arn:${local.partition}:s3:::${local.name}-${purpose}-${var.account_id}"]
  state_bucket_arn  = "arn:${local.partition}:s3:::${var.project}-tfstate-${var.account_id}"
  role_arn          = "arn:${local.partition}:iam::${var.account_id}:role/${local.name}"
  instance_role_arn = "${local.role_arn}-emr-node"
  emr_arn           = "arn:${local.partition}:elasticmapreduce:${var.region}:${var.account_id}"
  ec2_arn           = "arn:${local.partition}:ec2:${var.region}:${var.account_id}"
  kms_arn           = "arn:${local.partition}:kms:${var.region}:${var.account_id}"
}
