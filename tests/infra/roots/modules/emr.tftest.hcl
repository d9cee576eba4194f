mock_provider "aws" {}

variables {
  name                 = "fruits-test"
  region               = "eu-west-3"
  release_label        = "emr-7.13.0"
  today                = "2026-11-22"
  service_role_arn     = "arn:aws:iam::000000000000:role/service"
  instance_profile_arn = "arn:aws:iam::000000000000:instance-profile/node"
  subnet_ids           = ["subnet-0a", "subnet-0b"]
  security_group_ids   = { primary = "sg-0a", core = "sg-0b", service = "sg-0c" }
  log_uri              = "s3://logs/emr/"
  bootstrap            = { uri = "s3://artifacts/bootstrap/1/install_tensorflow.sh", args = ["--prefix", "/opt/fruits"] }
  types                = { "m5.xlarge" = { vcpu = 4 }, "m5.2xlarge" = { vcpu = 8 } }
  primary              = { types = ["m5.xlarge"] }
  core                 = { types = ["m5.xlarge"], units = 8 }
  task                 = { types = ["m5.xlarge", "m5.2xlarge"], units = 16 }
  executor             = { cores = 2, memory_mb = 2048, overhead_mb = 3808 }
  driver               = { cores = 2, memory_mb = 2048, overhead_mb = 2560 }
}

run "spot_task_fleet" {
  command = plan

  module {
    source = "../modules/emr"
  }

  assert {
    condition     = aws_emr_instance_fleet.task[0].target_spot_capacity == 16 && aws_emr_instance_fleet.task[0].target_on_demand_capacity == 0
    error_message = "all of it on Spot"
  }

  assert {
    condition     = one(one(aws_emr_instance_fleet.task[0].launch_specifications).spot_specification).allocation_strategy == "price-capacity-optimized"
    error_message = "the pools that are cheap and not about to be taken back"
  }

  assert {
    condition     = length(aws_emr_instance_fleet.scaled_task) == 0 && length(aws_emr_managed_scaling_policy.this) == 0
    error_message = "scaling is off by default"
  }

  assert {
    condition     = { for config in aws_emr_instance_fleet.task[0].instance_type_configs : config.instance_type => config.weighted_capacity } == { "m5.xlarge" = 4, "m5.2xlarge" = 8 }
    error_message = "a node counts as many units as it has vCPUs"
  }

  assert {
    condition     = strcontains(aws_emr_cluster.this.configurations_json, "\"yarn.node-labels.am.default-node-label-expression\":\"ON_DEMAND\"")
    error_message = "the only attempt's master must not be on Spot"
  }

  assert {
    condition     = strcontains(aws_emr_cluster.this.configurations_json, "\"spark.fruits.executors.wait\":\"900\"")
    error_message = "a run waits a quarter of an hour for executors, no longer"
  }
}

run "no_task_fleet_no_labels" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    task = { types = ["m5.xlarge"], units = 0 }
  }

  assert {
    condition     = length(aws_emr_instance_fleet.task) == 0
    error_message = "no fleet of nothing"
  }

  assert {
    condition     = !strcontains(aws_emr_cluster.this.configurations_json, "node-labels")
    error_message = "where every node is on demand, labels would keep executors off them"
  }
}

run "on_demand_task_fleet" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    task = { types = ["m5.xlarge"], units = 4, market = "ON_DEMAND" }
  }

  assert {
    condition     = aws_emr_instance_fleet.task[0].target_spot_capacity == 0 && aws_emr_instance_fleet.task[0].target_on_demand_capacity == 4
    error_message = "none of it on Spot"
  }

  assert {
    condition     = alltrue([for config in aws_emr_instance_fleet.task[0].instance_type_configs : config.bid_price_as_percentage_of_on_demand_price == null])
    error_message = "nothing to bid for"
  }
}

run "managed_scaling_moves_the_task_fleet_only" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    managed_scaling = { max_task_units = 32 }
  }

  assert {
    condition     = length(aws_emr_instance_fleet.task) == 0 && length(aws_emr_instance_fleet.scaled_task) == 1
    error_message = "the fleet whose targets are not compared"
  }

  assert {
    condition = alltrue([
      for limits in aws_emr_managed_scaling_policy.this[0].compute_limits :
      limits.minimum_capacity_units == 8 && limits.maximum_core_capacity_units == 8 && limits.maximum_ondemand_capacity_units == 8 && limits.maximum_capacity_units == 40
    ])
    error_message = "core moves the provider to replace the cluster: max core = max on demand = core"
  }
}

run "spark_release_has_no_hadoop" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    release_label = "emr-spark-8.0.0"
    enable_livy   = true
  }

  assert {
    condition     = aws_emr_cluster.this.applications == toset(["Spark", "JupyterEnterpriseGateway", "Livy"])
    error_message = "EMR's Spark releases know no Hadoop application"
  }
}

run "key_encrypts_volumes" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-3:000000000000:key/x"
  }

  assert {
    condition     = jsondecode(aws_emr_security_configuration.this.configuration).EncryptionConfiguration.AtRestEncryptionConfiguration.LocalDiskEncryptionConfiguration.EnableEbsEncryption
    error_message = "the volumes too"
  }
}

run "refuses_spot_for_core" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    core = { types = ["m5.xlarge"], units = 8, market = "SPOT" }
  }

  expect_failures = [var.core]
}

run "refuses_a_release_about_to_end" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    today = "2028-03-01"
  }

  expect_failures = [aws_emr_cluster.this]
}

run "takes_it_with_a_smaller_margin" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    today               = "2028-03-01"
    release_margin_days = 14
  }
}

run "refuses_one_subnet" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    subnet_ids = ["subnet-0a"]
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_an_executor_without_room_for_python" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    executor = { cores = 4, memory_mb = 4096, overhead_mb = 512 }
  }

  expect_failures = [var.executor]
}

run "a_primary_alone" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    core = { types = ["m5.xlarge"], units = 0 }
    task = { types = ["m5.xlarge"], units = 0 }
  }

  assert {
    condition     = length(aws_emr_cluster.this.core_instance_fleet) == 0 && one(aws_emr_cluster.this.master_instance_fleet).target_on_demand_capacity == 1
    error_message = "a primary fleet and nothing else"
  }

  assert {
    condition     = !strcontains(aws_emr_cluster.this.configurations_json, "node-labels")
    error_message = "labels would keep the driver from the only node"
  }
}

run "refuses_a_task_fleet_without_a_core_fleet" {
  command = plan

  module {
    source = "../modules/emr"
  }

  variables {
    core = { types = ["m5.xlarge"], units = 0 }
  }

  expect_failures = [var.core]
}
