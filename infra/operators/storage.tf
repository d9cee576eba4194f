# The buckets with what is in them, Terraform's states of this environment, the budget, the key where there is one.

data "aws_iam_policy_document" "storage" {
  statement {
    sid = "Buckets"
    actions = [
      "s3:CreateBucket",
      "s3:DeleteBucket",
      "s3:DeleteBucketPolicy",
      "s3:GetAccelerateConfiguration",
      "s3:GetBucketAcl",
      "s3:GetBucketCORS",
      "s3:GetBucketLogging",
      "s3:GetBucketObjectLockConfiguration",
      "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketRequestPayment",
      "s3:GetBucketTagging",
      "s3:GetBucketVersioning",
      "s3:GetBucketWebsite",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:GetReplicationConfiguration",
      "s3:ListBucket",
      "s3:ListBucketVersions",
      "s3:PutBucketOwnershipControls",
      "s3:PutBucketPolicy",
      "s3:PutBucketPublicAccessBlock",
      "s3:PutBucketTagging",
      "s3:PutBucketVersioning",
      "s3:PutEncryptionConfiguration",
      "s3:PutLifecycleConfiguration",
    ]
    resources = local.bucket_arns
  }

  statement {
    sid       = "Objects"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject"]
    resources = [for arn in local.bucket_arns : "${arn}/*"]
  }

  # All environments keep their states in this bucket: a policy put on it by one would open the others'. An administrator
  # makes it (make state) before this stack, whose own state lies in it.
  statement {
    sid = "LookAtTheStateBucket"
    actions = [
      "s3:GetBucketLocation",
      "s3:GetBucketOwnershipControls",
      "s3:GetBucketPolicy",
      "s3:GetBucketPublicAccessBlock",
      "s3:GetBucketTagging",
      "s3:GetBucketVersioning",
      "s3:GetEncryptionConfiguration",
      "s3:GetLifecycleConfiguration",
      "s3:ListBucket",
    ]
    resources = [local.state_bucket_arn]
  }

  # With the locks beside them; not the states of the stacks that an administrator applies.
  statement {
    sid       = "States"
    actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = [for stack in ["storage", "cluster"] : "${local.state_bucket_arn}/${var.env}/${stack}.tfstate*"]
  }

  statement {
    sid = "Budget"
    actions = [
      "budgets:ListTagsForResource",
      "budgets:ModifyBudget",
      "budgets:TagResource",
      "budgets:UntagResource",
      "budgets:ViewBudget",
    ]
    resources = ["arn:${local.partition}:budgets::${var.account_id}:budget/${local.name}-monthly"]
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "MakeKey"
      actions   = ["kms:CreateKey"]
      resources = ["*"] # the action knows no resource

      dynamic "condition" {
        for_each = local.made_ours

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "FindKeys"
      actions   = ["kms:ListAliases"]
      resources = ["*"] # the action knows no resource
    }
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "NameKey"
      actions   = ["kms:CreateAlias", "kms:DeleteAlias"]
      resources = ["${local.kms_arn}:alias/${local.name}"]
    }
  }

  # CreateKey asks for it. KMS has no key like ec2:CreateAction: a new key is one without these tags and without an alias.
  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "TagNewKey"
      actions   = ["kms:TagResource"]
      resources = ["${local.kms_arn}:key/*"]

      dynamic "condition" {
        for_each = local.made_ours

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }

      condition {
        test     = "Null"
        variable = "aws:ResourceTag/Project"
        values   = ["true"]
      }

      condition {
        test     = "Null"
        variable = "aws:ResourceTag/Environment"
        values   = ["true"]
      }

      condition {
        test     = "Null"
        variable = "kms:ResourceAliases"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid = "OwnKey"
      actions = [
        "kms:CreateAlias",
        "kms:Decrypt",
        "kms:DeleteAlias",
        "kms:DescribeKey",
        "kms:EnableKeyRotation",
        "kms:GenerateDataKey",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
        "kms:ScheduleKeyDeletion",
      ]
      resources = ["${local.kms_arn}:key/*"]

      dynamic "condition" {
        for_each = local.ours

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "ChangeOtherTagsOfOurKey"
      actions   = ["kms:TagResource"]
      resources = ["${local.kms_arn}:key/*"]

      dynamic "condition" {
        for_each = concat(local.ours, local.retagged_ours)

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "RemoveOtherTagsOfOurKey"
      actions   = ["kms:UntagResource"]
      resources = ["${local.kms_arn}:key/*"]

      dynamic "condition" {
        for_each = concat(local.ours, local.other_tags)

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }
    }
  }
}

resource "aws_iam_policy" "storage" {
  name        = "${local.name}-operators-storage"
  description = "Buckets, states, budget and key of ${local.name}"
  policy      = data.aws_iam_policy_document.storage.json
}
