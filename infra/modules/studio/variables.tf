variable "name" {
  description = "Name of the domain and prefix of the other names."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "name must be 1 to 40 lower-case letters, digits and hyphens and begin with a letter."
  }
}

variable "project" {
  description = "Value of the tag Project of the clusters that a notebook may see."
  type        = string
}

variable "env" {
  description = "Value of the tag Environment of the clusters that a notebook may see."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.env))
    error_message = "env must be 2 to 10 lower-case letters and digits, for instance dev or prod."
  }
}

variable "account_id" {
  description = "Account of the domain (12 digits)."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "Region of the domain."
  type        = string
}

variable "vpc_id" {
  description = "VPC of the cluster."
  type        = string
}

variable "vpc_cidr" {
  description = "Addresses of the VPC."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr))
    error_message = "vpc_cidr must be an IPv4 range."
  }
}

variable "subnet_ids" {
  description = "Private subnets of the cluster."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) > 0
    error_message = "Give the subnets in which notebooks run."
  }
}

variable "primary_group_id" {
  description = "Security group of the primary node, which lets notebooks reach Livy (8998)."
  type        = string
}

variable "cluster_id" {
  description = "Id of the cluster, for the line that connects a notebook to it."
  type        = string
}

variable "buckets" {
  description = "Names of the buckets; notebooks read the one for data."
  type = object({
    data = string
  })
}

variable "user_name" {
  description = "Name of the one user profile. Rights on what its user makes are bound to this name, so no other domain of the account may have it."
  type        = string

  validation {
    condition     = can(regex("^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$", var.user_name))
    error_message = "user_name must be 1 to 63 letters, digits and hyphens."
  }
}

variable "idle_minutes" {
  description = "Minutes without activity after which a notebook is shut down; it bills until then."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_minutes >= 60 && var.idle_minutes <= 525600 && floor(var.idle_minutes) == var.idle_minutes
    error_message = "SageMaker shuts an idle notebook down after 60 minutes at the earliest."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key for home folders and buckets; null means AWS's keys."
  type        = string
  default     = null
}

variable "permissions_boundary" {
  description = "ARN of a policy that bounds the role; null means none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
