variable "region" {
  description = "Region of the cluster: not every type is offered in every region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like eu-west-1."
  }
}

variable "primary_types" {
  description = "Instance types of the primary fleet."
  type        = list(string)

  validation {
    condition     = length(var.primary_types) > 0 && alltrue([for type in var.primary_types : contains(keys(local.sizes), type)])
    error_message = "The primary fleet names no type, or one whose size is not known here: ${join(", ", [for type in var.primary_types : type if !contains(keys(local.sizes), type)])}. Known are ${join(", ", keys(local.families))}, each as xlarge, 2xlarge and 4xlarge; a new one belongs into infra/modules/sizing/sizes.tf first, or memory and price would be guessed."
  }
}

variable "core_types" {
  description = "Instance types of the core fleet."
  type        = list(string)

  validation {
    condition     = length(var.core_types) > 0 && alltrue([for type in var.core_types : contains(keys(local.sizes), type)])
    error_message = "The core fleet names no type, or one whose size is not known here: ${join(", ", [for type in var.core_types : type if !contains(keys(local.sizes), type)])}. Known are ${join(", ", keys(local.families))}, each as xlarge, 2xlarge and 4xlarge; a new one belongs into infra/modules/sizing/sizes.tf first, or memory and price would be guessed."
  }
}

variable "task_types" {
  description = "Instance types of the task fleet; with more types, Spot capacity is found more easily."
  type        = list(string)

  validation {
    condition     = length(var.task_types) > 0 && alltrue([for type in var.task_types : contains(keys(local.sizes), type)])
    error_message = "The task fleet names no type, or one whose size is not known here: ${join(", ", [for type in var.task_types : type if !contains(keys(local.sizes), type)])}. Known are ${join(", ", keys(local.families))}, each as xlarge, 2xlarge and 4xlarge; a new one belongs into infra/modules/sizing/sizes.tf first, or memory and price would be guessed."
  }
}

variable "core_units" {
  description = "vCPUs of the core fleet, on demand; the driver takes 2 of them. 0 means one node, the primary, as long as that is large enough."
  type        = number

  validation {
    condition     = var.core_units == 0 || var.core_units >= 4 && floor(var.core_units) == var.core_units
    error_message = "core_units must be 0 (one node, the primary, runs everything) or a whole number of at least 4 vCPUs: the driver, which holds TensorFlow, runs on the core fleet."
  }
}

variable "task_units" {
  description = "vCPUs of the task fleet where images and minutes are not given."
  type        = number

  validation {
    condition     = var.task_units >= 0 && floor(var.task_units) == var.task_units
    error_message = "task_units must be a whole number of vCPUs; 0 means no task fleet."
  }

  validation {
    condition     = var.core_units > 0 || var.task_units == 0 && !var.task_may_grow
    error_message = "A task fleet was asked for without a core fleet, which EMR refuses: HDFS would have no place. Set core = { units = 4 } or more beside it, or leave the task fleet out and size the cluster by IMAGES= and MINUTES=."
  }
}

variable "task_may_grow" {
  description = "Managed scaling may add task nodes later: size executors for their types too."
  type        = bool
  default     = false
}

variable "images" {
  description = "Images of the run (IMAGES=): decides, together with the minutes, on one node or a cluster, and how large."
  type        = number
  default     = null

  validation {
    condition     = var.images == null ? true : var.images >= 1 && var.images <= 1000000000000 && floor(var.images) == var.images
    error_message = "images must be a whole number from 1 to 10^12; leave it out to size the fleets by core_units and task_units."
  }
}

variable "minutes" {
  description = "Minutes that the step may take (MINUTES=), not counting the 6 to 10 minutes that the cluster takes to start; null means most_minutes."
  type        = number
  default     = null

  validation {
    condition     = var.minutes == null || var.images != null
    error_message = "MINUTES= says how fast, and nothing says how much. Give the number of images too: IMAGES=."
  }

  validation {
    condition     = var.minutes == null ? true : var.minutes * 60 > var.fixed_seconds
    error_message = "A step takes some ${var.fixed_seconds} s whatever its size (Spark, the network's preparation, PCA, report), so ${var.minutes == null ? 0 : var.minutes} minutes cannot be reached. Give more minutes."
  }
}

variable "most_minutes" {
  description = "Minutes that a step has at most where none are asked for: what the cluster's life leaves it."
  type        = number
  default     = 210

  validation {
    condition     = var.most_minutes * 60 > var.fixed_seconds
    error_message = "most_minutes must leave more than the fixed part of a step."
  }
}

variable "max_units" {
  description = "vCPUs that core and task fleets may have together; new accounts have small quotas."
  type        = number
  default     = 64

  validation {
    condition     = var.max_units >= 4 && var.max_units <= 4096 && floor(var.max_units) == var.max_units
    error_message = "max_units must be a whole number from 4, the vCPUs of the smallest core fleet, to 4096."
  }
}

variable "images_per_second_per_vcpu" {
  description = "Images that one vCPU featurizes in a second, in the precision of the runs; null takes that of the slowest type, by speeds.json."
  type        = number
  default     = null

  validation {
    condition     = var.images_per_second_per_vcpu == null ? true : var.images_per_second_per_vcpu > 0
    error_message = "images_per_second_per_vcpu must be above 0."
  }
}

variable "precision" {
  description = "Precision of the runs (PRECISION=): f32, or bf16, which only some types can compute."
  type        = string
  default     = "f32"

  validation {
    condition     = contains(["f32", "bf16"], var.precision)
    error_message = "precision must be f32 or bf16."
  }
}

variable "fixed_seconds" {
  description = "Seconds of a step that do not depend on the number of images."
  type        = number
  default     = 60

  validation {
    condition     = var.fixed_seconds >= 0
    error_message = "fixed_seconds cannot be negative."
  }
}

variable "python_worker_mb" {
  description = "Memory of one Python worker with the network loaded (MB): about 400 measured, and a margin."
  type        = number
  default     = 500

  validation {
    condition     = var.python_worker_mb >= 400
    error_message = "A Python worker with the network loaded takes some 400 MB; with less YARN kills the executor."
  }
}

variable "tensorflow_mb" {
  description = "Memory of TensorFlow in the driver's Python (MB)."
  type        = number
  default     = 1536

  validation {
    condition     = var.tensorflow_mb >= 1536
    error_message = "TensorFlow takes some 1,500 MB in the driver; with less YARN kills it."
  }
}
