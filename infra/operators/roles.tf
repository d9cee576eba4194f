# The cluster's roles: made within the boundary, passed to their service only.

data "aws_iam_policy_document" "roles" {
  statement {
    sid       = "CleanupRoleOnFirstUse"
    actions   = ["iam:CreateServiceLinkedRole"]
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/aws-service-role/elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["elasticmapreduce.amazonaws.com"]
    }
  }

  # Nobody is given iam:PutRolePermissionsBoundary or iam:DeleteRolePermissionsBoundary, or a new version of the boundary.
  statement {
    sid = "RolesWithinTheBoundary"
    actions = [
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePolicy",
      "iam:UpdateAssumeRolePolicy",
      "iam:UpdateRole",
      "iam:UpdateRoleDescription",
    ]
    resources = local.role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }
  }

  statement {
    sid       = "AwsPoliciesWithinTheBoundary"
    actions   = ["iam:AttachRolePolicy"]
    resources = local.role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }

    condition {
      test     = "ArnEquals"
      variable = "iam:PolicyARN"
      values   = local.attachable_arns
    }
  }

  # Their limit is the names; to delete or tag a role of ours widens nobody's rights.
  statement {
    sid = "Roles"
    actions = [
      "iam:DeleteRole",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:ListAttachedRolePolicies",
      "iam:ListInstanceProfilesForRole",
      "iam:ListRolePolicies",
      "iam:TagRole",
      "iam:UntagRole",
    ]
    resources = local.role_arns
  }

  statement {
    sid = "InstanceProfile"
    actions = [
      "iam:AddRoleToInstanceProfile",
      "iam:CreateInstanceProfile",
      "iam:DeleteInstanceProfile",
      "iam:GetInstanceProfile",
      "iam:RemoveRoleFromInstanceProfile",
      "iam:TagInstanceProfile",
      "iam:UntagInstanceProfile",
    ]
    resources = ["arn:${local.partition}:iam::${var.account_id}:instance-profile/${local.name}-emr-node"]
  }

  statement {
    sid       = "ReadBoundary"
    actions   = ["iam:GetPolicy"]
    resources = [local.boundary_arn]
  }

  statement {
    sid       = "PassRoleOfEmr"
    actions   = ["iam:PassRole"]
    resources = ["${local.role_arn}-emr-service"]

    condition {
      test     = "StringLike"
      variable = "iam:PassedToService"
      values   = ["elasticmapreduce.amazonaws.com*"]
    }
  }

  statement {
    sid       = "PassRoleOfNodes"
    actions   = ["iam:PassRole"]
    resources = [local.instance_role_arn]

    condition {
      test     = "StringLike"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com*"]
    }
  }

  statement {
    sid       = "PassRoleOfTheIdleWatch"
    actions   = ["iam:PassRole"]
    resources = ["${local.role_arn}-idle-j-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com", "states.amazonaws.com"]
    }
  }

  statement {
    sid       = "PassRoleOfTheClock"
    actions   = ["iam:PassRole"]
    resources = ["${local.role_arn}-ttl-j-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com"]
    }
  }
}

resource "aws_iam_policy" "roles" {
  name        = "${local.name}-operators-roles"
  description = "Roles of ${local.name}, within their boundary"
  policy      = data.aws_iam_policy_document.roles.json
}
