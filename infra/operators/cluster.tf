# The cluster and the clock that ends it.

data "aws_iam_policy_document" "cluster" {
  statement {
    sid       = "Start"
    actions   = ["elasticmapreduce:RunJobFlow"]
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

  # RunJobFlow asks for it. EMR has no key like ec2:CreateAction, so the conditions on the resource keep another
  # environment's and another project's cluster from being taken over by its tags.
  statement {
    sid       = "TagNewCluster"
    actions   = ["elasticmapreduce:AddTags"]
    resources = ["${local.emr_arn}:cluster/*"]

    dynamic "condition" {
      for_each = concat(local.made_ours, local.no_others)

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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
    sid       = "ChangeOtherTagsOfOurs"
    actions   = ["elasticmapreduce:AddTags"]
    resources = ["${local.emr_arn}:cluster/*"]

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
    sid       = "RemoveOtherTagsOfOurs"
    actions   = ["elasticmapreduce:RemoveTags"]
    resources = ["${local.emr_arn}:cluster/*"]

    dynamic "condition" {
      for_each = concat(local.ours, local.other_tags)

      content {
        test     = condition.value.test
        variable = condition.value.variable
        values   = condition.value.values
      }
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
