output "schedule_name" {
  description = "Name of the schedule that looks."
  value       = aws_scheduler_schedule.this.name
}

output "terminates_after_seconds" {
  description = "Seconds after the last step at which an idle cluster is terminated at the latest: the limit, and the time between two looks."
  value       = var.seconds + local.minutes * 60
}
