output "cluster_id" {
  description = "Id of the cluster (j-…)."
  value       = aws_emr_cluster.this.id
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_emr_cluster.this.arn
}

output "release_label" {
  description = "EMR release of the cluster."
  value       = aws_emr_cluster.this.release_label
}

output "log_uri" {
  description = "Where EMR puts the logs."
  value       = var.log_uri
}

output "primary_dns" {
  description = "Private name of the primary node."
  value       = aws_emr_cluster.this.master_public_dns
}
