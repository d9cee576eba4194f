# The whole account's bill of the month: tags reach it only after they were activated by hand, hours to days later.

resource "aws_budgets_budget" "this" {
  account_id   = var.account_id
  name         = var.name
  budget_type  = "COST"
  limit_amount = format("%.2f", var.monthly_limit)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"
  tags         = var.tags

  dynamic "notification" {
    for_each = length(var.emails) == 0 ? [] : [for threshold in var.thresholds : threshold]

    content {
      comparison_operator        = "GREATER_THAN"
      notification_type          = "ACTUAL"
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.emails
    }
  }
}

check "somebody_is_told" {
  assert {
    condition     = length(var.emails) > 0
    error_message = "The budget ${var.name} has no address to write to, so nobody is told when it is spent. Give one: budget_emails = [\"you@example.org\"]."
  }
}
