# The ceiling of every role that an operator makes. Without it the right to make a role and to write its policy is the
# right to everything: a role with more rights than one's own, given to a cluster of one's own.

data "aws_iam_policy_document" "boundary" {
  # checkov:skip=CKV_AWS_109:A ceiling gives nothing by itself; what a role may do say its own policies
  # checkov:skip=CKV_AWS_111:A ceiling gives nothing by itself; what a role may do say its own policies
  # checkov:skip=CKV_AWS_356:A ceiling gives nothing by itself; AmazonEMRServicePolicy_v2 scopes these actions by tags
  statement {
    sid = "MachinesOfEmr"
    actions = [
      "ec2:AuthorizeSecurityGroup*",
      "ec2:Create*",
      "ec2:DeleteLaunchTemplate",
      "ec2:DeleteNetworkInterface",
      "ec2:DeletePlacementGroup",
      "ec2:DeleteTags",
      "ec2:Describe*",
      "ec2:ModifyInstanceAttribute",
      "ec2:ModifyVpcEndpoint",
      "ec2:RevokeSecurityGroup*",
      "ec2:RunInstances",
      "ec2:TerminateInstances",
      "resource-groups:ListGroupResources",
    ]
    resources = ["*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid = "ScalingOfEmr"
    actions = [
      "application-autoscaling:DeleteScalingPolicy",
      "application-autoscaling:DeregisterScalableTarget",
      "application-autoscaling:DescribeScal*",
      "application-autoscaling:PutScalingPolicy",
      "application-autoscaling:RegisterScalableTarget",
      "cloudwatch:DeleteAlarms",
      "cloudwatch:DescribeAlarms",
      "cloudwatch:PutMetricAlarm",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "RolesOfTheNodes"
    actions   = ["iam:PassRole"]
    resources = [local.instance_role_arn]

    condition {
      test     = "StringLike"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com*"]
    }
  }

  statement {
    sid       = "SpotRole"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot*"]
  }

  statement {
    sid       = "OurBuckets"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:Get*", "s3:List*", "s3:PutObject"]
    resources = local.bucket_arns
  }

  statement {
    sid       = "OurObjects"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:Get*", "s3:List*", "s3:PutObject"]
    resources = [for arn in local.bucket_arns : "${arn}/*"]
  }

  statement {
    sid       = "EndOfTheCluster"
    actions   = ["elasticmapreduce:DescribeCluster", "elasticmapreduce:ListSteps", "elasticmapreduce:TerminateJobFlows"]
    resources = ["${local.emr_arn}:cluster/*"]
  }

  statement {
    sid       = "IdleWatch"
    actions   = ["states:StartExecution"]
    resources = ["arn:${local.partition}:states:${var.region}:${var.account_id}:stateMachine:${local.name}-idle"]
  }

  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid = "KeyOfTheBuckets"
      actions = [
        "kms:CreateGrant",
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
      ]
      resources = ["${local.kms_arn}:key/*"]

      condition {
        test     = "StringEquals"
        variable = "aws:ResourceTag/Project"
        values   = [var.project]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_studio ? [1] : []

    content {
      sid = "Notebooks"
      actions = [
        "cloudwatch:GetMetricStatistics",
        "elasticmapreduce:Describe*",
        "elasticmapreduce:Get*",
        "elasticmapreduce:List*",
        "sagemaker:AddTags",
        "sagemaker:CreateApp",
        "sagemaker:CreatePresignedDomainUrl",
        "sagemaker:CreateSpace",
        "sagemaker:DeleteApp",
        "sagemaker:DeleteSpace",
        "sagemaker:Describe*",
        "sagemaker:List*",
        "sagemaker:UpdateSpace",
      ]
      resources = ["*"]

      condition {
        test     = "StringEquals"
        variable = "aws:RequestedRegion"
        values   = [var.region]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "ShellOnTheNodes"
      actions   = ["ec2messages:*", "ssm:*", "ssmmessages:*"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_policy" "boundary" {
  name        = "${local.name}-boundary"
  description = "The ceiling of the roles of ${local.name}: EMR's machines, our buckets, nothing of IAM"
  policy      = data.aws_iam_policy_document.boundary.json
}
