# EMR's classifications: which Python runs, on how many threads, in how much memory.

locals {
  # One thread a task slot: the slots are the parallelism, and more threads than cores only wait for each other.
  thread_caps = {
    for name in ["MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTEROP_THREADS", "TF_NUM_INTRAOP_THREADS"] : name => "1"
  }

  # The region for pyarrow's S3 client: without it and without a route to anything else it asks us-east-1 and hangs.
  environment = {
    AWS_DEFAULT_REGION = var.region
    AWS_REGION         = var.region
    PYSPARK_PYTHON     = var.python
  }

  executor_environment = merge(local.environment, local.thread_caps)

  # The driver prepares the network and takes the eigenvalues while the executors wait: all of its cores.
  driver_environment = merge(
    local.environment,
    { PYSPARK_DRIVER_PYTHON = var.python },
    { for name in keys(local.thread_caps) : name => tostring(var.driver.cores) },
  )

  # Spot nodes may go at any moment, and with `maxAppAttempts` 1 the application's master must not be there when they
  # do. Since EMR 6 labels are off unless asked for; they are not exclusive: masters stay on the nodes of their label,
  # all other containers run on any node, so that core and task vCPUs featurize alike (infra/modules/sizing counts them
  # so; https://repost.aws/knowledge-center/emr-configure-node-labeling-yarn; ON_DEMAND as a label: since 7.2,
  # https://docs.aws.amazon.com/emr/latest/ManagementGuide/managed-scaling-allocation-strategy.html). Where every node is
  # on demand there is nothing to keep the master from. If a release held it otherwise, no executor would find a node
  # while Spot has none, and the run would end by `spark.fruits.executors.wait`.
  node_labels = local.has_task_fleet && local.task_spot ? {
    "yarn.node-labels.enabled"                          = "true"
    "yarn.node-labels.am.default-node-label-expression" = "ON_DEMAND"
  } : {}

  configurations = [
    {
      Classification = "spark-defaults"
      Properties = merge(
        {
          # A second attempt at a job that failed for a reason is paid twice and hides the first traceback.
          "spark.yarn.maxAppAttempts" = "1"

          "spark.driver.cores"            = tostring(var.driver.cores)
          "spark.driver.memory"           = "${var.driver.memory_mb}m"
          "spark.driver.memoryOverhead"   = "${var.driver.overhead_mb}m"
          "spark.executor.cores"          = tostring(var.executor.cores)
          "spark.executor.memory"         = "${var.executor.memory_mb}m"
          "spark.executor.memoryOverhead" = "${var.executor.overhead_mb}m"

          # A run that no executor joins ends and says so, instead of waiting, and billing, until the clock strikes. By
          # then EMR has turned from Spot to on demand, where the fleet may.
          "spark.fruits.executors.wait" = tostring(60 * max(15, var.task.spot_timeout_minutes + 5))

          # A Python worker that a signal ends leaves its stack in the exception; without, a fault of native code
          # (SIGSEGV) reads like a kill for want of memory.
          "spark.python.worker.faulthandler.enabled" = "true"
        },
        { for name, value in local.driver_environment : "spark.yarn.appMasterEnv.${name}" => value },
        { for name, value in local.executor_environment : "spark.executorEnv.${name}" => value },
      )
    },
    {
      # For shells and Livy sessions, which run the driver on the primary node.
      Classification = "spark-env"
      Properties     = {}
      Configurations = [
        {
          Classification = "export"
          Properties     = local.driver_environment
        },
      ]
    },
    {
      Classification = "yarn-site"
      Properties = merge(
        {
          # TensorFlow and OpenVINO map far more than they touch; only the memory in use counts.
          "yarn.nodemanager.vmem-check-enabled" = "false"

          # Apache's Hadoop 3.3 to 3.4.2 enforces no container's memory by default: "true" leaves it to cgroups, and
          # where there are none nobody looks (YARN-11967). A process that grows would end by the kernel's choice of a
          # victim; the polling check ends its container and says so.
          "yarn.nodemanager.resource.memory.enforced" = "false"
          "yarn.nodemanager.pmem-check-enabled"       = "true"

          # Shared pages count for each process that maps them: a third more than they are, which the sizes allow for
          # (infra/modules/sizing), and the nodes read no map of every process every three seconds.
          "yarn.nodemanager.container-monitor.procfs-tree.smaps-based-rss.enabled" = "false"
        },
        local.node_labels,
      )
    },
  ]
}
