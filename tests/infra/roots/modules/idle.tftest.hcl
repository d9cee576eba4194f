mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::000000000000:role/mock" }
  }
  mock_resource "aws_sfn_state_machine" {
    defaults = { arn = "arn:aws:states:eu-west-3:000000000000:stateMachine:fruits-test-idle" }
  }
}

variables {
  name        = "fruits-test"
  account_id  = "000000000000"
  region      = "eu-west-3"
  cluster_id  = "j-0000000000000"
  cluster_arn = "arn:aws:elasticmapreduce:eu-west-3:000000000000:cluster/j-0000000000000"
  seconds     = 900
}

run "looks_every_five_minutes_at_one_cluster" {
  command = apply

  module {
    source = "../modules/idle"
  }

  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression == "rate(5 minutes)"
    error_message = "the schedule says ${aws_scheduler_schedule.this.schedule_expression}"
  }

  assert {
    condition     = one(aws_scheduler_schedule.this.target).arn == "arn:aws:states:eu-west-3:000000000000:stateMachine:fruits-test-idle"
    error_message = "what it starts"
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.End.Arguments.JobFlowIds == ["j-0000000000000"]
    error_message = "this cluster and no other"
  }

  assert {
    condition     = !can(jsondecode(aws_sfn_state_machine.this.definition).States.LookAtApplications)
    error_message = "nobody runs anything without a step"
  }

  assert {
    condition     = output.terminates_after_seconds == 1200
    error_message = "the limit and the time between two looks"
  }

  assert {
    condition     = alltrue([for s in data.aws_iam_policy_document.watch.statement : !contains(s.resources, "*")])
    error_message = "its role may touch this workflow and this cluster only"
  }
}

run "counts_applications_where_notebooks_run" {
  command = apply

  module {
    source = "../modules/idle"
  }

  variables {
    watch_applications = true
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.this.definition).States.IsItOver.Choices[0].Next == "LookAtApplications"
    error_message = "a notebook's session is no step"
  }
}

run "refuses_half_a_minute" {
  command = plan

  module {
    source = "../modules/idle"
  }

  variables {
    seconds = 30
  }

  expect_failures = [var.seconds]
}
