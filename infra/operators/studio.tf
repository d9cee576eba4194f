# What the cluster stack's enable_studio and its enable_nat need, and make studio-notebook, studio-open and studio-stop.

locals {
  sagemaker_arn = "arn:${local.partition}:sagemaker:${var.region}:${var.account_id}"
}

data "aws_iam_policy_document" "studio" {
  statement {
    sid       = "ListWhatRuns"
    actions   = ["sagemaker:ListApps", "sagemaker:ListSpaces"]
    resources = ["*"] # these actions know no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "MakeDomainAndUser"
    actions   = ["sagemaker:CreateDomain", "sagemaker:CreateUserProfile"]
    resources = ["${local.sagemaker_arn}:domain/*", "${local.sagemaker_arn}:user-profile/*/${local.name}"]

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  # Only in the call that makes it (https://docs.aws.amazon.com/sagemaker/latest/dg/security_iam_id-based-policy-examples.html).
  statement {
    sid       = "TagWhatIsMade"
    actions   = ["sagemaker:AddTags"]
    resources = ["${local.sagemaker_arn}:domain/*", "${local.sagemaker_arn}:user-profile/*"]

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }

    condition {
      test     = "StringEquals"
      variable = "sagemaker:TaggingAction"
      values   = ["CreateDomain", "CreateUserProfile"]
    }
  }

  statement {
    sid = "OurDomainAndUser"
    actions = [
      "sagemaker:CreatePresignedDomainUrl",
      "sagemaker:DeleteDomain",
      "sagemaker:DeleteUserProfile",
      "sagemaker:DescribeDomain",
      "sagemaker:DescribeUserProfile",
      "sagemaker:ListTags",
    ]
    resources = ["${local.sagemaker_arn}:domain/*", "${local.sagemaker_arn}:user-profile/*"]

    dynamic "condition" {
      for_each = local.ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  # What a user makes in the domain bears no tag of ours, but its owner's name.
  statement {
    sid       = "StopAndCloseSpaces"
    actions   = ["sagemaker:DeleteApp", "sagemaker:DeleteSpace"]
    resources = ["${local.sagemaker_arn}:app/*", "${local.sagemaker_arn}:space/*"]

    condition {
      test     = "ArnLike"
      variable = "sagemaker:OwnerUserProfileArn"
      values   = ["${local.sagemaker_arn}:user-profile/*/${local.name}"]
    }
  }

  statement {
    sid       = "PassRoleOfTheNotebooks"
    actions   = ["iam:PassRole"]
    resources = ["${local.role_arn}-studio"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  statement {
    sid       = "RoleOfStudioOnFirstUse"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/aws-service-role/sagemaker.amazonaws.com/AWSServiceRoleForAmazonSageMakerNotebooks"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["sagemaker.amazonaws.com"]
    }
  }

  # SageMaker's groups for the home folders name their domain, and no environment.
  statement {
    sid = "SweepWhatStudioLeft"
    actions = [
      "ec2:DeleteSecurityGroup",
      "ec2:RevokeSecurityGroupEgress",
      "ec2:RevokeSecurityGroupIngress",
    ]
    resources = ["${local.ec2_arn}:security-group/*"]

    condition {
      test     = "StringLike"
      variable = "aws:ResourceTag/ManagedByAmazonSageMakerResource"
      values   = ["${local.sagemaker_arn}:domain/*"]
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

  statement {
    sid = "SeeTheWayOut"
    actions = [
      "ec2:DescribeAddresses",
      "ec2:DescribeAddressesAttribute",
      "ec2:DescribeInternetGateways",
      "ec2:DescribeNatGateways",
    ]
    resources = ["*"] # these actions know no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid       = "MakeAddress"
    actions   = ["ec2:AllocateAddress"]
    resources = ["${local.ec2_arn}:elastic-ip/*"]

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "MakeGateways"
    actions   = ["ec2:CreateInternetGateway", "ec2:CreateNatGateway"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["internet-gateway", "natgateway"])

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  statement {
    sid       = "TagTheWayOut"
    actions   = ["ec2:CreateTags"]
    resources = formatlist("${local.ec2_arn}:%s/*", ["elastic-ip", "internet-gateway", "natgateway"])

    dynamic "condition" {
      for_each = local.made_ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }

    condition {
      test     = "StringEquals"
      variable = "ec2:CreateAction"
      values   = ["AllocateAddress", "CreateInternetGateway", "CreateNatGateway"]
    }
  }

  statement {
    sid = "JoinAndRemoveTheWayOut"
    actions = [
      "ec2:AttachInternetGateway",
      "ec2:CreateNatGateway",
      "ec2:CreateRoute",
      "ec2:DeleteInternetGateway",
      "ec2:DeleteNatGateway",
      "ec2:DeleteRoute",
      "ec2:DetachInternetGateway",
      "ec2:DisassociateAddress",
      "ec2:ReleaseAddress",
    ]
    resources = ["${local.ec2_arn}:*/*"]

    dynamic "condition" {
      for_each = local.ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  # The home folders are encrypted under the buckets' key, which SageMaker asks for in the caller's name.
  dynamic "statement" {
    for_each = var.enable_kms ? [1] : []

    content {
      sid       = "KeyOfTheHomeFolders"
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
}

resource "aws_iam_policy" "studio" {
  count = var.enable_studio ? 1 : 0

  name        = "${local.name}-operators-studio"
  description = "Studio and the way out of ${local.name}"
  policy      = data.aws_iam_policy_document.studio.json
}
