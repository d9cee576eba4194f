variable "name" {
  description = "Name of the budget."
  type        = string

  validation {
    condition     = can(regex("^[^:\\\\]{1,100}$", var.name))
    error_message = "The budget's name must have 1 to 100 characters and neither \":\" nor \"\\\"."
  }
}

variable "account_id" {
  description = "Account that the budget watches (12 digits)."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "monthly_limit" {
  description = "US dollars per month at which the last alert is sent."
  type        = number

  validation {
    condition     = var.monthly_limit > 0
    error_message = "A budget of ${var.monthly_limit} would alert at once or never. Give the dollars a month that you are willing to spend, for instance budget_usd = 10."
  }
}

variable "thresholds" {
  description = "Percentages of the limit at which an alert is sent."
  type        = list(number)
  default     = [50, 80, 100]

  validation {
    condition     = length(var.thresholds) > 0 && alltrue([for threshold in var.thresholds : threshold > 0 && threshold <= 1000])
    error_message = "thresholds must name at least one percentage, each above 0 and at most 1000."
  }
}

variable "emails" {
  description = "Addresses that are alerted; with none, nobody is told."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.emails) <= 10 && alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "emails must be at most 10 addresses of the form name@example.org (AWS Budgets takes no more for one alert)."
  }
}

variable "tags" {
  description = "Tags of the budget, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
