output "terminates_at" {
  description = "UTC time at which the cluster is terminated at the latest."
  value       = timeadd(aws_iam_role.this.create_date, "${var.hours}h")
}

output "schedule_name" {
  description = "Name of the schedule."
  value       = aws_scheduler_schedule.this.name
}
