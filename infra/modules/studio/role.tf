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
  notebook_arns = [for kind in ["app", "space"] : "${local.sagemaker_arn}:${kind}/*"]
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

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid       = "OurDomainAndUser"
    actions   = ["sagemaker:CreatePresignedDomainUrl", "sagemaker:DescribeDomain", "sagemaker:DescribeUserProfile"]
    resources = [for kind in ["domain", "user-profile"] : "${local.sagemaker_arn}:${kind}/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }
  }

  # What is made in a domain bears no tag of ours, but its owner's name; to see it harms nobody.
  statement {
    sid       = "SeeNotebooks"
    actions   = ["sagemaker:DescribeApp", "sagemaker:DescribeSpace"]
    resources = local.notebook_arns
  }

  statement {
    sid = "RunOwnNotebook"
    actions = [
      "sagemaker:CreateApp",
      "sagemaker:CreateSpace",
      "sagemaker:DeleteApp",
      "sagemaker:DeleteSpace",
      "sagemaker:UpdateSpace",
    ]
    resources = local.notebook_arns

    condition {
      test     = "ArnLike"
      variable = "sagemaker:OwnerUserProfileArn"
      values   = ["${local.sagemaker_arn}:user-profile/*/${var.user_name}"]
    }
  }

  statement {
    sid       = "TagOwnNotebook"
    actions   = ["sagemaker:AddTags"]
    resources = local.notebook_arns

    condition {
      test     = "StringEquals"
      variable = "sagemaker:TaggingAction"
      values   = ["CreateApp", "CreateSpace"]
    }
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
      actions   = ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : [var.kms_key_arn]

    content {
      sid       = "LendKeyToSageMaker"
      actions   = ["kms:CreateGrant"]
      resources = [statement.value]

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }
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
