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

  # 2,816 MB, so that an executor stands beside it on a c5.xlarge.
  assert {
    condition     = output.driver.memory_mb == 768 && output.driver.overhead_mb == 2048
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
    error_message = "768 + 3,072 + 512 MB are more than one place of 2,816"
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

run "refuses_images_without_minutes" {
  command = plan

  module {
    source = "../modules/sizing"
  }

  variables {
    images = 1000
  }

  expect_failures = [var.images]
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
