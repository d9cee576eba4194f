# What outlives every cluster: three buckets, the budget and, optionally, a key.

module "data" {
  source = "../modules/bucket"

  name            = local.buckets.data
  versioned       = true
  force_destroy   = var.force_destroy
  kms_key         = local.kms_key
  lifecycle_rules = var.lifecycle_rules ? { expire = { "requests/" = 90 } } : null
}

# Wheels, bootstrap and jobs lie under keys that hold their hash: nothing in here is ever overwritten.
module "artifacts" {
  source = "../modules/bucket"

  name            = local.buckets.artifacts
  versioned       = false
  force_destroy   = var.force_destroy
  kms_key         = local.kms_key
  lifecycle_rules = var.lifecycle_rules ? {} : null
}

module "logs" {
  source = "../modules/bucket"

  name            = local.buckets.logs
  versioned       = false
  force_destroy   = var.force_destroy
  kms_key         = local.kms_key
  lifecycle_rules = var.lifecycle_rules ? { expire = { "emr/" = var.log_days, "node/" = var.log_days } } : null
}

module "budget" {
  source = "../modules/budget"

  name          = "${local.name}-monthly"
  account_id    = var.account_id
  monthly_limit = var.budget_usd
  emails        = var.budget_emails
}

locals {
  buckets = { for purpose in ["data", "artifacts", "logs"] : purpose => "${local.name}-${purpose}-${var.account_id}" }

  kms_key = var.enable_kms ? { arn = aws_kms_key.this[0].arn } : null
}
