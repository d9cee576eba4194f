# The cluster and the clock that ends it.

data "aws_iam_policy_document" "cluster" {
  statement {
    sid       = "Start"
    actions   = ["elasticmapreduce:RunJobFlow"]
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

  # RunJobFlow asks for it. EMR has no key like ec2:CreateAction, so the conditions on the resource keep another
  # environment's and another project's cluster from being taken over by its tags.
  statement {
    sid       = "TagNewCluster"
    actions   = ["elasticmapreduce:AddTags"]
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

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:ResourceTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid = "OwnCluster"
    actions = [
      "elasticmapreduce:AddInstanceFleet",
      "elasticmapreduce:AddJobFlowSteps",
      "elasticmapreduce:CancelSteps",
      "elasticmapreduce:DescribeCluster",
      "elasticmapreduce:DescribeStep",
      "elasticmapreduce:GetAutoTerminationPolicy",
      "elasticmapreduce:GetManagedScalingPolicy",
      "elasticmapreduce:ListBootstrapActions",
      "elasticmapreduce:ListInstanceFleets",
      "elasticmapreduce:ListInstanceGroups",
      "elasticmapreduce:ListInstances",
      "elasticmapreduce:ListSteps",
      "elasticmapreduce:ModifyCluster",
      "elasticmapreduce:ModifyInstanceFleet",
      "elasticmapreduce:PutAutoTerminationPolicy",
      "elasticmapreduce:PutManagedScalingPolicy",
      "elasticmapreduce:RemoveAutoTerminationPolicy",
      "elasticmapreduce:RemoveManagedScalingPolicy",
      "elasticmapreduce:SetUnhealthyNodeReplacement",
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
    sid       = "ChangeOtherTagsOfOurs"
    actions   = ["elasticmapreduce:AddTags"]
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

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Project"
      values   = [var.project]
    }

    condition {
      test     = "StringEqualsIfExists"
      variable = "aws:RequestTag/Environment"
      values   = [var.env]
    }
  }

  statement {
    sid       = "RemoveOtherTagsOfOurs"
    actions   = ["elasticmapreduce:RemoveTags"]
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

    condition {
      test     = "ForAllValues:StringNotEquals"
      variable = "aws:TagKeys"
      values   = ["Project", "Environment"]
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
  description = "Cluster and clock of ${local.name}"
  policy      = data.aws_iam_policy_document.cluster.json
}
