variable "name" {
  description = "Prefix of the names of the roles."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "name must be 1 to 40 lower-case letters, digits and hyphens and begin with a letter."
  }
}

variable "account_id" {
  description = "Account that the roles belong to (12 digits)."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "Region whose EMR may take the service role."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "buckets" {
  description = "Names of the buckets for data (images/, requests/, results/), artifacts and logs."
  type = object({
    data      = string
    artifacts = string
    logs      = string
  })

  validation {
    condition     = alltrue([for name in values(var.buckets) : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", name))])
    error_message = "buckets must hold three bucket names (not URIs, no wildcard)."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key that encrypts the buckets and the nodes' volumes; null means none."
  type        = string
  default     = null
}

variable "enable_ssm" {
  description = "Let Systems Manager open a shell on a node."
  type        = bool
  default     = false
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds every role; null means none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of the roles, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
