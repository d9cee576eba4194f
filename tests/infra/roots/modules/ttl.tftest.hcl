mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }
  mock_resource "aws_iam_role" {
    defaults = {
      arn         = "arn:aws:iam::000000000000:role/mock"
      create_date = "2026-11-22T22:30:00Z"
    }
  }
}

variables {
  name        = "fruits-test"
  account_id  = "000000000000"
  cluster_id  = "j-0000000000000"
  cluster_arn = "arn:aws:elasticmapreduce:eu-west-3:000000000000:cluster/j-0000000000000"
  hours       = 4
}

run "fires_once_hours_after_the_birth" {
  command = apply

  module {
    source = "../modules/ttl"
  }

  # Past midnight, in UTC, in the one form that the service takes.
  assert {
    condition     = aws_scheduler_schedule.this.schedule_expression == "at(2026-11-23T02:30:00)"
    error_message = "the schedule says ${aws_scheduler_schedule.this.schedule_expression}"
  }

  assert {
    condition     = jsondecode(one(aws_scheduler_schedule.this.target).input) == { JobFlowIds = ["j-0000000000000"] }
    error_message = "this cluster and no other"
  }

  assert {
    condition     = one(aws_scheduler_schedule.this.target).arn == "arn:aws:scheduler:::aws-sdk:emr:terminateJobFlows"
    error_message = "the call that ends it"
  }

  assert {
    condition     = one(data.aws_iam_policy_document.terminate.statement).resources == toset(["arn:aws:elasticmapreduce:eu-west-3:000000000000:cluster/j-0000000000000"])
    error_message = "its role may end this cluster only"
  }
}

run "refuses_two_days" {
  command = plan

  module {
    source = "../modules/ttl"
  }

  variables {
    hours = 48
  }

  expect_failures = [var.hours]
}
