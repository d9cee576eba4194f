variable "name" {
  description = "Prefix of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name)) && !startswith(var.name, "sg-")
    error_message = "name must be 1 to 40 lower-case letters, digits and hyphens, begin with a letter and not with \"sg-\" (EC2 keeps that for ids)."
  }
}

variable "region" {
  description = "Region of the VPC."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "zones" {
  description = "Letters of the availability zones that get a private subnet, the first also an endpoint's or NAT's."
  type        = list(string)
  default     = ["a", "b", "c"]

  validation {
    condition     = length(var.zones) >= 2 && length(var.zones) <= 6 && length(distinct(var.zones)) == length(var.zones) && alltrue([for zone in var.zones : can(regex("^[a-f]$", zone))])
    error_message = "zones must be 2 to 6 different letters from a to f: with a single zone a cluster cannot start where that zone is out of capacity."
  }
}

variable "cidr" {
  description = "Addresses of the VPC; a 16th of them for each subnet."
  type        = string
  default     = "10.42.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", var.cidr)) && tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22
    error_message = "cidr must be a private IPv4 range between /16 and /22, for instance 10.42.0.0/16."
  }
}

variable "bucket_names" {
  description = "Buckets that may be reached through the S3 endpoint, in addition to those that EMR needs."
  type        = list(string)

  validation {
    condition     = length(var.bucket_names) > 0 && !contains(var.bucket_names, "*")
    error_message = "bucket_names must name the project's buckets one by one; \"*\" would let a node copy data to a bucket of anybody."
  }
}

variable "enable_nat" {
  description = "A NAT gateway: a way out to the internet (about 0.05 USD per hour, and as much per GB)."
  type        = bool
  default     = false
}

variable "enable_ssm" {
  description = "Interface endpoints of Systems Manager: a shell on a node without an open port (about 0.03 USD per hour)."
  type        = bool
  default     = false
}

variable "enable_kms" {
  description = "An interface endpoint of KMS, which nodes need where their disks are encrypted with your own key."
  type        = bool
  default     = false
}

variable "service_endpoint" {
  description = "Let the VPC reach EMR's service endpoint on port 443: releases of Spark 8 need it."
  type        = bool
  default     = false
}

variable "ingress" {
  description = "Ways in to the primary node from the operator's own network (VPN, peering): none by default."
  type = list(object({
    cidr        = string
    port        = number
    description = string
  }))
  default = []

  validation {
    condition = alltrue([
      for rule in var.ingress : can(cidrnetmask(rule.cidr)) && can(regex("^(10\\.|172\\.(1[6-9]|2[0-9]|3[01])\\.|192\\.168\\.)", rule.cidr))
    ])
    error_message = "A way in from a public address was asked for, and this cluster has none: ingress takes private ranges only (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16). For a shell set enable_ssm = true and use `make shell`."
  }

  validation {
    condition     = alltrue([for rule in var.ingress : can(regex("^[a-zA-Z0-9 ._:/()#,@\\[\\]+=&;{}!$*-]{1,255}$", rule.description))])
    error_message = "EC2 takes 1 to 255 of these characters as a rule's description: letters without accents, digits, spaces and ._-:/()#,@[]+=&;{}!$*. Write it without apostrophes and accents."
  }

  validation {
    condition     = alltrue([for rule in var.ingress : rule.port >= 1 && rule.port <= 65535 && floor(rule.port) == rule.port])
    error_message = "The port of an ingress rule must be a whole number from 1 to 65535."
  }
}

variable "tags" {
  description = "Tags of every resource, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
