mock_provider "aws" {}

variables {
  name          = "fruits-test-monthly"
  account_id    = "000000000000"
  monthly_limit = 12
  emails        = ["owner@example.org"]
}

run "alerts_at_half_four_fifths_and_all" {
  command = plan

  module {
    source = "../modules/budget"
  }

  assert {
    condition     = toset([for alert in aws_budgets_budget.this.notification : alert.threshold]) == toset([50, 80, 100])
    error_message = "three alerts"
  }

  assert {
    condition     = output.thresholds_usd == [6, 9.6, 12]
    error_message = "in dollars"
  }
}

run "warns_where_nobody_is_told" {
  command = plan

  module {
    source = "../modules/budget"
  }

  variables {
    emails = []
  }

  expect_failures = [check.somebody_is_told]
}

run "refuses_nothing" {
  command = plan

  module {
    source = "../modules/budget"
  }

  variables {
    monthly_limit = 0
  }

  expect_failures = [var.monthly_limit]
}
