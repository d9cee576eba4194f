# Task nodes hold no data and no driver: they may go at any time, which is what Spot means.

locals {
  task_spot = var.task.market == "SPOT"

  task_types = {
    for type in local.has_task_fleet ? var.task.types : [] : type => {
      weighted_capacity = var.types[type].vcpu
      # Never more than the on-demand price.
      bid_percentage = local.task_spot ? 100 : null
    }
  }

  # Managed scaling moves the targets itself, so they must not be compared with the plan; a fixed fleet's must. The
  # choice cannot be a variable (`ignore_changes` takes none), hence two resources of which one exists.
  fixed_task  = local.has_task_fleet && var.managed_scaling == null
  scaled_task = local.has_task_fleet && var.managed_scaling != null
}

resource "aws_emr_instance_fleet" "task" {
  count = local.fixed_task ? 1 : 0

  cluster_id                = aws_emr_cluster.this.id
  name                      = "task"
  target_on_demand_capacity = local.task_spot ? 0 : var.task.units
  target_spot_capacity      = local.task_spot ? var.task.units : 0

  dynamic "instance_type_configs" {
    for_each = local.task_types

    content {
      instance_type                              = instance_type_configs.key
      weighted_capacity                          = instance_type_configs.value.weighted_capacity
      bid_price_as_percentage_of_on_demand_price = instance_type_configs.value.bid_percentage

      ebs_config {
        size                 = var.data_volume_gib
        type                 = "gp3"
        volumes_per_instance = 1
      }
    }
  }

  launch_specifications {
    dynamic "spot_specification" {
      for_each = local.task_spot ? [1] : []

      content {
        allocation_strategy      = "price-capacity-optimized"
        timeout_action           = var.task.spot_timeout_action
        timeout_duration_minutes = var.task.spot_timeout_minutes
      }
    }

    dynamic "on_demand_specification" {
      for_each = local.task_spot ? [] : [1]

      content {
        allocation_strategy = "lowest-price"
      }
    }
  }
}

resource "aws_emr_instance_fleet" "scaled_task" {
  count = local.scaled_task ? 1 : 0

  cluster_id                = aws_emr_cluster.this.id
  name                      = "task"
  target_on_demand_capacity = local.task_spot ? 0 : max(1, var.task.units)
  target_spot_capacity      = local.task_spot ? max(1, var.task.units) : 0

  dynamic "instance_type_configs" {
    for_each = local.task_types

    content {
      instance_type                              = instance_type_configs.key
      weighted_capacity                          = instance_type_configs.value.weighted_capacity
      bid_price_as_percentage_of_on_demand_price = instance_type_configs.value.bid_percentage

      ebs_config {
        size                 = var.data_volume_gib
        type                 = "gp3"
        volumes_per_instance = 1
      }
    }
  }

  launch_specifications {
    dynamic "spot_specification" {
      for_each = local.task_spot ? [1] : []

      content {
        allocation_strategy      = "price-capacity-optimized"
        timeout_action           = var.task.spot_timeout_action
        timeout_duration_minutes = var.task.spot_timeout_minutes
      }
    }

    dynamic "on_demand_specification" {
      for_each = local.task_spot ? [] : [1]

      content {
        allocation_strategy = "lowest-price"
      }
    }
  }

  lifecycle {
    ignore_changes = [target_on_demand_capacity, target_spot_capacity]
  }
}

# Core and on-demand capacity are pinned to the core target: the provider replaces the cluster when core moves
# (hashicorp/terraform-provider-aws issues 15968, 36492).
resource "aws_emr_managed_scaling_policy" "this" {
  count = var.managed_scaling == null ? 0 : 1

  cluster_id = aws_emr_cluster.this.id

  compute_limits {
    unit_type                       = "InstanceFleetUnits"
    minimum_capacity_units          = var.core.units
    maximum_capacity_units          = var.core.units + var.managed_scaling.max_task_units
    maximum_core_capacity_units     = var.core.units
    maximum_ondemand_capacity_units = local.task_spot ? var.core.units : var.core.units + var.managed_scaling.max_task_units
  }
}
