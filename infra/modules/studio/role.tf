data "aws_iam_policy_document" "assume" {
  statement {
    sid     = "SageMakerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["sagemaker.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

locals {
  sagemaker_arn = "arn:${local.partition}:sagemaker:${var.region}:${var.account_id}"
  emr_arn       = "arn:${local.partition}:elasticmapreduce:${var.region}:${var.account_id}"
  data_arn      = "arn:${local.partition}:s3:::${var.buckets.data}"
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "FindClusters"
    actions   = ["elasticmapreduce:ListClusters"]
    resources = ["*"] # the action knows no resource
  }

  statement {
    sid = "SeeOurClusters"
    actions = [
      "elasticmapreduce:DescribeCluster",
      "elasticmapreduce:ListInstanceFleets",
      "elasticmapreduce:ListInstances",
      "elasticmapreduce:ListSteps",
      "elasticmapreduce:DescribeStep",
      "elasticmapreduce:GetOnClusterAppUIPresignedURL",
    ]
    resources = ["${local.emr_arn}:cluster/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }
  }

  statement {
    sid = "RunOwnNotebook"
    actions = [
      "sagemaker:AddTags",
      "sagemaker:CreateApp",
      "sagemaker:CreatePresignedDomainUrl",
      "sagemaker:CreateSpace",
      "sagemaker:DeleteApp",
      "sagemaker:DeleteSpace",
      "sagemaker:DescribeApp",
      "sagemaker:DescribeDomain",
      "sagemaker:DescribeSpace",
      "sagemaker:DescribeUserProfile",
      "sagemaker:UpdateSpace",
    ]
    resources = [for kind in ["app", "domain", "space", "user-profile"] : "${local.sagemaker_arn}:${kind}/*"]
  }

  statement {
    sid       = "ListNotebooks"
    actions   = ["sagemaker:ListApps", "sagemaker:ListDomains", "sagemaker:ListSpaces", "sagemaker:ListUserProfiles"]
    resources = ["*"] # these actions know no resource
  }

  statement {
    sid       = "ReadResults"
    actions   = ["s3:GetBucketLocation", "s3:GetObject", "s3:ListBucket"]
    resources = [local.data_arn, "${local.data_arn}/*"]
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "UseKeyOfTheBuckets"
      actions   = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }
}

resource "aws_iam_role" "this" {
  name                 = "${var.name}-studio"
  description          = "Notebooks of ${var.name}: see our clusters, read results"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "this" {
  name   = "clusters-and-results"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}
