# Where we are. The same text stands in every stack: they share no state, only names.

variable "project" {
  description = "Prefix of every name."
  type        = string
  default     = "fruits"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,19}$", var.project)) && !endswith(var.project, "-")
    error_message = "The project name \"${var.project}\" would make bucket names that break S3's rules: use 2 to 20 lower-case letters, digits and hyphens, beginning with a letter and not ending with a hyphen."
  }
}

variable "env" {
  description = "Environment: part of every name, so that several live in one account."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,9}$", var.env))
    error_message = "env must be 2 to 10 lower-case letters and digits, for instance dev or prod."
  }
}

variable "account_id" {
  description = "The AWS account (12 digits); nothing is applied in another one."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "region" {
  description = "Region of everything. European, because the photographs and what is computed from them stay in the EU."
  type        = string
  default     = "eu-west-3"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "\"${var.region}\" does not look like a region; write for instance eu-west-1."
  }

  validation {
    condition     = var.allow_non_eu || contains(jsondecode(file("${path.module}/../regions.json")), var.region)
    error_message = "${var.region} is outside the European Union, where this data has to stay (GDPR). Choose one of ${join(", ", jsondecode(file("${path.module}/../regions.json")))}; or, if you are free to leave, set allow_non_eu = true."
  }
}

variable "allow_non_eu" {
  description = "Allow a region outside the European Union."
  type        = bool
  default     = false
}

variable "offline" {
  description = "Plan without asking AWS anything, with dummy keys: for tests, and before there is an account."
  type        = bool
  default     = false
}

variable "emulated" {
  description = "AWS is the emulator of ENV=local."
  type        = bool
  default     = false
}

variable "tags" {
  description = "More tags for every resource."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(lower(key), "aws:")])
    error_message = "Tags whose names begin with \"aws:\" belong to AWS. Choose another name."
  }

  validation {
    condition     = alltrue([for key, value in var.tags : can(regex("^[\\p{L}\\p{N} _.:/=+@-]{1,128}$", key)) && can(regex("^[\\p{L}\\p{N} _.:/=+@-]{0,256}$", value))])
    error_message = "AWS takes letters, digits, spaces and _.:/=+-@ in tags, at most 128 in a name and 256 in a value. Write the tags with these."
  }
}

locals {
  name = "${var.project}-${var.env}"

  tags = merge(var.tags, {
    Project     = var.project
    Environment = var.env
    ManagedBy   = "terraform"
    Stack       = basename(abspath(path.root))
  })
}
