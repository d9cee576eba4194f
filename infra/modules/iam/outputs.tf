output "service_role_arn" {
  description = "ARN of the role that EMR takes."
  # Through the attachments, so that a cluster is not asked for before its rights are there.
  value      = aws_iam_role.service.arn
  depends_on = [aws_iam_role_policy_attachment.service, aws_iam_role_policy.service]
}

output "instance_profile_arn" {
  description = "ARN of the profile that every node gets."
  value       = aws_iam_instance_profile.this.arn
  depends_on  = [aws_iam_role_policy.instance, aws_iam_role_policy_attachment.ssm]
}

output "instance_role_name" {
  description = "Name of the role behind the nodes' profile."
  value       = aws_iam_role.instance.name
}
