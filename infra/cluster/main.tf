# What comes and goes: the network, the roles, the cluster, and what ends it.

module "sizing" {
  source = "../modules/sizing"

  region        = var.region
  primary_types = var.primary.types
  core_types    = var.core.types
  task_types    = var.task.types
  core_units    = var.core.units
  task_units    = var.task.units
  task_may_grow = var.managed_scaling != null
  images        = var.images
  precision     = var.precision
  minutes       = var.minutes
  most_minutes  = 60 * var.ttl_hours - 30 # the start, and some air before the clock strikes
  max_units     = var.max_units
}

module "network" {
  source = "../modules/network"

  name         = local.name
  region       = var.region
  zones        = var.zones
  cidr         = var.cidr
  bucket_names = values(local.buckets)
  enable_nat   = var.enable_nat
  enable_ssm   = var.enable_ssm
  enable_kms   = var.kms_key_arn != null
  ingress      = var.ingress

  service_endpoint = startswith(var.release_label, "emr-spark-")
}

module "iam" {
  source = "../modules/iam"

  name                 = local.name
  account_id           = var.account_id
  region               = var.region
  buckets              = local.buckets
  kms_key_arn          = var.kms_key_arn
  enable_ssm           = var.enable_ssm
  permissions_boundary = var.permissions_boundary
}

module "emr" {
  source = "../modules/emr"

  name                   = local.name
  region                 = var.region
  release_label          = var.release_label
  release_end_of_support = var.release_end_of_support
  today                  = var.today
  service_role_arn       = module.iam.service_role_arn
  instance_profile_arn   = module.iam.instance_profile_arn
  subnet_ids             = module.network.private_subnet_ids
  security_group_ids     = module.network.security_group_ids
  log_uri                = "s3://${local.buckets.logs}/emr/"
  bootstrap              = local.bootstrap
  python                 = "${local.prefix}/venv/bin/python"
  types                  = module.sizing.types
  primary                = merge(var.primary, { types = module.sizing.primary_types })
  core                   = merge(var.core, { types = module.sizing.core_types, units = module.sizing.core_units })
  task                   = merge(var.task, { types = module.sizing.task_types, units = module.sizing.task_units })
  managed_scaling        = var.managed_scaling
  executor               = module.sizing.executor
  driver                 = module.sizing.driver
  root_volume_gib        = var.root_volume_gib
  idle_timeout_seconds   = var.idle_timeout_seconds
  step_concurrency       = var.step_concurrency
  kms_key_arn            = var.kms_key_arn
  enable_livy            = var.enable_studio

  # Groups that still lack their rules, or a bucket that cannot be reached yet, fail the start after minutes.
  depends_on = [module.network]
}

module "ttl" {
  source = "../modules/ttl"

  name                 = local.name
  account_id           = var.account_id
  cluster_id           = module.emr.cluster_id
  cluster_arn          = module.emr.cluster_arn
  hours                = var.ttl_hours
  permissions_boundary = var.permissions_boundary
}

module "idle" {
  source = "../modules/idle"

  name                 = local.name
  account_id           = var.account_id
  region               = var.region
  cluster_id           = module.emr.cluster_id
  cluster_arn          = module.emr.cluster_arn
  seconds              = var.idle_timeout_seconds
  watch_applications   = var.enable_studio
  permissions_boundary = var.permissions_boundary
}

module "studio" {
  source = "../modules/studio"
  count  = var.enable_studio ? 1 : 0

  name                 = local.name
  account_id           = var.account_id
  region               = var.region
  vpc_id               = module.network.vpc_id
  vpc_cidr             = module.network.vpc_cidr
  subnet_ids           = module.network.private_subnet_ids
  primary_group_id     = module.network.security_group_ids.primary
  cluster_id           = module.emr.cluster_id
  project              = var.project
  env                  = var.env
  user_name            = local.name
  buckets              = local.buckets
  kms_key_arn          = var.kms_key_arn
  permissions_boundary = var.permissions_boundary
}

locals {
  # The names that the storage stack gives, unless others are handed over.
  buckets = { for purpose in ["data", "artifacts", "logs"] : purpose => coalesce(try(var.buckets[purpose], null), "${local.name}-${purpose}-${var.account_id}") }

  prefix = "/opt/fruits"

  bootstrap = {
    uri = var.bootstrap_uri
    args = [
      "--wheelhouse", var.wheelhouse_uri,
      "--prefix", local.prefix,
      "--logs", "s3://${local.buckets.logs}/node/",
    ]
  }
}
