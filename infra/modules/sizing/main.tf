# Arithmetic without a resource: from instance types, the number of images and the minutes wanted to the shape of the
# cluster, the capacity of its fleets, and the memory of driver and executors.

locals {
  # With bf16 only the types whose processors have it; where none is left, the output core_types says so.
  given   = { primary = var.primary_types, core = var.core_types, task = var.task_types }
  capable = { for fleet, types in local.given : fleet => [for type in types : type if var.precision == "f32" || contains(local.bf16_families, split(".", type)[0])] }
  asked   = { for fleet, types in local.capable : fleet => length(types) > 0 ? types : local.given[fleet] }

  # EMR may give any type of a fleet, so the slowest counts. `make bench-tables` writes the file: `make cost` has its numbers too.
  speeds            = jsondecode(file("${path.module}/speeds.json"))
  slowest           = min([for type in flatten(values(local.asked)) : try(local.speeds[var.precision][split(".", type)[0]], local.speeds.slowest)]...)
  images_per_second = coalesce(var.images_per_second_per_vcpu, local.slowest)

  used_types = distinct(concat(local.primary_types, local.one_node ? [] : concat(local.asked.core, local.asked.task)))

  architectures = distinct([for type in local.used_types : try(local.sizes[type].architecture, "unknown")])

  # ------------------------------------------------------------------ which shape, and how many
  sized = var.images != null

  # Without MINUTES= the step has what the cluster's life leaves it.
  minutes        = var.minutes != null ? var.minutes : var.most_minutes
  seconds        = max(1, local.minutes * 60 - var.fixed_seconds)
  needed_workers = local.sized ? ceil(var.images / (local.images_per_second * local.seconds)) : 1

  # The driver idles while the executors featurize. On a cluster it takes cores of its own beside them; on one node the
  # executors have every core, and only memory is shared out.
  driver_cores = 2
  needed_vcpus = local.needed_workers + local.driver_cores

  primary_vcpus = min([for type in local.asked.primary : try(local.sizes[type].vcpu, 4)]...)
  larger        = [for shape in ["xlarge", "2xlarge", "4xlarge"] : shape if local.shapes[shape].vcpu >= local.needed_workers]
  is_enough     = local.primary_vcpus >= local.needed_workers
  node_types    = local.is_enough || length(local.larger) == 0 ? local.asked.primary : distinct([for type in local.asked.primary : "${split(".", type)[0]}.${local.larger[0]}"])
  node_vcpus    = min([for type in local.node_types : try(local.sizes[type].vcpu, 4)]...)

  core_step = min([for type in local.asked.core : try(local.sizes[type].vcpu, 4)]...)
  task_step = min([for type in local.asked.task : try(local.sizes[type].vcpu, 4)]...)

  # One node pays no primary that only manages, and starts as fast: it is taken wherever it is large enough.
  one_node = var.core_units == 0 && local.node_vcpus >= local.needed_workers

  alternatives = {
    one_node = local.node_vcpus < local.needed_workers ? null : {
      primary_types = local.node_types
      core_units    = 0
      task_units    = 0
      worker_vcpus  = local.node_vcpus
    }
    on_demand = {
      primary_types = local.asked.primary
      core_units    = max(2 * local.core_step, ceil(local.needed_vcpus / local.core_step) * local.core_step)
      task_units    = 0
      worker_vcpus  = max(2 * local.core_step, ceil(local.needed_vcpus / local.core_step) * local.core_step) - local.driver_cores
    }
    spot = {
      primary_types = local.asked.primary
      core_units    = local.core_step
      task_units    = max(1, ceil((local.needed_vcpus - local.core_step) / local.task_step)) * local.task_step
      worker_vcpus  = local.core_step + max(1, ceil((local.needed_vcpus - local.core_step) / local.task_step)) * local.task_step - local.driver_cores
    }
  }

  # With a core fleet of a stated size only the task fleet grows; without one, what one node cannot do a task fleet does.
  filled_task_units = max(0, ceil((local.needed_vcpus - var.core_units) / local.task_step) * local.task_step)

  primary_types = local.one_node ? local.node_types : local.asked.primary
  core_units    = local.one_node ? 0 : var.core_units == 0 ? local.alternatives.spot.core_units : var.core_units
  task_units    = local.one_node ? 0 : var.core_units == 0 ? local.alternatives.spot.task_units : local.sized ? max(local.filled_task_units, var.minutes == null ? var.task_units : 0) : var.task_units

  worker_vcpus = local.one_node ? local.node_vcpus : local.core_units + local.task_units - local.driver_cores

  # ------------------------------------------------------------------ how large
  # The job may land on any type that takes executors: the smallest share decides.
  worker_types = local.one_node ? local.node_types : distinct(concat(local.asked.core, local.task_units > 0 || var.task_may_grow ? local.asked.task : []))
  workers      = { for type in local.worker_types : type => local.sizes[type] if contains(keys(local.sizes), type) }

  executor_cores = min([for size in values(local.workers) : min(4, local.one_node ? size.vcpu : size.vcpu / 2)]...)

  # YARN counts memory only, so the executors of a node must fill it: as many as its cores carry, and no more. On one
  # node they share what the driver leaves.
  beside_mb    = local.one_node ? local.driver_least_mb : 0
  container_mb = floor(min([for size in values(local.workers) : (size.yarn_mb - local.beside_mb) / (size.vcpu / local.executor_cores)]...) / 32) * 32

  # The JVM handles nothing but paths; images and features live in the Python workers, beside the heap.
  least_overhead_mb = local.executor_cores * var.python_worker_mb + 512
  heap_mb           = min(1024 * local.executor_cores, local.container_mb - local.least_overhead_mb)

  executor = {
    cores       = local.executor_cores
    memory_mb   = local.heap_mb
    overhead_mb = local.container_mb - local.heap_mb
  }

  # On a cluster the driver stands in an executor's place, and gets all of it: YARN counts memory only, and what a
  # smaller driver left of the place no executor could use. More places than one where one is less than it needs, which
  # is a JVM that handles nothing but paths, and Python with TensorFlow, which prepares the network once and solves the
  # PCA. Executors run on core and task nodes alike: node labels are not exclusive (infra/modules/emr/configurations.tf).
  # Measured on a real YARN (peaks of resident memory, with report): 1,733 MB with the default network (JVM 412, Python
  # 1,334) and 2,826 with ResNet50 (390 and 2,433), which 2,816 MB did not hold; an executor of two cores 1,344.
  driver_least_mb = 1024 + var.tensorflow_mb + 1024
  driver_mb       = local.one_node ? local.beside_mb : local.container_mb * ceil(local.driver_least_mb / local.container_mb)
  driver_heap_mb  = min(1024, local.driver_mb - var.tensorflow_mb - 512)

  driver = {
    cores       = local.driver_cores
    memory_mb   = local.driver_heap_mb
    overhead_mb = local.driver_mb - local.driver_heap_mb
  }
}
