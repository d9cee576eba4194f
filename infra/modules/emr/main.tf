# The cluster: instance fleets over several types, primary and core on demand, one task fleet; or the primary alone. It
# holds no step: a step in here would make every step that somebody submits a reason to replace the cluster.

locals {
  tags = merge(var.tags, { "for-use-with-amazon-emr-managed-policies" = "true" })

  is_spark_release = startswith(var.release_label, "emr-spark-")

  # EMR's Spark releases know no Hadoop application.
  applications = concat(
    local.is_spark_release ? ["Spark"] : ["Hadoop", "Spark"],
    var.enable_livy ? ["JupyterEnterpriseGateway", "Livy"] : [],
  )

  has_task_fleet = var.task.units > 0 || var.managed_scaling != null
}

resource "aws_emr_cluster" "this" {
  # checkov:skip=CKV2_AWS_7:The groups come from the module network, which the check does not follow; they let nothing in
  # checkov:skip=CKV_AWS_114:Kerberos is for clusters that several people share; this one runs one team's steps and has no way in
  name          = var.name
  release_label = var.release_label
  applications  = local.applications
  service_role  = var.service_role_arn
  log_uri       = var.log_uri

  security_configuration = aws_emr_security_configuration.this.name
  configurations_json    = jsonencode(local.configurations)

  # Kept alive so that a second step costs no second start; the idle limit and the clock outside end it.
  keep_job_flow_alive_when_no_steps = true
  termination_protection            = false
  unhealthy_node_replacement        = true
  scale_down_behavior               = "TERMINATE_AT_TASK_COMPLETION"
  step_concurrency_level            = var.step_concurrency
  ebs_root_volume_size              = var.root_volume_gib

  tags = local.tags

  auto_termination_policy {
    idle_timeout = var.idle_timeout_seconds
  }

  ec2_attributes {
    instance_profile                  = var.instance_profile_arn
    subnet_ids                        = var.subnet_ids
    emr_managed_master_security_group = var.security_group_ids.primary
    emr_managed_slave_security_group  = var.security_group_ids.core
    service_access_security_group     = var.security_group_ids.service
  }

  master_instance_fleet {
    name                      = "primary"
    target_on_demand_capacity = 1

    dynamic "instance_type_configs" {
      for_each = toset(var.primary.types)

      content {
        instance_type     = instance_type_configs.value
        weighted_capacity = 1

        ebs_config {
          size                 = var.data_volume_gib
          type                 = "gp3"
          volumes_per_instance = 1
        }
      }
    }

    launch_specifications {
      on_demand_specification {
        allocation_strategy = "lowest-price"
      }
    }
  }

  # A cluster of one node is a primary fleet and nothing else: "all components run on the master node", whether fleets
  # or groups are used (https://docs.aws.amazon.com/emr/latest/ManagementGuide/emr-plan-instances.html).
  dynamic "core_instance_fleet" {
    for_each = var.core.units > 0 ? [1] : []

    content {
      name                      = "core"
      target_on_demand_capacity = var.core.units

      dynamic "instance_type_configs" {
        for_each = toset(var.core.types)

        content {
          instance_type     = instance_type_configs.value
          weighted_capacity = var.types[instance_type_configs.value].vcpu

          ebs_config {
            size                 = var.data_volume_gib
            type                 = "gp3"
            volumes_per_instance = 1
          }
        }
      }

      launch_specifications {
        on_demand_specification {
          allocation_strategy = "lowest-price"
        }
      }
    }
  }

  bootstrap_action {
    name = "install-tensorflow"
    path = var.bootstrap.uri
    args = var.bootstrap.args
  }

  lifecycle {
    replace_triggered_by = [terraform_data.fixed_for_life]

    precondition {
      condition     = local.release_end != null
      error_message = "${var.release_label} is not among the releases whose end of support is known here (${join(", ", keys(local.end_of_support))}). Choose one of them, or give the date from AWS's page: release_end_of_support = \"YYYY-MM-DD\"."
    }

    precondition {
      condition     = local.release_end == null ? true : timecmp("${local.release_end}T00:00:00Z", timeadd("${local.today}T00:00:00Z", "${24 * var.release_margin_days}h")) > 0
      error_message = "${var.release_label} is supported until ${coalesce(local.release_end, "an unknown day")}, less than ${var.release_margin_days} days from ${local.today}. Choose a newer release (${join(", ", keys(local.end_of_support))}), or lower release_margin_days if this cluster is not to live that long."
    }
  }
}

# What cannot change in a cluster's life, and of which the provider does not say so: EMR takes one task fleet, which is
# either fixed or scaled; and the provider "updates" a bootstrap action's path in place, which does nothing at all.
resource "terraform_data" "fixed_for_life" {
  input = join(" ", concat([var.managed_scaling == null ? "fixed" : "scaled", var.bootstrap.uri], var.bootstrap.args))
}
