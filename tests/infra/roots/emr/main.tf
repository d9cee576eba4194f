# The modules of the cluster alone, with every id given: what they plan is known to the last attribute, so that a
# test can take a plan for the state and ask what a change would replace.

terraform {
  required_version = ">= 1.10, < 2.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "local" {}
}

provider "aws" {
  region                      = "eu-west-3"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
}

variable "change" {
  description = "What differs from the first plan."
  type        = any
  default     = {}
}

module "sizing" {
  source = "../modules/sizing"

  region        = "eu-west-3"
  primary_types = ["m5.xlarge"]
  core_types    = try(var.change.core_types, ["m5.xlarge", "m6i.xlarge"])
  task_types    = ["m5.xlarge", "m5.2xlarge"]
  core_units    = try(var.change.core_units, 8)
  task_units    = try(var.change.task_units, 8)
  images        = try(var.change.images, null)
  minutes       = try(var.change.minutes, null)
}

module "emr" {
  source = "../modules/emr"

  name                 = "fruits-test"
  region               = "eu-west-3"
  release_label        = try(var.change.release_label, "emr-7.13.0")
  today                = "2026-11-22"
  service_role_arn     = "arn:aws:iam::000000000000:role/fruits-test-emr-service"
  instance_profile_arn = "arn:aws:iam::000000000000:instance-profile/fruits-test-emr-node"
  subnet_ids           = ["subnet-0a", "subnet-0b"]
  security_group_ids   = { primary = "sg-0a", core = "sg-0b", service = "sg-0c" }
  log_uri              = "s3://fruits-test-logs/emr/"
  bootstrap            = { uri = try(var.change.bootstrap_uri, "s3://fruits-test-artifacts/bootstrap/1/install.sh"), args = [] }
  types                = module.sizing.types
  primary              = { types = ["m5.xlarge"] }
  core                 = { types = try(var.change.core_types, ["m5.xlarge", "m6i.xlarge"]), units = module.sizing.core_units }
  task                 = { types = ["m5.xlarge", "m5.2xlarge"], units = module.sizing.task_units }
  managed_scaling      = try(var.change.managed_scaling, null)
  executor             = module.sizing.executor
  driver               = module.sizing.driver
  root_volume_gib      = try(var.change.root_volume_gib, 40)
  idle_timeout_seconds = try(var.change.idle_timeout_seconds, 900)
  step_concurrency     = try(var.change.step_concurrency, 1)
  enable_livy          = try(var.change.enable_livy, false)
  tags                 = try(var.change.tags, {})
}
