variables {
  region        = "eu-west-3"
  primary_types = ["m5.xlarge"]
  core_types    = ["m5.xlarge"]
  task_types    = ["m5.xlarge"]
  core_units    = 8
  task_units    = 0
}

run "executors_fill_the_node" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  assert {
    condition     = output.executor.cores == 2
    error_message = "two executors of two cores on a node of four"
  }

  # 11,712 MB of YARN memory for two executors.
  assert {
    condition     = output.executor.memory_mb + output.executor.overhead_mb == 5856
    error_message = "the executors must fill the memory, or YARN starts more of them than there are cores"
  }

  assert {
    condition     = output.executor.overhead_mb >= 2 * 400
    error_message = "400 MB for the Python worker of each core"
  }

  assert {
    condition     = output.driver.memory_mb + output.driver.overhead_mb == 5856 && output.driver.cores == 2
    error_message = "the driver takes one executor's place, and all of it"
  }

  assert {
    condition     = output.driver.overhead_mb >= 1536 && output.driver.memory_mb == 1024
    error_message = "TensorFlow lives in the driver's memoryOverhead"
  }

  assert {
    condition     = output.worker_vcpus == 6 && output.expected_minutes == null
    error_message = "the driver takes two of eight"
  }
}

run "smallest_type_decides" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_types = ["r5.4xlarge", "c5.xlarge", "m5.2xlarge"]
  }

  # c5.xlarge: 5,632 MB for two executors of two cores.
  assert {
    condition     = output.executor.cores == 2 && output.executor.memory_mb + output.executor.overhead_mb == 2816
    error_message = "an executor sized for r5 would not start on c5"
  }

  assert {
    condition     = output.executor.memory_mb >= 1024
    error_message = "the heap of the smallest type"
  }

  # ResNet50 took 2,826 MB: one place of 2,816 is too small, the driver has two.
  assert {
    condition     = output.driver.memory_mb == 1024 && output.driver.overhead_mb == 2 * 2816 - 1024
    error_message = "the driver on the smallest type"
  }
}

run "task_types_do_not_count_without_a_task_fleet" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    task_types = ["c5.xlarge"]
  }

  assert {
    condition     = output.executor.memory_mb + output.executor.overhead_mb == 5856
    error_message = "no node of that type exists"
  }
}

run "task_types_count_where_scaling_may_add_them" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    task_types    = ["c5.xlarge"]
    task_may_grow = true
  }

  assert {
    condition     = output.executor.memory_mb + output.executor.overhead_mb == 2816
    error_message = "a node of that type may come"
  }
}

run "large_nodes_take_executors_of_four_cores" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_types    = ["m7g.4xlarge"]
    core_units    = 16
    task_types    = ["m7g.4xlarge"]
    primary_types = ["m6g.xlarge"]
  }

  assert {
    condition     = output.executor.cores == 4 && output.executor.memory_mb + output.executor.overhead_mb == floor(54272 / 4 / 32) * 32
    error_message = "four executors of four cores on a node of sixteen"
  }

  assert {
    condition     = output.architecture == "arm64"
    error_message = "Graviton is arm64"
  }
}

run "sizes_from_images_and_minutes" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    images                     = 100000
    minutes                    = 2
    images_per_second_per_vcpu = 50
  }

  # 100,000 / (50 × 60 s) = 33.3 vCPUs, with the driver 36; core has 8, so 28 on the task fleet.
  assert {
    condition     = output.task_units == 28 && output.worker_vcpus == 34 && output.expected_minutes == 2
    error_message = "28 vCPUs were needed, ${output.task_units} were given"
  }
}

run "task_fleet_comes_in_whole_nodes" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    images                     = 100000
    minutes                    = 2
    images_per_second_per_vcpu = 50
    task_types                 = ["m5.2xlarge"]
  }

  assert {
    condition     = output.task_units == 32
    error_message = "28 vCPUs are four nodes of eight"
  }
}

run "a_driver_that_needs_more_takes_two_places" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_types    = ["c5.xlarge"]
    tensorflow_mb = 3072
  }

  assert {
    condition     = output.driver.memory_mb == 1024 && output.driver.overhead_mb == 2 * 2816 - 1024
    error_message = "1,024 + 3,072 + 1,024 MB are more than one place of 2,816"
  }
}

run "refuses_an_unknown_type" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    task_types = ["x9.huge"]
  }

  expect_failures = [var.task_types]
}

run "refuses_mixed_architectures" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    task_types = ["m6g.xlarge"]
  }

  expect_failures = [output.architecture]
}

run "refuses_minutes_without_images" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    minutes = 10
  }

  expect_failures = [var.minutes]
}

run "refuses_more_than_the_ceiling" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    images  = 10000000
    minutes = 5
  }

  expect_failures = [output.task_units]
}

run "refuses_a_core_fleet_without_room_for_the_driver" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_types    = ["c5.xlarge"]
    tensorflow_mb = 6144
  }

  expect_failures = [output.driver]
}

# ---------------------------------------------------------------------------------------------------- one node

run "one_node_shares_its_memory_with_the_driver" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units = 0
  }

  # 11,712 MB of YARN memory, less the driver's 1,024 + 1,536 + 1,024: one executor of all four cores, 254 times 32 MB.
  assert {
    condition     = output.executor.cores == 4 && output.executor.memory_mb == 4096 && output.executor.overhead_mb == 8128 - 4096 && output.driver.memory_mb + output.driver.overhead_mb == 3584
    error_message = "driver and executor must fit one NodeManager, to the last 32 MB"
  }

  assert {
    condition     = output.core_units == 0 && output.task_units == 0 && output.worker_vcpus == 4 && output.primary_types == tolist(["m5.xlarge"])
    error_message = "the primary alone, and all of its cores featurize"
  }
}

run "eight_cores_are_two_executors_on_one_node" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units    = 0
    primary_types = ["c7i.2xlarge", "m5.2xlarge"]
    core_types    = ["m6g.xlarge"]
  }

  # c7i.2xlarge: (11,712 - 3,584) / 2 = 4,064 MB. The types of fleets that are not made mix no architecture.
  assert {
    condition     = output.executor.cores == 4 && output.executor.memory_mb + output.executor.overhead_mb == 4064 && output.architecture == "x86_64"
    error_message = "the smaller of the primary's types decides"
  }
}

run "minutes_take_a_larger_node" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units                 = 0
    images                     = 42000
    minutes                    = 3
    images_per_second_per_vcpu = 50
    primary_types              = ["m7i.xlarge", "m5.xlarge"]
  }

  # 42,000 / (50 × 120 s) = 7 vCPUs: eight of one node.
  assert {
    condition     = output.primary_types == tolist(["m7i.2xlarge", "m5.2xlarge"]) && output.worker_vcpus == 8 && output.core_units == 0
    error_message = "the smallest node that does it in time"
  }

  # On a cluster the driver takes two beside them: 9, hence 12 of core, or 4 of core and 8 on Spot.
  assert {
    condition     = output.alternatives.on_demand.core_units == 12 && output.alternatives.spot.core_units == 4 && output.alternatives.spot.task_units == 8 && output.alternatives.spot.worker_vcpus == 10
    error_message = "what a cluster would take for the same minutes"
  }
}

run "what_no_node_does_a_cluster_does" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units                 = 0
    images                     = 100000
    minutes                    = 2
    images_per_second_per_vcpu = 50
  }

  # 34 vCPUs featurize and the driver has 2: core 4, and 32 on Spot.
  assert {
    condition     = output.core_units == 4 && output.task_units == 32 && output.worker_vcpus == 34 && output.alternatives.one_node == null
    error_message = "a cluster with Spot where no node is large enough"
  }
}

run "images_alone_have_the_clusters_life" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units                 = 0
    images                     = 5000000
    images_per_second_per_vcpu = 50
  }

  # 5,000,000 / (50 × 209 × 60 s) = 7.97 vCPUs.
  assert {
    condition     = output.worker_vcpus == 8 && output.core_units == 0 && output.expected_minutes == 210
    error_message = "three and a half hours at most"
  }
}

run "stated_fleets_stay_where_only_images_are_given" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    task_units = 16
    images     = 1000
  }

  assert {
    condition     = output.core_units == 8 && output.task_units == 16
    error_message = "few images and no hurry take nothing away"
  }
}

run "refuses_a_task_fleet_without_a_core_fleet" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units = 0
    task_units = 4
  }

  expect_failures = [var.task_units]
}

run "refuses_one_node_without_room_for_the_driver" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units    = 0
    primary_types = ["c5.xlarge"]
  }

  expect_failures = [output.driver]
}

run "bf16_asks_only_for_processors_that_have_it" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units                 = 0
    precision                  = "bf16"
    primary_types              = ["m5.xlarge", "m7i.xlarge"]
    core_types                 = ["m6i.xlarge", "m7i.xlarge"]
    task_types                 = ["c7i.2xlarge", "m5.2xlarge"]
    images                     = 21000
    minutes                    = 2
    images_per_second_per_vcpu = 87.5
  }

  # 21,000 / (87.5 × 60 s) = 4 vCPUs.
  assert {
    condition     = output.primary_types == tolist(["m7i.xlarge"]) && output.core_types == tolist(["m7i.xlarge"]) && output.task_types == tolist(["c7i.2xlarge"]) && output.worker_vcpus == 4
    error_message = "m5 and m6i would refuse the run"
  }
}

run "refuses_bf16_without_such_processors" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    precision = "bf16"
  }

  expect_failures = [output.core_types]
}

run "the_slowest_type_that_may_come_sizes_it" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    core_units    = 0
    primary_types = ["m7i.xlarge", "m5.xlarge"]
    images        = ceil(jsondecode(file("../modules/sizing/speeds.json")).f32.m5 * 4 * 120) + 100
    minutes       = 3
  }

  assert {
    condition     = output.worker_vcpus == 8
    error_message = "m5 needs more than four vCPUs for them, m7i would not"
  }
}
