# One node of each kind, the task node on Spot so that node labels are there to be looked at; an hour at the most.
primary   = { types = ["m5.xlarge", "m6i.xlarge"] }
core      = { types = ["m5.xlarge", "m6i.xlarge"], units = 4 }
task      = { types = ["m5.xlarge", "m6i.xlarge"], units = 4 }
ttl_hours = 1
# the logs are waited for, and the clock is tried: the idle limit must not come first
idle_timeout_seconds = 3600
