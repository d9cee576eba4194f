# An idle watch outside the cluster. EMR's own limit needs a public endpoint that private subnets without a way out do not
# reach: "the metrics-collector process must be able to connect to the public API endpoint for auto-termination in API
# Gateway" (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-auto-termination-policy.html). This one asks EMR's
# control plane, so nothing on the nodes has a part in it. It is a workflow of EventBridge and Step Functions: no code.

data "aws_partition" "this" {}

locals {
  minutes = 5
  sdk     = "arn:${data.aws_partition.this.partition}:states:::aws-sdk"
  machine = "arn:${data.aws_partition.this.partition}:states:${var.region}:${var.account_id}:stateMachine:${var.name}-idle"

  # Idle since: the cluster's first readiness or the end of a step, whichever was last.
  idle_seconds = join("", [
    "{% ($millis() - $max([$toMillis($ready), ",
    "$states.result.Steps.Status.Timeline.EndDateTime.$toMillis($)])) / 1000 %}",
  ])

  definition = {
    Comment        = "Terminates ${var.cluster_id} once it has waited for ${var.seconds} s without a step"
    QueryLanguage  = "JSONata"
    StartAt        = "Look"
    TimeoutSeconds = 240
    # without LookAtApplications nothing leads to it
    States = { for name, state in local.states : name => state if var.watch_applications || !contains(local.of_applications, name) }
  }

  of_applications = ["LookAtApplications", "DoesAnythingRun"]

  states = {
    Look = {
      Type      = "Task"
      Resource  = "${local.sdk}:emr:describeCluster"
      Arguments = { ClusterId = var.cluster_id }
      Assign = {
        state = "{% $states.result.Cluster.Status.State %}"
        ready = "{% $states.result.Cluster.Status.Timeline.ReadyDateTime %}"
      }
      Next = "IsItWaiting"
    }
    IsItWaiting = {
      Type    = "Choice"
      Choices = [{ Condition = "{% $state = 'WAITING' %}", Next = "LookAtSteps" }]
      Default = "LeaveIt"
    }
    LookAtSteps = {
      Type      = "Task"
      Resource  = "${local.sdk}:emr:listSteps"
      Arguments = { ClusterId = var.cluster_id }
      Assign    = { idle = local.idle_seconds }
      Next      = "IsItOver"
    }
    IsItOver = {
      Type    = "Choice"
      Choices = [{ Condition = "{% $idle >= ${var.seconds} %}", Next = var.watch_applications ? "LookAtApplications" : "End" }]
      Default = "LeaveIt"
    }
    # What runs without a step: a notebook's session by Livy. EMR counts YARN's applications every five minutes.
    LookAtApplications = {
      Type     = "Task"
      Resource = "${local.sdk}:cloudwatch:getMetricStatistics"
      Arguments = {
        Namespace  = "AWS/ElasticMapReduce"
        MetricName = "AppsRunning"
        Dimensions = [{ Name = "JobFlowId", Value = var.cluster_id }]
        StartTime  = "{% $fromMillis($millis() - ${max(var.seconds, 900)} * 1000) %}"
        EndTime    = "{% $now() %}"
        Period     = 300
        Statistics = ["Maximum"]
      }
      Assign = { applications = "{% $max([0, $states.result.Datapoints.Maximum]) %}" }
      Next   = "DoesAnythingRun"
    }
    DoesAnythingRun = {
      Type    = "Choice"
      Choices = [{ Condition = "{% $applications > 0 %}", Next = "LeaveIt" }]
      Default = "End"
    }
    End = {
      Type      = "Task"
      Resource  = "${local.sdk}:emr:terminateJobFlows"
      Arguments = { JobFlowIds = [var.cluster_id] }
      End       = true
    }
    LeaveIt = { Type = "Succeed" }
  }
}

data "aws_iam_policy_document" "assume" {
  statement {
    sid     = "SchedulerAndWorkflowsOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com", "states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "watch" {
  statement {
    sid       = "StartThisWorkflow"
    actions   = ["states:StartExecution"]
    resources = [local.machine]
  }

  statement {
    sid = "LookAtAndTerminateThisCluster"
    actions = [
      "elasticmapreduce:DescribeCluster",
      "elasticmapreduce:ListSteps",
      "elasticmapreduce:TerminateJobFlows",
    ]
    resources = [var.cluster_arn]
  }

  dynamic "statement" {
    for_each = var.watch_applications ? [1] : []

    content {
      # CloudWatch knows no resource for it
      # (https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html).
      sid       = "CountApplications"
      actions   = ["cloudwatch:GetMetricStatistics"]
      resources = ["*"]
    }
  }
}

# The cluster's id in the name: a role for each cluster, as the clock's.
resource "aws_iam_role" "this" {
  name                 = "${var.name}-idle-${var.cluster_id}"
  description          = "Lets a workflow terminate ${var.cluster_id} when it is idle"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "watch" {
  name   = "watch-this-cluster"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.watch.json
}

resource "aws_sfn_state_machine" "this" {
  # checkov:skip=CKV_AWS_284:X-Ray bills, and a workflow of eight states needs no trace
  # checkov:skip=CKV_AWS_285:Step Functions keeps the history of each execution for 90 days by itself
  name       = "${var.name}-idle"
  role_arn   = aws_iam_role.this.arn
  definition = jsonencode(local.definition)
  tags       = var.tags

  depends_on = [aws_iam_role_policy.watch]
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297:It holds the name of a workflow, which is no secret; EventBridge encrypts it with its own key
  name                = "${var.name}-idle"
  description         = "Looks every ${local.minutes} minutes whether ${var.cluster_id} is idle"
  schedule_expression = "rate(${local.minutes} minutes)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sfn_state_machine.this.arn
    role_arn = aws_iam_role.this.arn

    # The next look is more worth than a late one.
    retry_policy {
      maximum_event_age_in_seconds = 240
      maximum_retry_attempts       = 3
    }
  }
}
