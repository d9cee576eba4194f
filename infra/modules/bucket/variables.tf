variable "name" {
  description = "Name of the bucket, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "The bucket name \"${var.name}\" breaks S3's rules: 3 to 63 lower-case letters, digits and hyphens, beginning and ending with a letter or digit (dots are left out because they break TLS). Choose a shorter or plainer project or bucket name."
  }

  validation {
    condition     = !startswith(var.name, "xn--") && !startswith(var.name, "sthree-") && !startswith(var.name, "amzn-s3-demo-") && !endswith(var.name, "-s3alias") && !endswith(var.name, "--ol-s3")
    error_message = "The bucket name \"${var.name}\" begins or ends with a word that S3 keeps for itself (xn--, sthree-, amzn-s3-demo-, -s3alias, --ol-s3). Choose another project or bucket name."
  }
}

variable "versioned" {
  description = "Keep old versions of overwritten or deleted objects."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Let Terraform delete the objects with the bucket. Only `make purge` turns it on."
  type        = bool
  default     = false
}

variable "kms_key" {
  description = "The KMS key that encrypts the objects; null means S3's own keys (AES256). An object, so that a plan knows whether there is one before its ARN is known."
  type = object({
    arn = string
  })
  default = null
}

variable "lifecycle_rules" {
  description = "Days after which abandoned uploads, old versions and the objects below a prefix go; null means no rules at all (a rule costs 55 s at apply)."
  type = object({
    abandoned_upload_days = optional(number, 3)
    old_version_days      = optional(number, 30)
    expire                = optional(map(number), {})
  })
  default = null

  validation {
    condition     = var.lifecycle_rules == null ? true : alltrue([for days in concat([var.lifecycle_rules.abandoned_upload_days, var.lifecycle_rules.old_version_days], values(var.lifecycle_rules.expire)) : days >= 1 && floor(days) == days])
    error_message = "Every number of days in lifecycle_rules must be a whole number of at least 1. To keep objects for ever, leave their prefix out of `expire`."
  }
}

variable "tags" {
  description = "Tags of the bucket, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
