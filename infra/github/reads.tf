# What a plan reads: the states, and the settings of what the stacks made. No object of the buckets: who plans sees
# how the buckets are kept, and no photograph.

locals {
  state_arn    = "arn:${local.partition}:s3:::${coalesce(var.state_bucket, "fruits-tfstate-${var.account_id}")}"
  bucket_arns  = [for purpose in ["data", "artifacts", "logs"] : "arn:${local.partition}:s3:::${local.name}-${purpose}-${var.account_id}"]
  of_iam       = "arn:${local.partition}:iam::${var.account_id}"
  our_clusters = "arn:${local.partition}:elasticmapreduce:${var.region}:${var.account_id}:cluster/*"
  our_keys     = "arn:${local.partition}:kms:${var.region}:${var.account_id}:key/*"
}

data "aws_iam_policy_document" "reads" {
  # checkov:skip=CKV_AWS_356:EC2's describe calls, and the few others in the statement ListsWithoutResource, exist for "*" only
  statement {
    sid       = "ListStates"
    actions   = ["s3:ListBucket"]
    resources = [local.state_arn]
  }

  # Read without the lock (-lock=false), which would be a write.
  statement {
    sid       = "ReadStatesOfThisEnvironment"
    actions   = ["s3:GetObject"]
    resources = [for stack in ["storage", "cluster"] : "${local.state_arn}/${var.env}/${stack}.tfstate"]
  }

  statement {
    sid = "ReadSettingsOfTheBuckets"
    actions = [
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
    ]
    resources = local.bucket_arns
  }

  statement {
    sid = "ReadRolesOfThisEnvironment"
    actions = [
      "iam:GetInstanceProfile",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
    ]
    resources = ["${local.of_iam}:role/${local.name}-*", "${local.of_iam}:instance-profile/${local.name}-*"]
  }

  # Whether the roles must be made within it: a plan that does not know would take the boundary away.
  statement {
    sid       = "ReadTheBoundary"
    actions   = ["iam:GetPolicy"]
    resources = ["${local.of_iam}:policy/${local.name}-boundary"]
  }

  statement {
    sid = "ReadClustersOfThisEnvironment"
    actions = [
      "elasticmapreduce:DescribeCluster",
      "elasticmapreduce:GetAutoTerminationPolicy",
      "elasticmapreduce:GetManagedScalingPolicy",
      "elasticmapreduce:ListBootstrapActions",
      "elasticmapreduce:ListInstanceFleets",
      "elasticmapreduce:ListInstances",
      "elasticmapreduce:ListSteps",
    ]
    resources = [local.our_clusters]

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
    sid       = "ReadTheClock"
    actions   = ["scheduler:GetSchedule"]
    resources = ["arn:${local.partition}:scheduler:${var.region}:${var.account_id}:schedule/default/${local.name}-*"]
  }

  statement {
    sid       = "ReadTheBudget"
    actions   = ["budgets:ListTagsForResource", "budgets:ViewBudget"]
    resources = ["arn:${local.partition}:budgets::${var.account_id}:budget/${local.name}-monthly"]
  }

  statement {
    sid = "ReadSettingsOfTheKey"
    actions = [
      "kms:DescribeKey",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListResourceTags",
    ]
    resources = [local.our_keys]

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
    sid       = "ReadSettingsOfTheNetwork"
    actions   = ["ec2:DescribeVpcAttribute"]
    resources = ["arn:${local.partition}:ec2:${var.region}:${var.account_id}:vpc/*"]

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
    sid = "ListsWithoutResource"
    actions = [
      "ec2:DescribeAddresses",
      "ec2:DescribeInstances",
      "ec2:DescribeInternetGateways",
      "ec2:DescribeNatGateways",
      "ec2:DescribeNetworkAcls",
      "ec2:DescribePrefixLists",
      "ec2:DescribeRouteTables",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
      "ec2:DescribeSubnets",
      "ec2:DescribeVolumes",
      "ec2:DescribeVpcEndpoints",
      "ec2:DescribeVpcs",
      "elasticmapreduce:DescribeSecurityConfiguration",
      "elasticmapreduce:ListClusters",
      "kms:ListAliases",
      "sagemaker:ListDomains",
      "tag:GetResources",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "plan" {
  name   = "reads"
  role   = aws_iam_role.plan.id
  policy = data.aws_iam_policy_document.reads.json
}

# An apply plans first.
resource "aws_iam_role_policy" "apply" {
  name   = "reads"
  role   = aws_iam_role.apply.id
  policy = data.aws_iam_policy_document.reads.json
}
