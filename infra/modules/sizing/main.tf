# Arithmetic without a resource: from instance types, the number of images and the minutes wanted to the capacity of
# the fleets and the memory of driver and executors.

locals {
  used_types = distinct(concat(var.primary_types, var.core_types, var.task_types))

  architectures = distinct([for type in local.used_types : try(local.sizes[type].architecture, "unknown")])

  # ------------------------------------------------------------------ how many
  sized = var.images != null && var.minutes != null

  # The driver takes cores of its own beside the workers.
  seconds      = local.sized ? max(1, var.minutes * 60 - var.fixed_seconds) : null
  needed_vcpus = local.sized ? ceil(var.images / (var.images_per_second_per_vcpu * local.seconds)) + local.driver.cores : null

  task_step  = min([for type in var.task_types : try(local.sizes[type].vcpu, 4)]...)
  task_units = local.sized ? max(0, ceil((local.needed_vcpus - var.core_units) / local.task_step) * local.task_step) : var.task_units

  worker_vcpus = var.core_units + local.task_units - local.driver.cores

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

  # TensorFlow lives in the driver's Python: it prepares the network once; a PCA of more features than the known networks
  # give takes what is left. Measured on a real YARN with these sizes (m5.xlarge; 3,000 photographs at 224 px, with report;
  # peaks of resident memory, shared pages counted for each process): the driver's container 1,783 MB of 4,608 (JVM 418,
  # Python 1,372), an executor's of two cores 1,344 of 5,856 (JVM 394, Python 950). With shared pages counted once: 1,418
  # and 990.
  driver = {
    cores       = 2
    memory_mb   = 2048
    overhead_mb = var.tensorflow_mb + 1024
  }
}
