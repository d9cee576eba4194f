# The cluster, its roles (within the boundary, passed to their service only) and the clock that ends it.

data "aws_iam_policy_document" "cluster" {
  statement {
    sid = "Start"
    actions = [
      "elasticmapreduce:RunJobFlow",
    ]
    resources = ["*"] # the action knows no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid = "TagNewCluster"
    actions = [
      "elasticmapreduce:AddTags",
    ]
    resources = ["${local.emr_arn}:cluster/*"]

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid = "OwnCluster"
    actions = [
      "elasticmapreduce:AddInstanceFleet",
      "elasticmapreduce:AddJobFlowSteps",
      "elasticmapreduce:AddTags",
      "elasticmapreduce:DescribeCluster",
      "elasticmapreduce:DescribeStep",
      "elasticmapreduce:GetAutoTerminationPolicy",
      "elasticmapreduce:ListBootstrapActions",
      "elasticmapreduce:ListInstanceFleets",
      "elasticmapreduce:ListInstanceGroups",
      "elasticmapreduce:ListInstances",
      "elasticmapreduce:ListSteps",
      "elasticmapreduce:ModifyCluster",
      "elasticmapreduce:ModifyInstanceFleet",
      "elasticmapreduce:PutAutoTerminationPolicy",
      "elasticmapreduce:RemoveTags",
      "elasticmapreduce:TerminateJobFlows",
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
    sid = "SecurityConfigurations"
    actions = [
      "elasticmapreduce:CreateSecurityConfiguration",
      "elasticmapreduce:DeleteSecurityConfiguration",
      "elasticmapreduce:DescribeSecurityConfiguration",
    ]
    resources = ["*"] # these actions know no resource

    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = [var.region]
    }
  }

  statement {
    sid = "CleanupRoleOnFirstUse"
    actions = [
      "iam:CreateServiceLinkedRole",
    ]
    resources = ["arn:${local.partition}:iam::${var.account_id}:role/aws-service-role/elasticmapreduce.amazonaws.com/AWSServiceRoleForEMRCleanup"]

    condition {
      test     = "StringEquals"
      variable = "iam:AWSServiceName"
      values   = ["elasticmapreduce.amazonaws.com"]
    }
  }

  statement {
    sid = "RolesWithinTheBoundary"
    actions = [
      "iam:AttachRolePolicy",
      "iam:CreateRole",
      "iam:DeleteRolePolicy",
      "iam:DetachRolePolicy",
      "iam:PutRolePolicy",
    ]
    resources = local.role_arns

    condition {
      test     = "StringEquals"
      variable = "iam:PermissionsBoundary"
      values   = [local.boundary_arn]
    }
  }

  # IAM knows no condition on the boundary for these; it does for those above, and for the two that change a boundary,
  # which nobody is given (https://docs.aws.amazon.com/service-authorization/latest/reference/list_iam.html). Their
  # limit is the names; to delete or tag a role of ours widens nobody's rights.
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
    sid = "ReadBoundary"
    actions = [
      "iam:GetPolicy",
    ]
    resources = [local.boundary_arn]
  }

  statement {
    sid = "PassRoleOfEmr"
    actions = [
      "iam:PassRole",
    ]
    resources = ["${local.role_arn}-emr-service"]

    condition {
      test     = "StringLike"
      variable = "iam:PassedToService"
      values   = ["elasticmapreduce.amazonaws.com*"]
    }
  }

  statement {
    sid = "PassRoleOfNodes"
    actions = [
      "iam:PassRole",
    ]
    resources = [local.instance_role_arn]

    condition {
      test     = "StringLike"
      variable = "iam:PassedToService"
      values   = ["ec2.amazonaws.com*"]
    }
  }

  statement {
    sid = "PassRoleOfTheClock"
    actions = [
      "iam:PassRole",
    ]
    resources = ["${local.role_arn}-ttl-j-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com"]
    }
  }

  statement {
    sid = "PassRoleOfTheIdleWatch"
    actions = [
      "iam:PassRole",
    ]
    resources = ["${local.role_arn}-idle-j-*"]

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["scheduler.amazonaws.com", "states.amazonaws.com"]
    }
  }

  statement {
    sid = "IdleWatch"
    actions = [
      "states:CreateStateMachine",
      "states:DeleteStateMachine",
      "states:DescribeStateMachine",
      "states:ListExecutions",
      "states:ListStateMachineVersions",
      "states:ListTagsForResource",
      "states:TagResource",
      "states:UntagResource",
      "states:UpdateStateMachine",
    ]
    resources = ["arn:${local.partition}:states:${var.region}:${var.account_id}:stateMachine:${local.name}-idle"]
  }

  # The provider has a changed workflow checked before it plans it; the call names no workflow.
  statement {
    sid       = "CheckTheIdleWatch"
    actions   = ["states:ValidateStateMachineDefinition"]
    resources = ["*"]
  }

  statement {
    sid = "Clock"
    actions = [
      "scheduler:CreateSchedule",
      "scheduler:DeleteSchedule",
      "scheduler:GetSchedule",
      "scheduler:UpdateSchedule",
    ]
    resources = [
      "arn:${local.partition}:scheduler:${var.region}:${var.account_id}:schedule/default/${local.name}-idle",
      "arn:${local.partition}:scheduler:${var.region}:${var.account_id}:schedule/default/${local.name}-ttl",
    ]
  }
}

resource "aws_iam_policy" "cluster" {
  name        = "${local.name}-operators-cluster"
  description = "Cluster, roles and clock of ${local.name}"
  policy      = data.aws_iam_policy_document.cluster.json
}
