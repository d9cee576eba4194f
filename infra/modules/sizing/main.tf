# Arithmetic without a resource: from instance types, the number of images and the minutes wanted to the capacity of
# the fleets and the memory of driver and executors.

locals {
  used_types = distinct(concat(var.primary_types, var.core_types, var.task_types))

  architectures = distinct([for type in local.used_types : try(local.sizes[type].architecture, "unknown")])

  # ------------------------------------------------------------------ how many
  sized = var.images != null && var.minutes != null

  # The driver takes cores of its own beside the workers.
  driver_cores = 2
  seconds      = local.sized ? max(1, var.minutes * 60 - var.fixed_seconds) : null
  needed_vcpus = local.sized ? ceil(var.images / (var.images_per_second_per_vcpu * local.seconds)) + local.driver_cores : null

  task_step  = min([for type in var.task_types : try(local.sizes[type].vcpu, 4)]...)
  task_units = local.sized ? max(0, ceil((local.needed_vcpus - var.core_units) / local.task_step) * local.task_step) : var.task_units

  worker_vcpus = var.core_units + local.task_units - local.driver_cores

  # ------------------------------------------------------------------ how large
  # The job may land on any type of the core and task fleets: the smallest share decides.
  worker_types = distinct(concat(var.core_types, local.task_units > 0 || var.task_may_grow ? var.task_types : []))
  workers      = { for type in local.worker_types : type => local.sizes[type] if contains(keys(local.sizes), type) }

  executor_cores = min([for size in values(local.workers) : min(4, size.vcpu / 2)]...)

  # YARN counts memory only, so the executors of a node must fill it: as many as its cores carry, and no more.
  container_mb = floor(min([for size in values(local.workers) : size.yarn_mb / (size.vcpu / local.executor_cores)]...) / 32) * 32

  # The JVM handles nothing but paths; images and features live in the Python workers, beside the heap.
  least_overhead_mb = local.executor_cores * var.python_worker_mb + 512
  heap_mb           = min(1024 * local.executor_cores, local.container_mb - local.least_overhead_mb)

  executor = {
    cores       = local.executor_cores
    memory_mb   = local.heap_mb
    overhead_mb = local.container_mb - local.heap_mb
  }

  # The driver stands in an executor's place, and gets all of it: YARN counts memory only, and what a smaller driver left
  # of the place no executor could use. More places than one where one is less than it needs, which is a JVM that
  # handles nothing but paths, and Python with TensorFlow, which prepares the network once and solves the PCA.
  driver_least_mb = 768 + var.tensorflow_mb + 512
  driver_mb       = local.container_mb * ceil(local.driver_least_mb / local.container_mb)
  driver_heap_mb  = min(1024, local.driver_mb - var.tensorflow_mb - 512)

  driver = {
    cores       = local.driver_cores
    memory_mb   = local.driver_heap_mb
    overhead_mb = local.driver_mb - local.driver_heap_mb
  }
}
