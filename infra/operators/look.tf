# What make ui and make shell call, beyond what the other policies give. The embedded AWS has neither service, so these
# rights follow AWS's reference and have been tried on no account.

data "aws_iam_policy_document" "look" {
  statement {
    sid = "SparksPages"
    actions = [
      "elasticmapreduce:CreatePersistentAppUI",
      "elasticmapreduce:DescribePersistentAppUI",
      "elasticmapreduce:GetPersistentAppUIPresignedURL",
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

  dynamic "statement" {
    for_each = var.enable_ssm ? [1] : []

    content {
      sid       = "EndOnesOwnSession"
      actions   = ["ssm:TerminateSession"]
      resources = ["arn:${local.partition}:ssm:${var.region}:${var.account_id}:session/*"]

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
