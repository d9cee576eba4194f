# The one table of instance types. vCPU and memory as EC2 gives them; yarn_mb is the memory that EMR hands to YARN
# (https://docs.aws.amazon.com/emr/latest/ReleaseGuide/emr-hadoop-task-config.html, table of 2022-01-24). Newer
# families are not in that page: they take the row of Graviton 2 of the same size, the lower one.

locals {
  families = {
    m5  = { architecture = "x86_64", kind = "general" }
    m6i = { architecture = "x86_64", kind = "general" }
    m6a = { architecture = "x86_64", kind = "general" }
    m7i = { architecture = "x86_64", kind = "general" }
    m6g = { architecture = "arm64", kind = "general" }
    m7g = { architecture = "arm64", kind = "general" }
    c5  = { architecture = "x86_64", kind = "compute" }
    c6i = { architecture = "x86_64", kind = "compute" }
    c7i = { architecture = "x86_64", kind = "compute" }
    c6g = { architecture = "arm64", kind = "compute" }
    c7g = { architecture = "arm64", kind = "compute" }
    r5  = { architecture = "x86_64", kind = "memory" }
    r6i = { architecture = "x86_64", kind = "memory" }
    r6g = { architecture = "arm64", kind = "memory" }
  }

  # What PRECISION=bf16 runs on: Intel's since Sapphire Rapids (AMX).
  bf16_families = keys(local.speeds.bf16)

  shapes = {
    xlarge = {
      vcpu    = 4
      memory  = { general = 16, compute = 8, memory = 32 }
      yarn_mb = { general = 11712, compute = 5632, memory = 23424 }
    }
    "2xlarge" = {
      vcpu    = 8
      memory  = { general = 32, compute = 16, memory = 64 }
      yarn_mb = { general = 23424, compute = 11712, memory = 54272 }
    }
    "4xlarge" = {
      vcpu    = 16
      memory  = { general = 64, compute = 32, memory = 128 }
      yarn_mb = { general = 54272, compute = 23424, memory = 116736 }
    }
  }

  sizes = merge([
    for family, about in local.families : {
      for shape, size in local.shapes : "${family}.${shape}" => {
        architecture = about.architecture
        vcpu         = size.vcpu
        memory_gib   = size.memory[about.kind]
        yarn_mb      = size.yarn_mb[about.kind]
      }
    }
  ]...)

  # Families that a region does not have: a fleet that names one is refused by EMR after minutes of waiting.
  absent = {
    eu-north-1 = ["m6a"]
  }
}
