variable "group_name" {
  description = "Name of the group of the operators; null makes one of project and environment."
  type        = string
  default     = null

  validation {
    condition     = var.group_name == null ? true : can(regex("^[A-Za-z0-9+=,.@_-]{1,128}$", var.group_name))
    error_message = "group_name must be 1 to 128 letters, digits or any of +=,.@_- (IAM's rule for groups)."
  }
}

variable "users" {
  description = "Names of existing IAM users who become operators; none with IAM Identity Center, whose permission sets name the policies instead."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for user in var.users : can(regex("^[A-Za-z0-9+=,.@_-]{1,64}$", user))])
    error_message = "users must be names of IAM users (1 to 64 letters, digits or any of +=,.@_-), not ARNs."
  }
}

variable "enable_kms" {
  description = "Give what the storage stack's enable_kms needs: to create and describe the key, and to schedule its deletion."
  type        = bool
  default     = false
}

variable "enable_ssm" {
  description = "Give what the cluster stack's enable_ssm needs: interface endpoints, and the managed policy of the nodes."
  type        = bool
  default     = false
}

variable "enable_studio" {
  description = "Give what the cluster stack's enable_studio and enable_nat need: a domain and its user, the notebooks' role, a NAT gateway."
  type        = bool
  default     = false
}
