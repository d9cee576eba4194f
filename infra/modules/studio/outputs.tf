output "connect" {
  description = "Domain, user, security group, and the notebook line that connects to a cluster."
  value = {
    domain_id         = aws_sagemaker_domain.this.id
    domain_url        = aws_sagemaker_domain.this.url
    user              = aws_sagemaker_user_profile.this.user_profile_name
    security_group_id = aws_security_group.this.id
    line              = "%sm_analytics emr connect --cluster-id ${var.cluster_id} --auth-type None"
  }
}
