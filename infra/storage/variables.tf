variable "budget_usd" {
  description = "US dollars per month (the whole account's bill) at which the last alert is sent; earlier ones are sent at half and four fifths."
  type        = number
  default     = 10

  validation {
    condition     = var.budget_usd > 0 && var.budget_usd <= 1000000
    error_message = "A budget of ${var.budget_usd} USD would alert at once or never. Give the dollars a month that you are willing to spend, for instance budget_usd = 10."
  }
}

variable "budget_emails" {
  description = "Addresses that the budget alerts."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.budget_emails) <= 10
    error_message = "AWS Budgets writes to at most 10 addresses."
  }
}

variable "lifecycle_rules" {
  description = "Rules that expire logs, old versions and abandoned uploads. Off for ENV=local: the provider waits 55 s for them."
  type        = bool
  default     = true
}

variable "log_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_days >= 1 && var.log_days <= 36500 && floor(var.log_days) == var.log_days
    error_message = "log_days must be a whole number from 1 to 36500."
  }
}

variable "enable_kms" {
  description = "Encrypt buckets and volumes with your own key (about 1 USD per month) instead of S3's keys."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Let Terraform delete the buckets with everything in them. Only `make purge` turns it on."
  type        = bool
  default     = false
}
