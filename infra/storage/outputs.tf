output "buckets" {
  description = "Names of the buckets: data (images/, requests/, results/), artifacts and logs."
  value = {
    data      = module.data.name
    artifacts = module.artifacts.name
    logs      = module.logs.name
  }
}

output "region" {
  description = "Region of the buckets."
  value       = var.region
}

output "account_id" {
  description = "Account of the buckets."
  value       = var.account_id
}

output "kms_key_arn" {
  description = "ARN of the key, or null where S3's own keys encrypt."
  value       = one(aws_kms_key.this[*].arn)
}

output "budget" {
  description = "Name of the budget and the dollars at which it alerts."
  value = {
    name           = module.budget.name
    thresholds_usd = module.budget.thresholds_usd
  }
}
