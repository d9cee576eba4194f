# Who may run the stacks storage and cluster: a group with the rights that `make apply` to `make purge` were seen to use, and
# no more. An administrator applies it, once per environment.

data "aws_partition" "this" {}

locals {
  partition = data.aws_partition.this.partition

  # The names that the stacks storage and cluster give.
  bucket_arns       = [for purpose in ["data", "artifacts", "logs"] : "arn:${local.partition}:s3:::${local.name}-${purpose}-${var.account_id}"]
  state_bucket_arn  = "arn:${local.partition}:s3:::${var.project}-tfstate-${var.account_id}"
  role_arn          = "arn:${local.partition}:iam::${var.account_id}:role/${local.name}"
  instance_role_arn = "${local.role_arn}-emr-node"
  role_arns         = concat(["${local.role_arn}-emr-node", "${local.role_arn}-emr-service", "${local.role_arn}-ttl-j-*", "${local.role_arn}-idle-j-*"], var.enable_studio ? ["${local.role_arn}-studio"] : [])
  boundary_arn      = "arn:${local.partition}:iam::${var.account_id}:policy/${local.name}-boundary"
  attachable_arns   = [for name in concat(["service-role/AmazonEMRServicePolicy_v2"], var.enable_ssm ? ["AmazonSSMManagedInstanceCore"] : []) : "arn:${local.partition}:iam::aws:policy/${name}"]
  emr_arn           = "arn:${local.partition}:elasticmapreduce:${var.region}:${var.account_id}"
  ec2_arn           = "arn:${local.partition}:ec2:${var.region}:${var.account_id}"
  kms_arn           = "arn:${local.partition}:kms:${var.region}:${var.account_id}"

  documents = [
    data.aws_iam_policy_document.boundary.json,
    data.aws_iam_policy_document.storage.json,
    data.aws_iam_policy_document.network.json,
    data.aws_iam_policy_document.cluster.json,
    data.aws_iam_policy_document.roles.json,
    data.aws_iam_policy_document.doctor.json,
    data.aws_iam_policy_document.look.json,
    data.aws_iam_policy_document.studio.json,
  ]

  policies = merge(
    {
      storage = aws_iam_policy.storage.arn
      network = aws_iam_policy.network.arn
      cluster = aws_iam_policy.cluster.arn
      roles   = aws_iam_policy.roles.arn
      doctor  = aws_iam_policy.doctor.arn
      look    = aws_iam_policy.look.arn
    },
    { for policy in aws_iam_policy.studio : "studio" => policy.arn },
  )
}

resource "aws_iam_group" "this" {
  name = coalesce(var.group_name, "${local.name}-operators")

  lifecycle {
    precondition {
      condition     = alltrue([for text in local.documents : length(replace(text, "/\\s/", "")) <= 6144])
      error_message = "A policy of ${local.name} would be longer than the 6,144 characters that IAM takes, because the names in it are long. Choose a shorter project or env."
    }
  }
}

resource "aws_iam_group_policy_attachment" "this" {
  for_each = local.policies

  group      = aws_iam_group.this.name
  policy_arn = each.value
}

resource "aws_iam_user_group_membership" "this" {
  for_each = toset(var.users)

  user   = each.value
  groups = [aws_iam_group.this.name]
}
