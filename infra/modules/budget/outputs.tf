output "name" {
  description = "Name of the budget."
  value       = aws_budgets_budget.this.name
}

output "thresholds_usd" {
  description = "Dollars a month at which each alert is sent."
  value       = [for threshold in var.thresholds : var.monthly_limit * threshold / 100]
}
