# The ceiling of every role that an operator makes. Without it the right to make a role and to write its policy is the
# right to everything: a role with more rights than one's own, given to a cluster of one's own. An operator may also
# take such a role, so the ceiling holds nothing of other environments and other projects: AmazonEMRServicePolicy_v2
# (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-iam-role.html), with our tags beside EMR's.

data "aws_iam_policy_document" "boundary" {
  # checkov:skip=CKV_AWS_109:A ceiling gives nothing by itself; what a role may do say its own policies
  # checkov:skip=CKV_AWS_111:A ceiling gives nothing by itself; what a role may do say its own policies
  # checkov:skip=CKV_AWS_356:A ceiling gives nothing by itself; what a role may do say its own policies
  statement {
    sid = "See"
    actions = concat(
      [
        "cloudwatch:GetMetricStatistics",
        "ec2:DescribeA*",
        "ec2:DescribeCapacity*",
        "ec2:DescribeDhcp*",
        "ec2:DescribeImages",
        "ec2:DescribeInstanceType*",
        "ec2:DescribeInstances",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeN*",
        "ec2:DescribePl*",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeV*",
      ],
      var.enable_studio ? [
        "elasticmapreduce:ListClusters",
        "sagemaker:DescribeApp",
        "sagemaker:DescribeSpace",
        "sagemaker:List*",
      ] : [],
    )
    resources = ["*"]
  }

  # Machines, groups, clusters, the key and the domain alike: whatever does not bear our tags is out of reach.
  statement {
    sid = "WhatBearsOurTags"
    actions = concat(
      [
        "ec2:AuthorizeSecurityGroup*",
        "ec2:CreateFleet",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:CreateNetworkInterface",
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteTags",
        "ec2:ModifyInstanceAttribute",
        "ec2:RevokeSecurityGroup*",
        "ec2:RunInstances",
        "ec2:TerminateInstances",
        "elasticmapreduce:DescribeCluster",
        "elasticmapreduce:ListSteps",
        "elasticmapreduce:TerminateJobFlows",
      ],
      var.enable_kms ? [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey*",
        "kms:ReEncrypt*",
      ] : [],
      var.enable_studio ? [
        "elasticmapreduce:DescribeStep",
        "elasticmapreduce:GetOnClusterAppUIPresignedURL",
        "elasticmapreduce:ListInstance*",
        "sagemaker:CreatePresignedDomainUrl",
        "sagemaker:DescribeDomain",
        "sagemaker:DescribeUserProfile",
      ] : [],
    )
    resources = ["*"]

    dynamic "condition" {
      for_each = local.ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "OtherTagsOfOurs"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2_arn}:*/*"]

    dynamic "condition" {
      for_each = concat(local.ours, local.retagged_ours)

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "NewMachines"
    actions   = ["ec2:CreateFleet", "ec2:RunInstances"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["instance", "volume"])

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/for-use-with-amazon-emr-managed-policies"
      values   = ["true"]
    }
  }

  statement {
    sid       = "NewTemplates"
    actions   = ["ec2:CreateLaunchTemplate"]
    resources = ["${local.ec2_arn}:launch-template/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/for-use-with-amazon-emr-managed-policies"
      values   = ["true"]
    }
  }

  # AWS documents that instances get the tags of their cluster (emr-plan-tags.html), of these it says nothing.
  statement {
    sid = "EmrsTemplates"
    actions = [
      "ec2:CreateFleet",
      "ec2:CreateLaunchTemplateVersion",
      "ec2:DeleteLaunchTemplate",
      "ec2:DeleteNetworkInterface",
      "ec2:RunInstances",
    ]
    resources = formatlist("${local.ec2_arn}:%s/*", ["launch-template", "network-interface"])

    condition {
      test     = "StringEquals"
      variable = "aws:ResourceTag/for-use-with-amazon-emr-managed-policies"
      values   = ["true"]
    }

    dynamic "condition" {
      for_each = local.no_others

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  # AWS knows no tag of them here; the subnet, which is ours, is asked for beside them.
  statement {
    sid       = "FleetsAndInterfaces"
    actions   = ["ec2:CreateFleet", "ec2:CreateNetworkInterface", "ec2:RunInstances"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["fleet", "network-interface"])
  }

  # Never an image of this account, whose disk would be somebody's.
  statement {
    sid       = "ImagesOfEmr"
    actions   = ["ec2:CreateFleet", "ec2:RunInstances"]
    resources = ["arn:${local.partition}:ec2:${var.region}::image/*"]

    condition {
      test     = "StringNotEquals"
      variable = "ec2:Owner"
      values   = [var.account_id]
    }
  }

  statement {
    sid       = "EmrsEndpoint"
    actions   = ["ec2:CreateVpcEndpoint"]
    resources = ["${local.ec2_arn}:vpc-endpoint/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Name"
      values   = ["emr-service-vpce"]
    }
  }

  statement {
    sid       = "TagWhatIsMade"
    actions   = ["ec2:CreateTags"]
    resources = ["${local.ec2_arn}:*/*"]

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["CreateFleet", "CreateLaunchTemplate", "CreateNetworkInterface", "CreateVpcEndpoint", "RunInstances"]
    }
  }

  statement {
    sid       = "RoleOfNodes"
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
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/aws-service-role/spot.amazonaws.com/*"]
  }

  statement {
    sid       = "OurBuckets"
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:Get*", "s3:List*", "s3:PutObject"]
    resources = concat(local.bucket_arns, [for arn in local.bucket_arns : "${arn}/*"])
  }

  statement {
    sid       = "IdleWatch"
    actions   = ["states:StartExecution"]
    resources = ["arn:${local.partition}:states:${var.region}:${var.account_id}:stateMachine:${local.name}-idle"]
  }

  # To a service of AWS, never to a person.
  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "LendOurKey"
      actions   = ["kms:CreateGrant"]
      resources = ["${local.kms_arn}:key/*"]

      dynamic "condition" {
        for_each = local.ours

        content {
          test     = condition.value.test
          variable = condition.value.variable
          values   = condition.value.values
        }
      }

      condition {
        test     = "Bool"
        variable = "kms:GrantIsForAWSResource"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_studio ? [1] : []

    content {
      sid       = "OwnNotebook"
      actions   = ["sagemaker:*App", "sagemaker:*Space"]
      resources = ["*"]

      condition {
        test     = "ArnLike"
        variable = "sagemaker:OwnerUserProfileArn"
        values   = ["${local.sagemaker_arn}:user-profile/*/${local.name}"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_studio ? [1] : []

    content {
      sid       = "TagOwnNotebook"
      actions   = ["sagemaker:AddTags"]
      resources = ["*"]

      condition {
        test     = "StringEquals"
        variable = "sagemaker:TaggingAction"
        values   = ["CreateApp", "CreateSpace"]
      }
    }
  }

  # From a machine that bears the role, never from a laptop that took it: it would answer in another machine's name.
  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid = "AgentOfNode"
      actions = [
        "ec2messages:GetMessages",
        "ssm:UpdateInstanceInformation",
        "ssmmessages:CreateControlChannel",
      ]
      resources = ["*"]

      condition {
        test     = "ArnLike"
        variable = "ec2:SourceInstanceARN"
        values   = ["${local.ec2_arn}:instance/*"]
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid = "ChannelsOfNode"
      actions = [
        "ec2messages:AcknowledgeMessage",
        "ec2messages:DeleteMessage",
        "ec2messages:FailMessage",
        "ec2messages:GetEndpoint",
        "ec2messages:SendReply",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:Open*",
      ]
      resources = ["*"] # these actions know no resource
    }
  }
}

resource "aws_iam_policy" "boundary" {
  name        = "${local.name}-boundary"
  description = "The ceiling of the roles of ${local.name}: EMR's machines, our buckets, nothing of IAM"
  policy      = data.aws_iam_policy_document.boundary.json
}
