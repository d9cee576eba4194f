output "architecture" {
  description = "Processor architecture of every node (x86_64 or arm64): what the wheelhouse must be built for."
  value       = local.architectures[0]

  precondition {
    condition     = length(local.architectures) == 1
    error_message = "The fleets mix processor architectures (${join(", ", local.architectures)}), and one wheelhouse serves the whole cluster. Choose types of one architecture: m6g, m7g, c6g, c7g and r6g are arm64, the others x86_64."
  }

  precondition {
    condition     = alltrue([for type in local.used_types : !contains(try(local.absent[var.region], []), split(".", type)[0])])
    error_message = "${var.region} does not offer ${join(", ", [for type in local.used_types : type if contains(try(local.absent[var.region], []), split(".", type)[0])])}; EMR would refuse the cluster after minutes. Choose other types."
  }
}

output "types" {
  description = "vCPU, memory (GiB), YARN memory (MB) and architecture of each type in use."
  value       = { for type in local.used_types : type => local.sizes[type] if contains(keys(local.sizes), type) }
}

output "primary_types" {
  description = "Types of the primary fleet: as given, or larger ones of the same families where one node does all of it."
  value       = local.primary_types
}

output "core_types" {
  description = "Types of the core fleet: as given, or those of them that compute in bf16."
  value       = local.asked.core

  precondition {
    condition     = alltrue([for types in values(local.capable) : length(types) > 0])
    error_message = "PRECISION=bf16 needs processors that compute in it, and a fleet names none of the families ${join(", ", local.bf16_families)}. Name such types, or leave PRECISION= out."
  }
}

output "task_types" {
  description = "Types of the task fleet: as given, or those of them that compute in bf16."
  value       = local.asked.task
}

output "core_units" {
  description = "vCPUs of the core fleet; 0 means none: the primary runs everything."
  value       = local.core_units
}

output "alternatives" {
  description = "Shapes that reach the same minutes: types of the primary, vCPUs of the fleets, vCPUs that featurize. null where one node is too small."
  value       = local.alternatives
}

output "task_units" {
  description = "vCPUs of the task fleet; 0 means none."
  value       = local.task_units

  precondition {
    condition     = local.core_units + local.task_units <= var.max_units
    error_message = "This needs ${local.core_units + local.task_units} vCPUs, more than max_units (${var.max_units}). Give more minutes, or raise max_units after looking at the account's EC2 quotas (new accounts have 8 to 16)."
  }
}

output "worker_vcpus" {
  description = "vCPUs that featurize: on one node all of them, on a cluster all but the driver's."
  value       = local.worker_vcpus
}

output "expected_minutes" {
  description = "Minutes that the step should take, or null where the number of images is not given."
  value       = local.sized ? ceil((var.images / (local.images_per_second * max(1, local.worker_vcpus)) + var.fixed_seconds) / 60) : null
}

output "executor" {
  description = "Cores, heap and memoryOverhead (MB) of an executor."
  value       = local.executor
}

output "driver" {
  description = "Cores, heap and memoryOverhead (MB) of the driver."
  value       = local.driver

  precondition {
    condition     = local.one_node || local.driver_mb <= min([for type in local.asked.core : try(local.sizes[type].yarn_mb, 999999)]...)
    error_message = "The driver needs ${local.driver_mb} MB of one core node, and the smallest of ${join(", ", local.asked.core)} gives YARN less. Choose larger core types."
  }

  precondition {
    condition     = !local.one_node || local.heap_mb >= 1024
    error_message = "On one node the driver takes ${local.driver_mb} MB and ${local.executor_cores} cores featurize in the rest, which needs ${local.driver_mb + local.least_overhead_mb + 1024} MB; the smallest of ${join(", ", local.node_types)} gives YARN less. Choose larger primary types, such as m7i.xlarge or c7i.2xlarge."
  }
}
