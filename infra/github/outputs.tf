output "provider_arn" {
  description = "ARN of GitHub's OIDC provider in this account."
  value       = local.provider_arn
}

output "plan_role_arn" {
  description = "Role that plans and looks for drift: the repository's variable AWS_PLAN_ROLE."
  value       = aws_iam_role.plan.arn
}

output "apply_role_arn" {
  description = "Role that applies: the variable AWS_APPLY_ROLE of the repository's environment."
  value       = aws_iam_role.apply.arn
}

output "subjects" {
  description = "Subjects of the tokens that each role takes."
  value = {
    plan  = local.plan_subjects
    apply = local.apply_subject
  }
}
