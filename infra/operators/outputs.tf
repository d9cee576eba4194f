output "group" {
  description = "Name of the operators' group."
  value       = aws_iam_group.this.name
}

output "policy_arns" {
  description = "The operators' policies: what a permission set of IAM Identity Center names as customer managed policies."
  value       = local.policies
}

output "boundary_arn" {
  description = "The boundary that every role of the environment must have; make apply finds it by its name."
  value       = aws_iam_policy.boundary.arn
}
