variable "name" {
  description = "Prefix of the names of schedule, workflow and role."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-zA-Z-]{1,40}$", var.name))
    error_message = "name must be 1 to 40 letters, digits and hyphens: the role's name adds the cluster's id and may have 64."
  }
}

variable "account_id" {
  description = "Account that they belong to (12 digits)."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "cluster_id" {
  description = "Id of the cluster to watch (j-…)."
  type        = string

  validation {
    condition     = startswith(var.cluster_id, "j-")
    error_message = "cluster_id must be the id of an EMR cluster: j-…"
  }
}

variable "cluster_arn" {
  description = "ARN of the cluster to watch: the only thing that the role may touch."
  type        = string

  validation {
    condition     = startswith(var.cluster_arn, "arn:")
    error_message = "cluster_arn must be an ARN."
  }
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "seconds" {
  description = "Seconds without a step after which the cluster is terminated."
  type        = number

  validation {
    condition     = var.seconds >= 60 && var.seconds <= 604800 && floor(var.seconds) == var.seconds
    error_message = "The idle limit must be 60 s to 7 days (604800 s), as EMR's own; ${var.seconds} is not."
  }
}

variable "watch_applications" {
  description = "Leave a cluster alone on which YARN runs something without a step (a notebook by Livy)."
  type        = bool
  default     = false
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role; null means none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of role and workflow, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
