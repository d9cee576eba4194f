output "cluster_id" {
  description = "Id of the cluster (j-…)."
  value       = module.emr.cluster_id
}

output "cluster_name" {
  description = "Name of the cluster."
  value       = local.name
}

output "region" {
  description = "Region of the cluster."
  value       = var.region
}

output "release_label" {
  description = "EMR release of the cluster."
  value       = module.emr.release_label
}

output "architecture" {
  description = "Processor architecture of every node: what the wheelhouse must be built for."
  value       = module.sizing.architecture
}

output "log_uri" {
  description = "Where EMR puts the logs."
  value       = module.emr.log_uri
}

output "python" {
  description = "Interpreter of the job on every node."
  value       = "${local.prefix}/venv/bin/python"
}

output "terminates_at" {
  description = "UTC time at which the cluster is terminated at the latest."
  value       = module.ttl.terminates_at
}

output "fleets" {
  description = "Types, vCPUs and market of each fleet: what a price is computed from."
  value = {
    primary = { types = module.sizing.primary_types, units = 1, market = var.primary.market }
    core    = { types = module.sizing.core_types, units = module.sizing.core_units, market = var.core.market }
    task    = { types = module.sizing.task_types, units = module.sizing.task_units, market = var.task.market }
  }
}

output "sizing" {
  description = "vCPUs that featurize, the minutes a step should take (null where IMAGES= was not given), and the memory of executor and driver."
  value = {
    worker_vcpus     = module.sizing.worker_vcpus
    expected_minutes = module.sizing.expected_minutes
    executor         = module.sizing.executor
    driver           = module.sizing.driver
  }
}

output "alternatives" {
  description = "Shapes that reach the same minutes, for a table of prices: one_node (null where it is too small), on_demand, spot."
  value       = module.sizing.alternatives
}

output "vpc_id" {
  description = "Id of the VPC: where EMR leaves its endpoint emr-service-vpce, which must be deleted before the VPC."
  value       = module.network.vpc_id
}

output "endpoints" {
  description = "Services that the nodes reach without the internet."
  value       = module.network.endpoints
}

output "studio" {
  description = "Studio domain, user and the line that connects a notebook to the cluster; null where it is off."
  value       = one(module.studio[*].connect)
}
