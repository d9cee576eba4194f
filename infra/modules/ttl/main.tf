# A clock outside the cluster: it terminates the cluster so many hours after its creation, whatever runs on it and
# whether or not a laptop is on. EMR's own idle limit does not end a step that hangs.

data "aws_partition" "this" {}

data "aws_iam_policy_document" "assume" {
  statement {
    sid     = "SchedulerOfThisAccount"
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

data "aws_iam_policy_document" "terminate" {
  statement {
    sid       = "TerminateThisCluster"
    actions   = ["elasticmapreduce:TerminateJobFlows"]
    resources = [var.cluster_arn]
  }
}

# The cluster's id in the name makes a new role for each cluster, so that create_date is the birth of *this* one:
# a time that is known once and never changes, where timestamp() would differ at every plan.
resource "aws_iam_role" "this" {
  name                 = "${var.name}-ttl-${var.cluster_id}"
  description          = "Lets EventBridge Scheduler terminate ${var.cluster_id} when its time is over"
  assume_role_policy   = data.aws_iam_policy_document.assume.json
  permissions_boundary = var.permissions_boundary
  tags                 = var.tags
}

resource "aws_iam_role_policy" "terminate" {
  name   = "terminate-this-cluster"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.terminate.json
}

resource "aws_scheduler_schedule" "this" {
  # checkov:skip=CKV_AWS_297:It holds the id of a cluster, which is no secret; EventBridge encrypts it with its own key
  name        = "${var.name}-ttl"
  description = "Terminates ${var.cluster_id} ${var.hours} h after its birth"

  # One shot. A rate() without a start date fires at once
  # (https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html).
  schedule_expression = "at(${formatdate("YYYY-MM-DD'T'hh:mm:ss", timeadd(aws_iam_role.this.create_date, "${var.hours}h"))})"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:${data.aws_partition.this.partition}:scheduler:::aws-sdk:emr:terminateJobFlows"
    role_arn = aws_iam_role.this.arn
    input    = jsonencode({ JobFlowIds = [var.cluster_id] })

    retry_policy {
      maximum_event_age_in_seconds = 86400
      maximum_retry_attempts       = 185
    }
  }

  depends_on = [aws_iam_role_policy.terminate]
}
