variable "buckets" {
  description = "Names of the storage stack's buckets; null takes the names that it gives by itself."
  type = object({
    data      = string
    artifacts = string
    logs      = string
  })
  default = null
}

variable "kms_key_arn" {
  description = "ARN of the storage stack's key; null where it has none."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null ? true : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/.+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key (not an alias)."
  }
}

variable "bootstrap_uri" {
  description = "s3:// URI of bootstrap/install_tensorflow.sh under its immutable key. `make` uploads it and gives this."
  type        = string

  validation {
    condition     = can(regex("^s3://[^/]+/.+\\.sh$", var.bootstrap_uri))
    error_message = "bootstrap_uri must be the s3:// URI of the uploaded bootstrap script (s3://…/install_tensorflow.sh)."
  }
}

variable "wheelhouse_uri" {
  description = "s3:// URI of the wheelhouse of this architecture, with its hash. `make wheelhouse` uploads it and gives this."
  type        = string

  validation {
    condition     = can(regex("^s3://[^/]+/.+/$", var.wheelhouse_uri))
    error_message = "wheelhouse_uri must be an s3:// URI with a slash at the end: s3://…/wheelhouse/<sha>/."
  }
}

variable "release_label" {
  description = "EMR release: emr-7.x.y (Spark 3.5) or emr-spark-8.x.y (Spark 4)."
  type        = string
  default     = "emr-7.13.0"

  validation {
    condition     = startswith(var.release_label, "emr-")
    error_message = "\"${var.release_label}\" is not the label of an EMR release; labels look like emr-7.13.0."
  }
}

variable "release_end_of_support" {
  description = "Last day of support of a release that infra/modules/emr/releases.json does not list (YYYY-MM-DD)."
  type        = string
  default     = null
}

variable "today" {
  description = "The day from which a release's remaining support is counted (YYYY-MM-DD); null takes the day of the plan."
  type        = string
  default     = null
}

variable "primary" {
  description = "Types of the primary fleet: one node, on demand. EMR takes the cheapest that it gets; AMX types (m7i, c7i) come first."
  type = object({
    types  = optional(list(string), ["m7i.xlarge", "m6i.xlarge", "m5.xlarge"])
    market = optional(string, "ON_DEMAND")
  })
  default = {}
}

variable "core" {
  description = "Types and vCPUs of the core fleet, on demand: HDFS and the driver. 0 vCPUs mean one node: the primary runs everything, unless IMAGES= and MINUTES= ask for more than it can do."
  type = object({
    types  = optional(list(string), ["m7i.xlarge", "m6i.xlarge", "m5.xlarge"])
    units  = optional(number, 8)
    market = optional(string, "ON_DEMAND")
  })
  default = {}
}

variable "task" {
  description = "Types, vCPUs (0 means none) and market of the task fleet, and what to do when Spot has no capacity."
  type = object({
    types                = optional(list(string), ["m7i.xlarge", "m7i.2xlarge", "m6i.xlarge", "m6i.2xlarge", "m5.xlarge", "m5.2xlarge"])
    units                = optional(number, 0)
    market               = optional(string, "SPOT")
    spot_timeout_minutes = optional(number, 10)
    spot_timeout_action  = optional(string, "SWITCH_TO_ON_DEMAND")
  })
  default = {}

  validation {
    condition     = var.task.spot_timeout_minutes <= 60 * var.ttl_hours - 30
    error_message = "Waiting ${var.task.spot_timeout_minutes} minutes for Spot capacity leaves a cluster that lives ${var.ttl_hours} hours no time to work. Set task.spot_timeout_minutes to at most ${60 * var.ttl_hours - 30}, or ttl_hours higher."
  }
}

variable "managed_scaling" {
  description = "Let EMR scale the task fleet, up to so many vCPUs; null means fixed fleets."
  type = object({
    max_task_units = number
  })
  default = null

  validation {
    condition     = var.managed_scaling == null || var.enable_nat
    error_message = "EMR's managed scaling must reach a public endpoint from the nodes, and this VPC has no way out. Set enable_nat = true beside it, or size the task fleet: IMAGES= and MINUTES=."
  }

  validation {
    condition     = var.managed_scaling == null ? true : var.core.units + var.managed_scaling.max_task_units <= var.max_units && floor(var.managed_scaling.max_task_units) == var.managed_scaling.max_task_units
    error_message = "managed_scaling.max_task_units must be a whole number that gives, with the core fleet, no more vCPUs than max_units (${var.max_units}). Lower it, or raise max_units after looking at the account's EC2 quotas."
  }
}

variable "images" {
  description = "Images of the run (IMAGES=): sizes the cluster, or chooses one node where core.units is 0."
  type        = number
  default     = null
}

variable "minutes" {
  description = "Minutes that the step may take (MINUTES=); null means what ttl_hours leaves it."
  type        = number
  default     = null
}

variable "precision" {
  description = "Precision of the runs (PRECISION=): f32, or bf16, which only some types can compute."
  type        = string
  default     = "f32"
}

variable "max_units" {
  description = "vCPUs that core and task fleets may have together."
  type        = number
  default     = 64

  validation {
    condition     = var.max_units >= 4 && var.max_units <= 4096 && floor(var.max_units) == var.max_units
    error_message = "max_units must be a whole number from 4, the vCPUs of the smallest core fleet, to 4096."
  }
}

variable "root_volume_gib" {
  description = "Root volume of every node (GiB)."
  type        = number
  default     = 40
}

variable "idle_timeout_seconds" {
  description = "Seconds without a step after which the cluster ends itself."
  type        = number
  default     = 900
}

variable "ttl_hours" {
  description = "Hours after which the cluster is terminated from outside, whatever it does."
  type        = number
  default     = 4
}

variable "step_concurrency" {
  description = "Steps that may run at the same time."
  type        = number
  default     = 1
}

variable "zones" {
  description = "Letters of the availability zones with a private subnet."
  type        = list(string)
  default     = ["a", "b", "c"]
}

variable "cidr" {
  description = "Addresses of the VPC."
  type        = string
  default     = "10.42.0.0/16"
}

variable "ingress" {
  description = "Ways in to the primary node from private addresses; none by default."
  type = list(object({
    cidr        = string
    port        = number
    description = string
  }))
  default = []
}

variable "enable_nat" {
  description = "A NAT gateway: a way out to the internet."
  type        = bool
  default     = false
}

variable "enable_ssm" {
  description = "A shell on the nodes without an open port (`make shell`)."
  type        = bool
  default     = false
}

variable "enable_studio" {
  description = "A SageMaker Studio domain and user that reach the cluster through Livy."
  type        = bool
  default     = false

  validation {
    condition     = !var.enable_studio || var.enable_nat
    error_message = "SageMaker Studio inside the VPC must reach SageMaker's own services, and this VPC has no way out. Set enable_nat = true beside enable_studio = true."
  }
}

variable "permissions_boundary" {
  description = "ARN of the permissions boundary of every role, if the account requires one."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of an IAM policy."
  }
}
