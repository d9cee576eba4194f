variable "name" {
  description = "Name of the cluster."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,39}$", var.name))
    error_message = "name must be 1 to 40 lower-case letters, digits and hyphens and begin with a letter."
  }
}

variable "region" {
  description = "Region of the cluster; given to driver and executors as AWS_REGION."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "release_label" {
  description = "EMR release: emr-7.x.y (Spark 3.5) or emr-spark-8.x.y (Spark 4)."
  type        = string
  default     = "emr-7.13.0"

  validation {
    condition     = can(regex("^emr-(7\\.[0-9]{1,2}\\.[0-9]{1,2}|spark-8\\.[0-9]{1,2}\\.[0-9]{1,2})$", var.release_label))
    error_message = "\"${var.release_label}\" is not the label of an EMR release that this project runs on. Labels look like emr-7.13.0 (Spark 3.5, Python 3.11) or emr-spark-8.0.0 (Spark 4); EMR 6 and older bring Python 3.7."
  }
}

variable "release_end_of_support" {
  description = "Last day of support of a release that is not in the module's list (YYYY-MM-DD); null takes the list."
  type        = string
  default     = null

  validation {
    condition     = var.release_end_of_support == null ? true : can(formatdate("YYYY", "${var.release_end_of_support}T00:00:00Z"))
    error_message = "release_end_of_support must be a day: YYYY-MM-DD."
  }
}

variable "release_margin_days" {
  description = "Days of support that a release must have left."
  type        = number
  default     = 90

  validation {
    condition     = var.release_margin_days >= 0
    error_message = "release_margin_days cannot be negative."
  }
}

variable "today" {
  description = "The day to count from (YYYY-MM-DD); null takes the day of the plan."
  type        = string
  default     = null

  validation {
    condition     = var.today == null ? true : can(formatdate("YYYY", "${var.today}T00:00:00Z"))
    error_message = "today must be a day: YYYY-MM-DD."
  }
}

variable "service_role_arn" {
  description = "ARN of the role that EMR takes."
  type        = string
}

variable "instance_profile_arn" {
  description = "ARN of the profile of every node."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets in several zones; EMR takes one with capacity."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Give at least two subnets in different zones: with one, a zone that is out of capacity means no cluster."
  }
}

variable "security_group_ids" {
  description = "Our own groups for the primary node, the core and task nodes, and EMR's service access."
  type = object({
    primary = string
    core    = string
    service = string
  })
}

variable "log_uri" {
  description = "Where EMR puts the logs: s3://bucket/prefix/."
  type        = string

  validation {
    condition     = can(regex("^s3://[^/]+/.+/$", var.log_uri))
    error_message = "log_uri must be s3://bucket/prefix/ with the slash at the end."
  }
}

variable "bootstrap" {
  description = "The script that every node runs before Spark starts, and its arguments. Its URI must be immutable: nodes added later fetch it again."
  type = object({
    uri  = string
    args = list(string)
  })

  validation {
    condition     = can(regex("^s3://[^/]+/.+$", var.bootstrap.uri))
    error_message = "bootstrap.uri must be the s3:// URI of the bootstrap script."
  }
}

variable "python" {
  description = "Interpreter of the virtual environment that the bootstrap makes, on every node."
  type        = string
  default     = "/opt/fruits/venv/bin/python"

  validation {
    condition     = startswith(var.python, "/")
    error_message = "python must be an absolute path: driver and executors run in different folders."
  }
}

variable "types" {
  description = "vCPUs of each instance type in use; a fleet counts its capacity in them."
  type        = map(object({ vcpu = number }))
}

variable "primary" {
  description = "Types of the primary fleet, always one node on demand."
  type = object({
    types  = list(string)
    market = optional(string, "ON_DEMAND")
  })

  validation {
    condition     = var.primary.market == "ON_DEMAND"
    error_message = "The primary node was asked for on Spot: when Spot takes it back, the cluster and every running step are gone. Leave the primary on demand; the task fleet is the place for Spot."
  }
}

variable "core" {
  description = "Types and capacity (vCPUs) of the core fleet, on demand: it holds HDFS and the driver. 0 means none: the primary runs everything."
  type = object({
    types  = list(string)
    units  = number
    market = optional(string, "ON_DEMAND")
  })

  validation {
    condition     = var.core.market == "ON_DEMAND"
    error_message = "The core fleet was asked for on Spot: it holds HDFS and the driver, so that losing a node loses the run. Leave core on demand; the task fleet is the place for Spot."
  }

  validation {
    condition     = var.core.units > 0 || var.task.units == 0 && var.managed_scaling == null
    error_message = "EMR takes no task fleet without a core fleet. Give core.units, or no task fleet."
  }
}

variable "task" {
  description = "Types, capacity (vCPUs; 0 means no fleet) and market of the task fleet, and what to do when Spot has none."
  type = object({
    types                = list(string)
    units                = number
    market               = optional(string, "SPOT")
    spot_timeout_minutes = optional(number, 10)
    spot_timeout_action  = optional(string, "SWITCH_TO_ON_DEMAND")
  })

  validation {
    condition     = contains(["SPOT", "ON_DEMAND"], var.task.market)
    error_message = "task.market must be SPOT or ON_DEMAND."
  }

  validation {
    condition     = var.task.spot_timeout_minutes >= 5 && var.task.spot_timeout_minutes <= 1440 && floor(var.task.spot_timeout_minutes) == var.task.spot_timeout_minutes
    error_message = "task.spot_timeout_minutes must be a whole number from 5 to 1440."
  }

  validation {
    condition     = contains(["SWITCH_TO_ON_DEMAND", "TERMINATE_CLUSTER"], var.task.spot_timeout_action)
    error_message = "task.spot_timeout_action must be SWITCH_TO_ON_DEMAND or TERMINATE_CLUSTER."
  }

  validation {
    condition     = length(var.task.types) <= 30
    error_message = "A fleet takes at most 30 types."
  }
}

variable "managed_scaling" {
  description = "Let EMR scale the task fleet between 0 and so many vCPUs; null means fixed fleets. It reacts in minutes, so a step of minutes gains nothing."
  type = object({
    max_task_units = number
  })
  default = null

  validation {
    condition     = var.managed_scaling == null ? true : var.managed_scaling.max_task_units >= max(1, var.task.units)
    error_message = "managed_scaling.max_task_units must be at least the task fleet's first size."
  }
}

variable "executor" {
  description = "Cores, heap and memoryOverhead (MB) of an executor."
  type = object({
    cores       = number
    memory_mb   = number
    overhead_mb = number
  })

  validation {
    condition     = var.executor.memory_mb >= 1024 && var.executor.overhead_mb >= 400 * var.executor.cores
    error_message = "An executor needs 1,024 MB of heap, and 400 MB of memoryOverhead for the Python worker of each core."
  }
}

variable "driver" {
  description = "Cores, heap and memoryOverhead (MB) of the driver."
  type = object({
    cores       = number
    memory_mb   = number
    overhead_mb = number
  })

  validation {
    condition     = var.driver.overhead_mb >= 1536
    error_message = "The driver needs 1,536 MB of memoryOverhead: TensorFlow lives there."
  }
}

variable "root_volume_gib" {
  description = "Root volume of every node (GiB): system, wheels and the installed TensorFlow."
  type        = number
  default     = 40

  validation {
    condition     = var.root_volume_gib >= 30 && var.root_volume_gib <= 100 && floor(var.root_volume_gib) == var.root_volume_gib
    error_message = "A root volume of ${var.root_volume_gib} GiB will not do: EMR's image, the wheelhouse and the installed TensorFlow need 30, and EMR allows 100. Set root_volume_gib to 30 to 100."
  }
}

variable "data_volume_gib" {
  description = "Volume of every node for HDFS, shuffle and logs (GiB, gp3)."
  type        = number
  default     = 32

  validation {
    condition     = var.data_volume_gib >= 16 && var.data_volume_gib <= 16384 && floor(var.data_volume_gib) == var.data_volume_gib
    error_message = "data_volume_gib must be a whole number from 16 to 16384."
  }
}

variable "idle_timeout_seconds" {
  description = "Seconds without a step after which the cluster ends itself. EMR looks every five minutes."
  type        = number
  default     = 900

  validation {
    condition     = var.idle_timeout_seconds >= 60 && var.idle_timeout_seconds <= var.idle_ceiling_seconds && floor(var.idle_timeout_seconds) == var.idle_timeout_seconds
    error_message = "An idle time of ${var.idle_timeout_seconds} s is not allowed: EMR takes no less than 60, and above ${var.idle_ceiling_seconds} a forgotten cluster bills for hours. Choose a shorter one; a new cluster takes minutes."
  }
}

variable "idle_ceiling_seconds" {
  description = "The longest idle time that is allowed."
  type        = number
  default     = 3600

  validation {
    condition     = var.idle_ceiling_seconds >= 60 && var.idle_ceiling_seconds <= 14400
    error_message = "idle_ceiling_seconds must be 60 to 14,400 (four hours)."
  }
}

variable "step_concurrency" {
  description = "Steps that may run at the same time. Above 1, EMR refuses steps whose failure should end the cluster."
  type        = number
  default     = 1

  validation {
    condition     = var.step_concurrency >= 1 && var.step_concurrency <= 256 && floor(var.step_concurrency) == var.step_concurrency
    error_message = "step_concurrency must be a whole number from 1 to 256."
  }
}

variable "kms_key_arn" {
  description = "ARN of the key for objects and volumes; null means S3's own keys, and volumes as the account's EBS default says."
  type        = string
  default     = null
}

variable "enable_livy" {
  description = "Install Livy and the Jupyter gateway, through which a notebook reaches the cluster."
  type        = bool
  default     = false
}

variable "tags" {
  description = "Tags of the cluster, in addition to the provider's default tags."
  type        = map(string)
  default     = {}
}
