variable "name" {
  description = "Prefix of the names of the schedule and its role."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-zA-Z-]{1,40}$", var.name))
    error_message = "name must be 1 to 40 letters, digits and hyphens: the role's name adds the cluster's id and may have 64."
  }
}

variable "account_id" {
  description = "Account that the schedule belongs to (12 digits)."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "cluster_id" {
  description = "Id of the cluster to terminate (j-…)."
  type        = string

  validation {
    condition     = startswith(var.cluster_id, "j-")
    error_message = "cluster_id must be the id of an EMR cluster: j-…"
  }
}

variable "cluster_arn" {
  description = "ARN of the cluster to terminate: the only thing that the schedule's role may touch."
  type        = string

  validation {
    condition     = startswith(var.cluster_arn, "arn:")
    error_message = "cluster_arn must be an ARN."
  }
}

variable "hours" {
  description = "Hours from the cluster's creation to its termination."
  type        = number

  validation {
    condition     = var.hours >= 1 && var.hours <= 24 && floor(var.hours) == var.hours
    error_message = "The hard time to live must be 1 to 24 whole hours; ${var.hours} is not. For a longer job, start a second cluster: features already written are not computed again."
  }
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role; null means none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the role, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
