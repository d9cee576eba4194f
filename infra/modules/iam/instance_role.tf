# What a node may do, hence what any code of the job may do: read the images, the request and the artifacts, write
# results and logs.

data "aws_iam_policy_document" "instance_assume" {
  statement {
    sid     = "Ec2"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  name                 = local.instance_role_name
  description          = "Nodes of ${var.name}: read images and artifacts, write results and logs"
  assume_role_policy   = data.aws_iam_policy_document.instance_assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = local.tags
}

locals {
  data_arn      = "arn:${local.partition}:s3:::${var.buckets.data}"
  artifacts_arn = "arn:${local.partition}:s3:::${var.buckets.artifacts}"
  logs_arn      = "arn:${local.partition}:s3:::${var.buckets.logs}"

  # "images" beside "images/*": file systems ask for the folder as if it were an object (HeadObject), and S3 answers
  # 403 instead of 404 to who may not read that key.
  readable = flatten([for prefix in ["images", "requests", "results"] : ["${local.data_arn}/${prefix}", "${local.data_arn}/${prefix}/*"]])
}

data "aws_iam_policy_document" "instance" {
  # Without a condition on s3:prefix: a HeadObject of a missing key carries no prefix, and without the right to list
  # S3 says 403, which Hadoop's S3A takes for a failure and not for "not there".
  statement {
    sid       = "ListOurBuckets"
    actions   = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
    resources = [local.data_arn, local.artifacts_arn, local.logs_arn]
  }

  statement {
    sid       = "ReadImagesRequestsResults"
    actions   = ["s3:GetObject"]
    resources = local.readable
  }

  statement {
    sid = "WriteResults"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:DeleteObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.data_arn}/results/*"]
  }

  statement {
    sid       = "ReadArtifacts"
    actions   = ["s3:GetObject"]
    resources = ["${local.artifacts_arn}/*"]
  }

  statement {
    sid = "WriteLogs"
    actions = [
      "s3:AbortMultipartUpload",
      "s3:GetObject",
      "s3:ListMultipartUploadParts",
      "s3:PutObject",
    ]
    resources = ["${local.logs_arn}/emr/*", "${local.logs_arn}/node/*"]
  }

  # AWS's policy for the agent reads every parameter of the account; a shell needs none.
  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "NoParameters"
      effect    = "Deny"
      actions   = ["ssm:GetParameter", "ssm:GetParameters"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyOfTheBuckets"
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role_policy" "instance" {
  name   = "our-prefixes-only"
  role   = aws_iam_role.instance.id
  policy = data.aws_iam_policy_document.instance.json
}

resource "aws_iam_role_policy_attachment" "ssm" {
  count = var.enable_ssm ? 1 : 0

  role       = aws_iam_role.instance.name
  policy_arn = "arn:${local.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "this" {
  name = "${var.name}-emr-node"
  role = aws_iam_role.instance.name
  tags = local.tags
}
