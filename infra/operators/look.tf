# What make ui and make shell call, beyond what the other policies give. The embedded AWS has neither service, so these
# rights follow AWS's reference and have been tried on no account.

locals {
  ssm_arn = "arn:${local.partition}:ssm:${var.region}:${var.account_id}"
}

data "aws_iam_policy_document" "look" {
  statement {
    sid = "SparksPages"
    actions = [
      "elasticmapreduce:CreatePersistentAppUI",
      "elasticmapreduce:DescribePersistentAppUI",
      "elasticmapreduce:GetOnClusterAppUIPresignedURL",
      "elasticmapreduce:GetPersistentAppUIPresignedURL",
    ]
    resources = ["${local.emr_arn}:cluster/*"]

    dynamic "condition" {
      for_each = local.ours

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "WhetherANodeAnswers"
      actions   = ["ssm:DescribeInstanceInformation"]
      resources = ["*"] # the action knows no resource

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
      sid       = "ShellOnOurNodes"
      actions   = ["ssm:StartSession"]
      resources = ["${local.ec2_arn}:instance/*"]

      condition {
        test     = "StringEquals"
        variable = "ssm:resourceTag/Project" # EMR gives its instances the cluster's tags
        values   = [var.project]
      }

      condition {
        test     = "StringEquals"
        variable = "ssm:resourceTag/Environment"
        values   = [var.env]
      }
    }
  }

  # The document that a session without a name for one runs; asked for beside the instance, never instead of it
  # (https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-sessiondocumentaccesscheck.html).
  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "ShellAndNoOtherDocument"
      actions   = ["ssm:StartSession"]
      resources = ["${local.ssm_arn}:document/SSM-SessionManagerRunShell"]
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "SpeakInASession"
      actions   = ["ssmmessages:OpenDataChannel"]
      resources = ["*"] # the action knows no resource; it takes the token that StartSession gave
    }
  }

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "EndOnesOwnSession"
      actions   = ["ssm:TerminateSession"]
      resources = ["${local.ssm_arn}:session/*"]

      condition {
        test     = "StringEquals"
        variable = "ssm:resourceTag/aws:ssmmessages:session-id"
        values   = ["$${aws:userid}"]
      }
    }
  }
}

resource "aws_iam_policy" "look" {
  name        = "${local.name}-operators-look"
  description = "What make ui and make shell call in ${local.name}"
  policy      = data.aws_iam_policy_document.look.json
}
