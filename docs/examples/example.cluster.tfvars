core                 = { types = ["m5.xlarge", "m6i.xlarge"], units = 8 }    # vCPUs, on demand
task                 = { types = ["m5.2xlarge", "m6i.2xlarge"], units = 16 } # vCPUs, on Spot
max_units            = 32                                                    # of core and task together
idle_timeout_seconds = 900                                                   # 15 minutes
ttl_hours            = 2                                                     # the end, whatever happens
enable_ssm           = true                                                  # make shell
