# The account's own key for the buckets and the nodes' volumes: about 1 USD per month, so only when asked for.

data "aws_partition" "this" {}

data "aws_iam_policy_document" "key" {
  # checkov:skip=CKV_AWS_109:A key's own policy must give the account its rights, or nobody can ever change the key
  # checkov:skip=CKV_AWS_111:The account must be able to write to its own key, or nobody can
  # checkov:skip=CKV_AWS_356:In a key's policy "*" means this key
  statement {
    sid       = "AccountDecidesByIam"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.this.partition}:iam::${var.account_id}:root"]
    }
  }
}

resource "aws_kms_key" "this" {
  count = var.enable_kms ? 1 : 0

  description             = "Buckets and volumes of ${local.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  count = var.enable_kms ? 1 : 0

  name          = "alias/${local.name}"
  target_key_id = aws_kms_key.this[0].key_id
}
